"""Tokens: what opens them, what they show, and what ends them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from app import ADMIN, Answer, Service
from engine.waiting import until
from keystone.talking import UNSCOPED, Keystone, Person
from zstack_mgmt.auth.throttle import subject_of, take_turn
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Lock, Pool
from zstack_mgmt.process import build_services

PROJECT = {"project": {"name": "admin", "domain": {"name": "Default"}}}
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_root_and_version_are_found_without_a_token(keystone: Keystone) -> None:
    root = await keystone.call("GET", "/", headers={"Accept": "application/json"})
    assert root.status == 300
    (found,) = root.body["versions"]["values"]
    assert found["links"] == [{"rel": "self", "href": f"{keystone.service.origin}/v3/"}]
    for path in ("/v3", "/v3/"):
        assert (await keystone.call("GET", path)).body == {"version": found}


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        (PROJECT, "project"),
        ({"domain": {"id": "default"}}, "domain"),
        ({"system": {"all": True}}, "system"),
        (UNSCOPED, None),
        (None, None),
    ],
)
async def test_scopes(keystone: Keystone, scope: object, kind: str | None) -> None:
    token = (await keystone.log_in("admin", "password", scope)).token
    assert {"project", "domain", "system"} & token.keys() == ({kind} if kind else set())
    assert ("catalog" in token) == ("roles" in token) == bool(kind)
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["user"]["id"] == ADMIN


async def test_catalog_names_this_door(admin: Person) -> None:
    (entry,) = admin.token["catalog"]
    assert entry["type"] == "identity"
    assert {e["interface"] for e in entry["endpoints"]} == {"public", "internal", "admin"}
    assert all(e["url"].endswith("/v3") and e["region_id"] == "RegionOne" for e in entry["endpoints"])
    assert (await admin.get("auth/catalog"))["catalog"] == admin.token["catalog"]


async def test_every_answer_has_its_headers(keystone: Keystone) -> None:
    for answer in (await keystone.call("GET", "users"), await keystone.call("GET", "no/such/path")):
        assert answer.headers["x-openstack-request-id"] == answer.headers["RequestId"]
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert answer.headers["Vary"] == "X-Auth-Token"
        assert answer.body["error"].keys() == {"code", "message", "title"}
        assert answer.body["error"]["code"] == answer.status


async def test_whoever_is_unknown_wrong_or_without_a_role_gets_the_same_answer(
    keystone: Keystone, admin: Person
) -> None:
    user = await admin.make("user", domain_id="default", password="secret")
    right = {"id": user["id"], "password": "secret"}
    assert (await keystone.authenticate(right)).status == 201
    refused = [
        await keystone.authenticate({**right, "password": "wrong"}),
        await keystone.authenticate({"name": "nobody", "domain": {"id": "default"}, "password": "x"}),
        await keystone.authenticate({"name": "nobody", "domain": {"name": "nowhere"}, "password": "x"}),
        await keystone.authenticate({"id": "nobody", "password": "x"}),
        await keystone.authenticate(right, PROJECT),
        await keystone.authenticate(right, {"project": {"id": "nothing"}}),
        await keystone.authenticate(right, {"domain": {"id": "default"}}),
        await keystone.authenticate(right, {"system": {"all": True}}),
    ]
    await admin.call("PATCH", f"users/{user['id']}", {"user": {"enabled": False}})
    refused.append(await keystone.authenticate(right))
    assert {answer.status for answer in refused} == {401}
    assert len({str(answer.body) for answer in refused}) == 1


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"identity": {"methods": []}}, 401),
        ({"identity": {"methods": ["totp"]}}, 401),
        ({"identity": {"methods": ["password"], "password": {"user": {"password": ["x"]}}}}, 400),
        ({"identity": {"methods": ["token"], "token": {"id": "0" * 32}}}, 404),
        (
            {
                "identity": {"methods": ["password"]},
                "scope": {"system": {"all": True}, "domain": {"id": "x"}},
            },
            400,
        ),
    ],
)
async def test_odd_logins(keystone: Keystone, auth: object, status: int) -> None:
    answer = await keystone.call("POST", "auth/tokens", {"auth": auth})
    assert answer.status == status, answer


async def test_a_body_that_is_no_json_is_refused(keystone: Keystone) -> None:
    for data, kind in ((b"{", "application/json"), (b'{"auth": {}}', "text/plain")):
        answer = await keystone.call("POST", "auth/tokens", data=data, headers={"Content-Type": kind})
        assert answer.status == 400


async def test_a_token_is_validated_and_ends(keystone: Keystone, admin: Person) -> None:
    person = await keystone.log_in("admin", "password", PROJECT)
    for method in ("GET", "HEAD"):
        answer = await admin.call(method, "auth/tokens", subject=person.secret)
        assert (answer.status, answer.headers["X-Subject-Token"]) == (200, person.secret)
    bare = await admin.call("GET", "auth/tokens?nocatalog", subject=person.secret)
    assert bare.body["token"] == {k: v for k, v in person.token.items() if k != "catalog"}
    assert (await admin.call("DELETE", "auth/tokens", subject=person.secret)).status == 204
    for method in ("GET", "HEAD", "DELETE"):
        assert (await admin.call(method, "auth/tokens", subject=person.secret)).status == 404
    ended = await person.call("GET", "users")
    assert (ended.status, ended.headers["WWW-Authenticate"]) == (
        401,
        f'Keystone uri="{keystone.service.origin}/v3"',
    )


async def test_a_user_sees_its_own_token_only(keystone: Keystone, admin: Person) -> None:
    user = await admin.make("user", password="secret")
    person = await keystone.log_in(user["name"], "secret")
    assert (await person.call("GET", "auth/tokens", subject=person.secret)).status == 200
    assert (await person.call("GET", "auth/tokens", subject=admin.secret)).status == 403
    assert (await person.call("DELETE", "auth/tokens", subject=admin.secret)).status == 403


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements about tokens and the catalog that this process has sent so far."""
    lend = Pool.acquire
    noted: list[str] = []

    def note(record: Any) -> None:
        if "FROM sessions" in record.query or "catalog_" in record.query:
            noted.append(record.query)

    @asynccontextmanager
    async def counting(pool: Pool, **options: Any) -> AsyncIterator[Any]:
        async with lend(pool, **options) as conn:
            cast("Any", conn).add_query_logger(note)
            try:
                yield conn
            finally:
                cast("Any", conn).remove_query_logger(note)

    monkeypatch.setattr(Pool, "acquire", counting)
    return noted


@pytest.mark.parametrize("own", [True, False])
async def test_a_validation_costs_one_statement(
    keystone: Keystone, admin: Person, asked: list[str], own: bool
) -> None:
    project = await admin.make("project")
    where = {"project": {"id": project["id"]}}
    person = await admin.newcomer("member", f"projects/{project['id']}", "default", where)
    bearer = person if own else admin
    asked.clear()
    answer = await bearer.call("GET", "auth/tokens", subject=person.secret)
    assert answer.body == {"token": person.token}
    assert len(asked) == 1, asked


async def test_validations_at_once_share_statements_and_each_gets_its_own_token(
    keystone: Keystone, admin: Person, asked: list[str]
) -> None:
    people = [await keystone.log_in("admin", "password", PROJECT) for _ in range(40)]
    await people[3].call("DELETE", "auth/tokens", subject=people[3].secret)
    asked.clear()
    answers = await asyncio.gather(
        *(admin.call("GET", "auth/tokens", subject=one.secret) for one in people),
        *(one.call("GET", "auth/tokens", subject=one.secret) for one in people),
    )
    for i, person in enumerate(people):
        seen, own = answers[i], answers[i + len(people)]
        if i == 3:
            assert (seen.status, own.status) == (404, 401)
        else:
            assert seen.body == own.body == {"token": person.token}
    assert len(asked) < len(answers) // 2, len(asked)


async def test_a_validation_sees_each_revocation_at_once(keystone: Keystone, admin: Person) -> None:
    domain = await admin.make("domain")
    project = await admin.make("project", domain_id=domain["id"])
    group = await admin.make("group", domain_id=domain["id"])
    where = f"projects/{project['id']}"
    scope = {"project": {"id": project["id"]}}
    person = await admin.newcomer("member", where, domain["id"], scope)
    member, reader = await admin.role("member"), await admin.role("reader")
    mine, ours = f"{where}/users/{person.id}/roles", f"{where}/groups/{group['id']}/roles"
    joined = f"groups/{group['id']}/users/{person.id}"

    async def shown() -> list[str] | int:
        answer = await admin.call("GET", "auth/tokens", subject=person.secret)
        if answer.status != 200:
            return answer.status
        return [role["name"] for role in answer.body["token"]["roles"]]

    assert await shown() == ["member"]
    for method, path, body, roles in (
        ("PUT", f"{ours}/{reader}", None, ["member"]),
        ("PUT", joined, None, ["member", "reader"]),
        ("PUT", f"{ours}/{member}", None, ["member", "reader"]),
        ("DELETE", f"{mine}/{member}", None, ["member", "reader"]),
        ("DELETE", joined, None, 404),
        ("PUT", f"{mine}/{member}", None, ["member"]),
        ("PATCH", where, {"project": {"enabled": False}}, 404),
        ("PATCH", where, {"project": {"enabled": True}}, 404),  # its tokens have ended for good
    ):
        assert (await admin.call(method, path, body)).status in (200, 204), path
        assert await shown() == roles, (method, path)


async def test_a_rescoped_token_keeps_its_end_and_its_ancestor(keystone: Keystone) -> None:
    first = await keystone.log_in("admin", "password", UNSCOPED)
    auth = {"identity": {"methods": ["token"], "token": {"id": first.secret}}, "scope": PROJECT}
    answer = await first.call("POST", "auth/tokens", {"auth": auth})
    assert answer.status == 201
    token = answer.body["token"]
    assert token["expires_at"] == first.token["expires_at"]
    assert set(token["methods"]) == {"password", "token"}
    assert token["audit_ids"][1] == first.token["audit_ids"][0]
    child = answer.headers["X-Subject-Token"]
    assert (await first.call("DELETE", "auth/tokens", subject=child)).status == 204
    assert (await first.call("GET", "auth/projects")).status == 200


async def test_a_token_without_a_role_in_its_scope_is_dead_until_it_is_given_again(
    keystone: Keystone, admin: Person
) -> None:
    project = await admin.make("project")
    where = f"projects/{project['id']}"
    person = await admin.newcomer("member", where, "default", {"project": {"id": project["id"]}})
    role = await admin.role("member")
    assert (await person.call("GET", "auth/projects")).status == 200
    assert (await admin.call("DELETE", f"{where}/users/{person.id}/roles/{role}")).status == 204
    assert (await person.call("GET", "auth/projects")).status == 401
    await admin.grant("member", person.id, where)
    assert (await person.call("GET", "auth/projects")).status == 200
    await admin.call("PATCH", where, {"project": {"enabled": False}})
    assert (await person.call("GET", "auth/projects")).status == 401


async def test_one_password_opens_both_doors_and_a_stolen_digest_neither_here(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    domain = await admin.make("domain")
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    digest = hashlib.sha512(b"secret").hexdigest()
    login = {"accountName": domain["name"], "userName": user["name"], "password": digest}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": login})
    assert opened.status == 200
    stolen = {"id": user["id"], "password": digest}
    assert (await keystone.authenticate(stolen)).status == 401
    assert (await keystone.authenticate({**stolen, "password": digest.upper()})).status == 401
    assert (await keystone.authenticate({**stolen, "password": "secret"})).status == 201


async def test_token_and_session_die_together(service: Service, keystone: Keystone) -> None:
    account, client = await service.account("both-doors")
    body = {"params": {"name": "user", "password": "secret"}}
    user = (await client.job("POST", "/accounts/users", body)).inventory
    person = await keystone.log_in("user", "secret", domain=account["uuid"])
    change = {"updateUser": {"uuid": user["uuid"], "password": "another"}}
    assert (await client.job("PUT", "/accounts/users/actions", change)).status == 200
    assert (await person.call("GET", "auth/projects")).status == 401
    await keystone.log_in("user", "another", domain=account["uuid"])


async def test_a_session_is_a_token_and_a_token_a_session(service: Service, keystone: Keystone) -> None:
    account, client = await service.account("either-way")
    (project,) = (await keystone.call("GET", "auth/projects", token=client.token)).body["projects"]
    assert (project["name"], project["domain_id"]) == ("either-way", account["uuid"])
    await client.job("POST", "/accounts/users", {"params": {"name": "user", "password": "secret"}})
    login = {"accountUuid": account["uuid"], "userName": "user", "password": "secret"}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": login})
    session = opened.inventory["uuid"]
    assert (await keystone.call("GET", "auth/projects", token=session)).body["projects"] == []
    assert (await keystone.call("GET", "users", token=session)).status == 403
    person = await keystone.log_in("either-way", "secret", domain=account["uuid"])
    headers = {"Authorization": f"OAuth {person.secret}"}
    assert (await service.anonymous.get("/accounts/users", headers=headers)).status == 200
    renewed = await client.job("PUT", f"/accounts/sessions/{person.secret}/renew", {"renewSession": {}})
    assert renewed.code == "SYS.1006"


async def test_failures_of_both_doors_count_together(service: Service, keystone: Keystone) -> None:
    account, _ = await service.account("counted")
    wrong = {"id": account["uuid"], "password": "wrong"}
    for _ in range(service.settings.login_free_failures):
        assert (await keystone.authenticate(wrong)).status == 401
    login = {"logInByAccount": {"accountName": "counted", "password": "secret"}}
    assert (await service.anonymous.call("PUT", "/accounts/login", login)).code == "ID.1000"


async def test_the_oldest_tokens_make_room(service: Service, keystone: Keystone) -> None:
    account, _ = await service.account("many-tokens")
    first = await keystone.log_in("many-tokens", "secret", domain=account["uuid"])
    await service.db.execute(
        """
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, expired_date, origin, renewable,
                              scope_kind)
        SELECT sha256(n::text::bytea), $1, $1, now() + interval '1 h', 'keystone', false, 'unscoped'
        FROM generate_series(1, 499) AS n
        """,
        account["uuid"],
    )
    assert (await first.call("GET", "auth/projects")).status == 200
    await keystone.log_in("many-tokens", "secret", domain=account["uuid"])
    assert (await first.call("GET", "auth/projects")).status == 401


async def test_tokens_issued_at_once_do_not_wait_for_each_other(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    """Only for failures that came first; and more of them than there may be is a matter of a moment."""
    user = await admin.make("user", domain_id="default", password="secret")
    subject = subject_of(build_services(service.settings).sealer, "user", ADMIN_UUID, user["name"])
    login = {"id": user["id"], "password": "secret"}
    # The first from an address remembers it; the others have nothing of it to write.
    assert (await keystone.authenticate(login, UNSCOPED)).status == 201
    await service.db.execute("UPDATE global_configs SET chosen = '3' WHERE name = 'session.maxConcurrent'")
    holder = await asyncpg.connect(service.settings.database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        # As an issue that has done all but commit holds it.
        await take_turn(holder, subject, shared=True)
        await holder.execute("SELECT FROM users WHERE uuid = $1 FOR SHARE", user["id"])
        await holder.execute("SELECT FROM sessions WHERE user_uuid = $1 FOR UPDATE", user["id"])
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(keystone.authenticate(login, UNSCOPED) for _ in range(6)))
        assert {answer.status for answer in answers} == {201}
        failing = asyncio.create_task(keystone.authenticate(login | {"password": "wrong"}, UNSCOPED))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = $1"
        await until(lambda: service.db.fetchval(waiting, Lock.LOGIN_FAILURES))
        await transaction.rollback()
    finally:
        await holder.close()
    assert (await failing).status == 401
    assert (await keystone.authenticate(login, UNSCOPED)).status == 201
    assert await service.db.fetchval("SELECT count(*) FROM sessions WHERE user_uuid = $1", user["id"]) == 3
    await service.db.execute("UPDATE global_configs SET chosen = NULL WHERE name = 'session.maxConcurrent'")


async def test_the_newest_tokens_stay(service: Service, keystone: Keystone) -> None:
    """Of those of one moment, too."""
    account, _ = await service.account("newest-tokens")
    await service.db.execute(
        """
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, create_date, expired_date, origin)
        SELECT sha256(('newest' || n)::bytea), $1, $1, now() - n / 300 * interval '1 min',
               now() + interval '1 h', 'keystone'
        FROM generate_series(1, 700) AS n
        """,
        account["uuid"],
    )
    await keystone.log_in("newest-tokens", "secret", UNSCOPED, account["uuid"])
    left = """
        SELECT count(*), count(*) FILTER (WHERE create_date > now() - interval '90 s')
        FROM sessions WHERE user_uuid = $1 AND origin = 'keystone'
    """
    assert list((await service.db.fetch(left, account["uuid"]))[0]) == [500, 500]


async def test_a_login_leaves_an_audit_line(service: Service, keystone: Keystone) -> None:
    account, _ = await service.account("audited")
    await keystone.log_in("audited", "secret", domain=account["uuid"])
    for _ in range(50):
        line = await service.db.fetchrow(
            "SELECT outcome FROM audits WHERE api = 'IssueToken' AND account_uuid = $1", account["uuid"]
        )
        if line:
            break
        await service.db.execute("SELECT pg_sleep(0.1)")
    assert line
    assert line["outcome"] == "succeeded"


@pytest.mark.parametrize("opened_by", ["password", "token"])
@pytest.mark.parametrize("changed_by", ["manager", "owner", "account"])
async def test_no_token_is_opened_while_the_password_changes(
    service: Service, keystone: Keystone, admin: Person, opened_by: str, changed_by: str
) -> None:
    """The new token waits to be stored while the password is changed: whichever comes first, it is ended."""
    account, session = await service.account(f"changing-{opened_by}-{changed_by}")
    user = await admin.make("user", domain_id=account["uuid"], password="secret")
    person = await keystone.log_in(user["name"], "secret", UNSCOPED, account["uuid"])

    async def open_token() -> Answer:
        if opened_by == "password":
            return await keystone.authenticate({"id": user["id"], "password": "secret"}, UNSCOPED)
        identity = {"methods": ["token"], "token": {"id": person.secret}}
        return await keystone.call("POST", "auth/tokens", {"auth": {"identity": identity, "scope": UNSCOPED}})

    async def change() -> Answer:
        path = f"users/{user['id']}"
        if changed_by == "manager":
            return await admin.call("PATCH", path, {"user": {"password": "another"}})
        if changed_by == "owner":
            new = {"user": {"original_password": "secret", "password": "another"}}
            return await keystone.call("POST", f"{path}/password", new)
        new = {"updateUser": {"uuid": user["id"], "password": "another"}}
        return await session.job("PUT", "/accounts/users/actions", new)

    holder = await asyncpg.connect(service.settings.database_url)
    waits = """
        SELECT count(*) >= $1 AND bool_or(query LIKE '%FROM sessions%') FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE sessions IN SHARE MODE")
        opening = asyncio.create_task(open_token())
        await until(lambda: service.db.fetchval(waits, 1))
        changing = asyncio.create_task(change())

        async def has_gone_as_far_as_it_can() -> Any:
            return changing.done() or await service.db.fetchval(waits, 2)

        await until(has_gone_as_far_as_it_can)
        await transaction.rollback()
    finally:
        await holder.close()
    opened = await opening
    assert (await changing).status in (200, 204)
    assert opened.status in (201, 401)
    if opened.status == 201:
        secret = opened.headers["X-Subject-Token"]
        assert (await keystone.call("GET", "auth/projects", token=secret)).status == 401
