"""Which entries log in to which accounts, and what becomes of a binding whose entry has left."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from ldap3.utils.dn import escape_rdn

from app import ADMIN
from directory import stand_in
from directory_data import BASE, entry, group, person
from zstack_mgmt import db
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.registry import Call
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.ldap.api_bindings import CreateLdapBinding, create_ldap_binding
from zstack_mgmt.ldap.model import MAX_DN_BYTES
from zstack_mgmt.process import build_services

pytestmark = pytest.mark.asyncio(loop_scope="session")
UNKNOWN = "aaaaaaaaaaaa4aaaaaaaaaaaaaaaaaaa"
ALICE = f"cn=Alice,ou=people,{BASE}"
BOB = f"cn=Bob,ou=people,{BASE}"


async def tenant(ldap, name: str = "tenant") -> str:
    return (await ldap.admin.create("/accounts", name=name, password="secret"))["uuid"]


async def bindings(ldap) -> list[str]:
    return [
        one["ldapUid"] for one in (await ldap.admin.get("/ldap/bindings?sort=ldapUid")).body["inventories"]
    ]


@pytest.mark.parametrize("form", ["params", "", "bare"])
async def test_binding_in_each_form_that_clients_send(ldap, form: str):
    server, account = await ldap.add(), await tenant(ldap)
    params = {"ldapUid": ALICE, "accountUuid": account}
    answer = await ldap.admin.job("POST", "/ldap/bindings", params if form == "bare" else {form: params})
    made = answer.inventory
    assert set(made) == {"uuid", "ldapUid", "ldapServerUuid", "accountUuid", "createDate", "lastOpDate"}
    assert (made["ldapUid"], made["accountUuid"], made["ldapServerUuid"]) == (ALICE, account, server["uuid"])
    found = (await ldap.admin.get(f"/ldap/bindings?q=accountUuid={account}")).body
    assert found["inventories"] == [made]
    assert found["schema"]["inventories[0]"] == "org.zstack.ldap.LdapAccountRefInventory"
    assert (await ldap.admin.get(f"/ldap/bindings/{made['uuid']}")).body["inventories"] == [made]


@pytest.mark.parametrize("name", ["cn=Alice,ou=people", f"CN=ALICE, OU=People,{BASE}", f"uid=x,{ALICE}"])
async def test_name_is_kept_as_the_directory_writes_it(ldap, name: str):
    await ldap.add()
    answer = await ldap.try_bind(name, await tenant(ldap))
    if name.startswith("uid=x"):
        assert answer.code == "LDAP.1002"
    else:
        assert answer.inventory["ldapUid"] == ALICE


@pytest.mark.provokes("CreateLdapBinding", "EntryNotFound")
@pytest.mark.parametrize(
    "name", ["cn=Zoe,ou=people", "alice", "cn=Alice,dc=other,dc=com", "cn=*,ou=people", "=", "\x7f"]
)
async def test_name_that_is_no_entry(ldap, name: str):
    await ldap.add()
    answer = await ldap.try_bind(name, await tenant(ldap))
    assert (answer.status, answer.code) == (503, "LDAP.1002")


@pytest.mark.provokes("CreateLdapBinding", "EntryBoundAlready")
async def test_account_may_have_several_bindings_and_an_entry_one(ldap):
    await ldap.add()
    first, second = await tenant(ldap), await tenant(ldap, "second")
    await ldap.bind(ALICE, first)
    await ldap.bind(BOB, first)
    for account in (first, second):
        assert (await ldap.try_bind(ALICE.upper(), account)).code == "LDAP.1003"
    assert await bindings(ldap) == [ALICE, BOB]


async def test_entries_that_differ_by_more_than_case_are_not_one(ldap):
    await ldap.add()
    await ldap.bound("cn=Straße,ou=people", "first")
    await ldap.bound("cn=Strasse,ou=people", "second")


@pytest.mark.provokes("CreateLdapBinding", "AdminNotBindable")
async def test_built_in_admin_is_not_bound(ldap):
    await ldap.add()
    assert (await ldap.try_bind(ALICE, ADMIN)).code == "LDAP.1005"


async def test_another_administrator_may_be_bound(ldap):
    await ldap.add()
    account = await ldap.admin.create("/accounts", name="second", password="secret", type="SystemAdmin")
    await ldap.bind(ALICE, account["uuid"])
    client = await ldap.log_in("Alice", "alice-secret")
    assert (await client.get("/ldap/bindings")).status == 200


@pytest.mark.provokes("CreateLdapBinding", "InvalidArgument", "ResourceNotFound")
async def test_binding_needs_a_server_an_account_and_both_parameters(ldap):
    assert (await ldap.try_bind(ALICE, await tenant(ldap))).code == "SYS.1007"
    await ldap.add()
    assert (await ldap.try_bind(ALICE, UNKNOWN)).code == "SYS.1003"
    for params in ({"ldapUid": ALICE}, {"accountUuid": UNKNOWN}, {"ldapUid": " ", "accountUuid": UNKNOWN}):
        assert (await ldap.admin.call("POST", "/ldap/bindings", {"params": params})).status == 400
    for name in ("d" * 256, None):
        assert (await ldap.try_bind(name, UNKNOWN)).status == 400


async def test_chosen_uuid_is_used_once(ldap):
    await ldap.add()
    account = await tenant(ldap)
    assert (await ldap.try_bind(ALICE, account, resourceUuid=UNKNOWN)).inventory["uuid"] == UNKNOWN
    assert (await ldap.try_bind(BOB, account, resourceUuid=UNKNOWN)).code == "SYS.1000"


async def test_second_run_of_a_job_finds_the_binding_that_the_first_one_made(ldap):
    await ldap.add()
    settings, account = ldap.service.settings, await tenant(ldap)
    call = Call(AccountCaller(ADMIN, is_admin=True), build_services(settings))
    request = CreateLdapBinding(ldap_uid=ALICE, account_uuid=account)
    async with db.create_pool(settings, application="test") as pool:
        work: Any = SimpleNamespace(transaction=Direct(pool).transaction, token=UNKNOWN)
        first = await create_ldap_binding(call, work, request)
        assert await create_ldap_binding(call, work, request) == first


@pytest.mark.provokes("CreateLdapBinding", "DirectoryUnreachable")
async def test_binding_while_the_directory_is_away(ldap):
    server = await ldap.add()
    await ldap.update(server["uuid"], url="ldap://localhost:1")
    answer = await ldap.try_bind(ALICE, await tenant(ldap))
    assert answer.code == "LDAP.1000"
    assert "nothing listens" in answer.body["error"]["details"]


@asynccontextmanager
async def waiting_directory(ldap):
    """The server behind a proxy that forwards nothing until the event that is yielded is set."""
    go, arrived = asyncio.Event(), asyncio.Event()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await go.wait()
        behind = await asyncio.open_connection("127.0.0.1", ldap.directory.port)
        await asyncio.gather(_pump(reader, behind[1]), _pump(behind[0], writer))

    server = await ldap.add()
    async with stand_in(forward) as port:
        await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
        yield server, arrived, go


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.provokes("CreateLdapBinding", "AccountGone")
async def test_account_that_is_deleted_while_the_directory_is_asked(ldap):
    account = await tenant(ldap)
    async with waiting_directory(ldap) as (_, arrived, go):
        job = asyncio.create_task(ldap.try_bind(ALICE, account))
        await arrived.wait()
        await ldap.service.db.execute("DELETE FROM resource_owners WHERE account_uuid = $1", account)
        await ldap.service.db.execute("DELETE FROM accounts WHERE uuid = $1", account)
        go.set()
        assert (await job).code == "LDAP.1004"


@pytest.mark.provokes("CreateLdapBinding", "NoDirectory")
async def test_server_that_is_deleted_while_it_is_asked(ldap):
    account = await tenant(ldap)
    async with waiting_directory(ldap) as (server, arrived, go):
        job = asyncio.create_task(ldap.try_bind(ALICE, account))
        await arrived.wait()
        await ldap.admin.job("DELETE", f"/ldap/servers/{server['uuid']}")
        go.set()
        assert (await job).code == "LDAP.1007"


@pytest.mark.provokes("DeleteLdapBinding", "ResourceNotFound")
async def test_deletion_of_a_binding(ldap):
    await ldap.add()
    binding = await ldap.bind(ALICE, await tenant(ldap))
    for _ in range(2):
        gone = await ldap.admin.job("DELETE", f"/ldap/bindings/{binding['uuid']}")
        assert (gone.status, gone.body) == (200, {})
    assert await bindings(ldap) == []
    assert (await ldap.try_log_in("Alice", "alice-secret")).code == "ID.1000"
    assert (await ldap.admin.job("DELETE", "/ldap/bindings/nonsense")).code == "SYS.1003"


async def test_deletion_of_an_account_takes_its_bindings_along(ldap):
    await ldap.add()
    account = await ldap.bound(ALICE)
    await ldap.admin.job("DELETE", f"/accounts/{account['uuid']}")
    assert await bindings(ldap) == []
    await ldap.bound(ALICE, "next")


async def is_over(client: Any) -> bool:
    try:
        async with asyncio.timeout(6):
            while (await client.get("/accounts")).code != "ID.1001":
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


async def test_validation_only_binds_and_cleans_nothing(ldap):
    server, account = await ldap.add(), await tenant(ldap)
    tags = ["ephemeral::validationOnly"]
    body = {"params": {"ldapUid": ALICE, "accountUuid": account}, "systemTags": tags}
    answer = await ldap.admin.job("POST", "/ldap/bindings", body)
    assert (answer.status, answer.body) == (200, {})
    body["params"]["ldapUid"] = "cn=Zoe"
    assert (await ldap.admin.job("POST", "/ldap/bindings", body)).code == "LDAP.1002"
    assert await bindings(ldap) == []
    await ldap.bind(ALICE, account)
    await ldap.update(server["uuid"], "ldapCleanBindingFilter::(cn=Alice)")
    clean = {"cleanInvalidLdapBinding": {}, "systemTags": tags}
    answer = await ldap.admin.job("PUT", "/ldap/bindings/actions", clean)
    assert (answer.status, answer.body) == (200, {})
    assert await bindings(ldap) == [ALICE]


async def test_entry_that_moved_has_left_its_binding(ldap):
    await ldap.add()
    dn = ldap.directory.add(person("Nomad"))
    account = await ldap.bound(dn, "nomads")
    session = await ldap.log_in("Nomad", "nomad-secret")
    moved = ldap.directory.move(dn, f"ou=groups,{BASE}")
    assert (await ldap.try_log_in("Nomad", "nomad-secret")).code == "ID.1000"
    assert (await ldap.clean()).body["inventories"] == [account]
    assert await bindings(ldap) == []
    assert await is_over(session)
    await ldap.bind(moved, account["uuid"])
    assert (await ldap.log_in("Nomad", "nomad-secret")).token
    ldap.directory.remove(moved)


@pytest.mark.parametrize(
    "name", ["Doe, John", 'Quote " + Plus', "Back \\ Slash", "#Hash; <x>=y", "Ünïcödé 名字"]
)
async def test_entry_of_an_odd_name_is_bound_and_found_again(ldap, name: str):
    await ldap.add()
    odd = {"cn": name, "sn": name, "userPassword": "odd-secret"}
    dn = ldap.directory.add(entry(f"cn={escape_rdn(name)},ou=people,{BASE}", "inetOrgPerson", **odd))
    team = ldap.directory.add(entry(f"cn=odd,ou=groups,{BASE}", "groupOfNames", cn="odd", member=dn))
    for bound in (dn, team):
        binding = await ldap.bind(bound, await tenant(ldap, bound))
        assert (await ldap.log_in(name, "odd-secret")).token
        assert (await ldap.clean()).body == {}
        await ldap.admin.job("DELETE", f"/ldap/bindings/{binding['uuid']}")
    ldap.directory.remove(team)
    ldap.directory.remove(dn)


async def test_entry_of_a_name_that_is_too_long_is_not_bound(ldap):
    names, base = [], BASE
    while len(f"ou=last,{base}".encode()) <= MAX_DN_BYTES:
        unit = f"{len(names)}" + "\u4e2d" * 60
        base = ldap.directory.add(entry(f"ou={unit},{base}", "organizationalUnit", ou=unit))
        names.append(base)
    names.append(ldap.directory.add(entry(f"ou=last,{base}", "organizationalUnit", ou="last")))
    await ldap.add(base=base)
    refused = await ldap.try_bind("ou=last", await tenant(ldap, "long"))
    assert (refused.status, refused.code) == (503, "SYS.1007")
    for name in reversed(names):
        ldap.directory.remove(name)


async def test_clean_up_of_an_entry_that_has_left(ldap):
    await ldap.add()
    leaver = ldap.directory.add(person("Leaver"))
    account = await ldap.bound(leaver, "left")
    await ldap.bound(ALICE, "stays")
    session, alice = await ldap.log_in("Leaver", "leaver-secret"), await ldap.log_in("Alice", "alice-secret")
    by_password = await ldap.service.anonymous.log_in("left", "secret")
    ldap.directory.remove(leaver)
    assert (await ldap.try_log_in("Leaver", "leaver-secret")).code == "ID.1000"
    answer = await ldap.clean()
    assert answer.body["inventories"] == [account]
    assert await bindings(ldap) == [ALICE]
    assert await is_over(session)
    assert (await alice.get("/zones")).status == (await by_password.get("/zones")).status == 200
    again = await ldap.clean()
    assert (again.status, again.body) == (200, {})


async def test_clean_up_by_the_filter(ldap):
    server = await ldap.add("ldapCleanBindingFilter::(|(cn=Micha Kops)(cn=Nobody*))")
    account = await ldap.bound("cn=Micha Kops,ou=people")
    await ldap.bind(ALICE, account["uuid"])
    session = await ldap.log_in("Micha Kops", "micha.kops-secret")
    answer = await ldap.clean()
    assert [one["uuid"] for one in answer.body["inventories"]] == [account["uuid"]]
    assert "password" not in str(answer.body)
    assert await bindings(ldap) == [ALICE]
    assert await is_over(session)
    assert (await ldap.try_log_in("Micha Kops", "micha.kops-secret")).code == "ID.1000"
    await ldap.update(server["uuid"], "ldapCleanBindingFilter::(cn=Nobody*)")
    assert (await ldap.clean()).body == {}


async def test_clean_up_ends_the_session_of_a_group_member_that_has_left(ldap):
    await ldap.add()
    leaver = ldap.directory.add(person("Member"))
    team = ldap.directory.add(group("team", "cn=Member,ou=people", "cn=Bob,ou=people"))
    await ldap.bound(team)
    left, bob = await ldap.log_in("Member", "member-secret"), await ldap.log_in("Bob", "bob-secret")
    ldap.directory.remove(leaver)
    assert (await ldap.clean()).body == {}
    assert await bindings(ldap) == [team]
    assert await is_over(left)
    assert (await bob.get("/zones")).status == 200
    ldap.directory.remove(team)


async def test_clean_up_without_a_server(ldap):
    answer = await ldap.clean()
    assert (answer.status, answer.body) == (200, {})


@pytest.mark.provokes("CleanInvalidLdapBinding", "DirectoryUnreachable")
@pytest.mark.parametrize(
    "change", [{"url": "ldap://localhost:1"}, {"base": "dc=moved"}, {"password": "wrong"}]
)
async def test_clean_up_deletes_nothing_when_the_directory_cannot_tell(ldap, change: dict[str, str]):
    server = await ldap.add()
    await ldap.bound(ALICE)
    await ldap.update(server["uuid"], **change)
    assert (await ldap.clean()).code == "LDAP.1000"
    assert await bindings(ldap) == [ALICE]


@pytest.mark.provokes("CleanInvalidLdapBinding", "OperationError")
async def test_clean_up_by_a_filter_that_is_none(ldap):
    server = await ldap.add("ldapCleanBindingFilter::(cn=Bob)")
    await ldap.bound(ALICE)
    await ldap.service.db.execute(
        "UPDATE tags SET tag = 'ldapCleanBindingFilter::(cn=' WHERE resource_uuid = $1", server["uuid"]
    )
    assert (await ldap.clean()).code == "SYS.1006"
    assert await bindings(ldap) == [ALICE]


async def test_clean_up_of_more_bindings_than_one_call_looks_up(ldap):
    server, account = await ldap.add(), await tenant(ldap)
    await ldap.service.db.execute(
        """
        INSERT INTO ldap_bindings (uuid, ldap_uid, dn_key, ldap_server_uuid, account_uuid)
        SELECT lpad(n::text, 32, '0'), format('cn=bulk-%s,ou=bulk,%s', lpad(n::text, 4, '0'), $1::text),
               format('cn=bulk-%s,ou=bulk,%s', lpad(n::text, 4, '0'), $1::text), $2, $3
        FROM generate_series(4800, 5100) n
        """,
        BASE,
        server["uuid"],
        account,
    )
    assert [one["uuid"] for one in (await ldap.clean()).body["inventories"]] == [account]
    kept = await bindings(ldap)
    assert (len(kept), kept[-1]) == (200, f"cn=bulk-4999,ou=bulk,{BASE}")
