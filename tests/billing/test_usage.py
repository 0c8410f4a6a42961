"""Usage follows real VMs, volumes and snapshots."""

import asyncio
from typing import Any

import pytest

from app import Client, Service
from compute.world import GIB, World, build
from zstack_mgmt.compute.vms.events import VmChange, tell
from zstack_mgmt.core.values import ADMIN_UUID


@pytest.fixture
async def world(service: Service) -> World:
    built = await build(service)
    for resource in ("cpu", "memory", "rootVolume", "dataVolume", "snapShot"):
        params = {"resourceName": resource, "timeUnit": "s", "price": 1, "dateInLong": 0, "resourceUnit": "b"}
        await service.admin.create("/billings/prices", **params)
    return built


async def spend(client: Client, account: str = ADMIN_UUID) -> dict[str, float]:
    path = f"/billings/accounts/{account}/actions"
    body = (await client.call("PUT", path, {"calculateAccountSpending": {}})).body
    return {group["spendingType"]: group["spending"] for group in body["spending"]} | {"total": body["total"]}


async def grows(client: Client, *kinds: str, account: str = ADMIN_UUID) -> bool:
    """Whether these groups grow, and no others."""
    before = await spend(client, account)
    await asyncio.sleep(0.05)
    after = await spend(client, account)
    growing = {kind for kind in before if kind != "total" and after[kind] > before[kind]}
    assert not growing or growing == set(kinds), growing
    return bool(growing)


async def test_a_vm_is_paid_while_it_runs(world: World) -> None:
    vm = await world.vm()
    for action, running in (
        ("stopVmInstance", False),
        ("startVmInstance", True),
        ("rebootVmInstance", True),
        ("pauseVmInstance", False),
        ("resumeVmInstance", True),
    ):
        assert (await world.act(vm, action)).status == 200
        assert await grows(world.admin, "VM", "rootVolume") is running
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert not await grows(world.admin)
    before = await spend(world.admin)
    await world.act(vm, "expungeVmInstance")
    assert await spend(world.admin) == before
    assert before["VM"] > 0
    assert before["rootVolume"] > 0


async def test_a_new_owner_pays_from_then_on(world: World) -> None:
    vm = await world.vm()
    account, tenant = await world.service.account("tenant")
    body = {"params": {"resourceUuid": vm["uuid"]}}
    assert (await world.admin.job("POST", f"/account/{account['uuid']}/resources", body)).status == 200
    assert not await grows(world.admin)
    assert await grows(tenant, "VM", "rootVolume", account=account["uuid"])


async def test_a_data_volume_is_paid_from_its_first_attachment_to_its_deletion(world: World) -> None:
    vm = await world.vm()
    assert (await world.act(vm, "stopVmInstance")).status == 200
    volume = await world.admin.create("/volumes/data", name="v", diskOfferingUuid=world.disk)
    assert not await grows(world.admin)
    attached = await world.admin.job("POST", f"/volumes/{volume['uuid']}/vm-instances/{vm['uuid']}")
    assert attached.status == 200, attached
    assert await grows(world.admin, "dataVolume")
    assert (await world.admin.job("DELETE", f"/volumes/{volume['uuid']}/vm-instances")).status == 200
    assert await grows(world.admin, "dataVolume")
    assert (await world.admin.job("DELETE", f"/volumes/{volume['uuid']}")).status == 200
    assert not await grows(world.admin)
    recover = {"recoverDataVolume": {}}
    assert (await world.admin.job("PUT", f"/volumes/{volume['uuid']}/actions", recover)).status == 200
    assert await grows(world.admin, "dataVolume")


async def test_a_snapshot_is_paid_while_it_exists(world: World) -> None:
    vm = await world.vm()
    await world.act(vm, "stopVmInstance")
    path = f"/volumes/{vm['rootVolumeUuid']}/volume-snapshots"
    snapshot = (await world.admin.job("POST", path, {"params": {"name": "s"}})).inventory
    assert await grows(world.admin, "snapShot") is (snapshot["size"] > 0)
    assert (await world.admin.job("DELETE", f"/volume-snapshots/{snapshot['uuid']}")).status == 200
    assert not await grows(world.admin)


async def test_repeated_states_change_nothing_and_a_new_size_begins_a_stretch(service: Service) -> None:
    async def change(cores: int, state: str, reason: Any) -> None:
        told = VmChange("vm", "vm", ADMIN_UUID, cores, GIB, "root", GIB, "Running", state, reason)
        async with service.db.transaction():
            await tell(service.db, told)

    for cores, state, reason in (
        (1, "Running", "start"),
        (1, "Running", "settled"),
        (2, "Running", "resized"),
        (2, "Unknown", "host-lost"),
        (2, "Stopped", "host-found"),
    ):
        await change(cores, state, reason)
    rows = await service.db.fetch("SELECT cpu_num, ended_at FROM usages WHERE kind = 'VM' ORDER BY id")
    assert [row["cpu_num"] for row in rows] == [1, 2]
    assert all(row["ended_at"] is not None for row in rows)
    assert await service.db.fetchval("SELECT count(*) FROM usages WHERE kind = 'rootVolume'") == 1


async def test_a_change_that_is_undone_leaves_no_usage(service: Service) -> None:
    told = VmChange("vm", "vm", ADMIN_UUID, 1, GIB, None, 0, "Starting", "Running", "start")
    transaction = service.db.transaction()
    await transaction.start()
    await tell(service.db, told)
    await transaction.rollback()
    assert await service.db.fetchval("SELECT count(*) FROM usages") == 0
