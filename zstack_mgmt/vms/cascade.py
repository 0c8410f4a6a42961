"""What becomes of VMs when the ground under them goes: their host, cluster, zone or network."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.drivers.protocol import DriverError
from zstack_mgmt.hosts import store as hosts
from zstack_mgmt.jobs.outside import Outside
from zstack_mgmt.registry import Call
from zstack_mgmt.vms import store
from zstack_mgmt.vms.outside import destroy_or_note, site_of_vm
from zstack_mgmt.volumes import store as volumes
from zstack_mgmt.volumes.events import tell_volume


async def leave_host(conn: Any, host_uuid: str) -> None:
    """Before the host is deleted: its VMs are Stopped, and it is noted that it must not go on running
    them.
    """
    for uuid in await store.vms_on(conn, host_uuid, None):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.host_uuid != host_uuid:
            continue
        await hosts.note_stray(conn, uuid, host_uuid)
        state = "Destroyed" if vm.state == "Destroying" else "Stopped"
        await store.set_state(conn, vm, state, "stop", None)


async def delete_in_zone(conn: Any, zone_uuid: str) -> None:
    """Before the zone is deleted: its VMs are deleted with their root volumes; data volumes are detached."""
    for uuid in await store.vms_in_zone(conn, zone_uuid):
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None:
            if vm.host_uuid is not None:
                await hosts.note_stray(conn, uuid, vm.host_uuid)
            await expunge(conn, uuid)


async def expunge(conn: Any, uuid: str) -> None:
    """Delete a VM for good, with its root volume and NICs. Its data volumes are detached and stay."""
    vm = await store.lock_vm(conn, uuid, None)
    if vm is None:
        return
    await store.set_state(conn, vm, "Expunging", "expunge", vm.job_uuid)
    for owned in await volumes.volumes_of(conn, uuid):
        if owned.volume.type == "Root":
            await volumes.delete_volume(conn, owned)
        else:
            await volumes.detach(conn, owned.volume.uuid, None)
            await tell_volume(conn, owned.change("detached", uuid))
    await store.delete_vm(conn, uuid)


async def stop_all_on(call: Call, work: Outside, host_uuid: str) -> None:
    """Stop the VMs of a host one after the other; one that cannot be stopped softly loses its power."""
    async with work.transaction() as conn:
        uuids = await store.vms_on(conn, host_uuid, ("Running", "Paused", "Unknown", "Stopping"))
    for uuid in uuids:
        async with work.transaction() as conn:
            vm = await store.lock_vm(conn, uuid, None)
            if vm is None or vm.host_uuid != host_uuid:
                continue
            if vm.state in ("Running", "Paused", "Unknown"):
                vm = await store.set_state(conn, vm, "Stopping", "stop", work.token)
            if vm.job_uuid != work.token:
                continue
            site = await site_of_vm(conn, call.services, vm, work.transaction)
        if site is not None:
            try:
                await site.call(
                    lambda driver, host, uuid=uuid: driver.stop(host, uuid, work.token, hard=False)
                )
            except DriverError:
                await destroy_or_note(site, uuid, work.token, work.transaction)
        async with work.transaction() as conn:
            vm = await store.lock_vm(conn, uuid, None)
            if vm is not None and vm.job_uuid == work.token and vm.state == "Stopping":
                await store.set_state(conn, vm, "Stopped", "stop", work.token)
