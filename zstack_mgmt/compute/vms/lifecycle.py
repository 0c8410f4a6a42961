"""The end of a VM, and its change of size."""

from __future__ import annotations

from zstack_mgmt.compute.offerings.model import InstanceOffering
from zstack_mgmt.compute.offerings.store import usable
from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.compute.placement.store import note_stray, take_room
from zstack_mgmt.compute.steps import Done, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.vms.model import Vm, VmInstance
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.core.errors import ApiError, InvalidArgument, OperationError, VmDestroyFailed
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import HostLost, Power
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.owners import scope_of


async def destroy(call: Call, work: Outside, uuid: str) -> None:
    """Power the VM off and put it away. A host that does not answer is told later.

    Raises:
        VmDestroyFailed: VM.1004; the hypervisor refused, and the VM is in the state that it reports.
    """

    async def intend(conn: Connection) -> Plan[None] | Done[None]:
        vm = await store.lock_vm(conn, uuid, scope_of(call))
        if vm is None or (vm.job_uuid == work.token and vm.state != "Destroying"):
            return Done(None)
        if vm.job_uuid != work.token:
            vm.check_state("destroy", VmDestroyFailed)
            vm = await store.set_state(conn, vm, "Destroying", "destroy", work.token)
        return Plan(site_of_vm(call.services, vm, work.connection), None)

    async def look(site: Site, _: None) -> Power | None:
        return await site.power(uuid)

    async def conclude(conn: Connection, _: None, report: Report) -> ApiError | None:
        vm = await store.lock_vm(conn, uuid)
        mine = vm is not None and vm.job_uuid == work.token  # else its host or zone was deleted meanwhile
        if report.failure is None or isinstance(report.failure, HostLost):
            if vm is not None and mine:
                if report.failure is not None:
                    await note_stray(conn, uuid, vm.host_uuid)
                await put_away(conn, vm, work.token)
            return None
        if vm is not None and mine:
            rest = "Stopped" if vm.host_uuid is None else report.value or "Unknown"
            await store.set_state(conn, vm, rest, "settled", None)
        return VmDestroyFailed(str(report.failure), OperationError(str(report.failure)))

    await run_step(
        work,
        intend,
        lambda driver, host, _: driver.destroy(host, uuid, work.token),
        conclude,
        after_failure=look,
    )


async def put_away(conn: Connection, vm: Vm, job_uuid: str | None) -> None:
    """The VM is Destroyed: its data volumes are free, the rest is kept until it is recovered or expunged."""
    await _free_data_volumes(conn, vm, job_uuid)
    await store.set_state(conn, vm, "Destroyed", "destroy", job_uuid)


async def expunge(conn: Connection, vm: Vm) -> None:
    """Delete a VM for good, with its root volume and NICs. Its data volumes are detached and stay."""
    vm = await store.set_state(conn, vm, "Expunging", "expunge", vm.job_uuid)
    await _free_data_volumes(conn, vm, None)
    for owned in vm.volumes():
        if owned.volume.type == "Root":
            await volumes.delete_volume(conn, owned)
    await store.delete_vm(conn, vm.uuid)


async def undo_creation(conn: Connection, vm: Vm) -> None:
    """Take back a VM whose creation failed: volumes, addresses, capacity, quota and the row itself."""
    for owned in vm.volumes():
        await volumes.delete_volume(conn, owned)
    await tell(conn, vm.change(vm.state, "undone"))
    await store.delete_vm(conn, vm.uuid)


async def _free_data_volumes(conn: Connection, vm: Vm, job_uuid: str | None) -> None:
    for owned in vm.volumes():
        if owned.volume.type == "Data":
            await volumes.detach(conn, owned, job_uuid)


async def resize(call: Call, conn: Connection, uuid: str, offering_uuid: str) -> VmInstance:
    """Give a VM that does not run the size of an offering."""
    vm = await store.get_vm(conn, uuid, scope_of(call))
    offering = await usable(conn, call, InstanceOffering, offering_uuid)
    vm.check_state("resize")
    reserved = offering.reserved_memory_size
    resized = await store.resize_vm(conn, vm, offering_uuid, offering.cpu_num, offering.memory_size, reserved)
    return resized.inventory


async def change_size(
    call: Call, conn: Connection, vm: Vm, cpu_num: int, memory_size: int, reserved: int
) -> Vm:
    """Give a locked VM a size of its own. A guest that runs gets it at its next start.

    Its place on the host and its owner's quotas are taken at once. Sizes in bytes.

    Raises:
        VmStateRefused, InvalidArgument, OperationError, QuotaExceeded: the VM is as it was.
    """
    vm.check_state("change size")
    before = vm.inventory
    if reserved > memory_size:
        raise InvalidArgument("reservedMemorySize is larger than the VM's memory")
    cpus, memory = cpu_num - before.cpu_num, memory_size - before.memory_size
    if vm.host_uuid is not None:
        await take_room(conn, vm.host_uuid, cpus, memory)
        wanted = {"vm.cpuNum": cpus, "vm.memorySize": memory}
        await reserve(conn, vm.account_uuid, wanted, is_admin=call.is_admin)
    offering = before.instance_offering_uuid if cpus == memory == 0 else None
    return await store.resize_vm(conn, vm, offering, cpu_num, memory_size, reserved)
