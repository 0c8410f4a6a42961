"""Which addresses are taken, and which are free."""

from typing import Any

from app import Client
from compute.world import World

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
