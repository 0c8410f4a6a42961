"""Access keys: who may make one, what its signature opens, and when it opens nothing any more."""

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import Answer, Client, Service
from identity.world import Tenant, allow
from zstack_mgmt.identity.access_keys.api import MAX_KEYS

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"login_free_failures": 3, "login_address_free_failures": 100_000, "login_max_delay_s": 600}
KEYS = "/accesskeys"


def date_of(moment: datetime, zone: str = "UTC") -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S ") + zone


def signature_of(secret: str, method: str, path: str, date: str) -> str:
    text = f"{method}\n{date}\n{path}".encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha1).digest()).decode()


class KeyClient(Client):
    """A client that signs its requests, and polls as Go's SDK does: with the signature of its last change."""

    def __init__(self, service: Service, key: Any, *, base: str = "") -> None:
        super().__init__(service.http, base or service.anonymous.base)
        self.key = key
        self.last: dict[str, str] = {}

    def headers(self, method: str, path: str, date: str = "", secret: str = "") -> dict[str, str]:
        date = date or date_of(datetime.now(UTC))
        made = signature_of(
            secret or self.key["AccessKeySecret"], method, f"/v1{path.partition('?')[0]}", date
        )
        return {"Authorization": f"ZStack {self.key['AccessKeyID']}:{made}", "Date": date}

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Any = None, **options: Any
    ) -> Answer:
        if not path.startswith("http"):
            signed = self.headers(method, path)
            self.last = signed if method != "GET" else self.last
            headers = signed | (headers or {})
        else:
            headers = self.last | (headers or {})
        return await super().call(method, path, body, headers=headers, **options)


async def new_key(client: Client, **params: Any) -> Any:
    return await client.create(KEYS, **params)


async def test_key_of_an_account_reads_and_changes(service: Service, tenant: Tenant) -> None:
    key = await new_key(tenant.client, description="for terraform")
    assert set(key) == {
        *("uuid", "accountUuid", "userUuid", "AccessKeyID", "AccessKeySecret", "state", "description"),
        *("createDate", "lastOpDate"),
    }
    assert (key["accountUuid"], key["userUuid"], key["state"]) == (tenant.uuid, tenant.uuid, "Enabled")
    assert (len(key["AccessKeyID"]), len(key["AccessKeySecret"])) == (20, 40)
    client = KeyClient(service, key)
    group = await client.create("/accounts/groups", name="of a key")
    assert (await client.get(f"/accounts/groups/{group['uuid']}?fields=name")).body["inventories"] == [
        {"name": "of a key"}
    ]
    assert (await client.job("DELETE", f"/accounts/groups/{group['uuid']}")).status == 200


async def test_secret_is_shown_once_and_stored_nowhere_in_clear(service: Service, tenant: Tenant) -> None:
    key = await new_key(tenant.client)
    found = await tenant.client.get(f"{KEYS}/{key['uuid']}")
    assert "AccessKeySecret" not in found.body["inventories"][0]
    by_id = await tenant.client.get(f"{KEYS}?q=AccessKeyID={key['AccessKeyID']}")
    assert [row["uuid"] for row in by_id.body["inventories"]] == [key["uuid"]]
    tables = await service.db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        told = f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || $1 || '%'"
        assert await service.db.fetchval(told, key["AccessKeySecret"]) == 0, table


async def test_chosen_id_and_secret(service: Service, tenant: Tenant, fresh: Any) -> None:
    chosen = {"accessKeyID": fresh("AKID-of-mine"), "AccessKeySecret": "s" * 19 + "/"}
    key = await new_key(tenant.client, **chosen)
    assert (key["AccessKeyID"], key["AccessKeySecret"]) == (chosen["accessKeyID"], chosen["AccessKeySecret"])
    assert (await KeyClient(service, key).get("/zones")).status == 200
    taken = await tenant.client.job("POST", KEYS, {"params": chosen})
    assert (taken.status, taken.code) == (503, "SYS.1007")
    for wrong in ({"AccessKeyID": "short"}, {"AccessKeySecret": "s" * 19}, {"AccessKeySecret": "ü" * 30}):
        assert (await tenant.client.call("POST", KEYS, {"params": wrong})).status == 400


@pytest.mark.provokes("CreateAccessKey", "InvalidArgument")
@pytest.mark.provokes("CreateAccessKey", "ResourceNotFound")
@pytest.mark.provokes("CreateAccessKey", "PermissionDenied")
@pytest.mark.provokes("CreateAccessKey", "DuplicateResource")
async def test_who_may_make_a_key_for_whom(
    service: Service, tenant: Tenant, stranger: Tenant, fresh: Any
) -> None:
    user = await tenant.user(allow("accessKey:.*"))
    other = await tenant.user()

    async def made(client: Client, **params: Any) -> Any:
        answer = await client.job("POST", KEYS, {"params": params})
        return answer.inventory["userUuid"] if answer.status == 200 else answer.code

    assert await made(user.client) == user.uuid
    assert await made(user.client, userUuid=user.uuid, accountUuid=tenant.uuid) == user.uuid
    assert await made(user.client, userUuid=other.uuid) == "ID.1002"
    assert await made(user.client, userUuid=tenant.uuid) == "ID.1002"
    assert await made(other.client) == "ID.1002"
    assert await made(tenant.client, userUuid=other.uuid) == other.uuid
    assert await made(tenant.client, accountUuid=stranger.uuid) == "ID.1002"
    assert await made(tenant.client, userUuid=(await stranger.user()).uuid) == "SYS.1003"
    assert await made(service.admin, accountUuid=tenant.uuid) == tenant.uuid
    assert await made(service.admin, accountUuid=tenant.uuid, userUuid=other.uuid) == other.uuid
    assert await made(service.admin, accountUuid=tenant.uuid, userUuid=stranger.uuid) == "SYS.1003"
    key = await new_key(tenant.client)
    assert await made(tenant.client, resourceUuid=key["uuid"]) == "SYS.1000"
    assert await made(tenant.client, AccessKeyID=key["AccessKeyID"]) == "SYS.1007"


async def test_key_of_a_user_does_what_its_policies_say(service: Service, tenant: Tenant) -> None:
    user = await tenant.user(allow("identity:read"))
    client = KeyClient(service, await new_key(tenant.client, userUuid=user.uuid))
    assert (await client.get("/accounts/users")).status == 200
    assert (await client.call("POST", "/accounts/groups", {"params": {"name": "g"}})).code == "ID.1002"
    assert (
        await client.call("POST", "/accounts/users", {"params": {"name": "u", "password": "p"}})
    ).code == "ID.1002"


@pytest.mark.provokes("CreateAccessKey", "OperationError")
async def test_keys_of_a_login_have_an_end(tenant: Tenant) -> None:
    makes = [tenant.client.job("POST", KEYS, {"params": {}}) for _ in range(MAX_KEYS + 3)]
    codes = sorted(answer.status for answer in await asyncio.gather(*makes))
    assert codes == [200] * MAX_KEYS + [503] * 3
    assert (await tenant.client.job("POST", KEYS, {"params": {}})).code == "SYS.1006"


@pytest.mark.provokes("ChangeAccessKeyState", "ResourceNotFound")
@pytest.mark.provokes("DeleteAccessKey", "ResourceNotFound")
async def test_what_opens_nothing_any_more(service: Service, tenant: Tenant, stranger: Tenant) -> None:
    key = await new_key(tenant.client)
    client = KeyClient(service, key)

    async def opens() -> bool:
        answer = await client.get("/zones")
        assert answer.status == 200 or answer.code == "ID.1001", answer
        return answer.status == 200

    async def change(event: str) -> Answer:
        body = {"changeAccessKeyState": {"stateEvent": event}}
        return await tenant.client.job("PUT", f"{KEYS}/{key['uuid']}/actions", body)

    assert await opens()
    assert (await change("disable")).inventory["state"] == "Disabled"
    assert not await opens()
    assert (await change("enable")).inventory["state"] == "Enabled"
    assert await opens()
    body = {"changeAccessKeyState": {"stateEvent": "disable"}}
    assert (await stranger.client.job("PUT", f"{KEYS}/{key['uuid']}/actions", body)).code == "SYS.1003"
    assert (await stranger.client.job("DELETE", f"{KEYS}/{key['uuid']}")).status == 200
    assert await opens(), "another account deletes nothing"
    assert (await tenant.client.job("DELETE", f"{KEYS}/{key['uuid']}")).status == 200
    assert not await opens()
    assert (await change("enable")).code == "SYS.1003"

    user = await tenant.user()
    client = KeyClient(service, await new_key(tenant.client, userUuid=user.uuid))
    assert (await client.get("/accounts/users")).status == 200
    assert (await tenant.client.job("DELETE", f"/accounts/users/{user.uuid}")).status == 200
    assert not await opens()
    assert await service.db.fetchval("SELECT count(*) FROM access_keys WHERE user_uuid = $1", user.uuid) == 0


async def test_keys_go_with_their_account(service: Service, new_tenant: Any) -> None:
    tenant = await new_tenant()
    client = KeyClient(service, await new_key(tenant.client))
    assert (await client.get("/zones")).status == 200
    assert (await service.admin.job("DELETE", f"/accounts/{tenant.uuid}")).status == 200
    assert (await client.get("/zones")).code == "ID.1001"
    orphans = """
        SELECT count(*) FROM resources r
        WHERE r.resource_type = 'AccessKeyVO' AND NOT EXISTS (SELECT FROM access_keys k WHERE k.uuid = r.uuid)
    """
    assert await service.db.fetchval(orphans) == 0


async def test_key_keeps_its_owner_and_dies_when_its_user_moves(
    service: Service, tenant: Tenant, stranger: Tenant
) -> None:
    user = await tenant.user()
    key = await new_key(tenant.client, userUuid=user.uuid)
    give = {"params": {"resourceUuid": key["uuid"]}}
    assert (await service.admin.job("POST", f"/account/{stranger.uuid}/resources", give)).code == "SYS.1006"
    give = {"params": {"resourceUuid": user.uuid}}
    assert (await service.admin.job("POST", f"/account/{stranger.uuid}/resources", give)).status == 200
    assert (await KeyClient(service, key).get("/zones")).code == "ID.1001"


@pytest.mark.parametrize(
    "zone", ["UTC", "GMT", "CST", "PRC", "MMT", "ICT", "Asia/Shanghai", "Z", "+0800", "GMT+08:00"]
)
async def test_dates_of_the_clients(service: Service, tenant: Tenant, zone: str) -> None:
    away = {"MMT": 6.5, "ICT": 7, "UTC": 0, "GMT": 0, "Z": 0}.get(zone, 8)
    client = KeyClient(service, await new_key(tenant.client))

    async def answer(minutes: float) -> int:
        moment = datetime.now(UTC) + timedelta(hours=away, minutes=minutes)
        headers = client.headers("GET", "/zones", date_of(moment, zone))
        return (await service.anonymous.get("/zones", headers=headers)).status

    assert [await answer(minutes) for minutes in (0, 14.5, -14.5, 15.5, -15.5)] == [200, 200, 200, 503, 503]


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Wed, 25 Nov 2026 22:32:27",
        "Wed, 31 Feb 2026 22:32:27 UTC",
        "Wed, 25 Xyz 2026 22:32:27 UTC",
        "Wed, 25 Nov 2026 22:32:27 ../../etc/passwd",
        "Wed, 25 Nov 2026 22:32:27 Asia",
        "Thu, 01 Jan 0001 00:00:00 +2359",
    ],
)
async def test_what_is_no_date_of_now(service: Service, tenant: Tenant, date: str) -> None:
    client = KeyClient(service, await new_key(tenant.client))
    headers = client.headers("GET", "/zones", date or " ") | {"Date": date}
    answer = await service.anonymous.get("/zones", headers=headers)
    assert (answer.status, answer.code) == (503, "ID.1001")
    assert "wrong accessKey signature" in answer.body["error"]["details"]


async def test_wrong_signatures_are_told_alike_and_slowed_down(service: Service, tenant: Tenant) -> None:
    client = KeyClient(service, await new_key(tenant.client))
    good = lambda: client.headers("GET", "/zones")  # noqa: E731
    wrong = client.headers("GET", "/zones", secret="x" * 40)
    unknown = {**wrong, "Authorization": wrong["Authorization"].replace("ZStack ", "ZStack nobody")}
    told = [(await service.anonymous.get("/zones", headers=headers)).body for headers in (wrong, unknown)]
    assert told[0] == told[1]
    assert "wrong accessKey signature" in str(told[0])
    assert "access key id" in str(told[0])
    assert (await service.anonymous.get("/zones", headers=good())).status == 200, "a success forgets failures"
    for _ in range(4):
        assert (await service.anonymous.get("/zones", headers=wrong)).code == "ID.1001"
    assert (await service.anonymous.get("/zones", headers=good())).code == "ID.1001", "it must wait now"
    await service.db.execute("UPDATE login_failures SET blocked_until = now() - interval '1 s'")
    async with asyncio.timeout(10):
        while (await service.anonymous.get("/zones", headers=good())).status != 200:
            await asyncio.sleep(0.2)


async def test_path_and_method_are_signed_and_the_query_is_not(service: Service, tenant: Tenant) -> None:
    client = KeyClient(service, await new_key(tenant.client))
    headers = client.headers("GET", "/zones")
    short = service.origin + "/v1"
    for url, status in (("/zones?limit=1", 200), (f"{short}/zones", 200), ("/clusters", 503)):
        assert (await service.anonymous.get(url, headers=headers)).status == status, url
    assert (
        await service.anonymous.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
    ).code == "ID.1001"
    await service.db.execute("DELETE FROM login_failures")


async def test_caught_signature_opens_no_other_change(service: Service, tenant: Tenant) -> None:
    """One address may make several changes in one second; later, or from elsewhere, nobody may."""
    client = KeyClient(service, await new_key(tenant.client))
    date = date_of(datetime.now(UTC))
    headers = client.headers("POST", "/accounts/groups", date)

    async def post(name: str, **more: str) -> Answer:
        body = {"params": {"name": name}}
        return await service.anonymous.call("POST", "/accounts/groups", body, headers=headers | more)

    first = await post("one", **{"X-Job-UUID": "7b04b3b3b4c64e9ab8bd4b8e5aa1c3d4"})
    burst = await asyncio.gather(*(post(f"burst {i}") for i in range(5)))
    assert {answer.status for answer in (first, *burst)} == {202}
    await service.db.execute("UPDATE access_key_uses SET used_at = used_at - interval '3 s'")
    for answer in (
        await post("two"),
        await post("two", **{"X-Job-UUID": "7b04b3b3b4c64e9ab8bd4b8e5aa1c3d5"}),
    ):
        assert (answer.status, answer.code) == (503, "ID.1001")
        assert "wrong accessKey signature" in answer.body["error"]["details"]
    again = await post("one", **{"X-Job-UUID": "7b04b3b3b4c64e9ab8bd4b8e5aa1c3d4"})
    assert again.status == 202, "a repeat of the same call is harmless"
    await service.db.execute("UPDATE access_key_uses SET used_at = now(), remote = '192.0.2.7'")
    assert (await post("three")).code == "ID.1001"
    names = "SELECT count(*) FROM user_groups WHERE account_uuid = $1 AND name IN ('two', 'three')"
    assert await service.db.fetchval(names, tenant.uuid) == 0

    path = f"/api-jobs/{first.body['location'].rpartition('/')[2]}"
    sync = client.headers("DELETE", path, date)
    assert (await service.anonymous.call("DELETE", path, headers=sync)).status == 409
    await service.db.execute("UPDATE access_key_uses SET used_at = used_at - interval '3 s'")
    assert (await service.anonymous.call("DELETE", path, headers=sync)).code == "ID.1001"


@pytest.mark.parametrize("poll", [{"Authorization": "OAuth null"}, {"Authorization": "OAuth None"}, {}, None])
async def test_polls_of_a_key_s_jobs_need_no_credentials(
    service: Service, tenant: Tenant, poll: dict[str, str] | None
) -> None:
    client = KeyClient(service, await new_key(tenant.client))
    accepted = await client.call("POST", "/accounts/groups", {"params": {"name": f"polled {poll}"}})
    headers = client.last if poll is None else poll
    async with asyncio.timeout(20):
        while (
            answer := await service.anonymous.get(accepted.body["location"], headers=headers)
        ).status == 202:
            await asyncio.sleep(0.05)
    assert answer.inventory["name"] == f"polled {poll}"
    job = accepted.body["location"].rpartition("/")[2]
    for path in ("/api-jobs", f"/api-jobs/{job}/events"):
        assert (await service.anonymous.get(path, headers=poll or {})).code == "ID.1001"
    assert (await service.anonymous.call("DELETE", f"/api-jobs/{job}", headers=poll or {})).code == "ID.1001"
    assert (
        await service.anonymous.get(accepted.body["location"], headers={"Authorization": "OAuth wrong"})
    ).code == "ID.1001"


@pytest.mark.provokes("PollApiJob", "InvalidSession")
async def test_jobs_of_sessions_keep_asking_for_one(service: Service, tenant: Tenant) -> None:
    accepted = await tenant.client.call("POST", "/accounts/groups", {"params": {"name": "of a session"}})
    client = KeyClient(service, await new_key(tenant.client))
    for headers in ({}, {"Authorization": "OAuth null"}, client.headers("POST", "/accounts/groups")):
        assert (await service.anonymous.get(accepted.body["location"], headers=headers)).code == "ID.1001"
    unknown = "/api-jobs/7b04b3b3b4c64e9ab8bd4b8e5aa1c3ff"
    assert (await service.anonymous.get(unknown)).code == "ID.1001"
    assert (await client.get(accepted.body["location"].partition("/v1")[2])).status in (200, 202)


async def test_audit_trail_names_the_key(service: Service, tenant: Tenant) -> None:
    key = await new_key(tenant.client)
    client = KeyClient(service, key)
    group = await client.create("/accounts/groups", name="audited")
    assert (await client.call("POST", "/zones", {"params": {"name": "z"}})).code == "ID.1002"
    lines: list[Any] = []
    async with asyncio.timeout(10):
        while len(lines) < 2:
            found = await service.admin.get(f"/audits?q=accessKeyUuid={key['uuid']}&sort=%2Bid")
            lines = found.body["inventories"]
    assert [(line["api"], line["outcome"], line.get("target")) for line in lines] == [
        ("CreateUserGroup", "succeeded", group["uuid"]),
        ("CreateZone", "refused", None),
    ]


async def test_events_of_a_job_are_followed_with_a_key(service: Service, tenant: Tenant) -> None:
    """Also for longer than the second after which a stream asks whether its caller is still known."""
    client = KeyClient(service, await new_key(tenant.client))
    await service.db.execute("BEGIN; LOCK TABLE user_groups IN ACCESS EXCLUSIVE MODE")
    try:
        accepted = await client.call("POST", "/accounts/groups", {"params": {"name": "followed"}})
        path = f"/api-jobs/{accepted.headers['X-Job-UUID']}/events"
        following = asyncio.create_task(client.get(path))
        await asyncio.sleep(2.5)
        assert not following.done()
    finally:
        await service.db.execute("COMMIT")
    async with asyncio.timeout(20):
        events = (await following).body.decode()
    assert "event: succeeded" in events
