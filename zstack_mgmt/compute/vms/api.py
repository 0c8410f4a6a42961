"""The APIs of VMs, and of the devices that they get and lose."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from zstack_mgmt.compute.images.model import GuestOs, Platform
from zstack_mgmt.compute.offerings.model import CpuNum, Size
from zstack_mgmt.compute.vms import candidates, consoles, devices, lifecycle, store
from zstack_mgmt.compute.vms.create import create
from zstack_mgmt.compute.vms.model import Vm, VmInstance, VmNic
from zstack_mgmt.compute.vms.parts import CreateVmInstance
from zstack_mgmt.compute.vms.power import Action, begin_start, run_action
from zstack_mgmt.compute.volumes.model import Volume
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
from zstack_mgmt.core.requests import DeleteRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct, Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import scope_of

__all__ = ["candidates"]  # imported for its declarations

PATH = "/v1/vm-instances"
ACTIONS = f"PUT {PATH}/{{uuid}}/actions"

START = Action("start", "Running", VmStartFailed, lambda d, h, vm, token: d.start(h, vm, token))
SHUT_DOWN = Action(
    "stop", "Stopped", VmStopFailed, lambda d, h, vm, token: d.stop(h, vm.vm_uuid, token, hard=False)
)
SWITCH_OFF = Action(
    "stop", "Stopped", VmStopFailed, lambda d, h, vm, token: d.stop(h, vm.vm_uuid, token, hard=True)
)
REBOOT = Action("reboot", "Running", VmRebootFailed, lambda d, h, vm, token: d.reboot(h, vm.vm_uuid, token))
PAUSE = Action("pause", "Paused", VmStateRefused, lambda d, h, vm, token: d.pause(h, vm.vm_uuid, token))
RESUME = Action("resume", "Running", VmStateRefused, lambda d, h, vm, token: d.resume(h, vm.vm_uuid, token))
vms = Resource(
    VmInstance,
    PATH,
    java="org.zstack.header.vm",
    category="instance",
    access="user",
    source="ZStack's VM API, in the pattern of the manual's overview",
)
nics = Resource(VmNic, f"{PATH}/nics", java="org.zstack.header.vm", category="instance", access="user")
data_volumes = partial(
    api,
    mode="job",
    access="user",
    java="org.zstack.header.volume",
    category="volume",
    returns=Volume,
    outside=True,
)


@vms.action(
    CreateVmInstance,
    f"POST {PATH}",
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


class StartVmInstance(ApiRequest):
    """Start a VM that is Stopped or Created, on a given host or cluster or wherever there is room.

    Source: manual, "Overview > API operations".
    """

    uuid: Reference
    host_uuid: Reference | None = None
    cluster_uuid: Reference | None = None


@vms.action(
    StartVmInstance,
    ACTIONS,
    raises=(ResourceNotFound, VmStartFailed, QuotaExceeded),
    outside=True,
    shared=("host_uuid", "cluster_uuid"),
)
async def start_vm_instance(call: Call, work: Outside, request: StartVmInstance) -> VmInstance:
    async def place(conn: Connection, vm: Vm) -> Vm:
        return await begin_start(conn, call, vm, work.token, request.host_uuid, request.cluster_uuid)

    return await run_action(call, work, request.uuid, START, place)


class StopVmInstance(ApiRequest):
    """Stop a VM: `grace` asks its guest, `cold` takes its power. One that is stopped already is no error.

    Source: manual, "Overview > API operations".
    """

    uuid: Reference
    type: Literal["grace", "cold"] = "grace"


@vms.action(StopVmInstance, ACTIONS, raises=(ResourceNotFound, VmStopFailed), outside=True)
async def stop_vm_instance(call: Call, work: Outside, request: StopVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, SWITCH_OFF if request.type == "cold" else SHUT_DOWN)


class RebootVmInstance(UuidRequest):
    """Reboot a VM that runs.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@vms.action(
    RebootVmInstance,
    ACTIONS,
    raises=(ResourceNotFound, VmRebootFailed),
    outside=True,
)
async def reboot_vm_instance(call: Call, work: Outside, request: RebootVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, REBOOT)


class PauseVmInstance(UuidRequest):
    """Halt the CPUs of a VM that runs; it keeps its place on the host.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@vms.action(PauseVmInstance, ACTIONS, raises=(ResourceNotFound, VmStateRefused), outside=True)
async def pause_vm_instance(call: Call, work: Outside, request: PauseVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, PAUSE)


class ResumeVmInstance(UuidRequest):
    """Let the CPUs of a paused VM run again.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@vms.action(
    ResumeVmInstance,
    ACTIONS,
    raises=(ResourceNotFound, VmStateRefused),
    outside=True,
)
async def resume_vm_instance(call: Call, work: Outside, request: ResumeVmInstance) -> VmInstance:
    return await run_action(call, work, request.uuid, RESUME)


class DestroyVmInstance(DeleteRequest):
    """Power a VM off and put it away: it can be recovered until it is expunged. One that is gone is no error.

    Source: manual, "Overview > API operations".
    """


@vms.action(
    DestroyVmInstance,
    f"DELETE {PATH}/{{uuid}}",
    returns=None,
    raises=(ResourceNotFound, VmDestroyFailed),
    outside=True,
)
async def destroy_vm_instance(call: Call, work: Outside, request: DestroyVmInstance) -> None:
    await lifecycle.destroy(call, work, request.uuid)


class RecoverVmInstance(UuidRequest):
    """Take a destroyed VM back; it is then Stopped.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@vms.action(
    RecoverVmInstance,
    ACTIONS,
    raises=(ResourceNotFound, VmStateRefused, QuotaExceeded),
)
async def recover_vm_instance(call: Call, conn: Connection, request: RecoverVmInstance) -> VmInstance:
    vm = await store.get_vm(conn, request.uuid, scope_of(call))
    vm.check_state("recover")
    await reserve(conn, vm.account_uuid, {"vm.totalNum": 1}, is_admin=call.is_admin)
    return (await store.set_state(conn, vm, "Stopped", "recover", call.job_uuid)).inventory


class ExpungeVmInstance(UuidRequest):
    """Delete a destroyed VM for good, with its root volume and addresses.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """


@vms.action(ExpungeVmInstance, ACTIONS, returns=None, raises=(ResourceNotFound, VmStateRefused))
async def expunge_vm_instance(call: Call, conn: Connection, request: ExpungeVmInstance) -> None:
    vm = await store.get_vm(conn, request.uuid, scope_of(call))
    vm.check_state("expunge")
    await lifecycle.expunge(conn, vm)


class UpdateVmInstance(UpdateRequest):
    """Change a VM's name, description, platform, guest system, default network or size (memory in bytes).

    A VM that runs gets its new size at its next start; host and quotas count it at once.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """

    platform: Platform | None = None
    guest_os_type: GuestOs | None = None
    default_l3_network_uuid: Reference | None = None
    cpu_num: CpuNum | None = None
    memory_size: Size | None = None
    reserved_memory_size: Annotated[int, Field(ge=0, le=2**62)] | None = None


@vms.action(
    UpdateVmInstance,
    ACTIONS,
    raises=(ResourceNotFound, InvalidArgument, OperationError, VmStateRefused, QuotaExceeded),
)
async def update_vm_instance(call: Call, conn: Connection, request: UpdateVmInstance) -> VmInstance:
    vm = await store.get_vm(conn, request.uuid, scope_of(call))
    default = request.default_l3_network_uuid
    if default is not None and default not in {nic.l3_network_uuid for nic in vm.inventory.vm_nics}:
        raise InvalidArgument("defaultL3NetworkUuid: the VM has no NIC on that network")
    now = vm.inventory
    old = (now.cpu_num, now.memory_size, now.reserved_memory_size)
    new = (
        request.cpu_num or now.cpu_num,
        request.memory_size or now.memory_size,
        now.reserved_memory_size if request.reserved_memory_size is None else request.reserved_memory_size,
    )
    if new != old:
        vm = await lifecycle.change_size(call, conn, vm, *new)
    changed = await store.update_vm(
        conn, vm, request.name, request.description, request.platform, default, request.guest_os_type
    )
    return changed.inventory


class ChangeInstanceOffering(ApiRequest):
    """Give a VM that does not run the size of another offering.

    Source: ZStack's VM API, in the pattern of the manual's overview.
    """

    vm_instance_uuid: Reference
    instance_offering_uuid: Reference


@vms.action(
    ChangeInstanceOffering,
    f"PUT {PATH}/{{vmInstanceUuid}}/actions",
    raises=(ResourceNotFound, VmStateRefused, OperationError),
    shared=("instance_offering_uuid",),
)
async def change_instance_offering(
    call: Call, conn: Connection, request: ChangeInstanceOffering
) -> VmInstance:
    return await lifecycle.resize(call, conn, request.vm_instance_uuid, request.instance_offering_uuid)


class AttachL3NetworkToVm(ApiRequest):
    """Give a VM a NIC on another network, at once if it runs, with the address `staticIp` or any free one.

    Source: ZStack's VM API.
    """

    vm_instance_uuid: Reference
    l3_network_uuid: Reference
    static_ip: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None


@vms.action(
    AttachL3NetworkToVm,
    "POST /v1/vm-instances/{vmInstanceUuid}/l3-networks/{l3NetworkUuid}",
    raises=(ResourceNotFound, InvalidArgument, OperationError, VmStateRefused),
    outside=True,
    exclusive=("vm_instance_uuid",),
    shared=("l3_network_uuid",),
)
async def attach_l3_network_to_vm(call: Call, work: Outside, request: AttachL3NetworkToVm) -> VmInstance:
    return await devices.attach_nic(
        call, work, request.vm_instance_uuid, request.l3_network_uuid, request.static_ip
    )


class DetachL3NetworkFromVm(ApiRequest):
    """Take a NIC from its VM, at once if it runs. Its address is free again.

    Source: ZStack's VM API.
    """

    vm_nic_uuid: Reference


@vms.action(
    DetachL3NetworkFromVm,
    "DELETE /v1/vm-instances/nics/{vmNicUuid}",
    raises=(ResourceNotFound, OperationError, VmStateRefused),
    outside=True,
)
async def detach_l3_network_from_vm(call: Call, work: Outside, request: DetachL3NetworkFromVm) -> VmInstance:
    return await devices.detach_nic(call, work, request.vm_nic_uuid)


class AttachDataVolumeToVm(ApiRequest):
    """Attach a data volume to a VM, at once if it runs.

    Source: ZStack's volume API.
    """

    volume_uuid: Reference
    vm_instance_uuid: Reference


@data_volumes(
    AttachDataVolumeToVm,
    http="POST /v1/volumes/{volumeUuid}/vm-instances/{vmInstanceUuid}",
    raises=(ResourceNotFound, OperationError, VmStateRefused),
)
async def attach_data_volume_to_vm(call: Call, work: Outside, request: AttachDataVolumeToVm) -> Volume:
    return await devices.attach_volume(call, work, request.volume_uuid, request.vm_instance_uuid)


class DetachDataVolumeFromVm(ApiRequest):
    """Take a data volume from its VM, at once if it runs. One that is attached to none is no error.

    With `vmUuid`, one that is attached to another VM is left there.

    Source: ZStack's volume API.
    """

    uuid: Reference
    vm_uuid: Reference | None = None


@data_volumes(
    DetachDataVolumeFromVm,
    http="DELETE /v1/volumes/{uuid}/vm-instances",
    raises=(ResourceNotFound, InvalidArgument, OperationError, VmStateRefused),
    shared=("vm_uuid",),
)
async def detach_data_volume_from_vm(call: Call, work: Outside, request: DetachDataVolumeFromVm) -> Volume:
    return await devices.detach_volume(call, work, request.uuid, request.vm_uuid)


class GetVmConsoleAddress(UuidRequest):
    """Where the hypervisor offers the console of a VM that runs. Clients reach it through a console proxy.

    Source: ZStack's VM API.
    """


class ConsoleAddress(TypedDict):
    """Where a VM's console is served."""

    hostIp: str
    port: int
    protocol: str


@vms.action(
    GetVmConsoleAddress,
    f"GET {PATH}/{{uuid}}/console-addresses",
    mode="sync",
    returns=None,
    is_read=True,
    response_key="",
    raises=(ResourceNotFound, OperationError),
    outside=True,
)
async def get_vm_console_address(call: Call, work: Direct, request: GetVmConsoleAddress) -> ConsoleAddress:
    endpoint = await consoles.find_endpoint(call, work, request.uuid)
    return {"hostIp": endpoint.host, "port": endpoint.port, "protocol": endpoint.scheme}


vms.query(access="user")
nics.query(access="user")
