"""Quotas: the 16 names, their defaults, change and use; reservations beside each other."""

import asyncio
from typing import Any

import asyncpg
import pytest

from app import ADMIN, Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, uuids
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
}


async def update(client: Client, account: str, name: str, value: Any) -> Any:
    params = {"identityUuid": account, "name": name, "value": value}
    return await client.job("PUT", "/accounts/quotas/actions", {"updateQuota": params})


async def usages(client: Client, account: str) -> dict[str, tuple[int, int]]:
    answer = await client.get(f"/accounts/quota/{account}/usages")
    assert answer.status == 200, answer
    return {row["name"]: (row["total"], row["used"]) for row in answer.body["usages"]}


async def test_new_account_has_the_16_quotas(tenant: Tenant) -> None:
    answer = await tenant.client.get("/accounts/quotas")
    rows = answer.body["inventories"]
    assert {row["name"]: row["value"] for row in rows} == DEFAULTS
    fields = {"uuid", "name", "identityUuid", "identityType", "value", "createDate", "lastOpDate"}
    assert all(set(row) == fields for row in rows)
    assert {(row["identityUuid"], row["identityType"]) for row in rows} == {(tenant.uuid, "AccountVO")}
    assert answer.body["schema"]["inventories[15]"] == f"{JAVA}.QuotaInventory"


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
    assert await usages(tenant.client, tenant.uuid) == {name: (value, 0) for name, value in DEFAULTS.items()}
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
    assert len(await usages(user.client, tenant.uuid)) == 16
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
        {"params": {"name": "i", "url": "u", "format": "raw", "backupStorageUuids": ["b"]}},
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
