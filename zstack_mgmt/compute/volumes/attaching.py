"""Attaching data volumes to VMs and detaching them."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.vms import store as vms
from zstack_mgmt.compute.vms.model import Vm
from zstack_mgmt.compute.vms.outside import Site, site_of_vm
from zstack_mgmt.compute.vms.power import check_state
from zstack_mgmt.compute.volumes import store
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume, Volume
from zstack_mgmt.core.errors import InvalidArgument, OperationError
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Domain, DriverError
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.sharing.owners import found, scope_of

MAX_DATA_VOLUMES = 24


async def attach(call: Call, work: Outside, uuid: str, vm_uuid: str) -> Volume:
    """Attach a data volume to a VM of the same owner.

    Raises:
        ResourceNotFound, OperationError, VmStateRefused: the volume is as it was.
    """
    async with work.transaction() as conn:
        vm = found(await vms.lock_vm(conn, vm_uuid, scope_of(call)), "VM", vm_uuid)
        owned = found(await store.lock_volume(conn, uuid, scope_of(call)), "volume", uuid)
        if owned.job_uuid != work.token:
            await _check(conn, vm, owned)
            volume = await store.attach(conn, uuid, vm_uuid, work.token)
            await tell_volume(conn, replace(owned, volume=volume).change("attached"))
        elif owned.volume.vm_instance_uuid is None:
            raise OperationError("the hypervisor refused the volume")
        domain = await vms.domain_of(conn, vm_uuid)
        site = await _live_site(conn, call, work, vm)
    try:
        if site is not None:
            await _apply(site, domain, work.token)
    except OperationError:
        async with work.transaction() as conn:
            await vms.lock_vm(conn, vm_uuid, None)
            owned = found(await store.lock_volume(conn, uuid, None), "volume", uuid)
            if owned.volume.vm_instance_uuid == vm_uuid:
                await store.undo_attach(conn, uuid, work.token)
                fresh = owned.volume.install_path is None
                await tell_volume(conn, owned.change("undone" if fresh else "detached", vm_uuid))
        raise
    async with work.transaction() as conn:
        found(await store.lock_volume(conn, uuid, None), "volume", uuid)
        return await store.instantiate(conn, uuid)


async def _check(conn: Connection, vm: Vm, owned: OwnedVolume) -> None:
    volume = owned.volume
    if volume.type != "Data":
        raise OperationError("a root volume lives and ends with its VM")
    if owned.account_uuid != vm.account_uuid:
        raise OperationError("the volume and the VM belong to different accounts")
    if volume.state != "Enabled" or volume.status not in ("Ready", "NotInstantiated"):
        raise OperationError(f"the volume is {volume.state} and {volume.status}")
    if volume.vm_instance_uuid is not None:
        raise OperationError(f"the volume is attached to the VM {volume.vm_instance_uuid}")
    check_state(vm, "attach")
    if len(await store.volumes_of(conn, vm.uuid)) > MAX_DATA_VOLUMES:
        raise OperationError(f"a VM has at most {MAX_DATA_VOLUMES} data volumes")


async def detach(call: Call, work: Outside, uuid: str, vm_uuid: str | None) -> Volume:
    """Take a data volume from its VM; one that is attached to none stays as it is.

    Args:
        vm_uuid: the VM that it must be attached to; None: any.
    """
    told = None  # the VM as it was when its hypervisor was told
    while True:
        async with work.transaction() as conn:
            vm, owned = await lock_with_vm(conn, uuid, scope_of(call))
            if vm is None:
                return owned.volume
            if owned.volume.type != "Data":
                raise OperationError("a root volume lives and ends with its VM")
            if vm_uuid not in (None, vm.uuid):
                raise InvalidArgument("vmUuid: the volume is attached to another VM")
            check_state(vm, "attach")
            site = await _live_site(conn, call, work, vm)
            if site is None or vm == told:
                volume = await store.detach(conn, uuid, work.token)
                await tell_volume(conn, owned.change("detached", vm.uuid))
                return volume
            whole = await vms.domain_of(conn, vm.uuid)
        told, kept = vm, tuple(disk for disk in whole.disks if disk.volume_uuid != uuid)
        await _apply(site, replace(whole, disks=kept), work.token)


async def lock_with_vm(
    conn: Connection, uuid: str, account_uuid: str | None
) -> tuple[Vm | None, OwnedVolume]:
    """The volume of the account (None: of any) and the VM that it is attached to, both locked, the VM first.

    Raises:
        ResourceNotFound: the account owns no such volume.
        OperationError: its VM let it go at this moment.
    """
    vm_uuid = await store.vm_of(conn, uuid)
    vm = None if vm_uuid is None else await vms.lock_vm(conn, vm_uuid, None)
    owned = found(await store.lock_volume(conn, uuid, account_uuid), "volume", uuid)
    if owned.volume.vm_instance_uuid != vm_uuid:
        raise OperationError(f"the volume {uuid} is being attached or detached; try again")
    return vm, owned


async def _apply(site: Site, domain: Domain, token: str) -> None:
    try:
        await site.call(lambda driver, host: driver.define(host, domain, token))
    except DriverError as failure:
        raise OperationError(str(failure)) from None


async def _live_site(conn: Connection, call: Call, work: Outside, vm: Vm) -> Site | None:
    if vm.state not in ("Running", "Paused"):
        return None
    return await site_of_vm(conn, call.services, vm, work.transaction)
