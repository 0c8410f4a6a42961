"""The APIs of instance and disk offerings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.offerings.model import CpuNum, DiskOffering, InstanceOffering, Size
from zstack_mgmt.core.errors import DuplicateResource, InvalidArgument
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.db import Connection
from zstack_mgmt.resources.declare import Resource

JAVA = "org.zstack.header.configuration"
SOURCE = "ZStack's configuration API"
Strategy = Annotated[str, StringConstraints(max_length=255)]
SortKey = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class CreateInstanceOffering(CreateRequest):
    """Offer a size of VM: CPUs, and memory in bytes. Share it, so that other accounts can use it.

    Source: ZStack's configuration API.
    """

    cpu_num: CpuNum
    memory_size: Size
    reserved_memory_size: Annotated[int, Field(ge=0, le=2**62)] = 0
    allocator_strategy: Strategy = "LeastVmPreferredHostAllocatorStrategy"
    sort_key: SortKey = 0
    type: Literal["UserVm"] = "UserVm"


class UpdateInstanceOffering(UpdateRequest):
    """Change an instance offering's name, description, strategy or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None
    allocator_strategy: Strategy | None = None


async def check_reserve(call: Call, conn: Connection, request: CreateInstanceOffering) -> Mapping[str, Any]:
    """No more memory is reserved than a VM has."""
    if request.reserved_memory_size > request.memory_size:
        raise InvalidArgument("reservedMemorySize is larger than memorySize")
    return {}


instance_offerings = Resource(
    InstanceOffering,
    "/v1/instance-offerings",
    java=JAVA,
    category="configuration",
    access="admin",
    source=SOURCE,
)
instance_offerings.create(
    CreateInstanceOffering, values=check_reserve, raises=(InvalidArgument, DuplicateResource)
)
instance_offerings.update(UpdateInstanceOffering)
instance_offerings.change_state(
    "Enable or disable an instance offering. VMs cannot be created from a disabled one."
)
instance_offerings.delete("Delete an instance offering; VMs made from it stay. One that is gone is no error.")
instance_offerings.query(access="user")


class CreateDiskOffering(CreateRequest):
    """Offer a size of data volume, in bytes. Share it, so that other accounts can use it.

    Later ZStack's name of `allocatorStrategy` is `allocationStrategy`.

    Source: ZStack's configuration API.
    """

    disk_size: Size
    allocator_strategy: Strategy = "DefaultPrimaryStorageAllocationStrategy"
    allocation_strategy: Strategy | None = None
    sort_key: SortKey = 0
    type: Strategy = "DefaultDiskOfferingType"


async def strategy_of(call: Call, conn: Connection, request: CreateDiskOffering) -> Mapping[str, Any]:
    """The strategy under either name."""
    return {"allocator_strategy": request.allocation_strategy or request.allocator_strategy}


class UpdateDiskOffering(UpdateRequest):
    """Change a disk offering's name, description or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None


disk_offerings = Resource(
    DiskOffering, "/v1/disk-offerings", java=JAVA, category="configuration", access="admin", source=SOURCE
)
disk_offerings.create(CreateDiskOffering, values=strategy_of)
disk_offerings.update(UpdateDiskOffering)
disk_offerings.change_state(
    "Enable or disable a disk offering. Volumes cannot be created from a disabled one."
)
disk_offerings.delete("Delete a disk offering; volumes made from it stay. One that is gone is no error.")
disk_offerings.query(access="user")
