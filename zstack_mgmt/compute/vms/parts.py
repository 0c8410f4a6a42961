"""What a new VM is made of: the request, and the check of its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import Field

from zstack_mgmt.compute.images.model import Architecture, GuestOs, Platform
from zstack_mgmt.compute.networks.model import address
from zstack_mgmt.compute.networks.store import UsableL3, usable_l3s
from zstack_mgmt.compute.offerings.model import CpuNum, Size
from zstack_mgmt.compute.places import require
from zstack_mgmt.compute.vms.devices import MAX_DATA_VOLUMES, MAX_NICS
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, Tag
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.doc import Doc
from zstack_mgmt.resources.owners import scope_of

STATIC_IP = "staticIp::"
"""The system tag `staticIp::<uuid of an L3 network>::<address>`."""
HOSTNAME = "hostname::"
"""The system tag `hostname::<name>`: kept with the VM, for whoever tells its guest."""

Nics = Annotated[list[Reference], Field(max_length=MAX_NICS)]
Disks = Annotated[list[Reference], Field(max_length=MAX_DATA_VOLUMES)]
DiskSizes = Annotated[list[Size], Field(max_length=MAX_DATA_VOLUMES), Doc("Bytes of each.")]
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


class CreateVmInstance(ApiRequest):
    """Create a VM from an image, with a NIC on each network, and start it unless told not to.

    Its size is an offering's, or `cpuNum` and `memorySize` (bytes). `JustCreate` and `CreateStopped` do not
    start it. The system tags `staticIp::<l3NetworkUuid>::<ip>` and `hostname::<name>` choose its addresses
    and its name.

    Source: manual, "Overview > API operations"; sizes and `CreateStopped` are later ZStack's.
    """

    name: ResourceName
    description: Description | None = None
    instance_offering_uuid: Reference | None = None
    cpu_num: CpuNum | None = None
    memory_size: Size | None = None
    reserved_memory_size: Annotated[int, Field(ge=0, le=2**62)] | None = None
    image_uuid: Reference
    l3_network_uuids: Nics = []  # noqa: RUF012 (pydantic copies it)
    default_l3_network_uuid: Reference | None = None
    root_disk_offering_uuid: Reference | None = None
    root_disk_size: Size | None = None
    data_disk_offering_uuids: Disks = []  # noqa: RUF012 (pydantic copies it)
    data_disk_sizes: DiskSizes = []  # noqa: RUF012 (pydantic copies it)
    zone_uuid: Reference | None = None
    cluster_uuid: Reference | None = None
    host_uuid: Reference | None = None
    primary_storage_uuid_for_root_volume: Reference | None = None
    platform: Platform | None = None
    guest_os_type: GuestOs | None = None
    architecture: Architecture | None = None
    type: Literal["UserVm"] = "UserVm"
    strategy: Literal["InstantStart", "JustCreate", "CreateStopped"] = "InstantStart"
    root_volume_system_tags: list[Tag] = []  # noqa: RUF012 (pydantic copies it)
    data_volume_system_tags: list[Tag] = []  # noqa: RUF012 (pydantic copies it)
    resource_uuid: ResourceUuid | None = None


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A data volume that a VM begins with."""

    size: int  # bytes
    offering_uuid: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a new VM is made of, checked. `image` is a row; sizes are in bytes."""

    image: Any
    cpu_num: int
    cpu_speed: int
    memory_size: int
    reserved_memory_size: int
    allocator_strategy: str | None
    root_size: int
    disks: tuple[NewDisk, ...]
    networks: tuple[UsableL3, ...]
    default_l3_uuid: str | None
    static_ips: Mapping[str, IPv4Address]  # by network


async def check_parts(conn: Connection, call: Call, request: CreateVmInstance) -> Parts:
    """The parts of a VM that may be made of them.

    Raises:
        ResourceNotFound: one does not exist, or is another account's.
        InvalidArgument: they do not go together.
        OperationError: one is disabled, or not ready.
    """
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
    image = _usable("image", request.image_uuid, row["image"])
    if image["status"] != "Ready":
        raise OperationError(f"the image {request.image_uuid} is {image['status']}")
    if image["media_type"] == "DataVolumeTemplate":
        raise InvalidArgument("imageUuid: a VM cannot start from a template of data volumes")
    offering: Any = {}
    if request.instance_offering_uuid is not None:
        offering = _usable("instance offering", request.instance_offering_uuid, row["offering"])
    memory_size = _size(offering, "memory_size", "memorySize", request.memory_size)
    reserved = request.reserved_memory_size
    if reserved is None:
        reserved = offering["reserved_memory_size"] if offering else 0
    if reserved > memory_size:
        raise InvalidArgument("reservedMemorySize is larger than the VM's memory")
    networks = await _networks(conn, call, request)
    return Parts(
        image=image,
        cpu_num=_size(offering, "cpu_num", "cpuNum", request.cpu_num),
        cpu_speed=offering["cpu_speed"] if offering else 0,
        memory_size=memory_size,
        reserved_memory_size=reserved,
        allocator_strategy=offering["allocator_strategy"] if offering else None,
        root_size=_root_size(request, image, row["root"]),
        disks=_disks(request, row["disks"]),
        networks=networks,
        default_l3_uuid=_default_l3(request),
        static_ips=_static_ips(request),
    )


def _size(offering: Any, column: str, name: str, given: int | None) -> int:
    """The offering's size or, without an offering, the given one."""
    if offering:
        if given not in (None, offering[column]):
            raise InvalidArgument(f"{name}: the instance offering says {offering[column]}")
        return offering[column]
    if given is None:
        raise InvalidArgument("give either instanceOfferingUuid, or cpuNum and memorySize")
    return given


def _root_size(request: CreateVmInstance, image: Any, row: Any) -> int:
    """Bytes of the root volume: as asked for, or the image's."""
    uuid, size = request.root_disk_offering_uuid, request.root_disk_size
    if uuid is not None:
        offered = _usable("disk offering", uuid, row)["disk_size"]
        if size not in (None, offered):
            raise InvalidArgument(f"rootDiskSize: the disk offering says {offered}")
        size = offered
    if image["media_type"] == "ISO":
        if size is None:
            raise InvalidArgument("rootDiskOfferingUuid or rootDiskSize is needed, since the image is an ISO")
        return size
    if size is not None and size < image["size"]:
        raise InvalidArgument(f"rootDiskSize: the image needs {image['size']} bytes")
    return size or image["size"]


def _disks(request: CreateVmInstance, rows: Any) -> tuple[NewDisk, ...]:
    """The data volumes: those of offerings, then those of a given size."""
    known = {row["uuid"]: row for row in rows}
    offered = [(u, _usable("disk offering", u, known.get(u))) for u in request.data_disk_offering_uuids]
    if len(offered) + len(request.data_disk_sizes) > MAX_DATA_VOLUMES:
        raise InvalidArgument(f"a VM has at most {MAX_DATA_VOLUMES} data volumes")
    sized = (NewDisk(size, None) for size in request.data_disk_sizes)
    return (*(NewDisk(row["disk_size"], uuid) for uuid, row in offered), *sized)


async def _networks(conn: Connection, call: Call, request: CreateVmInstance) -> tuple[UsableL3, ...]:
    uuids = request.l3_network_uuids
    if len(set(uuids)) < len(uuids):
        raise InvalidArgument("l3NetworkUuids: a VM has one NIC on a network at most")
    networks = await usable_l3s(conn, uuids, scope_of(call))
    await require(conn, "zone", request.zone_uuid)
    await require(conn, "cluster", request.cluster_uuid)
    if len({l3.zone_uuid for l3 in networks} | ({request.zone_uuid} - {None})) > 1:
        raise InvalidArgument("l3NetworkUuids must be networks of one zone, and of zoneUuid if that is given")
    return networks


def _default_l3(request: CreateVmInstance) -> str | None:
    default = request.default_l3_network_uuid or next(iter(request.l3_network_uuids), None)
    if default is not None and default not in request.l3_network_uuids:
        raise InvalidArgument("defaultL3NetworkUuid must be one of l3NetworkUuids")
    return default


def _static_ips(request: CreateVmInstance) -> dict[str, IPv4Address]:
    """The addresses that system tags choose, by network; checks the host name too."""
    found: dict[str, IPv4Address] = {}
    for text in request.system_tags:
        if text.startswith(HOSTNAME) and not _HOSTNAME.fullmatch(text.removeprefix(HOSTNAME)):
            raise InvalidArgument(f"systemTags: {text!r} does not hold a host name")
        if text.startswith(STATIC_IP):
            l3_uuid, _, ip = text.removeprefix(STATIC_IP).partition("::")
            if l3_uuid not in request.l3_network_uuids:
                raise InvalidArgument(f"systemTags: {text!r} must name one of l3NetworkUuids")
            if l3_uuid in found:
                raise InvalidArgument(f"systemTags: two addresses are chosen on the L3 network {l3_uuid}")
            found[l3_uuid] = address(ip, "systemTags")
    return found


def _usable(kind: str, uuid: str, row: Any) -> Any:
    """The row of something that the caller may use, if it is there and enabled."""
    if row is None:
        raise ResourceNotFound(f"no {kind} has the uuid {uuid}")
    if row["state"] != "Enabled":
        raise OperationError(f"the {kind} {uuid} is {row['state']}")
    return row
