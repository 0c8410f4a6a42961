"""Creating a VM: everything it needs is reserved in one transaction, and given back if its start fails."""

from __future__ import annotations

from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.compute.steps import Done, Evicted, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.lifecycle import undo_creation
from zstack_mgmt.compute.vms.model import NewNic, Vm, VmInstance
from zstack_mgmt.compute.vms.parts import CreateVmInstance, Parts, check_parts
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.model import NewVolume
from zstack_mgmt.core.errors import ApiError, OperationError, VmStartFailed
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import Domain, derived_uuid
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.owners import own
from zstack_mgmt.resources.tags import tag, tag_system


async def create(call: Call, work: Outside, request: CreateVmInstance) -> VmInstance:
    """Create a VM of the caller's account and, unless it is told not to, start it.

    Raises:
        ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded,
        DuplicateResource: nothing was written.
        VmStartFailed: VM.1001; everything was given back. If the host was deleted meanwhile, the VM is
            there and Stopped.
    """
    uuid = request.resource_uuid or derived_uuid(work.token, "vm")

    async def intend(conn: Connection) -> Plan[Domain] | Done[VmInstance]:
        vm = await store.lock_vm(conn, uuid)
        if vm is None or vm.inventory.root_volume_uuid != derived_uuid(work.token, "root"):
            vm = await _reserve(conn, call, work.token, uuid, request)
        if vm.state != "Starting" or vm.job_uuid != work.token:
            return Done(vm.inventory)
        return Plan(site_of_vm(call.services, vm, work.connection), vm.domain())

    async def forget(site: Site, _: Domain) -> None:
        await site.forget(uuid, work.token)

    async def conclude(conn: Connection, _: Domain, report: Report) -> VmInstance | ApiError | Evicted:
        if report.failure is not None:
            vm = await store.get_vm(conn, uuid)
            if vm.job_uuid == work.token:
                await undo_creation(conn, vm)
            return VmStartFailed(str(report.failure), OperationError(str(report.failure)))
        vm = await store.pass_on(conn, uuid, work.token, "Starting", "Running", "start")
        if vm.job_uuid == work.token:
            return vm.inventory
        gone = OperationError("the VM's host was deleted meanwhile")
        return Evicted(uuid, VmStartFailed(gone.details, gone))

    return await run_step(
        work,
        intend,
        lambda driver, host, domain: driver.start(host, domain, work.token),
        conclude,
        after_failure=forget,
        row=uuid,
    )


async def _reserve(conn: Connection, call: Call, token: str, uuid: str, request: CreateVmInstance) -> Vm:
    """Check the parts and take what a VM needs; it is then Starting, or Created if it is not to start.

    Host and quota come last, because every VM that starts there or is the owner's waits for these locks.
    """
    parts = await check_parts(conn, call, request)
    image = parts.image
    row = await store.insert_vm(
        conn,
        {
            "uuid": uuid,
            "name": request.name,
            "description": request.description,
            "zone_uuid": request.zone_uuid or next((l3.zone_uuid for l3 in parts.networks), None),
            "cluster_uuid": request.cluster_uuid,
            "image_uuid": image["uuid"],
            "instance_offering_uuid": request.instance_offering_uuid,
            "root_volume_uuid": derived_uuid(token, "root"),
            "platform": request.platform or image["platform"],
            "default_l3_network_uuid": parts.default_l3_uuid,
            "memory_size": parts.memory_size,
            "cpu_num": parts.cpu_num,
            "cpu_speed": parts.cpu_speed,
            "allocator_strategy": parts.allocator_strategy,
            "job_uuid": token,
            "reserved_memory_size": parts.reserved_memory_size,
            "guest_os_type": request.guest_os_type or image["guest_os_type"],
            "architecture": request.architecture or image["architecture"],
        },
    )
    disks = await volumes.insert_volumes(
        conn, call.account_uuid, _volumes_of(token, uuid, request, parts), vm_uuid=uuid
    )
    nics = [
        NewNic(derived_uuid(token, f"nic {n}"), l3.uuid, n, parts.static_ips.get(l3.uuid))
        for n, l3 in enumerate(parts.networks)
    ]
    made = await store.insert_nics(conn, uuid, nics) if nics else []
    await tag(conn, uuid, request)
    for disk in disks:
        is_root = disk.type == "Root"
        await tag_system(
            conn, disk.uuid, request.root_volume_system_tags if is_root else request.data_volume_system_tags
        )
    bridges = tuple(l3.bridge for l3 in parts.networks)
    inventory = VmInstance.from_row({**row, "vm_nics": made, "all_volumes": disks})
    vm = Vm(inventory, call.account_uuid, token, bridges, None)
    starts = request.strategy == "InstantStart"
    if starts:
        vm = await store.place(
            conn,
            vm,
            "Starting",
            "created",
            token,
            host_uuid=request.host_uuid,
            cluster_uuid=request.cluster_uuid,
            new=True,
        )
    else:
        vm = await store.set_state(conn, vm, "Created", "created", token, new=True)
    await reserve(conn, call.account_uuid, _wanted(parts, starts=starts), is_admin=call.is_admin)
    await own(conn, call.account_uuid, uuid, *(disk.uuid for disk in disks), *(nic.uuid for nic in made))
    return vm


def _wanted(parts: Parts, *, starts: bool) -> dict[str, int]:
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": len(parts.disks),
        "volume.capacity": parts.root_size + sum(disk.size for disk in parts.disks),
    }
    if starts:
        wanted |= {
            "vm.num": 1,
            "vm.cpuNum": parts.cpu_num,
            "vm.memorySize": parts.memory_size,
        }
    return wanted


def _volumes_of(token: str, uuid: str, request: CreateVmInstance, parts: Parts) -> list[NewVolume]:
    """The root volume and the data volumes of a new VM, in the order of their devices."""
    root = NewVolume(
        uuid=derived_uuid(token, "root"),
        name=f"ROOT-for-{request.name}"[:255],
        description=f"Root volume for VM[uuid:{uuid}]",
        type="Root",
        size=parts.root_size,
        disk_offering_uuid=request.root_disk_offering_uuid,
        image_uuid=parts.image["uuid"],
        primary_storage_uuid=request.primary_storage_uuid_for_root_volume,
        format="qcow2" if parts.image["media_type"] == "ISO" else parts.image["format"],
    )
    return [
        root,
        *(
            NewVolume(
                uuid=derived_uuid(token, f"data {index}"),
                name=f"DATA-for-{request.name}"[:255],
                description=f"DataVolume-{uuid}",
                type="Data",
                size=disk.size,
                disk_offering_uuid=disk.offering_uuid,
            )
            for index, disk in enumerate(parts.disks, start=1)
        ),
    ]
