"""What happens at the same moment: each order of two calls leaves rows that go together.

A test stops one of the calls at a lock of its own, or in a slow hypervisor, and lets the other one overtake.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from world import World

from app import Answer, Client
from zstack_mgmt.compute.networks import store as networks
from zstack_mgmt.compute.networks.model import range_of_cidr
from zstack_mgmt.core.values import new_uuid


@asynccontextmanager
async def holding(world: World, query: str, *args: object) -> AsyncIterator[Any]:
    """A connection that runs the query and keeps its locks until the block ends."""
    conn = await asyncpg.connect(world.service.settings.database_url)
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(query, *args)
        yield conn
    finally:
        await transaction.rollback()
        await conn.close()


async def waiting(world: World, count: int = 1) -> None:
    """Return once so many sessions of the database wait for locks."""
    text = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    async with asyncio.timeout(5):
        while await world.service.db.fetchval(text) < count:
            await asyncio.sleep(0.01)


async def reaches(world: World, query: str, *args: object) -> None:
    """Return once the query yields something."""
    async with asyncio.timeout(5):
        while not await world.service.db.fetchval(query, *args):
            await asyncio.sleep(0.01)


async def is_free(world: World, table: str, uuid: str) -> bool:
    """Whether nobody has locked the row."""
    try:
        await world.service.db.execute(f"SELECT FROM {table} WHERE uuid = $1 FOR UPDATE NOWAIT", uuid)
    except asyncpg.LockNotAvailableError:
        return False
    return True


def start(client: Client, method: str, path: str, body: Any = None) -> asyncio.Task[Answer]:
    return asyncio.ensure_future(client.job(method, path, body))  # type: ignore[return-value]


def give(world: World, uuid: str, account: str) -> asyncio.Task[Answer]:
    return start(world.admin, "POST", f"/account/{account}/resources", {"params": {"resourceUuid": uuid}})


async def owner(world: World, uuid: str) -> str:
    text = "SELECT account_uuid FROM resource_owners WHERE resource_uuid = $1"
    return await world.service.db.fetchval(text, uuid)


async def second_l3(world: World, cidr: str) -> str:
    l3 = await world.admin.create("/l3-networks", name="second", l2NetworkUuid=world.l2)
    path = f"/l3-networks/{l3['uuid']}/ip-ranges/by-cidr"
    await world.admin.create(path, name="r", networkCidr=cidr)
    return l3["uuid"]


async def test_ranges_of_two_networks_on_one_l2_never_overlap(world: World) -> None:
    other = await second_l3(world, "10.8.0.0/24")
    text = range_of_cidr("10.7.0.0/24")
    async with holding(world, "SELECT") as conn:
        assert await networks.conflicting_range(conn, other, text) is None
        await conn.execute(
            """
            INSERT INTO ip_ranges (uuid, name, l3_network_uuid, start_ip, end_ip, netmask, gateway,
                                   network_cidr, start_value, end_value, next_value)
            VALUES ($1, 'r', $2, $3, $4, $5, $6, $7, $8, $9, $8)
            """,
            new_uuid(),
            other,
            *map(str, (text.start, text.end, text.netmask, text.gateway, text.network)),
            int(text.start),
            int(text.end),
        )
        path = f"/l3-networks/{world.l3}/ip-ranges/by-cidr"
        adding = start(world.admin, "POST", path, {"params": {"name": "r", "networkCidr": "10.7.0.0/25"}})
        await waiting(world)
        await conn.execute("COMMIT; BEGIN")
    assert (await adding).code == "SYS.1007"


async def test_addresses_are_taken_in_the_order_of_the_networks_uuids(world: World) -> None:
    first, last = sorted([world.l3, await second_l3(world, "10.8.0.0/24")])
    row = "SELECT uuid FROM ip_ranges WHERE l3_network_uuid = $1"
    low, high = [await world.service.db.fetchval(row, l3) for l3 in (first, last)]
    async with holding(world, "SELECT FROM ip_ranges WHERE uuid = $1 FOR UPDATE", low):
        params = world.vm_params(l3NetworkUuids=[last, first])
        making = start(world.admin, "POST", "/vm-instances", {"params": params})
        await waiting(world)
        assert await is_free(world, "ip_ranges", high)
    assert [nic["l3NetworkUuid"] for nic in (await making).inventory["vmNics"]] == [last, first]


async def test_a_snapshot_waits_for_the_vm_before_it_locks_the_volume(world: World) -> None:
    vm = await world.vm()
    root = vm["rootVolumeUuid"]
    async with holding(world, "SELECT FROM vm_instances WHERE uuid = $1 FOR UPDATE", vm["uuid"]):
        making = start(world.admin, "POST", f"/volumes/{root}/volume-snapshots", {"params": {"name": "s"}})
        await waiting(world)
        assert await is_free(world, "volumes", root)
    made = (await making).inventory
    async with holding(world, "SELECT FROM vm_instances WHERE uuid = $1 FOR UPDATE", vm["uuid"]):
        deleting = start(world.admin, "DELETE", f"/volume-snapshots/{made['uuid']}")
        await waiting(world)
        assert await is_free(world, "volume_snapshots", made["uuid"])
    assert (await deleting).status == 200


@pytest.mark.parametrize("action", ["create", "start", "reboot", "stop"])
async def test_a_host_that_is_deleted_takes_its_vms_from_their_jobs(world: World, action: str) -> None:
    vm = await world.vm(strategy="JustCreate" if action in ("create", "start") else "InstantStart")
    await world.fault("define" if action in ("create", "start") else action, latency_s=1.0, remaining=1)
    if action == "create":
        acting = start(world.admin, "POST", "/vm-instances", {"params": world.vm_params(name="new")})
    else:
        path = f"/vm-instances/{vm['uuid']}/actions"
        acting = start(world.admin, "PUT", path, {f"{action}VmInstance": {}})
    in_transit = "SELECT uuid FROM vm_instances WHERE state IN ('Starting', 'Rebooting', 'Stopping')"
    await reaches(world, in_transit)
    assert (await world.admin.job("DELETE", f"/hosts/{world.host}")).status == 200
    answer = await acting
    if action == "stop":
        assert answer.inventory["state"] == "Stopped"
    else:
        assert answer.code == ("VM.1003" if action == "reboot" else "VM.1001"), answer
    states = await world.service.db.fetch("SELECT state FROM vm_instances WHERE state <> 'Created'")
    assert [row["state"] for row in states] == ["Stopped"]
    assert await world.service.db.fetchval("SELECT count(*) FROM simulator_domains") == 0


async def test_maintenance_waits_for_vms_that_are_about_to_run(world: World) -> None:
    vm = await world.vm(strategy="JustCreate")
    await world.fault("start", latency_s=1.0, remaining=1)
    starting = start(world.admin, "PUT", f"/vm-instances/{vm['uuid']}/actions", {"startVmInstance": {}})
    await reaches(world, "SELECT uuid FROM vm_instances WHERE state = 'Starting'")
    body = {"changeHostState": {"stateEvent": "maintain"}}
    answer = await world.admin.job("PUT", f"/hosts/{world.host}/actions", body)
    assert answer.inventory["state"] == "Maintenance"
    assert (await starting).status == 200
    assert await world.state(vm) == "Stopped"
    assert await world.service.db.fetchval("SELECT count(*) FROM simulator_domains") == 0
    await world.check_counters()


async def test_a_vm_that_comes_into_a_zone_is_deleted_with_it(world: World) -> None:
    insert = """
        INSERT INTO vm_instances (uuid, name, zone_uuid, platform, memory_size, cpu_num, state)
        VALUES ($1, 'late', $2, 'Linux', 1, 1, 'Created')
    """
    uuid = new_uuid()
    async with holding(world, insert, uuid, world.zone) as conn:
        own = "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, $2, $3)"
        await conn.execute(own, uuid, "VmInstanceVO", await owner(world, world.image))
        deleting = start(world.admin, "DELETE", f"/zones/{world.zone}")
        await waiting(world)
        await conn.execute("COMMIT; BEGIN")
    assert (await deleting).status == 200
    assert await world.service.db.fetchval("SELECT count(*) FROM vm_instances") == 0


async def test_a_nic_that_goes_is_not_in_the_vm_that_starts(world: World) -> None:
    vm = await world.vm()
    await world.act(vm, "stopVmInstance")
    nic = vm["vmNics"][0]["uuid"]
    async with holding(world, "SELECT FROM vm_nics WHERE uuid = $1 FOR KEY SHARE", nic):
        detaching = start(world.admin, "DELETE", f"/vm-instances/nics/{nic}")
        await waiting(world)
        starting = start(world.admin, "PUT", f"/vm-instances/{vm['uuid']}/actions", {"startVmInstance": {}})
        await asyncio.sleep(0.3)
    assert (await detaching).status == (await starting).status == 200
    assert await world.service.db.fetchval("SELECT nics FROM simulator_domains") == []


async def test_a_volume_that_goes_is_not_in_the_vm_that_starts(world: World) -> None:
    vm = await world.vm(dataDiskOfferingUuids=[world.disk])
    await world.act(vm, "stopVmInstance")
    data = vm["allVolumes"][1]["uuid"]
    async with holding(world, "SELECT FROM volumes WHERE uuid = $1 FOR UPDATE", data):
        detaching = start(world.admin, "DELETE", f"/volumes/{data}/vm-instances")
        await waiting(world)
        starting = start(world.admin, "PUT", f"/vm-instances/{vm['uuid']}/actions", {"startVmInstance": {}})
        await asyncio.sleep(0.3)
    assert (await detaching).status == (await starting).status == 200
    assert await world.service.db.fetchval("SELECT disks FROM simulator_domains") == [vm["rootVolumeUuid"]]


async def test_the_old_owner_makes_no_snapshot_of_what_it_has_given_away(shared_world: World) -> None:
    world = shared_world
    old = await world.tenant("old")
    account, _ = await world.service.account("new")
    vm = await world.vm(old)
    root = vm["rootVolumeUuid"]
    async with holding(world, "SELECT FROM vm_instances WHERE uuid = $1 FOR UPDATE", vm["uuid"]):
        giving = give(world, vm["uuid"], account["uuid"])
        await waiting(world, 1)
        making = start(old, "POST", f"/volumes/{root}/volume-snapshots", {"params": {"name": "s"}})
        await waiting(world, 2)
    assert (await giving).status == 200
    assert (await making).code == "SYS.1003"
    assert await world.service.db.fetchval("SELECT count(*) FROM volume_snapshots") == 0


async def test_the_old_owner_takes_no_nic_from_the_vm_that_it_has_given_away(shared_world: World) -> None:
    world = shared_world
    old = await world.tenant("old")
    account, _ = await world.service.account("new")
    vm = await world.vm(old)
    nic = vm["vmNics"][0]["uuid"]
    async with holding(world, "SELECT FROM vm_instances WHERE uuid = $1 FOR UPDATE", vm["uuid"]):
        giving = give(world, vm["uuid"], account["uuid"])
        await waiting(world, 1)
        taking = start(old, "DELETE", f"/vm-instances/nics/{nic}")
        await waiting(world, 2)
    assert (await giving).status == 200
    assert (await taking).code == "SYS.1003"
    assert await owner(world, nic) == account["uuid"]


async def test_a_snapshot_that_changes_hands_while_it_is_made_is_the_new_owners(shared_world: World) -> None:
    world = shared_world
    old = await world.tenant("old")
    account, _ = await world.service.account("new")
    vm = await world.vm(old)
    await world.fault("snapshot", latency_s=0.7)
    path = f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots"
    making = start(old, "POST", path, {"params": {"name": "s"}})
    await reaches(world, "SELECT uuid FROM volume_snapshots")
    assert (await give(world, vm["uuid"], account["uuid"])).status == 200
    assert await world.service.db.fetchval("SELECT count(*) FROM usages WHERE kind = 'snapShot'") == 0
    uuid = (await making).inventory["uuid"]
    payer = await world.service.db.fetchval("SELECT account_uuid FROM usages WHERE resource_uuid = $1", uuid)
    assert await owner(world, uuid) == payer == account["uuid"]


async def test_an_eip_does_not_lead_to_a_nic_of_another_owner(shared_world: World) -> None:
    world = shared_world
    old = await world.tenant("old")
    account, _ = await world.service.account("new")
    vm = await world.vm(old)
    nic = vm["vmNics"][0]["uuid"]
    public = await second_l3(world, "9.9.9.0/24")
    share = {"resourceUuids": [public], "toPublic": True}
    await world.admin.job("PUT", "/accounts/resources/actions", {"shareResource": share})
    vips = [(await old.create("/vips", name="v", l3NetworkUuid=public))["uuid"] for _ in range(2)]
    eip = (await old.create("/eips", name="e", vipUuid=vips[0]))["uuid"]
    blocker = "INSERT INTO eips (uuid, name, vip_uuid, vip_ip, vm_nic_uuid) VALUES ($1, 'x', $2, '', $3)"
    async with holding(world, blocker, new_uuid(), vips[1], nic):
        attaching = start(old, "POST", f"/eips/{eip}/vm-instances/nics/{nic}")
        await waiting(world, 1)
        giving = give(world, vm["uuid"], account["uuid"])
        await waiting(world, 2)
    assert (await giving).status == (await attaching).status == 200
    assert await owner(world, eip) == await owner(world, nic) == account["uuid"]


async def test_a_snapshot_is_not_deleted_while_it_is_made(world: World) -> None:
    vm = await world.vm()
    await world.fault("snapshot", latency_s=0.7)
    path = f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots"
    making = start(world.admin, "POST", path, {"params": {"name": "s"}})
    await reaches(world, "SELECT uuid FROM volume_snapshots")
    uuid = await world.service.db.fetchval("SELECT uuid FROM volume_snapshots")
    assert (await world.admin.job("DELETE", f"/volume-snapshots/{uuid}")).code == "SYS.1006"
    assert (await making).inventory["status"] == "Ready"


async def test_vms_that_start_together_do_not_wait_for_the_same_host(world: World) -> None:
    params = {"name": "h2", "managementIp": "10.0.0.2", "clusterUuid": world.cluster}
    second = await world.admin.create("/hosts/simulators", **params)
    await world.service.db.execute(
        "UPDATE hosts SET available_memory_capacity = available_memory_capacity - 1 WHERE uuid = $1",
        second["uuid"],
    )
    async with holding(world, "SELECT FROM hosts WHERE uuid = $1 FOR NO KEY UPDATE", world.host):
        assert (await world.vm())["hostUuid"] == second["uuid"]
        async with holding(world, "SELECT FROM hosts WHERE uuid = $1 FOR NO KEY UPDATE", second["uuid"]):
            making = start(world.admin, "POST", "/vm-instances", {"params": world.vm_params()})
            await waiting(world)  # there is no other
    assert (await making).status == 200
