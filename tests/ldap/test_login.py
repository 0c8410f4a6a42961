"""Logging in through the directory: who may, who may not, and what an attacker cannot learn or do."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from app import Service, running_service
from directory_app import Ldap
from directory_data import AD_BASE, BASE, person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_login_opens_a_session_of_the_bound_account(ldap):
    await ldap.add()
    account = await ldap.bound("cn=Alice,ou=people")
    answer = await ldap.try_log_in("Alice", "alice-secret")
    assert answer.status == 200
    session = answer.body["inventory"]
    assert set(session) == {"uuid", "accountUuid", "userUuid", "expiredDate", "createDate"}
    assert session["accountUuid"] == session["userUuid"] == account["uuid"]
    assert answer.body["accountInventory"] == account
    assert set(answer.body) == {"inventory", "accountInventory"}
    row = await ldap.service.db.fetchrow(
        "SELECT origin FROM sessions WHERE account_uuid = $1", account["uuid"]
    )
    assert row["origin"] == "ldap"
    client = await ldap.log_in("Alice", "alice-secret")
    renewed = await client.job("PUT", f"/accounts/sessions/{client.token}/renew", {"renewSession": {}})
    assert renewed.status == 200


async def test_login_tells_the_classes_that_java_needs(ldap):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    body = {"logInByLdap": {"uid": "Alice", "password": "alice-secret"}}
    headers = {"X-JSON-Schema": "true"}
    answer = await ldap.service.anonymous.call("PUT", "/ldap/login", body, headers=headers)
    assert answer.body["schema"] == {
        "inventory": "org.zstack.header.identity.SessionInventory",
        "accountInventory": "org.zstack.header.identity.AccountInventory",
    }


async def test_login_name_is_the_attribute_of_the_tag(ldap):
    server = await ldap.add("ldapUseAsLoginName::uid")
    await ldap.bound("cn=Micha Kops,ou=people")
    assert (await ldap.log_in("micha.kops", "micha.kops-secret")).token
    assert (await ldap.try_log_in("Micha Kops", "micha.kops-secret")).code == "ID.1000"
    await ldap.update(server["uuid"], "ldapUseAsLoginName::mail")
    assert (await ldap.log_in("micha@example.com", "micha.kops-secret")).token


HOSTILE = [
    "*",
    "A*",
    "a)(cn=*",
    "Alice)(objectClass=*",
    "*)(|(cn=*",
    "\\2a",
    "\\41lice",
    "Ali\u00adce",
    "x" * 255,
    "(",
    "&",
]


@pytest.mark.parametrize("uid", HOSTILE)
async def test_hostile_name_finds_nobody(ldap, uid: str):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    for password in ("alice-secret", "*"):
        answer = await ldap.try_log_in(uid, password)
        assert (answer.status, answer.code) == (503, "ID.1000")


async def test_name_of_odd_characters_is_a_name(ldap):
    await ldap.add()
    await ldap.bound("cn=Star * (odd),ou=people")
    assert (await ldap.log_in("Star * (odd)", "star.*.(odd)-secret")).token


@pytest.mark.parametrize("uid", ["a\0b", "x" * 256, "", " ", None, 5])
async def test_name_that_cannot_be_one_is_refused_at_the_door(ldap, uid: Any):
    assert (await ldap.try_log_in(uid, "x")).status == 400


# The last ones are empty once prepared as RFC 4013 says, and an empty password opens every directory.
@pytest.mark.provokes("LogInByLdap", "AuthenticationFailed")
@pytest.mark.parametrize(
    "password", ["wrong", "", " ", "   ", "ALICE-SECRET", "alice-secret ", "\u00ad", "\u200b\u2060"]
)
async def test_wrong_password_opens_nothing(ldap, password: str):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    answer = await ldap.try_log_in("Alice", password)
    assert (answer.status, answer.code) == (503, "ID.1000")
    assert await ldap.service.db.fetchval("SELECT count(*) FROM ldap_logins") == 0


@pytest.mark.parametrize("password", [None, "p" * 1025, ["x"]])
async def test_password_that_cannot_be_one_is_refused_at_the_door(ldap, password: Any):
    assert (await ldap.try_log_in("Alice", password)).status == 400


async def test_refusals_are_alike_and_take_their_time(ldap):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    cases = [("Alice", "wrong"), ("Unknown", "wrong"), ("Nobody Bound", "nobody.bound-secret"), ("Alice", "")]
    bodies = []
    for uid, password in cases:
        before = time.monotonic()
        answer = await ldap.try_log_in(uid, password)
        assert time.monotonic() - before > 0.24
        bodies.append((answer.status, answer.body))
    assert bodies == bodies[:1] * len(cases)


async def test_entry_without_a_binding_has_no_account(ldap):
    await ldap.add()
    assert (await ldap.try_log_in("Nobody Bound", "nobody.bound-secret")).code == "ID.1000"


@pytest.mark.provokes("LogInByLdap", "EntryNotFound")
async def test_name_of_several_entries_is_told(ldap):
    await ldap.add("ldapUseAsLoginName::uid")
    assert (await ldap.try_log_in("twin", "twin-secret")).code == "LDAP.1002"


async def test_two_people_whose_names_nearly_agree_are_two(ldap):
    await ldap.add("ldapUseAsLoginName::uid")
    first = await ldap.bound("cn=Straße,ou=people", "first")
    second = await ldap.bound("cn=Strasse,ou=people", "second")
    for uid, account in (("strasse-1", first), ("strasse-2", second)):
        password = "straße-secret" if account is first else "strasse-secret"
        assert (await ldap.try_log_in(uid, password)).body["accountInventory"] == account


async def test_disabled_account_stays_closed(ldap):
    await ldap.add()
    account = await ldap.bound("cn=Alice,ou=people")
    await ldap.service.db.execute("UPDATE accounts SET enabled = false WHERE uuid = $1", account["uuid"])
    assert (await ldap.try_log_in("Alice", "alice-secret")).code == "ID.1000"


@pytest.mark.parametrize("name", ["staff", "company", "everything"])
async def test_member_of_a_bound_group_logs_in_through_groups_in_a_circle(ldap, name: str):
    await ldap.add("ldapServerType::OpenLdap")
    account = await ldap.bound(f"cn={name},ou=groups")
    assert (await ldap.try_log_in("Carol", "carol-secret")).body["accountInventory"] == account
    assert (await ldap.try_log_in("Bob", "bob-secret")).code == "ID.1000"
    assert (await ldap.try_log_in("Carol", "wrong")).code == "ID.1000"


async def test_groups_of_unique_names_are_openldap_s(ldap):
    server = await ldap.add()
    await ldap.bound("cn=unique,ou=groups")
    assert (await ldap.try_log_in("Bob", "bob-secret")).code == "ID.1000"
    await ldap.update(server["uuid"], "ldapServerType::OpenLdap")
    assert (await ldap.log_in("Bob", "bob-secret")).token


async def test_group_itself_does_not_log_in(ldap):
    await ldap.add()
    await ldap.bound("cn=staff,ou=groups")
    assert (await ldap.try_log_in("staff", "x")).code == "ID.1000"


@pytest.mark.provokes("LogInByLdap", "InternalError")
async def test_groups_that_lead_to_two_accounts(ldap):
    await ldap.add()
    await ldap.bound("cn=red,ou=groups", "red")
    await ldap.bound("cn=blue,ou=groups", "blue")
    assert (await ldap.try_log_in("Dave", "dave-secret")).code == "SYS.1000"
    own = await ldap.bound("cn=Dave,ou=people", "own")
    assert (await ldap.try_log_in("Dave", "dave-secret")).body["accountInventory"] == own


@pytest.mark.parametrize(
    ("attribute", "uid"), [("sAMAccountName", "ADA"), ("userPrincipalName", "ada@adtest.zs")]
)
async def test_active_directory_by_account_name_and_nested_group(ldap, attribute: str, uid: str):
    await ldap.add("ldapServerType::WindowsAD", f"ldapUseAsLoginName::{attribute}", **ldap.ad())
    account = await ldap.bound(f"CN=Cloud Users,CN=Users,{AD_BASE}")
    assert (await ldap.try_log_in(uid, "ada-secret")).body["accountInventory"] == account
    own = await ldap.bound("CN=Ada Lovelace,OU=ui,OU=zstest", "own")
    assert (await ldap.try_log_in(uid, "ada-secret")).body["accountInventory"] == own


async def test_password_changed_in_the_directory_counts_at_once(ldap):
    await ldap.add()
    dn = ldap.directory.add(person("Mover"))
    await ldap.bound(dn)
    assert (await ldap.log_in("Mover", "mover-secret")).token
    ldap.directory.change(dn, userPassword="new-secret")
    assert (await ldap.try_log_in("Mover", "mover-secret")).code == "ID.1000"
    assert (await ldap.log_in("Mover", "new-secret")).token
    ldap.directory.remove(dn)


async def blocks(ldap) -> int:
    return await ldap.service.db.fetchval("SELECT count(*) FROM login_failures WHERE blocked_until > now()")


@pytest.mark.parametrize("uid", ["Alice", "unknown"])
async def test_failures_are_throttled(ldap, uid: str):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    free = ldap.service.settings.login_free_failures
    answers = await asyncio.gather(*(ldap.try_log_in(uid, "wrong") for _ in range(free)))
    assert {answer.code for answer in answers} == {"ID.1000"}
    assert await blocks(ldap) == 1
    blocked = await ldap.try_log_in(uid, f"{uid.lower()}-secret")
    assert (blocked.status, blocked.body) == (answers[0].status, answers[0].body)


async def test_spellings_of_a_name_share_one_counter(ldap):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    for spelling in ("Alice", "alice", "ALICE", "aLICE", "alicE"):
        await ldap.try_log_in(spelling, "wrong")
    assert await blocks(ldap) == 1
    assert (await ldap.try_log_in("AlIcE", "alice-secret")).code == "ID.1000"


async def test_success_forgets_the_failures(ldap):
    await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    await ldap.try_log_in("Alice", "wrong")
    assert (await ldap.log_in("Alice", "alice-secret")).token
    assert (
        await ldap.service.db.fetchval("SELECT count(*) FROM login_failures WHERE subject <> 'all names'")
        == 0
    )


@pytest.mark.provokes("LogInByLdap", "TooManySessions")
async def test_sessions_are_limited(settings, directory):
    async with running_service(replace(settings, session_max_concurrent=3), senders=0) as service:
        ldap = Ldap(service, directory)
        await ldap.add()
        await ldap.bound("cn=Alice,ou=people")
        for _ in range(2):
            await ldap.log_in("Alice", "alice-secret")
        await service.anonymous.log_in("tenant", "secret")
        assert (await ldap.try_log_in("Alice", "alice-secret")).code == "ID.1006"
        assert await service.db.fetchval("SELECT count(*) FROM ldap_logins") == 2


async def test_logins_are_audited(ldap):
    await ldap.add()
    account = await ldap.bound("cn=Alice,ou=people")
    await asyncio.sleep(0.3)  # lines of earlier tests are written in groups
    await ldap.service.db.execute("DELETE FROM audits")
    await ldap.log_in("Alice", "alice-secret")
    await ldap.try_log_in("Alice", "wrong")
    async with asyncio.timeout(5):
        while len(lines := await audits(ldap.service)) < 2:
            await asyncio.sleep(0.05)
    assert [tuple(line) for line in lines] == [
        (account["uuid"], "succeeded", None),
        (None, "refused", "ID.1000"),
    ]


async def audits(service: Service) -> Any:
    return await service.db.fetch(
        "SELECT account_uuid, outcome, error_code FROM audits WHERE api = 'LogInByLdap' ORDER BY id"
    )


@pytest.mark.provokes("LogInByLdap", "NoDirectory")
async def test_login_without_a_server(ldap):
    assert (await ldap.try_log_in("Alice", "alice-secret")).code == "LDAP.1007"


@pytest.mark.provokes("LogInByLdap", "DirectoryUnreachable")
@pytest.mark.parametrize(
    "change", [{"url": "ldap://localhost:1"}, {"base": "dc=moved"}, {"password": "wrong"}]
)
async def test_directory_that_is_away_is_told_quickly_and_without_its_insides(ldap, change: dict[str, str]):
    server = await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    await ldap.update(server["uuid"], **change)
    before = time.monotonic()
    answer = await ldap.try_log_in("Alice", "alice-secret")
    assert time.monotonic() - before < 4
    assert (answer.status, answer.code) == (503, "LDAP.1000")
    assert not [word for word in ("localhost", BASE, "cn=", "moved") if word in str(answer.body)]
    assert await ldap.service.db.fetchval("SELECT count(*) FROM login_failures") == 0
    assert (await ldap.service.anonymous.log_in("tenant", "secret")).token
