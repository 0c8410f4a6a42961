"""The end of a VM, and its change of size."""

from __future__ import annotations

from zstack_mgmt.compute.hosts.store import note_stray
from zstack_mgmt.compute.offerings.store import get_instance_offering
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.cascade import put_away
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.vms.model import VmInstance
from zstack_mgmt.compute.vms.outside import Site, site_of_vm
from zstack_mgmt.compute.vms.power import check_state
from zstack_mgmt.core.errors import OperationError, VmDestroyFailed
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import DriverError, HostLost
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.sharing.owners import found, is_visible, scope_of


async def destroy(call: Call, work: Outside, uuid: str) -> None:
    """Power the VM off and put it away. A host that does not answer is told later.

    Raises:
        VmDestroyFailed: VM.1004; the hypervisor refused, and the VM is in the state that it reports.
    """
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, scope_of(call))
        if vm is None or (vm.job_uuid == work.token and vm.state != "Destroying"):
            return
        if vm.job_uuid != work.token:
            check_state(vm, "destroy", VmDestroyFailed)
            vm = await store.set_state(conn, vm, "Destroying", "destroy", work.token)
        site = await site_of_vm(conn, call.services, vm, work.transaction)
    lost = False
    try:
        if site is not None:
            await site.call(lambda driver, host: driver.destroy(host, uuid, work.token))
    except HostLost:
        lost = True
    except DriverError as failure:
        assert site is not None  # noqa: S101 (only a site raises)
        await _still_there(work, site, uuid)
        raise VmDestroyFailed(str(failure), OperationError(str(failure))) from None
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is None or vm.job_uuid != work.token:
            return  # its host or zone was deleted meanwhile, and the VM with it or put away
        if lost and vm.host_uuid is not None:
            await note_stray(conn, uuid, vm.host_uuid)
        await put_away(conn, vm, work.token)


async def _still_there(work: Outside, site: Site, uuid: str) -> None:
    power = await site.power(uuid)
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        if vm is not None and vm.state == "Destroying":
            state = "Stopped" if vm.host_uuid is None else power or "Unknown"
            await store.set_state(conn, vm, state, "settled", None)


async def resize(call: Call, conn: Connection, uuid: str, offering_uuid: str) -> VmInstance:
    """Give a VM that does not run the size of an offering."""
    vm = found(await store.lock_vm(conn, uuid, scope_of(call)), "VM", uuid)
    visible = call.is_admin or await is_visible(conn, offering_uuid, call.account_uuid)
    offering = await get_instance_offering(conn, offering_uuid) if visible else None
    offering = found(offering, "instance offering", offering_uuid)
    if offering.state != "Enabled":
        raise OperationError(f"the instance offering {offering_uuid} is {offering.state}")
    check_state(vm, "resize")
    await store.resize_vm(conn, uuid, offering_uuid, offering.cpu_num, offering.memory_size)
    resized = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
    await tell(conn, resized.change(vm.state, "resized"))
    return await store.get_vm(conn, uuid)
