"""The APIs of instance and disk offerings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.resources.declare import Resource

JAVA = "org.zstack.header.configuration"
SOURCE = "ZStack's configuration API"
Strategy = Annotated[str, StringConstraints(max_length=255)]
Size = Annotated[int, Field(ge=1, le=2**62)]
SortKey = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class CreateInstanceOffering(CreateRequest):
    """Offer a size of VM: CPUs, and memory in bytes. Share it, so that other accounts can use it.

    Source: ZStack's configuration API.
    """

    cpu_num: Annotated[int, Field(ge=1, le=1024)]
    memory_size: Size
    allocator_strategy: Strategy = "LeastVmPreferredHostAllocatorStrategy"
    sort_key: SortKey = 0
    type: Literal["UserVm"] = "UserVm"


class UpdateInstanceOffering(UpdateRequest):
    """Change an instance offering's name, description or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None


instance_offerings = Resource(
    InstanceOffering,
    "/v1/instance-offerings",
    java=JAVA,
    category="configuration",
    access="admin",
    source=SOURCE,
)
instance_offerings.create(CreateInstanceOffering)
instance_offerings.update(UpdateInstanceOffering)
instance_offerings.change_state(
    "Enable or disable an instance offering. VMs cannot be created from a disabled one."
)
instance_offerings.delete("Delete an instance offering; VMs made from it stay. One that is gone is no error.")
instance_offerings.query(access="user")


class CreateDiskOffering(CreateRequest):
    """Offer a size of data volume, in bytes. Share it, so that other accounts can use it.

    Source: ZStack's configuration API.
    """

    disk_size: Size
    allocator_strategy: Strategy = "DefaultPrimaryStorageAllocationStrategy"
    sort_key: SortKey = 0
    type: Strategy = "DefaultDiskOfferingType"


class UpdateDiskOffering(UpdateRequest):
    """Change a disk offering's name, description or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None


disk_offerings = Resource(
    DiskOffering, "/v1/disk-offerings", java=JAVA, category="configuration", access="admin", source=SOURCE
)
disk_offerings.create(CreateDiskOffering)
disk_offerings.update(UpdateDiskOffering)
disk_offerings.change_state(
    "Enable or disable a disk offering. Volumes cannot be created from a disabled one."
)
disk_offerings.delete("Delete a disk offering; volumes made from it stay. One that is gone is no error.")
disk_offerings.query(access="user")
