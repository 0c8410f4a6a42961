"""Quotas: the 17 names, their defaults, change and use; reservations beside each other."""

import asyncio
from typing import Any

import asyncpg
import pytest

from app import ADMIN, BACKUP_STORAGE, Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, allow, uuids
from zstack_mgmt.core.errors import QuotaExceeded
from zstack_mgmt.identity.quotas import usage

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEFAULTS = {
    "vm.totalNum": 20,
    "vm.num": 20,
    "vm.cpuNum": 80,
    "vm.memorySize": 85899345920,
    "volume.data.num": 40,
    "volume.capacity": 10995116277760,
    "image.num": 20,
    "image.size": 10995116277760,
    "snapshot.volume.num": 200,
    "securityGroup.num": 20,
    "l3.num": 20,
    "loadBalancer.num": 20,
    "eip.num": 20,
    "portForwarding.num": 20,
    "vip.num": 20,
    "vxlan.num": 8,
    "text.size": 67108864,
}


async def update(client: Client, account: str, name: str, value: Any) -> Any:
    params = {"identityUuid": account, "name": name, "value": value}
    return await client.job("PUT", "/accounts/quotas/actions", {"updateQuota": params})


async def usages(client: Client, account: str) -> dict[str, tuple[int, int]]:
    answer = await client.get(f"/accounts/quota/{account}/usages")
    assert answer.status == 200, answer
    return {row["name"]: (row["total"], row["used"]) for row in answer.body["usages"]}


async def test_new_account_has_the_17_quotas(tenant: Tenant) -> None:
    answer = await tenant.client.get("/accounts/quotas")
    rows = answer.body["inventories"]
    assert {row["name"]: row["value"] for row in rows} == DEFAULTS
    fields = {"uuid", "name", "identityUuid", "identityType", "value", "createDate", "lastOpDate"}
    assert all(set(row) == fields for row in rows)
    assert {(row["identityUuid"], row["identityType"]) for row in rows} == {(tenant.uuid, "AccountVO")}
    assert answer.body["schema"]["inventories[16]"] == f"{JAVA}.QuotaInventory"


async def test_new_account_copies_the_present_defaults(
    service: Service, tenant: Tenant, new_tenant: Any
) -> None:
    change = "UPDATE quota_defaults SET value = $1 WHERE name = 'vxlan.num'"
    await service.db.execute(change, 9)
    later = await new_tenant()
    await service.db.execute(change, 8)
    assert (await usages(later.client, later.uuid))["vxlan.num"] == (9, 0)
    assert (await usages(tenant.client, tenant.uuid))["vxlan.num"] == (8, 0)


async def test_update_answers_the_quota(admin: Client, tenant: Tenant) -> None:
    for value in (0, 2**63 - 1, 7.0):
        quota = (await update(admin, tenant.uuid, "vm.num", value)).inventory
        assert (quota["name"], quota["identityUuid"], quota["value"]) == ("vm.num", tenant.uuid, value)
    assert set(quota) == {"uuid", "name", "identityUuid", "identityType", "value", "createDate", "lastOpDate"}
    condition = "/accounts/quotas?q=name=vm.num&q=value=7"
    assert uuids(await tenant.client.get(condition)) == {quota["uuid"]}
    assert uuids(await tenant.client.get(f"/accounts/quotas?q=uuid={quota['uuid']}")) == {quota["uuid"]}


async def test_update_names_account_and_quota_that_exist(
    admin: Client, tenant: Tenant, new_tenant: Any
) -> None:
    assert (await update(admin, UNKNOWN, "vm.num", 1)).code == "SYS.1003"
    assert (await update(admin, "x", "vm.num", 1)).code == "SYS.1003"
    assert (await update(admin, tenant.uuid, "vm.none", 1)).code == "SYS.1007"
    chief = await new_tenant(type="SystemAdmin")
    for account in (ADMIN, chief.uuid):
        assert (await update(admin, account, "vm.num", 1)).code == "SYS.1007"


async def test_tenants_do_not_set_quotas(tenant: Tenant) -> None:
    assert (await update(tenant.client, tenant.uuid, "vm.num", 1)).code == "ID.1002"


async def test_quota_cannot_fall_below_the_use(service: Service, admin: Client, tenant: Tenant) -> None:
    for name in ("one", "two"):
        await own_a_vip(service.db, tenant.uuid, f"{tenant.uuid}-{name}")
    assert (await update(admin, tenant.uuid, "vip.num", 1)).code == "SYS.1006"
    assert (await update(admin, tenant.uuid, "vip.num", 2)).status == 200
    assert (await usages(tenant.client, tenant.uuid))["vip.num"] == (2, 2)


async def test_usage_is_the_accounts_own(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    fresh = {name: (value, 0) for name, value in DEFAULTS.items()}
    assert await usages(tenant.client, tenant.uuid) | {"text.size": fresh["text.size"]} == fresh
    assert await usages(admin, tenant.uuid) == await usages(tenant.client, tenant.uuid)
    for uuid in (stranger.uuid, UNKNOWN, "x", ADMIN):
        answer = await tenant.client.get(f"/accounts/quota/{uuid}/usages")
        assert (answer.status, answer.code) == (503, "SYS.1003")


async def test_administrators_have_no_totals(admin: Client) -> None:
    assert await usages(admin, ADMIN) == dict.fromkeys(DEFAULTS, (0, 0))


async def test_usage_names_its_classes(tenant: Tenant) -> None:
    path = f"/accounts/quota/{tenant.uuid}/usages"
    answer = await tenant.client.get(path, headers={"X-JSON-Schema": "true"})
    assert answer.body["schema"]["usages[0]"] == f"{JAVA}.Quota$QuotaUsage"


async def test_users_read_quotas_of_their_account(tenant: Tenant, stranger: Tenant) -> None:
    user = await tenant.user()
    assert len(await usages(user.client, tenant.uuid)) == 17
    assert (await user.client.get(f"/accounts/quota/{stranger.uuid}/usages")).code == "SYS.1003"


async def own(conn: Any, account: str, kind: str, uuid: str) -> None:
    """Note the owner of a resource."""
    text = "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, $2, $3)"
    await conn.execute(text, uuid, kind, account)


async def own_a_vip(conn: Any, account: str, uuid: str) -> None:
    """As far as quotas are concerned, the account has one more VIP."""
    await conn.execute("INSERT INTO resources VALUES ($1, '', 'VipVO', 'VipVO')", uuid)
    await own(conn, account, "VipVO", uuid)


async def test_use_follows_what_is_owned(service: Service, tenant: Tenant, stranger: Tenant) -> None:
    async def used() -> tuple[int, ...]:
        return tuple([(await usages(t.client, t.uuid))["vip.num"][1] for t in (tenant, stranger)])

    uuid = f"{tenant.uuid}-vip"
    await own_a_vip(service.db, tenant.uuid, uuid)
    assert await used() == (1, 0)
    give = "UPDATE resource_owners SET account_uuid = $2 WHERE resource_uuid = $1"
    await service.db.execute(give, uuid, stranger.uuid)
    assert await used() == (0, 1)
    await service.db.execute("DELETE FROM resources WHERE uuid = $1", uuid)
    assert await used() == (0, 0)


async def test_a_sum_beyond_every_integer_is_kept_and_shown_as_the_largest(
    service: Service, admin: Client, tenant: Tenant
) -> None:
    await update(admin, tenant.uuid, "image.size", 2**63 - 1)
    for number in range(3):
        image = f"{tenant.uuid}-{number}"
        text = """
            INSERT INTO images (uuid, name, size, actual_size, url, media_type, platform, format, system)
            VALUES ($1, '', $2, $2, '', 'ISO', '', '', false)
        """
        await service.db.execute(text, image, 2**62)
        await own(service.db, tenant.uuid, "ImageVO", image)
    assert (await usages(tenant.client, tenant.uuid))["image.size"] == (2**63 - 1, 2**63 - 1)
    refused = await tenant.client.job(
        "POST",
        "/images",
        {"params": {"name": "i", "url": "u", "format": "raw", "backupStorageUuids": [BACKUP_STORAGE]}},
    )
    assert refused.code == "ID.1003"
    await service.db.execute("DELETE FROM images WHERE uuid LIKE $1 || '%'", tenant.uuid)
    assert (await usages(tenant.client, tenant.uuid))["image.size"] == (2**63 - 1, 0)


EXCEEDED = "ID.1003 ['limit', 'name', 'requested', 'used']"


async def reserve_and_add(service: Service, account: str, name: str, *, more: int = 1) -> str:
    """What a handler does: reserve, then write, in one transaction."""
    conn = await asyncpg.connect(service.settings.database_url)
    try:
        async with conn.transaction():
            await usage.reserve(conn, account, {"vip.num": more}, is_admin=False)
            await asyncio.sleep(0.05)
            await own_a_vip(conn, account, name)
        return "made"
    except QuotaExceeded as error:
        return f"{error.code} {sorted(error.opaque)}"
    finally:
        await conn.close()


async def test_two_reservations_cannot_both_take_the_last_place(
    service: Service, tenant: Tenant, fresh: Any
) -> None:
    await update(service.admin, tenant.uuid, "vip.num", 1)
    two = [reserve_and_add(service, tenant.uuid, fresh("reserved")) for _ in range(2)]
    assert sorted(await asyncio.gather(*two)) == [EXCEEDED, "made"]
    assert (await usages(tenant.client, tenant.uuid))["vip.num"] == (1, 1)


async def test_many_reservations_fill_the_quota_exactly(
    service: Service, tenant: Tenant, stranger: Tenant, fresh: Any
) -> None:
    await update(service.admin, tenant.uuid, "vip.num", 5)
    all_of_them = [reserve_and_add(service, tenant.uuid, fresh("reserved")) for _ in range(10)]
    other = reserve_and_add(service, stranger.uuid, fresh("reserved"))
    *outcomes, elsewhere = await asyncio.gather(*all_of_them, other)
    assert (outcomes.count("made"), outcomes.count(EXCEEDED), elsewhere) == (5, 5, "made")


async def test_administrators_reserve_without_limit(service: Service) -> None:
    await usage.reserve(service.db, ADMIN, {"vip.num": 10**9}, is_admin=True)


async def test_reservation_beyond_the_whole_quota_is_refused(
    service: Service, tenant: Tenant, fresh: Any
) -> None:
    assert await reserve_and_add(service, tenant.uuid, fresh("reserved"), more=21) == EXCEEDED
    assert await reserve_and_add(service, tenant.uuid, fresh("reserved"), more=20) == "made"


async def written(service: Service, account: str) -> int:
    """The bytes of what is counted as written by an account, counted anew."""
    return await service.db.fetchval(
        """
        SELECT sum(octet_length(t.text)) FROM resource_owners o CROSS JOIN LATERAL (
            SELECT concat(name, description, statements) AS text FROM policies WHERE uuid = o.resource_uuid
            UNION ALL SELECT concat(name, description) FROM users WHERE uuid = o.resource_uuid
            UNION ALL SELECT concat(name, description) FROM user_groups WHERE uuid = o.resource_uuid
            UNION ALL SELECT concat(name, description, parameters) FROM scheduler_jobs
                WHERE uuid = o.resource_uuid
            UNION ALL SELECT concat(name, description, cron) FROM scheduler_triggers
                WHERE uuid = o.resource_uuid
            UNION ALL SELECT tag FROM tags WHERE resource_uuid = o.resource_uuid) t
        WHERE o.account_uuid = $1
        """,
        account,
    )


async def text_used(tenant: Tenant) -> int:
    return (await usages(tenant.client, tenant.uuid))["text.size"][1]


async def test_what_is_written_counts_until_it_is_gone(
    service: Service, tenant: Tenant, stranger: Tenant
) -> None:
    before, client = await text_used(tenant), tenant.client
    assert before == await written(service, tenant.uuid)
    tags = ["tag", "\u6807" * 20]

    async def made(path: str, **params: Any) -> str:
        body = {"params": params | {"name": "\u540d"}, "userTags": tags}
        return (await client.job("POST", path, body)).inventory["uuid"]

    policy = await made("/accounts/policies", statements=[allow("identity:.*")])
    user = await made("/accounts/users", password="secret", description="of it")
    group = await made("/accounts/groups")
    trigger = await made("/scheduler/triggers", schedulerType="simple", schedulerInterval=60, startTime=0)
    assert await text_used(tenant) == await written(service, tenant.uuid) > before + 4 * 63
    for kind, uuid in (("user", user), ("userGroup", group)):
        body = {f"update{kind[0].upper()}{kind[1:]}": {"uuid": uuid, "description": "x" * 1000}}
        path = "/accounts/users/actions" if kind == "user" else "/accounts/groups/actions"
        assert (await client.job("PUT", path, body)).status == 200
    body = {"updateSchedulerTrigger": {"description": "y" * 500}}
    assert (await client.job("PUT", f"/scheduler/triggers/{trigger}/actions", body)).status == 200
    assert await text_used(tenant) == await written(service, tenant.uuid) > before + 2700
    moved = {"params": {"resourceUuid": trigger}}
    answer = await service.admin.job("POST", f"/account/{stranger.uuid}/resources", moved)
    assert answer.status == 200, answer
    for one in (tenant, stranger):
        assert await text_used(one) == await written(service, one.uuid)
    for path in (f"/accounts/policies/{policy}", f"/accounts/users/{user}", f"/accounts/groups/{group}"):
        assert (await client.job("DELETE", path)).status == 200
    assert await text_used(tenant) == before
    assert (await stranger.client.job("DELETE", f"/scheduler/triggers/{trigger}")).status == 200
    assert await text_used(stranger) == await written(service, stranger.uuid)


@pytest.mark.provokes("CreatePolicy", "QuotaExceeded")
async def test_nothing_is_written_beyond_the_quota(service: Service, tenant: Tenant) -> None:
    used = await text_used(tenant)
    assert (await update(service.admin, tenant.uuid, "text.size", used + 100)).status == 200
    body = {"params": {"name": "p", "description": "d" * 100, "statements": [allow("identity:.*")]}}
    for tags in ([], ["ephemeral::validationOnly"]):
        refused = await tenant.client.job("POST", "/accounts/policies", body | {"systemTags": tags})
        assert (refused.status, refused.code) == (503, "ID.1003")
        assert refused.body["error"]["opaque"] == {"name": "text.size", "limit": used + 100, "used": used}
    answers = await asyncio.gather(
        *(
            tenant.client.job("POST", "/accounts/groups", {"params": {"name": "g" * 28 + str(n)}})
            for n in range(9)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] * 3 + [503] * 6
    assert {answer.code for answer in answers if answer.status == 503} == {"ID.1003"}
    assert await text_used(tenant) == used + 3 * 29
    assert (await update(service.admin, tenant.uuid, "text.size", used)).code == "SYS.1006"
    gone = next(answer.inventory["uuid"] for answer in answers if answer.status == 200)
    assert (await tenant.client.job("DELETE", f"/accounts/groups/{gone}")).status == 200
    assert (await tenant.client.job("POST", "/accounts/groups", {"params": {"name": "g"}})).status == 200
