"""The APIs of instance and disk offerings."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.offerings import store
from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.core.errors import DuplicateResource, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import Description, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.sharing.owners import found, own
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.configuration"
Strategy = Annotated[str, StringConstraints(max_length=255)]
Size = Annotated[int, Field(ge=1, le=2**62)]
SortKey = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
job = partial(api, mode="job", access="admin", java=JAVA, category="configuration")


class CreateInstanceOffering(ApiRequest):
    """Offer a size of VM: CPUs, and memory in bytes. Share it, so that other accounts can use it.

    Source: ZStack's configuration API.
    """

    name: ResourceName
    description: Description | None = None
    cpu_num: Annotated[int, Field(ge=1, le=1024)]
    memory_size: Size
    allocator_strategy: Strategy = "LeastVmPreferredHostAllocatorStrategy"
    sort_key: SortKey = 0
    type: Literal["UserVm"] = "UserVm"
    resource_uuid: ResourceUuid | None = None


@job(
    CreateInstanceOffering,
    http="POST /v1/instance-offerings",
    returns=InstanceOffering,
    raises=(DuplicateResource,),
)
async def create_instance_offering(
    call: Call, conn: Connection, request: CreateInstanceOffering
) -> InstanceOffering:
    offering = await store.insert_instance_offering(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        request.cpu_num,
        request.memory_size,
        request.sort_key,
        request.allocator_strategy,
        request.type,
    )
    await own(conn, offering.uuid, call.account_uuid, request)
    return offering


class UpdateInstanceOffering(UpdateRequest):
    """Change an instance offering's name, description or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None


@job(
    UpdateInstanceOffering,
    http="PUT /v1/instance-offerings/{uuid}/actions",
    returns=InstanceOffering,
    raises=(ResourceNotFound,),
)
async def update_instance_offering(
    call: Call, conn: Connection, request: UpdateInstanceOffering
) -> InstanceOffering:
    row = await store.update_instance_offering(
        conn, request.uuid, request.name, request.description, None, request.sort_key
    )
    return found(row, "instance offering", request.uuid)


class ChangeInstanceOfferingState(StateRequest):
    """Enable or disable an instance offering. VMs cannot be created from a disabled one.

    Source: ZStack's configuration API.
    """


@job(
    ChangeInstanceOfferingState,
    http="PUT /v1/instance-offerings/{uuid}/actions",
    returns=InstanceOffering,
    raises=(ResourceNotFound,),
)
async def change_instance_offering_state(
    call: Call, conn: Connection, request: ChangeInstanceOfferingState
) -> InstanceOffering:
    row = await store.update_instance_offering(conn, request.uuid, None, None, request.state, None)
    return found(row, "instance offering", request.uuid)


class DeleteInstanceOffering(DeleteRequest):
    """Delete an instance offering; VMs made from it stay. One that is gone is no error.

    Source: ZStack's configuration API.
    """


@job(DeleteInstanceOffering, http="DELETE /v1/instance-offerings/{uuid}", raises=(ResourceNotFound,))
async def delete_instance_offering(call: Call, conn: Connection, request: DeleteInstanceOffering) -> None:
    uuid = request.uuid_of("instance offering")
    await store.delete_instance_offering(conn, uuid)


class CreateDiskOffering(ApiRequest):
    """Offer a size of data volume, in bytes. Share it, so that other accounts can use it.

    Source: ZStack's configuration API.
    """

    name: ResourceName
    description: Description | None = None
    disk_size: Size
    allocator_strategy: Strategy = "DefaultPrimaryStorageAllocationStrategy"
    sort_key: SortKey = 0
    type: Strategy = "DefaultDiskOfferingType"
    resource_uuid: ResourceUuid | None = None


@job(CreateDiskOffering, http="POST /v1/disk-offerings", returns=DiskOffering, raises=(DuplicateResource,))
async def create_disk_offering(call: Call, conn: Connection, request: CreateDiskOffering) -> DiskOffering:
    offering = await store.insert_disk_offering(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        request.disk_size,
        request.sort_key,
        request.allocator_strategy,
        request.type,
    )
    await own(conn, offering.uuid, call.account_uuid, request)
    return offering


class UpdateDiskOffering(UpdateRequest):
    """Change a disk offering's name, description or sort key. Its size stays.

    Source: ZStack's configuration API.
    """

    sort_key: SortKey | None = None


@job(
    UpdateDiskOffering,
    http="PUT /v1/disk-offerings/{uuid}/actions",
    returns=DiskOffering,
    raises=(ResourceNotFound,),
)
async def update_disk_offering(call: Call, conn: Connection, request: UpdateDiskOffering) -> DiskOffering:
    row = await store.update_disk_offering(
        conn, request.uuid, request.name, request.description, None, request.sort_key
    )
    return found(row, "disk offering", request.uuid)


class ChangeDiskOfferingState(StateRequest):
    """Enable or disable a disk offering. Volumes cannot be created from a disabled one.

    Source: ZStack's configuration API.
    """


@job(
    ChangeDiskOfferingState,
    http="PUT /v1/disk-offerings/{uuid}/actions",
    returns=DiskOffering,
    raises=(ResourceNotFound,),
)
async def change_disk_offering_state(
    call: Call, conn: Connection, request: ChangeDiskOfferingState
) -> DiskOffering:
    row = await store.update_disk_offering(conn, request.uuid, None, None, request.state, None)
    return found(row, "disk offering", request.uuid)


class DeleteDiskOffering(DeleteRequest):
    """Delete a disk offering; volumes made from it stay. One that is gone is no error.

    Source: ZStack's configuration API.
    """


@job(DeleteDiskOffering, http="DELETE /v1/disk-offerings/{uuid}", raises=(ResourceNotFound,))
async def delete_disk_offering(call: Call, conn: Connection, request: DeleteDiskOffering) -> None:
    uuid = request.uuid_of("disk offering")
    await store.delete_disk_offering(conn, uuid)


query_instance_offering = query_api(
    InstanceOffering, http="GET /v1/instance-offerings", access="user", category="configuration", java=JAVA
)
query_disk_offering = query_api(
    DiskOffering, http="GET /v1/disk-offerings", access="user", category="configuration", java=JAVA
)
