"""The directory as a resource: what is tried first, what of it is shown, and what its tags do."""

import asyncio
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app import ADMIN, running_service
from directory_app import Ldap
from directory_data import BASE, SERVICE, SERVICE_PASSWORD
from zstack_mgmt import db
from zstack_mgmt.core.callers import AccountCaller
from zstack_mgmt.core.registry import Call
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.ldap import questions
from zstack_mgmt.ldap.api_servers import AddLdapServer, add_ldap_server
from zstack_mgmt.ldap.directory import DirectoryConnection, DirectoryError, Limits
from zstack_mgmt.ldap.model import Target
from zstack_mgmt.process import build_services

pytestmark = pytest.mark.asyncio(loop_scope="session")
UNKNOWN = "aaaaaaaaaaaa4aaaaaaaaaaaaaaaaaaa"


async def servers(ldap) -> int:
    return await ldap.service.db.fetchval("SELECT count(*) FROM ldap_servers")


async def test_added_server_is_shown_without_its_password(ldap):
    added = await ldap.add(description="ours")
    assert set(added) == {
        "uuid", "name", "description", "url", "base", "username", "encryption", "createDate", "lastOpDate"
    }  # fmt: skip
    found = (await ldap.admin.get(f"/ldap/servers/{added['uuid']}")).body
    assert found["inventories"] == [added]
    assert found["schema"]["inventories[0]"] == "org.zstack.ldap.LdapServerInventory"
    assert (await ldap.admin.get("/ldap/servers?q=name=directory")).body["inventories"] == [added]
    assert (await ldap.admin.get("/ldap/servers?q=password=x")).code == "SYS.1007"


async def test_description_is_optional_and_the_uuid_may_be_chosen(ldap):
    assert (await ldap.add(resourceUuid=UNKNOWN))["uuid"] == UNKNOWN


async def test_bind_password_is_nowhere_in_clear(ldap):
    added = await ldap.add()
    await ldap.update(added["uuid"], password=SERVICE_PASSWORD)
    rows = await ldap.service.db.fetch(
        """
        SELECT s::text AS row FROM ldap_servers s UNION ALL SELECT j::text FROM api_jobs j
        UNION ALL SELECT a::text FROM audits a
        """
    )
    assert rows
    assert not [row for row in rows if SERVICE_PASSWORD in row["row"]]


@pytest.mark.provokes("AddLdapServer", "DirectoryTestFailed")
@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("unreachable", {"url": "ldap://localhost:1"}),
        ("unreachable", {"url": "ldap://directory.invalid"}),
        ("credentials", {"password": "wrong"}),
        ("credentials", {"username": f"cn=nobody,{BASE}"}),
        ("credentials", {"username": "no name"}),
        ("credentials", {"password": ""}),
        ("base", {"base": f"ou=none,{BASE}"}),
        ("base", {"base": "no name"}),
        ("base", {"base": ""}),
        ("base", {"base": f"ou=bulk,{BASE}", "username": "", "password": ""}),
        ("tls", {"url": "ldaps://localhost:PORT"}),
    ],
)
async def test_failed_test_tells_the_wrong_setting_and_stores_nothing(ldap, reason: str, changes: Any):
    changes = {key: value.replace("PORT", str(ldap.directory.port)) for key, value in changes.items()}
    answer = await ldap.try_add(**changes)
    assert (answer.status, answer.code) == (503, "LDAP.1006")
    assert answer.body["error"]["opaque"] == {"reason": reason}
    assert "secret" not in str(answer.body)
    assert await servers(ldap) == 0


@pytest.mark.parametrize("host", ["directory.invalid", "two..dots", "a" * 70, "[fe80::1%25none]"])
async def test_host_that_cannot_be_found_is_told_as_that(ldap, host: str):
    answer = await ldap.try_add(url=f"ldap://{host}")
    details = answer.body["error"]["details"]
    assert answer.code == "LDAP.1006"
    assert details == "the host cannot be reached: the name of the host is not known"


async def test_anonymous_directory_needs_no_login(ldap):
    assert (await ldap.add(username="", password=""))["username"] == ""


@pytest.mark.parametrize("form", ["StartTLS", "ldaps", "ldaps and TLS"])
async def test_tls_with_a_certificate_of_a_known_authority(ldap, form: str):
    url = ldap.directory.url if form == "StartTLS" else ldap.directory.tls_url
    await ldap.add(url=url, encryption="None" if form == "ldaps" else "TLS")
    await ldap.bound("cn=Alice,ou=people")
    assert (await ldap.log_in("Alice", "alice-secret")).token


@pytest.mark.parametrize("form", ["StartTLS", "ldaps"])
async def test_certificate_for_another_host_is_refused(ldap, form: str):
    ports = {
        "StartTLS": f"ldap://127.0.0.1:{ldap.directory.port}",
        "ldaps": f"ldaps://127.0.0.1:{ldap.directory.tls_port}",
    }
    answer = await ldap.try_add(url=ports[form], encryption="TLS")
    assert answer.code == "LDAP.1006"
    assert answer.body["error"]["opaque"] == {"reason": "tls"}
    assert "mismatch" in answer.body["error"]["details"]


async def test_certificate_of_an_unknown_authority_is_refused(settings, directory):
    stranger = replace(settings, ldap_ca_file=str(directory.stranger.file))
    async with running_service(stranger, senders=0) as service:
        ldap = Ldap(service, directory)
        for changes in ({"encryption": "TLS"}, {"url": directory.tls_url}):
            answer = await ldap.try_add(**changes)
            assert answer.code == "LDAP.1006"
            assert answer.body["error"]["opaque"] == {"reason": "tls"}


@pytest.mark.parametrize("file", ["", "/none.pem", __file__])
async def test_no_authorities_vouch_for_nobody(directory, file: str):
    target = Target(directory.url, BASE, SERVICE, SERVICE_PASSWORD, "TLS")
    with (
        closing(DirectoryConnection(target, Limits(1, file))) as line,
        pytest.raises(DirectoryError) as refused,
    ):
        questions.test(line)
    assert refused.value.reason == "tls"


@pytest.mark.provokes("AddLdapServer", "OneDirectoryOnly")
async def test_second_server_is_refused(ldap):
    await ldap.add()
    answer = await ldap.try_add(name="second")
    assert (answer.status, answer.code) == (503, "LDAP.1001")


async def test_of_two_added_at_once_one_stays(ldap):
    answers = await asyncio.gather(*(ldap.try_add(name=str(n)) for n in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 503, 503, 503]
    assert {answer.code for answer in answers if answer.status != 200} == {"LDAP.1001"}


async def test_validation_only_tests_and_stores_nothing(ldap):
    answer = await ldap.try_add("ephemeral::validationOnly")
    assert (answer.status, answer.body) == (200, {})
    assert (await ldap.try_add("ephemeral::validationOnly", password="wrong")).code == "LDAP.1006"
    assert await servers(ldap) == 0


async def test_second_run_of_a_job_finds_what_the_first_one_added(ldap):
    settings = ldap.service.settings
    services = build_services(settings)
    sealed = ldap.params(password=services.sealer.seal(SERVICE_PASSWORD, "password"))
    request, call = AddLdapServer.model_validate(sealed), Call(AccountCaller(ADMIN, is_admin=True), services)
    async with db.create_pool(settings, application="test") as pool:
        work: Any = SimpleNamespace(transaction=Direct(pool).transaction, token=UNKNOWN)
        first = await add_ldap_server(call, work, request)
        assert await add_ldap_server(call, work, request) == first
        work.token = ADMIN
        with pytest.raises(Exception, match="ldap_servers_singleton_key"):
            await add_ldap_server(call, work, request)


@pytest.mark.provokes("AddLdapServer", "InvalidArgument")
@pytest.mark.provokes("UpdateLdapServer", "InvalidArgument")
@pytest.mark.parametrize(
    "tags",
    [
        ["ldapServerType::Novell"],
        ["ldapUseAsLoginName::a)(cn=*"],
        ["ldapUseAsLoginName::"],
        ["ldapCleanBindingFilter::(cn="],
        ["ldapServerType::OpenLdap", "ldapServerType::WindowsAD"],
    ],
)
async def test_tags_that_mean_nothing_are_refused(ldap, tags: list[str]):
    assert (await ldap.try_add(*tags)).code == "SYS.1007"
    server = await ldap.add()
    assert (await ldap.update(server["uuid"], *tags)).code == "SYS.1007"


async def tags_of(ldap, uuid: str) -> list[str]:
    rows = await ldap.service.db.fetch("SELECT tag FROM tags WHERE resource_uuid = $1 ORDER BY tag", uuid)
    return [row[0] for row in rows]


async def test_update_replaces_the_tag_of_the_same_pattern(ldap):
    server = await ldap.add("ldapServerType::OpenLdap", "ldapUseAsLoginName::uid", "ephemeral::x")
    await ldap.update(server["uuid"], "ldapUseAsLoginName::mail", "ldapCleanBindingFilter::(cn=Bob)")
    assert await tags_of(ldap, server["uuid"]) == [
        "ldapCleanBindingFilter::(cn=Bob)",
        "ldapServerType::OpenLdap",
        "ldapUseAsLoginName::mail",
    ]
    found = await ldap.admin.get("/ldap/servers?q=__systemTag__=ldapUseAsLoginName::mail")
    assert [one["uuid"] for one in found.body["inventories"]] == [server["uuid"]]


async def test_update_changes_what_it_names(ldap):
    server = await ldap.add(description="before")
    changed = (await ldap.update(server["uuid"], name="new name")).inventory
    assert changed == server | {"name": "new name", "lastOpDate": changed["lastOpDate"]}


async def test_update_takes_settings_that_do_not_work_yet(ldap):
    server = await ldap.add()
    assert (await ldap.update(server["uuid"], url="ldap://localhost:1")).status == 200
    assert (await ldap.admin.get("/ldap/entry?ldapFilter=(cn=Alice)")).code == "LDAP.1000"
    assert (await ldap.update(server["uuid"], url=ldap.directory.url, password="wrong")).status == 200
    assert (await ldap.admin.get("/ldap/entry?ldapFilter=(cn=Alice)")).code == "LDAP.1000"
    assert (await ldap.update(server["uuid"], password=SERVICE_PASSWORD)).status == 200
    assert (await ldap.admin.get("/ldap/entry?ldapFilter=(cn=Alice)")).status == 200


@pytest.mark.provokes("UpdateLdapServer", "DirectoryTestFailed")
async def test_update_with_validation_only_tries_the_changed_settings(ldap):
    server = await ldap.add()
    answer = await ldap.update(server["uuid"], "ephemeral::validationOnly", name="x")
    assert (answer.status, answer.body) == (200, {})
    wrong = await ldap.update(server["uuid"], "ephemeral::validationOnly", password="wrong")
    assert wrong.code == "LDAP.1006"
    assert (await ldap.admin.get("/ldap/servers")).body["inventories"] == [server]


@pytest.mark.provokes("UpdateLdapServer", "ResourceNotFound")
async def test_update_of_no_server(ldap):
    for tags in ((), ("ephemeral::validationOnly",)):
        assert (await ldap.update(UNKNOWN, *tags, name="x")).code == "SYS.1003"


async def test_deletion_takes_tags_and_bindings_along(ldap):
    server = await ldap.add("ldapServerType::OpenLdap")
    await ldap.bound("cn=Alice,ou=people")
    client = await ldap.log_in("Alice", "alice-secret")
    for _ in range(2):
        gone = await ldap.admin.job("DELETE", f"/ldap/servers/{server['uuid']}")
        assert (gone.status, gone.body) == (200, {})
    assert (await ldap.admin.get("/ldap/bindings")).body["inventories"] == []
    assert await tags_of(ldap, server["uuid"]) == []
    assert (await client.get("/zones")).status == 200
    assert (await ldap.add())["uuid"]


@pytest.mark.provokes("DeleteLdapServer", "ResourceNotFound")
async def test_deletion_by_something_that_is_no_uuid(ldap):
    assert (await ldap.admin.job("DELETE", "/ldap/servers/nonsense")).code == "SYS.1003"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "n" * 256},
        {"description": "d" * 2049},
        {"url": "http://localhost"},
        {"url": "localhost"},
        {"url": "ldap://localhost:99999"},
        {"url": "ldap://localhost/dc=example"},
        {"url": "ldap://" + "a" * 255},
        {"base": "b" * 1025},
        {"username": "u" * 1025},
        {"password": "p" * 1025},
        {"password": "s1." + "p" * 1025},  # looks sealed
        {"encryption": "SSL"},
        {"encryption": None},
        {"resourceUuid": "x"},
    ],
)
async def test_parameters_beyond_their_limits(ldap, changes: dict[str, Any]):
    assert (await ldap.try_add(**changes)).status == 400
    if "resourceUuid" not in changes and changes != {"encryption": None}:
        assert (await ldap.update(UNKNOWN, **changes)).status == 400


async def test_longest_password_survives_its_sealing(ldap):
    assert (await ldap.try_add(password="ü" * 1024)).code == "LDAP.1006"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/ldap/servers", {"params": {}}),
        ("DELETE", f"/ldap/servers/{UNKNOWN}", None),
        ("GET", "/ldap/servers", None),
        ("PUT", f"/ldap/servers/{UNKNOWN}", {"updateLdapServer": {}}),
        ("POST", "/ldap/bindings", {"params": {}}),
        ("DELETE", f"/ldap/bindings/{UNKNOWN}", None),
        ("GET", f"/ldap/bindings/{UNKNOWN}", None),
        ("PUT", "/ldap/bindings/actions", {"cleanInvalidLdapBinding": {}}),
        ("GET", "/ldap/entry?ldapFilter=(cn=a)", None),
        ("GET", "/ldap/entries/candidates?ldapFilter=(cn=a)", None),
    ],
)
async def test_only_administrators_see_the_directory(ldap, method: str, path: str, body: Any):
    _, tenant = await ldap.service.account("tenant")
    assert (await tenant.call(method, path, body)).code == "ID.1002"
    assert (await ldap.service.anonymous.call(method, path, body)).code == "ID.1001"
