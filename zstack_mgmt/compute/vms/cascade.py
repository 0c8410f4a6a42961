"""What becomes of VMs when the ground under them goes: their host, cluster, zone or network."""

from __future__ import annotations

import asyncio

from zstack_mgmt.compute.hosts import store as hosts
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.model import Vm
from zstack_mgmt.compute.vms.outside import destroy_or_note, site_of_vm
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import DriverError
from zstack_mgmt.engine.outside import Outside

_LOOK_AGAIN_S = 0.2


async def leave_host(conn: Connection, host_uuid: str) -> None:
    """Before the host is deleted: its VMs are Stopped, and it is noted that it must not go on running
    them.
    """
    for uuid in await store.vms_on(conn, host_uuid):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.host_uuid != host_uuid:
            continue
        await hosts.note_stray(conn, uuid, host_uuid)
        if vm.state == "Destroying":
            await put_away(conn, vm, None)
        else:
            await store.set_state(conn, vm, "Stopped", "stop", None)


async def delete_in_zone(conn: Connection, zone_uuid: str) -> None:
    """Before the zone is deleted: its VMs are deleted with their root volumes; data volumes are detached."""
    for uuid in await store.vms_in_zone(conn, zone_uuid):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None:
            if vm.host_uuid is not None:
                await hosts.note_stray(conn, uuid, vm.host_uuid)
            await expunge(conn, vm)


async def put_away(conn: Connection, vm: Vm, job_uuid: str | None) -> None:
    """The VM is Destroyed: its data volumes are free, the rest is kept until it is recovered or expunged."""
    await _free_data_volumes(conn, vm.uuid, job_uuid)
    await store.set_state(conn, vm, "Destroyed", "destroy", job_uuid)


async def expunge(conn: Connection, vm: Vm) -> None:
    """Delete a VM for good, with its root volume and NICs. Its data volumes are detached and stay."""
    await store.set_state(conn, vm, "Expunging", "expunge", vm.job_uuid)
    await _free_data_volumes(conn, vm.uuid, None)
    for root in await volumes.volumes_of(conn, vm.uuid):
        await volumes.delete_volume(conn, root)
    await store.delete_vm(conn, vm.uuid)


async def _free_data_volumes(conn: Connection, vm_uuid: str, job_uuid: str | None) -> None:
    for owned in await volumes.volumes_of(conn, vm_uuid):
        if owned.volume.type == "Data":
            await volumes.detach(conn, owned.volume.uuid, job_uuid)
            await tell_volume(conn, owned.change("detached", vm_uuid))


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
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.host_uuid != host_uuid:
            return
        if vm.state in ("Running", "Paused", "Unknown"):
            vm = await store.set_state(conn, vm, "Stopping", "stop", work.token)
        if vm.job_uuid != work.token:
            return  # another job will be done with it soon
        site = await site_of_vm(conn, call.services, vm, work.transaction)
    if site is not None:
        try:
            await site.call(lambda driver, host: driver.stop(host, uuid, work.token, hard=False))
        except DriverError:
            await destroy_or_note(site, uuid, work.token, work.transaction)
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None and vm.job_uuid == work.token and vm.state == "Stopping":
            await store.set_state(conn, vm, "Stopped", "stop", work.token)
