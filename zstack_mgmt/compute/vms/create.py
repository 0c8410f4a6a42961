"""Creating a VM: everything it needs is reserved in one transaction, and given back if its start fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zstack_mgmt.compute.hosts.placement import choose_host
from zstack_mgmt.compute.hosts.store import exists
from zstack_mgmt.compute.images.model import Image
from zstack_mgmt.compute.images.store import get_image
from zstack_mgmt.compute.networks.addresses import hold_address, take_address
from zstack_mgmt.compute.networks.model import L3Network
from zstack_mgmt.compute.networks.store import get_l3
from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.compute.offerings.store import get_disk_offering, get_instance_offering
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.vms.model import Vm, VmInstance
from zstack_mgmt.compute.vms.outside import destroy_or_note, site_of_vm
from zstack_mgmt.compute.vms.power import define_and_start, try_action
from zstack_mgmt.compute.vms.requests import CreateVmInstance
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound, VmStartFailed
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.drivers.protocol import derived_uuid
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, is_visible, tag


@dataclass(frozen=True, slots=True)
class Parts:
    """What a new VM is made of, checked."""

    image: Image
    offering: InstanceOffering
    root_size: int  # bytes
    disks: tuple[DiskOffering, ...]
    networks: tuple[L3Network, ...]
    default_l3_uuid: str | None


async def create(call: Call, work: Outside, request: CreateVmInstance) -> VmInstance:
    """Create a VM of the caller's account and, unless it is to be JustCreate, start it.

    Raises:
        ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded,
        DuplicateResource: nothing was written.
        VmStartFailed: VM.1001; everything was given back. If the host was deleted meanwhile, the VM is
            there and Stopped.
    """
    uuid = request.resource_uuid or derived_uuid(work.token, "vm")
    async with work.transaction() as conn:
        vm = await store.lock_vm(conn, uuid, None)
        made_by_first_run = vm is not None and vm.root_volume_uuid == derived_uuid(work.token, "root")
        if vm is None or not made_by_first_run:
            vm = await _reserve(conn, call, work.token, uuid, request)
        if vm.state != "Starting" or vm.job_uuid != work.token:
            return await store.get_vm(conn, uuid)
        domain = await store.domain_of(conn, uuid)
        site = await site_of_vm(conn, call.services, vm, work.transaction)
    assert site is not None  # noqa: S101 (a VM that starts has a host)

    error = await try_action(site, define_and_start, domain, work.token)
    if error is not None:
        await destroy_or_note(site, uuid, work.token, work.transaction)
    async with work.transaction() as conn:
        vm = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
        if vm.job_uuid == work.token and error is None:
            await store.set_state(conn, vm, "Running", "start", work.token)
            return await store.get_vm(conn, uuid)
        if vm.job_uuid == work.token:
            await undo(conn, vm)
    if error is None:
        error = OperationError("the VM's host was deleted meanwhile")
        await destroy_or_note(site, uuid, work.token, work.transaction)
    raise VmStartFailed(error.details, error)


async def _reserve(conn: Connection, call: Call, token: str, uuid: str, request: CreateVmInstance) -> Vm:
    """Check the parts, take quota, rows, addresses and a host.

    The VM is then Starting, or Created for JustCreate.
    """
    parts = await _check(conn, call, request)
    starts = request.strategy == "InstantStart"
    await _take_quota(conn, call, parts, starts=starts)
    offering = parts.offering
    await store.insert_vm(
        conn,
        {
            "uuid": uuid,
            "name": request.name,
            "description": request.description,
            "zone_uuid": request.zone_uuid or next((l3.zone_uuid for l3 in parts.networks), None),
            "cluster_uuid": request.cluster_uuid,
            "image_uuid": parts.image.uuid,
            "instance_offering_uuid": offering.uuid,
            "root_volume_uuid": derived_uuid(token, "root"),
            "platform": parts.image.platform,
            "default_l3_network_uuid": parts.default_l3_uuid,
            "hypervisor_type": None,
            "memory_size": offering.memory_size,
            "cpu_num": offering.cpu_num,
            "cpu_speed": offering.cpu_speed,
            "allocator_strategy": offering.allocator_strategy,
            "job_uuid": token,
        },
        call.account_uuid,
    )
    await tag(conn, uuid, request)
    await _insert_volumes(conn, call, token, uuid, request, parts)
    # In the order of the networks' uuids, because each range stays locked for the others until the commit.
    for device, l3 in sorted(enumerate(parts.networks), key=lambda placed: placed[1].uuid):
        await add_nic(conn, derived_uuid(token, f"nic {device}"), uuid, l3, device, call.account_uuid)
    if starts:
        # Last, because every VM that starts on the host waits for this lock.
        host = await choose_host(
            conn,
            uuid,
            offering.cpu_num,
            offering.memory_size,
            [l3.uuid for l3 in parts.networks],
            host_uuid=request.host_uuid,
            cluster_uuid=request.cluster_uuid,
            zone_uuid=request.zone_uuid,
        )
        await store.place(conn, uuid, host)
    vm = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
    return await store.set_state(conn, vm, "Starting" if starts else "Created", "created", token, new=True)


async def add_nic(
    conn: Connection, nic_uuid: str, vm_uuid: str, l3: L3Network, device: int, account_uuid: str
) -> None:
    """Give a VM a NIC with an address of the network."""
    taken = await take_address(conn, l3)
    await store.insert_nic(conn, nic_uuid, vm_uuid, l3.uuid, taken, device, account_uuid)
    await hold_address(conn, l3.uuid, taken, nic_uuid=nic_uuid)


async def _check(conn: Connection, call: Call, request: CreateVmInstance) -> Parts:
    image = await _usable(conn, call, "image", request.image_uuid, await get_image(conn, request.image_uuid))
    if image.status != "Ready":
        raise OperationError(f"the image {image.uuid} is {image.status}")
    if image.media_type == "DataVolumeTemplate":
        raise InvalidArgument("imageUuid: a VM cannot start from a template of data volumes")
    offering_uuid = request.instance_offering_uuid
    offering = await _usable(
        conn, call, "instance offering", offering_uuid, await get_instance_offering(conn, offering_uuid)
    )
    root_size = image.size
    if image.media_type == "ISO":
        if request.root_disk_offering_uuid is None:
            raise InvalidArgument("rootDiskOfferingUuid is needed, since the image is an ISO")
        root_size = (await _disk_offering(conn, call, request.root_disk_offering_uuid)).disk_size
    disks = tuple([await _disk_offering(conn, call, u) for u in request.data_disk_offering_uuids])
    uuids = request.l3_network_uuids
    if len(set(uuids)) < len(uuids):
        raise InvalidArgument("l3NetworkUuids: a VM has one NIC on a network at most")
    networks = tuple([await usable_l3(conn, call, uuid) for uuid in uuids])
    zones = {l3.zone_uuid for l3 in networks}
    if request.zone_uuid is not None:
        if not await exists(conn, "zone", request.zone_uuid):
            raise ResourceNotFound(f"no zone has the uuid {request.zone_uuid}")
        zones.add(request.zone_uuid)
    if len(zones) > 1:
        raise InvalidArgument("l3NetworkUuids must be networks of one zone, and of zoneUuid if that is given")
    default = request.default_l3_network_uuid
    if default is None and uuids:
        default = uuids[0]
    if default is not None and default not in uuids:
        raise InvalidArgument("defaultL3NetworkUuid must be one of l3NetworkUuids")
    return Parts(image, offering, root_size, disks, networks, default)


async def usable_l3(conn: Connection, call: Call, uuid: str) -> L3Network:
    """The L3 network, if the caller may use it."""
    return await _usable(conn, call, "L3 network", uuid, await get_l3(conn, uuid))


async def _disk_offering(conn: Connection, call: Call, uuid: str) -> DiskOffering:
    return await _usable(conn, call, "disk offering", uuid, await get_disk_offering(conn, uuid))


async def _usable(conn: Connection, call: Call, kind: str, uuid: str, row: Any) -> Any:
    visible = call.is_admin or await is_visible(conn, uuid, call.account_uuid)
    row = found(row if visible else None, kind, uuid)
    if row.state != "Enabled":
        raise OperationError(f"the {kind} {uuid} is {row.state}")
    return row


async def _take_quota(conn: Connection, call: Call, parts: Parts, *, starts: bool) -> None:
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": len(parts.disks),
        "volume.capacity": parts.root_size + sum(disk.disk_size for disk in parts.disks),
    }
    if starts:
        wanted |= {
            "vm.num": 1,
            "vm.cpuNum": parts.offering.cpu_num,
            "vm.memorySize": parts.offering.memory_size,
        }
    await reserve(conn, call.account_uuid, wanted, is_admin=call.is_admin)


async def _insert_volumes(
    conn: Connection, call: Call, token: str, vm_uuid: str, request: CreateVmInstance, parts: Parts
) -> None:
    await volumes.insert_volume(
        conn,
        derived_uuid(token, "root"),
        f"ROOT-for-{request.name}"[:255],
        f"Root volume for VM[uuid:{vm_uuid}]",
        call.account_uuid,
        "Root",
        parts.root_size,
        vm_uuid=vm_uuid,
        device_id=0,
        image_uuid=parts.image.uuid,
        primary_storage_uuid=request.primary_storage_uuid_for_root_volume,
        format_="qcow2" if parts.image.media_type == "ISO" else parts.image.format,
    )
    for index, disk in enumerate(parts.disks, start=1):
        volume = await volumes.insert_volume(
            conn,
            derived_uuid(token, f"data {index}"),
            f"DATA-for-{request.name}"[:255],
            f"DataVolume-{vm_uuid}",
            call.account_uuid,
            "Data",
            disk.disk_size,
            vm_uuid=vm_uuid,
            device_id=index,
            disk_offering_uuid=disk.uuid,
        )
        await tell_volume(conn, OwnedVolume(volume, call.account_uuid, None).change("attached"))


async def undo(conn: Connection, vm: Vm) -> None:
    """Take back a VM whose creation failed: volumes, addresses, capacity, quota and the row itself."""
    for owned in await volumes.volumes_of(conn, vm.uuid):
        await volumes.delete_volume(conn, owned)
    await tell(conn, vm.change(vm.state, "undone"))
    await store.delete_vm(conn, vm.uuid)
