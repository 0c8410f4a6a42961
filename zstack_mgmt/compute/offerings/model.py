"""Instance and disk offerings as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

CpuNum = Annotated[int, Field(ge=1, le=1024)]
Size = Annotated[int, Field(ge=1, le=2**62)]  # bytes


@inventory(
    "org.zstack.header.configuration.InstanceOfferingInventory",
    table="instance_offerings",
    owned=True,
    links=(Link("vmInstance", "VmInstance", "uuid", "instance_offering_uuid"),),
)
class InstanceOffering(Inventory):
    """A size of VM. Memory in bytes. Source: ZStack's configuration API."""

    uuid: str
    name: str
    description: str | None
    cpu_num: int
    cpu_speed: int
    memory_size: int
    reserved_memory_size: int
    type: str
    allocator_strategy: str
    sort_key: int
    state: Literal["Enabled", "Disabled"]
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.configuration.DiskOfferingInventory",
    table="disk_offerings",
    owned=True,
    links=(Link("volume", "Volume", "uuid", "disk_offering_uuid"),),
)
class DiskOffering(Inventory):
    """A size of data volume, in bytes. Source: ZStack's configuration API."""

    uuid: str
    name: str
    description: str | None
    disk_size: Annotated[int, Doc("bytes")]
    sort_key: int
    state: Literal["Enabled", "Disabled"]
    type: str
    allocator_strategy: str
    create_date: datetime
    last_op_date: datetime
