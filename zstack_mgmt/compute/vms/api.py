"""The APIs of VMs. Those of their NICs are in `nics`, imported here."""

from __future__ import annotations

from functools import partial

from zstack_mgmt.compute.vms import lifecycle, movers, nics, store
from zstack_mgmt.compute.vms.cascade import expunge
from zstack_mgmt.compute.vms.create import create
from zstack_mgmt.compute.vms.model import VmInstance, VmNic
from zstack_mgmt.compute.vms.power import Action, check_state, define_and_start, prepare_start, run_action
from zstack_mgmt.compute.vms.requests import (
    CreateVmInstance,
    RebootVmInstance,
    StartVmInstance,
    StopVmInstance,
    UpdateVmInstance,
)
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
    VmDestroyFailed,
    VmRebootFailed,
    VmStartFailed,
    VmStateRefused,
    VmStopFailed,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, UuidRequest
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, scope_of
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.vm"
PATH = "/v1/vm-instances"
ACTIONS = f"PUT {PATH}/{{uuid}}/actions"

START = Action("start", "Running", VmStartFailed, define_and_start)
SHUT_DOWN = Action(
    "stop", "Stopped", VmStopFailed, lambda d, h, vm, token: d.stop(h, vm.vm_uuid, token, hard=False)
)
SWITCH_OFF = Action(
    "stop", "Stopped", VmStopFailed, lambda d, h, vm, token: d.stop(h, vm.vm_uuid, token, hard=True)
)
REBOOT = Action("reboot", "Running", VmRebootFailed, lambda d, h, vm, token: d.reboot(h, vm.vm_uuid, token))
PAUSE = Action("pause", "Paused", VmStateRefused, lambda d, h, vm, token: d.pause(h, vm.vm_uuid, token))
RESUME = Action("resume", "Running", VmStateRefused, lambda d, h, vm, token: d.resume(h, vm.vm_uuid, token))
job = partial(api, mode="job", access="user", java=JAVA, category="instance")


@job(
    CreateVmInstance,
    http=f"POST {PATH}",
    returns=VmInstance,
    raises=(
        ResourceNotFound,
        InvalidArgument,
        OperationError,
        QuotaExceeded,
        DuplicateResource,
        VmStartFailed,
    ),
    outside=True,
    shared=(
        *("image_uuid", "instance_offering_uuid", "root_disk_offering_uuid", "data_disk_offering_uuids"),
        *("l3_network_uuids", "zone_uuid", "cluster_uuid", "host_uuid"),
    ),
)
async def create_vm_instance(call: Call, work: Outside, request: CreateVmInstance) -> VmInstance:
    return await create(call, work, request)


@job(
    StartVmInstance,
    http=ACTIONS,
    returns=VmInstance,
    raises=(ResourceNotFound, VmStartFailed, QuotaExceeded),
    outside=True,
    shared=("host_uuid", "cluster_uuid"),
)
async def start_vm_instance(call: Call, work: Outside, request: StartVmInstance) -> VmInstance:
    where = {"host_uuid": request.host_uuid, "cluster_uuid": request.cluster_uuid}
    return await run_action(
        call, work, request.uuid, START, lambda conn, vm: prepare_start(conn, call, vm, **where)
    )


@job(StopVmInstance, http=ACTIONS, returns=VmInstance, raises=(ResourceNotFound, VmStopFailed), outside=True)
async def stop_vm_instance(call: Call, work: Outside, request: StopVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, SWITCH_OFF if request.type == "cold" else SHUT_DOWN)


@job(
    RebootVmInstance,
    http=ACTIONS,
    returns=VmInstance,
    raises=(ResourceNotFound, VmRebootFailed),
    outside=True,
)
async def reboot_vm_instance(call: Call, work: Outside, request: RebootVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, REBOOT)


class PauseVmInstance(UuidRequest):
    """Halt the CPUs of a VM that runs; it keeps its place on the host.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@job(
    PauseVmInstance, http=ACTIONS, returns=VmInstance, raises=(ResourceNotFound, VmStateRefused), outside=True
)
async def pause_vm_instance(call: Call, work: Outside, request: PauseVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, PAUSE)


class ResumeVmInstance(UuidRequest):
    """Let the CPUs of a paused VM run again.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@job(
    ResumeVmInstance,
    http=ACTIONS,
    returns=VmInstance,
    raises=(ResourceNotFound, VmStateRefused),
    outside=True,
)
async def resume_vm_instance(call: Call, work: Outside, request: ResumeVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, RESUME)


class DestroyVmInstance(DeleteRequest):
    """Power a VM off and put it away: it can be recovered until it is expunged. One that is gone is no error.

    Source: manual, "Overview > API operations".
    """


@job(
    DestroyVmInstance,
    http=f"DELETE {PATH}/{{uuid}}",
    raises=(ResourceNotFound, VmDestroyFailed),
    outside=True,
)
async def destroy_vm_instance(call: Call, work: Outside, request: DestroyVmInstance) -> None:
    uuid = request.uuid_of("VM")
    await lifecycle.destroy(call, work, uuid)


class RecoverVmInstance(UuidRequest):
    """Take a destroyed VM back; it is then Stopped.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@job(
    RecoverVmInstance,
    http=ACTIONS,
    returns=VmInstance,
    raises=(ResourceNotFound, VmStateRefused, QuotaExceeded),
)
async def recover_vm_instance(call: Call, conn: Connection, request: RecoverVmInstance) -> VmInstance:
    vm = found(await store.lock_vm(conn, request.uuid, scope_of(call)), "VM", request.uuid)
    check_state(vm, "recover")
    await reserve(conn, vm.account_uuid, {"vm.totalNum": 1}, is_admin=call.is_admin)
    await store.set_state(conn, vm, "Stopped", "recover", call.job_uuid)
    return await store.get_vm(conn, request.uuid)


class ExpungeVmInstance(UuidRequest):
    """Delete a destroyed VM for good, with its root volume and addresses.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@job(ExpungeVmInstance, http=ACTIONS, raises=(ResourceNotFound, VmStateRefused))
async def expunge_vm_instance(call: Call, conn: Connection, request: ExpungeVmInstance) -> None:
    vm = found(await store.lock_vm(conn, request.uuid, scope_of(call)), "VM", request.uuid)
    check_state(vm, "expunge")
    await expunge(conn, vm)


@job(UpdateVmInstance, http=ACTIONS, returns=VmInstance, raises=(ResourceNotFound, InvalidArgument))
async def update_vm_instance(call: Call, conn: Connection, request: UpdateVmInstance) -> VmInstance:
    uuid = request.uuid
    found(await store.lock_vm(conn, uuid, scope_of(call)), "VM", uuid)
    default = request.default_l3_network_uuid
    if default is not None and default not in {
        nic.l3_network_uuid for nic in await store.nics_of(conn, uuid)
    }:
        raise InvalidArgument("defaultL3NetworkUuid: the VM has no NIC on that network")
    await store.update_vm(conn, uuid, request.name, request.description, request.platform, default)
    return await store.get_vm(conn, uuid)


class ChangeInstanceOffering(ApiRequest):
    """Give a VM that does not run the size of another offering.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """

    vm_instance_uuid: Reference
    instance_offering_uuid: Reference


@job(
    ChangeInstanceOffering,
    http=f"PUT {PATH}/{{vmInstanceUuid}}/actions",
    returns=VmInstance,
    raises=(ResourceNotFound, VmStateRefused, OperationError),
    shared=("instance_offering_uuid",),
)
async def change_instance_offering(
    call: Call, conn: Connection, request: ChangeInstanceOffering
) -> VmInstance:
    return await lifecycle.resize(call, conn, request.vm_instance_uuid, request.instance_offering_uuid)


query_vm_instance = query_api(VmInstance, http=f"GET {PATH}", access="user", category="instance", java=JAVA)
query_vm_nic = query_api(VmNic, http=f"GET {PATH}/nics", access="user", category="instance", java=JAVA)

SUBMODULES = (movers, nics)
"""Imported for what they declare."""
