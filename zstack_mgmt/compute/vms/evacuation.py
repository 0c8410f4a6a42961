"""What becomes of VMs when the ground under them goes: their host, cluster or zone."""

from __future__ import annotations

import asyncio

from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.compute.placement.store import note_stray
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.lifecycle import expunge, put_away
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Outside

_LOOK_AGAIN_S = 0.2


async def leave_host(conn: Connection, host_uuid: str) -> None:
    """Before the host is deleted: its VMs are Stopped, and noted as not to go on running there."""
    for uuid in await store.vms_on(conn, host_uuid):
        vm = await store.lock_vm(conn, uuid)
        if vm is None or vm.host_uuid != host_uuid:
            continue
        await note_stray(conn, uuid, host_uuid)
        if vm.state == "Destroying":
            await put_away(conn, vm, None)
        else:
            await store.set_state(conn, vm, "Stopped", "stop", None)


async def delete_in_zone(conn: Connection, zone_uuid: str) -> None:
    """Before the zone is deleted: its VMs are deleted with their root volumes; data volumes are detached."""
    for uuid in await store.vms_in_zone(conn, zone_uuid):
        vm = await store.lock_vm(conn, uuid)
        if vm is not None:
            await note_stray(conn, uuid, vm.host_uuid)
            await expunge(conn, vm)


async def clear_host(call: Call, work: Outside, host_uuid: str) -> None:
    """Stop the VMs of a host that takes no new ones, and wait for those on their way to another state.

    One that cannot be stopped softly loses its power.
    """
    while True:
        async with work.transaction() as conn:
            uuids = await store.vms_on(conn, host_uuid)
        if not uuids:
            return
        for uuid in uuids:
            await _stop_on(call, work, host_uuid, uuid)
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _stop_on(call: Call, work: Outside, host_uuid: str, uuid: str) -> None:
    async def intend(conn: Connection) -> Plan[None] | Done[None]:
        vm = await store.lock_vm(conn, uuid)
        if vm is None or vm.host_uuid != host_uuid:
            return Done(None)
        if vm.state in ("Running", "Paused", "Unknown"):
            vm = await store.set_state(conn, vm, "Stopping", "stop", work.token)
        if vm.job_uuid != work.token:
            return Done(None)  # another job will be done with it soon
        return Plan(site_of_vm(call.services, vm, work.connection), None)

    async def cut_power(site: Site, _: None) -> None:
        await site.forget(uuid, work.token)

    async def conclude(conn: Connection, _: None, report: Report) -> None:
        vm = await store.lock_vm(conn, uuid)
        if vm is not None and vm.job_uuid == work.token and vm.state == "Stopping":
            await store.set_state(conn, vm, "Stopped", "stop", work.token)

    await run_step(
        work,
        intend,
        lambda driver, host, _: driver.stop(host, uuid, work.token, hard=False),
        conclude,
        after_failure=cut_power,
    )
