"""Creating a VM: everything it needs is reserved in one transaction, and given back if its start fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from zstack_mgmt.compute.networks.store import UsableL3, usable_l3s
from zstack_mgmt.compute.placement.sites import Site
from zstack_mgmt.compute.placement.store import choose_host
from zstack_mgmt.compute.places import require
from zstack_mgmt.compute.steps import Done, Evicted, Plan, Report, run_step
from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.lifecycle import undo_creation
from zstack_mgmt.compute.vms.model import Vm, VmInstance
from zstack_mgmt.compute.vms.power import site_of_vm
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.model import NewVolume
from zstack_mgmt.core.errors import ApiError, InvalidArgument, OperationError, ResourceNotFound, VmStartFailed
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.drivers.protocol import Domain, derived_uuid
from zstack_mgmt.engine.outside import Outside
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources.owners import own, scope_of
from zstack_mgmt.resources.tags import tag

Nics = Annotated[list[Reference], Field(max_length=8)]
Disks = Annotated[list[Reference], Field(max_length=24)]


class CreateVmInstance(ApiRequest):
    """Create a VM from an image and an offering, with a NIC on each network, and start it unless told not to.

    Source: manual, "Overview > API operations".
    """

    name: ResourceName
    description: Description | None = None
    instance_offering_uuid: Reference
    image_uuid: Reference
    l3_network_uuids: Nics = []  # noqa: RUF012 (pydantic copies it)
    default_l3_network_uuid: Reference | None = None
    root_disk_offering_uuid: Reference | None = None
    data_disk_offering_uuids: Disks = []  # noqa: RUF012 (pydantic copies it)
    zone_uuid: Reference | None = None
    cluster_uuid: Reference | None = None
    host_uuid: Reference | None = None
    primary_storage_uuid_for_root_volume: Reference | None = None
    type: Literal["UserVm"] = "UserVm"
    strategy: Literal["InstantStart", "JustCreate"] = "InstantStart"
    resource_uuid: ResourceUuid | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a new VM is made of, checked. `image` and `offering` are rows."""

    image: Any
    offering: Any
    root_size: int  # bytes
    disks: tuple[Any, ...]
    networks: tuple[UsableL3, ...]
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
        vm = await store.get_vm(conn, uuid)
        if report.failure is not None:
            if vm.job_uuid == work.token:
                await undo_creation(conn, vm)
            return VmStartFailed(str(report.failure), OperationError(str(report.failure)))
        if vm.job_uuid == work.token:
            return (await store.set_state(conn, vm, "Running", "start", work.token)).inventory
        gone = OperationError("the VM's host was deleted meanwhile")
        return Evicted(uuid, VmStartFailed(gone.details, gone))

    return await run_step(
        work,
        intend,
        lambda driver, host, domain: driver.start(host, domain, work.token),
        conclude,
        after_failure=forget,
    )


async def _reserve(conn: Connection, call: Call, token: str, uuid: str, request: CreateVmInstance) -> Vm:
    """Check the parts and take what a VM needs; it is then Starting, or Created for JustCreate.

    Host and quota come last, because every VM that starts there or is the owner's waits for these locks.
    """
    parts = await _check(conn, call, request)
    offering, image = parts.offering, parts.image
    row = await store.insert_vm(
        conn,
        {
            "uuid": uuid,
            "name": request.name,
            "description": request.description,
            "zone_uuid": request.zone_uuid or next((l3.zone_uuid for l3 in parts.networks), None),
            "cluster_uuid": request.cluster_uuid,
            "image_uuid": image["uuid"],
            "instance_offering_uuid": offering["uuid"],
            "root_volume_uuid": derived_uuid(token, "root"),
            "platform": image["platform"],
            "default_l3_network_uuid": parts.default_l3_uuid,
            "memory_size": offering["memory_size"],
            "cpu_num": offering["cpu_num"],
            "cpu_speed": offering["cpu_speed"],
            "allocator_strategy": offering["allocator_strategy"],
            "job_uuid": token,
        },
    )
    disks = await volumes.insert_volumes(
        conn, call.account_uuid, _volumes_of(token, uuid, request, parts), vm_uuid=uuid
    )
    nics = [(derived_uuid(token, f"nic {n}"), l3.uuid, n) for n, l3 in enumerate(parts.networks)]
    made = await store.insert_nics(conn, uuid, nics) if nics else []
    await tag(conn, uuid, request)
    bridges = tuple(l3.bridge for l3 in parts.networks)
    inventory = VmInstance.from_row({**row, "vm_nics": made, "all_volumes": disks})
    vm = Vm(inventory, call.account_uuid, token, bridges, None)
    starts = request.strategy == "InstantStart"
    host = await choose_host(conn, uuid, request.host_uuid, request.cluster_uuid) if starts else None
    await reserve(conn, call.account_uuid, _wanted(parts, starts=starts), is_admin=call.is_admin)
    state = "Starting" if starts else "Created"
    vm = await store.set_state(conn, vm, state, "created", token, host=host, new=True)
    await own(conn, call.account_uuid, uuid, *(disk.uuid for disk in disks), *(nic.uuid for nic in made))
    return vm


async def _check(conn: Connection, call: Call, request: CreateVmInstance) -> Parts:
    row = await fetch_one(
        conn,
        """
        SELECT (SELECT i FROM images i WHERE i.uuid = $1 AND can_use(i.uuid, $5)) AS image,
               (SELECT o FROM instance_offerings o WHERE o.uuid = $2 AND can_use(o.uuid, $5)) AS offering,
               (SELECT d FROM disk_offerings d WHERE d.uuid = $3 AND can_use(d.uuid, $5)) AS root,
               ARRAY(SELECT d FROM disk_offerings d WHERE d.uuid = ANY ($4) AND can_use(d.uuid, $5)) AS disks
        """,
        request.image_uuid,
        request.instance_offering_uuid,
        request.root_disk_offering_uuid,
        request.data_disk_offering_uuids,
        scope_of(call),
    )
    image = usable("image", request.image_uuid, row["image"])
    if image["status"] != "Ready":
        raise OperationError(f"the image {request.image_uuid} is {image['status']}")
    if image["media_type"] == "DataVolumeTemplate":
        raise InvalidArgument("imageUuid: a VM cannot start from a template of data volumes")
    offering = usable("instance offering", request.instance_offering_uuid, row["offering"])
    root_size = image["size"]
    if image["media_type"] == "ISO":
        if request.root_disk_offering_uuid is None:
            raise InvalidArgument("rootDiskOfferingUuid is needed, since the image is an ISO")
        root_size = usable("disk offering", request.root_disk_offering_uuid, row["root"])["disk_size"]
    known = {disk["uuid"]: disk for disk in row["disks"]}
    disks = tuple(usable("disk offering", u, known.get(u)) for u in request.data_disk_offering_uuids)
    uuids = request.l3_network_uuids
    if len(set(uuids)) < len(uuids):
        raise InvalidArgument("l3NetworkUuids: a VM has one NIC on a network at most")
    networks = await usable_l3s(conn, uuids, scope_of(call))
    await require(conn, "zone", request.zone_uuid)
    await require(conn, "cluster", request.cluster_uuid)
    if len({l3.zone_uuid for l3 in networks} | ({request.zone_uuid} - {None})) > 1:
        raise InvalidArgument("l3NetworkUuids must be networks of one zone, and of zoneUuid if that is given")
    default = request.default_l3_network_uuid or next(iter(uuids), None)
    if default is not None and default not in uuids:
        raise InvalidArgument("defaultL3NetworkUuid must be one of l3NetworkUuids")
    return Parts(image, offering, root_size, disks, networks, default)


def usable(kind: str, uuid: str, row: Any) -> Any:
    """The row of something that the caller may use, if it is there and enabled."""
    if row is None:
        raise ResourceNotFound(f"no {kind} has the uuid {uuid}")
    if row["state"] != "Enabled":
        raise OperationError(f"the {kind} {uuid} is {row['state']}")
    return row


def _wanted(parts: Parts, *, starts: bool) -> dict[str, int]:
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": len(parts.disks),
        "volume.capacity": parts.root_size + sum(disk["disk_size"] for disk in parts.disks),
    }
    if starts:
        wanted |= {
            "vm.num": 1,
            "vm.cpuNum": parts.offering["cpu_num"],
            "vm.memorySize": parts.offering["memory_size"],
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
                size=disk["disk_size"],
                disk_offering_uuid=disk["uuid"],
            )
            for index, disk in enumerate(parts.disks, start=1)
        ),
    ]
