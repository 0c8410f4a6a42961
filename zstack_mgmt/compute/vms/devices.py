"""NICs and data volumes that come to a VM and leave it, at once if it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, TypeVar

from zstack_mgmt.compute.networks.model import address
from zstack_mgmt.compute.networks.store import l2_is_in_cluster, usable_l3s
from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.model import NewNic, Vm, VmInstance
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.model import OwnedVolume, Volume
from zstack_mgmt.core.errors import ApiError, InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.drivers.protocol import Domain, Driver, Host, derived_uuid
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.resources.owners import own, scope_of

R = TypeVar("R")
MAX_NICS: Annotated[int, Doc("NICs of a VM"), Bound("OperationError")] = 8
MAX_DATA_VOLUMES: Annotated[int, Doc("data volumes on a VM"), Bound("OperationError")] = 24


async def attach_nic(
    call: Call, work: Outside, vm_uuid: str, l3_uuid: str, static_ip: str | None = None
) -> VmInstance:
    """Give a VM a NIC on another network, with the given address or the lowest that is free.

    Raises:
        ResourceNotFound, InvalidArgument, OperationError, VmStateRefused: the VM is as it was.
    """
    uuid = derived_uuid(work.token, "nic")
    ip = None if static_ip is None else address(static_ip, "staticIp")

    async def add(conn: Connection, vm: Vm) -> None:
        present = vm.inventory.vm_nics
        if uuid in {nic.uuid for nic in present}:
            return
        vm.check_state("attach")
        (l3,) = await usable_l3s(conn, [l3_uuid], scope_of(call))
        if l3_uuid in {nic.l3_network_uuid for nic in present}:
            raise InvalidArgument(f"the VM has a NIC on the L3 network {l3_uuid} already")
        if len(present) >= MAX_NICS:
            raise OperationError(f"a VM has at most {MAX_NICS} NICs")
        if vm.inventory.zone_uuid not in (None, l3.zone_uuid):
            raise InvalidArgument(f"the L3 network {l3_uuid} is in another zone")
        cluster = vm.inventory.cluster_uuid
        if cluster is not None and not await l2_is_in_cluster(conn, l3.l2_network_uuid, cluster):
            raise OperationError(f"the L2 network of {l3_uuid} is not attached to the VM's cluster")
        device = 1 + max((nic.device_id for nic in present), default=-1)
        await store.insert_nics(conn, vm_uuid, [NewNic(uuid, l3_uuid, device, ip)])
        await own(conn, vm.account_uuid, uuid)
        if not present:
            await store.update_vm(conn, vm, default_l3_uuid=l3_uuid)

    async def take_back(conn: Connection, _: Vm) -> None:
        await store.delete_nic(conn, uuid)

    async def result(_: Connection, vm: Vm) -> VmInstance:
        return vm.inventory

    return await _attach(call, work, vm_uuid, add, take_back, result)


async def attach_volume(call: Call, work: Outside, uuid: str, vm_uuid: str) -> Volume:
    """Give a data volume to a VM of the same owner.

    Raises:
        ResourceNotFound, OperationError, VmStateRefused: the volume is as it was.
    """

    async def add(conn: Connection, vm: Vm) -> None:
        owned = await volumes.get_volume(conn, uuid, scope_of(call))
        if owned.job_uuid != work.token:
            _check_attachable(vm, owned)
            await volumes.attach(conn, owned, vm_uuid, work.token)
        elif owned.volume.vm_instance_uuid is None:
            raise OperationError("the hypervisor refused the volume")

    async def take_back(conn: Connection, _: Vm) -> None:
        owned = await volumes.get_volume(conn, uuid)
        if owned.volume.vm_instance_uuid == vm_uuid:
            await volumes.detach(conn, owned, work.token, undo=True)

    async def result(conn: Connection, _: Vm) -> Volume:
        await volumes.get_volume(conn, uuid)
        return await volumes.instantiate(conn, uuid)

    return await _attach(call, work, vm_uuid, add, take_back, result)


def _check_attachable(vm: Vm, owned: OwnedVolume) -> None:
    volume = owned.volume
    if volume.type != "Data":
        raise OperationError("a root volume lives and ends with its VM")
    if owned.account_uuid != vm.account_uuid:
        raise OperationError("the volume and the VM belong to different accounts")
    if volume.state != "Enabled" or volume.status not in ("Ready", "NotInstantiated"):
        raise OperationError(f"the volume is {volume.state} and {volume.status}")
    if volume.vm_instance_uuid is not None:
        raise OperationError(f"the volume is attached to the VM {volume.vm_instance_uuid}")
    vm.check_state("attach")
    if len(vm.inventory.all_volumes) > MAX_DATA_VOLUMES:
        raise OperationError(f"a VM has at most {MAX_DATA_VOLUMES} data volumes")


async def _attach(
    call: Call,
    work: Outside,
    vm_uuid: str,
    add: Callable[[Connection, Vm], Awaitable[None]],
    take_back: Callable[[Connection, Vm], Awaitable[None]],
    result: Callable[[Connection, Vm], Awaitable[R]],
) -> R:
    """Add a device to the VM's rows and then to its domain; if that fails, the rows are as they were."""

    async def intend(conn: Connection) -> Plan[Domain]:
        vm = await store.get_vm(conn, vm_uuid, scope_of(call))
        await add(conn, vm)
        vm = await store.get_vm(conn, vm_uuid)
        return Plan(_live_site(call, work, vm), vm.domain())

    async def act(driver: Driver, host: Host, domain: Domain) -> None:
        await driver.define(host, domain, work.token)

    async def conclude(conn: Connection, _: Domain, report: Report) -> R | ApiError:
        vm = await store.get_vm(conn, vm_uuid)
        if report.failure is None:
            return await result(conn, vm)
        await take_back(conn, vm)
        return OperationError(str(report.failure))

    return await run_step(work, intend, act, conclude)


async def detach_nic(call: Call, work: Outside, uuid: str) -> VmInstance:
    """Take a NIC from its VM. Its address is free again.

    Raises:
        ResourceNotFound, OperationError, VmStateRefused: the VM is as it was.
    """

    async def look(conn: Connection) -> Vm | Done[VmInstance]:
        vm_uuid = await store.vm_of_nic(conn, uuid, scope_of(call))
        vm = None if vm_uuid is None else await store.lock_vm(conn, vm_uuid, scope_of(call))
        if vm is None or uuid not in {nic.uuid for nic in vm.inventory.vm_nics}:
            raise ResourceNotFound(f"no NIC has the uuid {uuid}")
        return vm

    def without(domain: Domain, vm: Vm) -> Domain:
        gone = {nic.mac for nic in vm.inventory.vm_nics if nic.uuid == uuid}
        return replace(domain, nics=tuple(nic for nic in domain.nics if nic.mac not in gone))

    async def remove(conn: Connection, vm: Vm) -> VmInstance:
        await store.delete_nic(conn, uuid)
        return (await store.get_vm(conn, vm.uuid)).inventory

    return await _detach(call, work, look, without, remove)


async def detach_volume(call: Call, work: Outside, uuid: str, vm_uuid: str | None) -> Volume:
    """Take a data volume from its VM; one that is attached to none stays as it is.

    Args:
        vm_uuid: the VM that it must be attached to; None: any.

    Raises:
        ResourceNotFound, InvalidArgument, OperationError, VmStateRefused: the volume is as it was.
    """

    async def look(conn: Connection) -> Vm | Done[Volume]:
        vm, owned = await lock_with_volume(conn, uuid, scope_of(call))
        if vm is None:
            return Done(owned.volume)
        if owned.volume.type != "Data":
            raise OperationError("a root volume lives and ends with its VM")
        if vm_uuid not in (None, vm.uuid):
            raise InvalidArgument("vmUuid: the volume is attached to another VM")
        return vm

    def without(domain: Domain, _: Vm) -> Domain:
        return replace(domain, disks=tuple(disk for disk in domain.disks if disk.volume_uuid != uuid))

    async def remove(conn: Connection, _: Vm) -> Volume:
        return await volumes.detach(conn, await volumes.get_volume(conn, uuid), work.token)

    return await _detach(call, work, look, without, remove)


async def lock_with_volume(
    conn: Connection, uuid: str, account_uuid: str | None
) -> tuple[Vm | None, OwnedVolume]:
    """The volume of the account (None: of any) and the VM that it is attached to, both locked, the VM first.

    Raises:
        ResourceNotFound: the account owns no such volume.
        OperationError: its VM got it or let it go at this moment.
    """
    vm_uuid = await volumes.vm_of(conn, uuid)
    vm = None if vm_uuid is None else await store.lock_vm(conn, vm_uuid)
    return vm, await volumes.get_volume_of(conn, uuid, account_uuid, vm_uuid)


async def _detach(
    call: Call,
    work: Outside,
    look: Callable[[Connection], Awaitable[Vm | Done[R]]],
    without: Callable[[Domain, Vm], Domain],
    remove: Callable[[Connection, Vm], Awaitable[R]],
) -> R:
    """Take a device from the VM's domain, and then from its rows.

    If the VM was started, stopped or moved meanwhile, its domain is told again: it may have the device.
    """

    async def intend(conn: Connection) -> Plan[Vm] | Done[R | None]:
        vm = await look(conn)
        if isinstance(vm, Done):
            return Done(vm.value)
        vm.check_state("attach")
        site = _live_site(call, work, vm)
        return Done(await remove(conn, vm)) if site is None else Plan(site, vm)

    async def act(driver: Driver, host: Host, vm: Vm) -> None:
        await driver.define(host, without(vm.domain(), vm), work.token)

    async def conclude(conn: Connection, told: Vm, report: Report) -> R | ApiError | None:
        if report.failure is not None:
            return OperationError(str(report.failure))
        vm = await look(conn)
        if isinstance(vm, Done):
            return vm.value
        return await remove(conn, vm) if vm.inventory == told.inventory else None

    while (result := await run_step(work, intend, act, conclude)) is None:
        continue
    return result


def _live_site(call: Call, work: Outside, vm: Vm) -> Site | None:
    """The site of a VM whose hypervisor must learn of a change now; None when the next start will do."""
    return site_of_vm(call.services, vm, work.connection) if vm.state in ("Running", "Paused") else None
