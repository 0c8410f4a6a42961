"""Which addresses are taken, and which are free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app import Client
from compute.world import World
from zstack_mgmt.core.values import new_uuid

NOBODY = "0123456789ab4cde8123456789abcdef"


async def free(client: Client, world: World, **params: Any) -> list[str]:
    answer = await client.get(f"/l3-networks/{world.l3}/ip/free", params=params)
    return [one["ip"] for one in answer.body["inventories"]]


async def test_taken_addresses_are_found_and_not_free(world: World) -> None:
    vm = await world.vm()
    vip = await world.admin.create("/vips", name="v", l3NetworkUuid=world.l3)
    nic = vm["vmNics"][0]
    answer = await world.admin.get("/l3-networks/ip-address?sort=ipInLong")
    taken = answer.body["inventories"]
    assert [(one["ip"], one.get("usedFor"), one.get("vmNicUuid")) for one in taken] == [
        (nic["ip"], None, nic["uuid"]),
        (vip["ip"], "Vip", None),
    ]
    assert taken[0]["ipRangeUuid"] == world.ip_range
    found = await world.admin.get(f"/l3-networks/ip-address/{vip['uuid']}")
    assert found.body["inventories"] == [taken[1]]
    found = await world.admin.get(f"/l3-networks/ip-address?q=vmNic.vmInstanceUuid={vm['uuid']}")
    assert found.body["inventories"] == [taken[0]]
    addresses = await free(world.admin, world, limit=3)
    assert len(addresses) == 3
    assert not {nic["ip"], vip["ip"]} & {*addresses}
    assert await free(world.admin, world, limit=2, start=addresses[1]) == addresses[1:]
    ranged = await world.admin.get(f"/l3-networks/ip-ranges/{world.ip_range}/ip/free?limit=3")
    assert [one["ip"] for one in ranged.body["inventories"]] == addresses
    for ip, expected in (
        (addresses[0], {"available": True}),
        (nic["ip"], {"available": False, "reason": "the address is in use"}),
        ("203.0.113.9", {"available": False, "reason": "no range of the network has the address"}),
    ):
        answer = await world.admin.get(f"/l3-networks/{world.l3}/ip/{ip}/availability")
        assert answer.body == expected
    made = await world.admin.create("/vips", name="w", l3NetworkUuid=world.l3)
    assert made["ip"] == addresses[0]


async def test_a_tenant_sees_its_own_addresses_and_the_free_ones_of_what_it_may_use(world: World) -> None:
    tenant = await world.tenant()
    assert (await tenant.get(f"/l3-networks/{world.l3}/ip/free")).code == "SYS.1003"
    assert (await tenant.get(f"/l3-networks/{world.l3}/ip/192.168.0.9/availability")).code == "SYS.1003"
    assert (await tenant.get(f"/l3-networks/ip-ranges/{NOBODY}/ip/free")).code == "SYS.1003"
    await world.share()
    await world.vm()
    vm = await world.vm(tenant)
    assert len(await free(tenant, world, limit=2)) == 2
    (mine,) = (await tenant.get("/l3-networks/ip-address")).body["inventories"]
    assert mine["vmNicUuid"] == vm["vmNics"][0]["uuid"]


async def test_a_large_range_costs_what_is_asked_of_it(world: World) -> None:
    """A /8 has sixteen million addresses; the statement's limit of time would end a walk over all."""
    loose = await world.admin.create("/l3-networks", name="large", l2NetworkUuid=world.l2)
    params = {"name": "r", "networkCidr": "10.0.0.0/8"}
    path = f"/l3-networks/{loose['uuid']}/ip-ranges/by-cidr"
    assert (await world.admin.job("POST", path, {"params": params})).status == 200
    answer = await world.admin.get(f"/l3-networks/{loose['uuid']}/ip/free?limit=1")
    assert answer.body["inventories"][0]["ip"] == "10.0.0.2"


TAKE = """
    WITH taken AS (SELECT * FROM take_address($1)), vip AS (
        INSERT INTO vips (uuid, name, l3_network_uuid, ip, gateway, netmask)
        SELECT $2, 'v', $1, host('0.0.0.0'::inet + value), gateway, netmask FROM taken)
    INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vip_uuid)
    SELECT $1, value, range_uuid, $2 FROM taken RETURNING host('0.0.0.0'::inet + value)
"""


@asynccontextmanager
async def taking(world: World, l3: str) -> AsyncIterator[tuple[Any, str]]:
    """A connection whose transaction has taken an address and is still open, and the address."""
    conn = await asyncpg.connect(world.service.settings.database_url)
    transaction = conn.transaction()
    await transaction.start()
    yield transaction, await conn.fetchval(TAKE, l3, new_uuid())
    await conn.close()


async def one_address(world: World) -> str:
    """A network with a single address."""
    l3 = (await world.admin.create("/l3-networks", name="small", l2NetworkUuid=world.l2))["uuid"]
    params = {"name": "r", "startIp": "10.9.0.2", "endIp": "10.9.0.2", "netmask": "255.255.255.0"}
    path = f"/l3-networks/{l3}/ip-ranges"
    await world.admin.create(path, gateway="10.9.0.1", **params)
    return l3


async def waits(world: World) -> None:
    """Return once a session waits for an advisory lock."""
    text = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    async with asyncio.timeout(5):
        while not await world.service.db.fetchval(text):
            await asyncio.sleep(0.01)


async def test_creations_beside_each_other_do_not_wait_for_an_address(world: World) -> None:
    async with taking(world, world.l3) as (transaction, taken):
        beside = [
            (await world.vm())["vmNics"][0]["ip"] for _ in range(40)
        ]  # more than the search passes over
        assert taken not in beside
        assert len({*beside}) == 40
        await transaction.rollback()
    assert (await world.vm())["vmNics"][0]["ip"] == taken  # the lowest that is free, as ever
    await world.check_counters()


async def test_the_last_address_is_waited_for(world: World) -> None:
    l3 = await one_address(world)
    params = {"params": world.vm_params(l3NetworkUuids=[l3])}
    for end in ("commit", "rollback"):
        async with taking(world, l3) as (transaction, taken):
            making = asyncio.ensure_future(world.admin.job("POST", "/vm-instances", params))
            await waits(world)
            await getattr(transaction, end)()
        answer = await making
        if end == "commit":
            assert "no free address left" in answer.body["error"]["details"]
            await world.service.db.execute("DELETE FROM vips")
        else:
            assert answer.inventory["vmNics"][0]["ip"] == taken


async def test_an_address_that_somebody_wants_is_waited_for(world: World) -> None:
    async with taking(world, world.l3) as (transaction, taken):
        tags = [f"staticIp::{world.l3}::{taken}"]
        body = {"params": world.vm_params(), "systemTags": tags}
        making = asyncio.ensure_future(world.admin.job("POST", "/vm-instances", body))
        await waits(world)
        await transaction.commit()
    assert (await making).body["error"]["details"] == f"the address {taken} is in use"


async def test_a_vip_takes_an_address_of_the_range_that_it_names(world: World) -> None:
    l3 = await one_address(world)
    (ours,) = await world.service.db.fetch("SELECT uuid FROM ip_ranges WHERE l3_network_uuid = $1", l3)
    params = {"name": "v", "l3NetworkUuid": l3, "ipRangeUuid": ours["uuid"]}
    assert (await world.admin.create("/vips", **params))["ip"] == "10.9.0.2"
    full = await world.admin.job("POST", "/vips", {"params": params})
    assert full.body["error"]["details"] == f"the IP range {ours['uuid']} has no free address left"
    wrong = await world.admin.job("POST", "/vips", {"params": params | {"ipRangeUuid": world.ip_range}})
    assert wrong.code == "SYS.1003"
