"""What the scheduler does when VMs and volumes change; first told the events, then with real VMs."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app import Service
from compute.world import GIB, World, build
from scheduler.rows import insert_due
from zstack_mgmt.compute.vms.events import VmChange
from zstack_mgmt.compute.vms.events import tell as tell_vm
from zstack_mgmt.compute.volumes.events import VolumeChange, tell_volume
from zstack_mgmt.core.values import ADMIN_UUID

Make = Callable[..., Awaitable[str]]
Wait = Callable[..., Awaitable[Any]]
STATE = "SELECT state FROM scheduler_jobs"
PLANNED = "SELECT next_fire_at IS NOT NULL FROM scheduler_job_triggers"


async def tell(service: Service, vm: str, before: str, after: str, reason: Any) -> None:
    change = VmChange(vm, "vm", ADMIN_UUID, 1, GIB, None, 0, before, after, reason)
    async with service.db.transaction():
        await tell_vm(service.db, change)


@pytest.mark.parametrize(
    ("before", "after", "reason", "state"),
    [
        ("Running", "Destroyed", "destroy", "Disabled"),
        ("Running", "Running", "owner-changed", "Disabled"),
        ("Running", "Stopped", "stop", "Enabled"),
        ("Destroyed", "Stopped", "recover", "Enabled"),
        ("Running", "Running", "resized", "Enabled"),
        ("Running", "Unknown", "host-lost", "Disabled"),
    ],
)
async def test_changes_of_a_vm(
    service: Service, resource: Make, before: str, after: str, reason: str, state: str
) -> None:
    vm = await resource()
    await insert_due(service.db, [vm], ago_s=-3600)
    await tell(service, vm, before, after, reason)
    assert await service.db.fetchval(STATE) == state
    assert await service.db.fetchval(PLANNED) is (state == "Enabled")


async def test_a_found_host_enables_what_its_loss_disabled(service: Service, resource: Make) -> None:
    vm = await resource()
    await insert_due(service.db, [vm], ago_s=-3600)
    await tell(service, vm, "Running", "Unknown", "host-lost")
    await tell(service, vm, "Unknown", "Running", "host-found")
    assert await service.db.fetchval(STATE) == "Enabled"
    assert await service.db.fetchval(PLANNED) is True


async def test_a_found_host_enables_nothing_else(service: Service, resource: Make) -> None:
    vm = await resource()
    await insert_due(service.db, [vm], ago_s=-3600)
    job = await service.db.fetchval("SELECT uuid FROM scheduler_jobs")
    path, body = f"/schedulers/{job}", {"changeSchedulerState": {"stateEvent": "disable"}}
    assert (await service.admin.job("PUT", path, body)).inventory["state"] == "Disabled"
    await tell(service, vm, "Running", "Unknown", "host-lost")
    await tell(service, vm, "Unknown", "Running", "host-found")
    assert await service.db.fetchval(STATE) == "Disabled"


async def test_a_vm_destroyed_while_its_host_is_lost_stays_disabled(service: Service, resource: Make) -> None:
    vm = await resource()
    await insert_due(service.db, [vm], ago_s=-3600)
    await tell(service, vm, "Running", "Unknown", "host-lost")
    await tell(service, vm, "Unknown", "Destroyed", "destroy")
    await tell(service, vm, "Unknown", "Running", "host-found")
    assert await service.db.fetchval(STATE) == "Disabled"


async def test_an_expunged_vm_leaves_its_jobs_off_all_triggers(service: Service, resource: Make) -> None:
    vm = await resource()
    await insert_due(service.db, [vm])
    await tell(service, vm, "Destroyed", "Expunging", "expunge")
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_job_triggers") == 0
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_jobs") == 1


@pytest.mark.parametrize(
    ("kind", "state", "places"),
    [
        ("deleted", "Disabled", 1),
        ("owner-changed", "Disabled", 1),
        ("recovered", "Enabled", 1),
        ("detached", "Enabled", 1),
        ("expunged", "Enabled", 0),
    ],
)
async def test_changes_of_a_volume(
    service: Service, resource: Make, kind: Any, state: str, places: int
) -> None:
    volume = await resource("VolumeVO")
    await insert_due(service.db, [volume], kind="volumeSnapshot", ago_s=-3600)
    change = VolumeChange(volume, "v", ADMIN_UUID, "Data", GIB, kind, None)
    async with service.db.transaction():
        await tell_volume(service.db, change)
    assert await service.db.fetchval(STATE) == state
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_job_triggers") == places


@pytest.fixture
async def world(service: Service) -> World:
    return await build(service)


async def run_once(world: World, kind: str, target: str, **params: Any) -> str:
    """A job that is due at once; returns its uuid."""
    admin = world.admin
    job = await admin.create(
        "/scheduler/jobs", name="j", targetResourceUuid=target, type=kind, parameters=params
    )
    trigger = await admin.create(
        "/scheduler/triggers", name="t", schedulerType="simple", startTime=0, repeatCount=1
    )
    await admin.job("POST", f"/scheduler/jobs/{job['uuid']}/scheduler/triggers/{trigger['uuid']}")
    return job["uuid"]


async def outcome(world: World, job: str, wait_for: Wait) -> str:
    async def ended() -> Any:
        answer = await world.admin.get(f"/scheduler/jobs/{job}/executions")
        return [e["state"] for e in answer.body["inventories"] if e["state"] not in ("Waiting", "Running")]

    return (await wait_for(ended))[0]


async def test_vms_are_stopped_started_and_rebooted(world: World, wait_for: Wait) -> None:
    vm = await world.vm()
    for kind, state in (("stopVm", "Stopped"), ("startVm", "Running"), ("rebootVm", "Running")):
        job = await run_once(world, kind, vm["uuid"])
        assert await outcome(world, job, wait_for) == "Succeeded"
        assert await world.state(vm) == state
    job = await run_once(world, "startVm", vm["uuid"])
    assert await outcome(world, job, wait_for) == "Failed"  # it runs already
    jobs = await world.service.db.fetchval("SELECT array_agg(state) FROM scheduler_jobs")
    assert jobs == ["Enabled"] * 4


async def test_a_snapshot_is_taken(world: World, wait_for: Wait) -> None:
    vm = await world.vm()
    parameters = {"snapshotName": "nightly", "snapshotDescription": "d"}
    job = await run_once(world, "volumeSnapshot", vm["rootVolumeUuid"], **parameters)
    assert await outcome(world, job, wait_for) == "Succeeded"
    (snapshot,) = (await world.admin.get("/volume-snapshots")).body["inventories"]
    assert (snapshot["name"], snapshot["description"]) == ("nightly", "d")
    again = await run_once(world, "volumeSnapshot", vm["rootVolumeUuid"])
    assert await outcome(world, again, wait_for) == "Succeeded"
    names = [s["name"] for s in (await world.admin.get("/volume-snapshots")).body["inventories"]]
    assert any(name.startswith(f"{vm['rootVolumeUuid']}-snapshot-") for name in names)


async def test_the_life_of_a_vm(world: World) -> None:
    vm = await world.vm()
    await insert_due(world.service.db, [vm["uuid"]], ago_s=-3600)
    job = await world.service.db.fetchval("SELECT uuid FROM scheduler_jobs")

    async def state() -> str:
        return (await world.admin.get(f"/scheduler/jobs?q=targetResourceUuid={vm['uuid']}")).body[
            "inventories"
        ][0]["state"]

    account, _ = await world.service.account("tenant")
    body = {"params": {"resourceUuid": vm["uuid"]}}
    moved = await world.admin.job("POST", f"/account/{account['uuid']}/resources", body)
    assert moved.status == 200, moved
    assert await state() == "Disabled"
    enable = {"changeSchedulerState": {"stateEvent": "enable"}}
    assert (await world.admin.job("PUT", f"/schedulers/{job}", enable)).inventory["state"] == "Enabled"
    assert (await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")).status == 200
    assert await state() == "Disabled"
    assert (await world.act(vm, "recoverVmInstance")).status == 200
    assert await state() == "Disabled"
    await world.admin.job("DELETE", f"/vm-instances/{vm['uuid']}")
    assert (await world.act(vm, "expungeVmInstance")).status == 200
    assert await world.service.db.fetchval("SELECT count(*) FROM scheduler_job_triggers") == 0
    assert await state() == "Disabled"
