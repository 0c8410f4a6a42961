"""Sessions: the two logins, their limit, validity, renewal and end."""

import asyncio
import hashlib
from typing import Any

import orjson
import pytest
from aiohttp import web

from app import Answer, Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, allow
from receivers import receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"session_max_concurrent": 5, "session_timeout_s": 1000, "login_free_failures": 1000}
RENEW = allow("identity:APIRenewSessionMsg")


async def by_user(anonymous: Client, **params: Any) -> Answer:
    return await anonymous.call("PUT", "/accounts/users/login", {"logInByUser": params})


async def by_account(anonymous: Client, name: str, password: str, **more: Any) -> Answer:
    body = {"logInByAccount": {"accountName": name, "password": password} | more}
    return await anonymous.call("PUT", "/accounts/login", body)


async def renew(client: Client, token: str, **params: Any) -> Answer:
    return await client.job("PUT", f"/accounts/sessions/{token}/renew", {"renewSession": params})


async def seconds_left(service: Service, user_uuid: str) -> float:
    sql = "SELECT extract(epoch FROM max(expired_date) - now())::float FROM sessions WHERE user_uuid = $1"
    return await service.db.fetchval(sql, user_uuid)


async def test_session_has_exactly_these_fields(anonymous: Client, tenant: Tenant) -> None:
    answer = await by_account(anonymous, tenant.name, "secret", clientInfo={"clientIp": "x"}, captchaUuid="y")
    session = answer.inventory
    assert set(session) == {"uuid", "accountUuid", "userUuid", "expiredDate", "createDate"}
    assert session["accountUuid"] == session["userUuid"] == tenant.uuid
    user = await tenant.user()
    login = await by_user(
        anonymous, accountUuid=tenant.uuid, userName=user.inventory["name"], password="secret"
    )
    assert (login.inventory["accountUuid"], login.inventory["userUuid"]) == (tenant.uuid, user.uuid)


async def test_login_names_its_class(anonymous: Client, tenant: Tenant) -> None:
    body = {"logInByAccount": {"accountName": tenant.name, "password": "secret"}}
    answer = await anonymous.call("PUT", "/accounts/login", body, headers={"X-JSON-Schema": "true"})
    assert answer.body["schema"] == {"inventory": f"{JAVA}.SessionInventory"}


async def test_user_login_takes_uuid_or_name_and_the_uuid_wins(
    anonymous: Client, tenant: Tenant, stranger: Tenant
) -> None:
    user = await tenant.user()
    who = {"userName": user.inventory["name"], "password": "secret"}
    assert (await by_user(anonymous, accountUuid=tenant.uuid, **who)).status == 200
    assert (await by_user(anonymous, accountName=tenant.name, **who)).status == 200
    assert (await by_user(anonymous, accountUuid=tenant.uuid, accountName=stranger.name, **who)).status == 200
    assert (
        await by_user(anonymous, accountUuid=stranger.uuid, accountName=tenant.name, **who)
    ).code == "ID.1000"
    assert (await by_user(anonymous, **who)).status == 400


async def test_password_may_come_as_its_digest(anonymous: Client, tenant: Tenant) -> None:
    digest = hashlib.sha512(b"secret").hexdigest()
    for password in (digest, digest.upper()):
        assert (await by_account(anonymous, tenant.name, password)).status == 200


async def test_account_created_with_a_digest_opens_with_the_clear_text(service: Service, fresh: Any) -> None:
    name = fresh()
    await service.admin.create("/accounts", name=name, password=hashlib.sha512(b"clear").hexdigest())
    assert (await by_account(service.anonymous, name, "clear")).status == 200


async def test_failed_logins_answer_alike(anonymous: Client, tenant: Tenant) -> None:
    user = (await tenant.user()).inventory["name"]
    answers = [
        await by_account(anonymous, tenant.name, "wrong"),
        await by_account(anonymous, "nobody", "secret"),
        await by_account(anonymous, tenant.name.upper(), "secret"),
        await by_user(anonymous, accountUuid=tenant.uuid, userName=user, password="wrong"),
        await by_user(anonymous, accountUuid=tenant.uuid, userName="nobody", password="secret"),
        await by_user(anonymous, accountUuid=UNKNOWN, userName=user, password="secret"),
        await by_user(anonymous, accountName="nobody", userName=user, password="secret"),
        await by_user(anonymous, accountName=tenant.name, userName=tenant.name, password="secret"),
        await by_account(anonymous, user, "secret"),
        await by_account(anonymous, "", ""),
    ]
    assert {answer.status for answer in answers} == {503}
    assert all(answer.body == answers[0].body for answer in answers)
    assert answers[0].code == "ID.1000"


async def test_disabled_logins_are_refused_and_their_sessions_end(service: Service, tenant: Tenant) -> None:
    user = await tenant.user()
    name = user.inventory["name"]
    await service.db.execute("UPDATE users SET enabled = false WHERE uuid = $1", user.uuid)
    assert (await user.client.get("/accounts/users")).code == "ID.1001"
    login = {"accountUuid": tenant.uuid, "userName": name, "password": "secret"}
    assert (await by_user(service.anonymous, **login)).code == "ID.1000"
    other = await tenant.user()
    await service.db.execute("UPDATE accounts SET enabled = false WHERE uuid = $1", tenant.uuid)
    for client in (tenant.client, other.client):
        assert (await client.get("/accounts/users")).code == "ID.1001"
    assert (await by_account(service.anonymous, tenant.name, "secret")).code == "ID.1000"
    login["userName"] = other.inventory["name"]
    assert (await by_user(service.anonymous, **login)).code == "ID.1000"


async def test_limit_of_sessions_is_per_login(anonymous: Client, tenant: Tenant) -> None:
    user = await tenant.user()
    for _ in range(4):
        assert (await by_account(anonymous, tenant.name, "secret")).status == 200
    refused = await by_account(anonymous, tenant.name, "secret")
    assert (refused.status, refused.code) == (503, "ID.1006")
    assert (await tenant.log_in(user.inventory["name"])).token
    assert (await anonymous.call("DELETE", f"/accounts/sessions/{tenant.client.token}")).status == 200
    assert (await by_account(anonymous, tenant.name, "secret")).status == 200


async def test_expired_sessions_do_not_count(service: Service, tenant: Tenant) -> None:
    for _ in range(4):
        await by_account(service.anonymous, tenant.name, "secret")
    expire = "UPDATE sessions SET expired_date = now() - interval '1 s' WHERE account_uuid = $1"
    await service.db.execute(expire, tenant.uuid)
    assert (await by_account(service.anonymous, tenant.name, "secret")).status == 200


async def test_parallel_logins_stop_at_the_limit(service: Service, tenant: Tenant) -> None:
    answers = await asyncio.gather(*[by_account(service.anonymous, tenant.name, "secret") for _ in range(20)])
    outcomes = ["ok" if answer.status == 200 else answer.code for answer in answers]
    assert (outcomes.count("ok"), outcomes.count("ID.1006")) == (4, 16)
    stored = "SELECT count(*) FROM sessions WHERE account_uuid = $1"
    assert await service.db.fetchval(stored, tenant.uuid) == 5


async def test_only_a_hash_of_the_token_is_stored(service: Service, tenant: Tenant) -> None:
    row = await service.db.fetchrow("SELECT * FROM sessions WHERE account_uuid = $1", tenant.uuid)
    assert len(row["token_hash"]) == 32
    assert row["token_hash"].hex() != hashlib.sha256(tenant.client.token.encode()).hexdigest()


async def test_validity(service: Service, tenant: Tenant) -> None:
    path = f"/accounts/sessions/{tenant.client.token}/valid"
    assert (await service.anonymous.get(path)).body == {"valid": True}
    expire = "UPDATE sessions SET expired_date = now() - interval '1 s' WHERE account_uuid = $1"
    await service.db.execute(expire, tenant.uuid)
    assert (await service.anonymous.get(path)).body == {"valid": False}
    assert (await tenant.client.get("/accounts/users")).code == "ID.1001"
    for token in (UNKNOWN, "x", "x" * 128):
        assert (await service.anonymous.get(f"/accounts/sessions/{token}/valid")).body == {"valid": False}


async def test_use_does_not_extend_a_session(service: Service, tenant: Tenant) -> None:
    before = await service.db.fetchval(
        "SELECT expired_date FROM sessions WHERE account_uuid = $1", tenant.uuid
    )
    await tenant.client.get("/accounts/users")
    after = await service.db.fetchval(
        "SELECT expired_date FROM sessions WHERE account_uuid = $1", tenant.uuid
    )
    assert before == after


@pytest.mark.parametrize(
    ("params", "seconds"), [({}, 1000), ({"duration": 60}, 60), ({"duration": 31536000}, 31536000)]
)
async def test_renewal_counts_from_now(
    service: Service, tenant: Tenant, params: dict[str, Any], seconds: int
) -> None:
    session = (await renew(tenant.client, tenant.client.token, **params)).inventory
    assert session["uuid"] == tenant.client.token
    assert seconds - 5 < await seconds_left(service, tenant.uuid) <= seconds


async def test_renewal_shows_the_token_to_whoever_asked_and_stores_it_sealed(
    service: Service, tenant: Tenant, admin: Client
) -> None:
    user = await tenant.user(RENEW)

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async with receiver(echo) as sink:
        path, body = f"/accounts/sessions/{user.client.token}/renew", {"renewSession": {}}
        accepted = await user.client.call("PUT", path, body, headers={"X-Web-Hook": sink.url})
        location = accepted.body["location"]
        assert (await user.client.result(location)).inventory["uuid"] == user.client.token
        events = (await user.client.get(f"{location}/events")).body.decode()
        assert user.client.token in events
        for other in (tenant.client, admin):
            told = await other.get(location)
            assert set(told.inventory) == {"accountUuid", "userUuid", "expiredDate", "createDate"}
            for path in (f"{location}/events", f"{location}/deliveries", "/api-jobs"):
                assert user.client.token not in str((await other.get(path)).body)
        await sink.wait_for(1)
        assert orjson.loads(sink.requests[0].body)["inventory"]["uuid"] == user.client.token
        async with asyncio.timeout(10):
            while not await service.db.fetchval("SELECT count(*) FROM webhook_attempts"):
                await asyncio.sleep(0.02)
    rows = await service.db.fetch(
        """
        SELECT j::text AS row FROM api_jobs j UNION ALL SELECT d::text FROM webhook_deliveries d
        UNION ALL SELECT a::text FROM audits a UNION ALL SELECT s::text FROM sessions s
        UNION ALL SELECT convert_from(reply, 'UTF8') FROM webhook_attempts
        """
    )
    assert not [row for row in rows if user.client.token in row["row"]]


async def test_a_name_that_looks_sealed_stays_what_it_is(service: Service, tenant: Tenant) -> None:
    name = "sealed:s1." + "A" * 80
    made = await tenant.client.create("/accounts/groups", name=name)
    assert made["name"] == name


async def test_only_own_sessions_are_renewed(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    user, colleague = await tenant.user(RENEW), await tenant.user(RENEW)
    assert (await renew(user.client, user.client.token)).status == 200
    assert (await renew(user.client, colleague.client.token)).code == "ID.1002"
    assert (await renew(user.client, tenant.client.token)).code == "ID.1002"
    assert (await renew(stranger.client, tenant.client.token)).code == "SYS.1003"
    assert (await renew(stranger.client, user.client.token)).code == "SYS.1003"
    assert (await renew(tenant.client, UNKNOWN)).code == "SYS.1003"
    assert (await renew(admin, tenant.client.token)).status == 200


async def test_users_of_an_administrator_renew_their_own_only(tenant: Tenant, new_tenant: Any) -> None:
    chief = await new_tenant(type="SystemAdmin")
    user = await chief.user(RENEW)
    assert (await renew(user.client, user.client.token)).status == 200
    assert (await renew(user.client, tenant.client.token)).code == "ID.1002"


async def test_expired_session_is_not_renewed(service: Service, tenant: Tenant) -> None:
    other = await service.anonymous.log_in(tenant.name, "secret")
    await service.db.execute(
        """
        UPDATE sessions SET expired_date = now() - interval '1 s' WHERE create_date = (
            SELECT max(create_date) FROM sessions WHERE account_uuid = $1)
        """,
        tenant.uuid,
    )
    assert (await renew(tenant.client, other.token)).code == "ID.1001"


async def test_fixed_session_is_not_renewed(service: Service, tenant: Tenant) -> None:
    await service.db.execute("UPDATE sessions SET renewable = false WHERE account_uuid = $1", tenant.uuid)
    assert (await renew(tenant.client, tenant.client.token)).code == "SYS.1006"


async def test_login_that_overlaps_a_password_change_does_not_outlive_it(
    service: Service, tenant: Tenant, admin: Client
) -> None:
    """The row is held, as by a change under way, until the login has checked the old password."""
    conn = service.db
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute("DELETE FROM sessions WHERE account_uuid = $1", tenant.uuid)
        await conn.execute("UPDATE accounts SET password_hash = 'another' WHERE uuid = $1", tenant.uuid)
        login = asyncio.create_task(by_account(service.anonymous, tenant.name, "secret"))
        await asyncio.sleep(0.3)
        assert not login.done()
    finally:
        await transaction.commit()
    assert (await login).code == "ID.1000"


async def test_logout_ends_that_session_only(service: Service, tenant: Tenant) -> None:
    other = await service.anonymous.log_in(tenant.name, "secret")
    for _ in range(2):
        assert (await service.anonymous.call("DELETE", f"/accounts/sessions/{other.token}")).body == {}
    assert (await other.get("/accounts/users")).code == "ID.1001"
    assert (await tenant.client.get("/accounts/users")).status == 200


async def test_an_account_sees_its_sessions_and_ends_one(
    tenant: Tenant, stranger: Tenant, anonymous: Client
) -> None:
    other = await anonymous.log_in(tenant.name, "secret")
    ids = {row["id"] for row in (await tenant.client.get("/accounts/sessions")).body["inventories"]}
    mine = {row["id"] for row in (await other.get("/accounts/sessions")).body["inventories"]}
    assert len(ids) >= 2
    assert ids == mine
    assert not ids & {
        row["id"] for row in (await stranger.client.get("/accounts/sessions")).body["inventories"]
    }
    for one in ids:
        assert (await stranger.client.call("DELETE", f"/accounts/sessions/by-id/{one}")).status == 200
    assert (await other.get("/accounts/sessions")).status == 200
    newest = (await other.get("/accounts/sessions")).body["inventories"][0]["id"]
    assert (await tenant.client.call("DELETE", f"/accounts/sessions/by-id/{newest}")).status == 200
    assert (await other.get("/accounts/sessions")).code == "ID.1001"
