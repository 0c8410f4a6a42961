"""The APIs of data volumes by themselves; those that take a VM too are the VMs'."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field

from zstack_mgmt.compute.offerings.store import get_disk_offering
from zstack_mgmt.compute.volumes import ownership, store
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import NewVolume, Volume
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, is_visible, own, scope_of
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.volume"
ACTIONS = "PUT /v1/volumes/{uuid}/actions"
job = partial(api, mode="job", access="user", java=JAVA, category="volume")


class CreateDataVolume(ApiRequest):
    """Create a data volume. It comes into being when it is attached for the first time.

    Source: ZStack's volume API.
    """

    name: ResourceName
    description: Description | None = None
    disk_offering_uuid: Reference | None = None
    disk_size: Annotated[int, Field(ge=1, le=2**62)] | None = None
    primary_storage_uuid: Reference | None = None
    resource_uuid: ResourceUuid | None = None


@job(
    CreateDataVolume,
    http="POST /v1/volumes/data",
    returns=Volume,
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    shared=("disk_offering_uuid",),
)
async def create_data_volume(call: Call, conn: Connection, request: CreateDataVolume) -> Volume:
    size, uuid = request.disk_size, request.disk_offering_uuid
    if (uuid is None) == (size is None):
        raise InvalidArgument("give either diskOfferingUuid or diskSize")
    if uuid is not None:
        visible = call.is_admin or await is_visible(conn, uuid, call.account_uuid)
        offering = found(await get_disk_offering(conn, uuid) if visible else None, "disk offering", uuid)
        if offering.state != "Enabled":
            raise OperationError(f"the disk offering {uuid} is {offering.state}")
        size = offering.disk_size
    assert size is not None  # noqa: S101 (one of the two is given)
    wanted = {"volume.data.num": 1, "volume.capacity": size}
    await reserve(conn, call.account_uuid, wanted, is_admin=call.is_admin)
    new = NewVolume(
        uuid=request.resource_uuid or new_uuid(),
        name=request.name,
        description=request.description,
        type="Data",
        size=size,
        disk_offering_uuid=uuid,
        primary_storage_uuid=request.primary_storage_uuid,
    )
    (volume,) = await store.insert_volumes(conn, call.account_uuid, [new])
    await own(conn, volume.uuid, call.account_uuid, request)
    return volume


class UpdateVolume(UpdateRequest):
    """Change a volume's name or description.

    Source: ZStack's volume API.
    """


@job(UpdateVolume, http=ACTIONS, returns=Volume, raises=(ResourceNotFound,))
async def update_volume(call: Call, conn: Connection, request: UpdateVolume) -> Volume:
    await store.get_volume(conn, request.uuid, scope_of(call))
    return await store.update_volume(conn, request.uuid, request.name, request.description)


class ChangeVolumeState(StateRequest):
    """Enable or disable a volume. A disabled one cannot be attached.

    Source: ZStack's volume API.
    """


@job(ChangeVolumeState, http=ACTIONS, returns=Volume, raises=(ResourceNotFound,))
async def change_volume_state(call: Call, conn: Connection, request: ChangeVolumeState) -> Volume:
    await store.get_volume(conn, request.uuid, scope_of(call))
    return await store.update_volume(conn, request.uuid, state=request.state)


class DeleteDataVolume(DeleteRequest):
    """Put a data volume away: it can be recovered until it is expunged. One that is gone is no error.

    Source: ZStack's volume API.
    """


@job(DeleteDataVolume, http="DELETE /v1/volumes/{uuid}", raises=(ResourceNotFound, OperationError))
async def delete_data_volume(call: Call, conn: Connection, request: DeleteDataVolume) -> None:
    uuid = request.uuid_of("volume")
    owned = await store.lock_volume(conn, uuid, scope_of(call))
    if owned is None or owned.volume.status == "Deleted":
        return
    _check_data(owned.volume)
    if owned.volume.vm_instance_uuid is not None:
        raise OperationError("the volume is attached to a VM; detach it first")
    if owned.volume.status == "NotInstantiated":
        await store.delete_volume(conn, owned)  # it never was on a storage, so there is nothing to recover
        return
    await store.update_volume(conn, uuid, status="Deleted")
    await tell_volume(conn, owned.change("deleted"))


def _check_data(volume: Volume) -> None:
    if volume.type != "Data":
        raise OperationError("a root volume lives and ends with its VM")


class RecoverDataVolume(UuidRequest):
    """Take a deleted data volume back.

    Source: ZStack's volume API.
    """


@job(
    RecoverDataVolume, http=ACTIONS, returns=Volume, raises=(ResourceNotFound, OperationError, QuotaExceeded)
)
async def recover_data_volume(call: Call, conn: Connection, request: RecoverDataVolume) -> Volume:
    owned = await store.get_volume(conn, request.uuid, scope_of(call))
    if owned.volume.status != "Deleted":
        raise OperationError(f"the volume is {owned.volume.status}, not Deleted")
    await reserve(conn, owned.account_uuid, {"volume.data.num": 1}, is_admin=call.is_admin)
    volume = await store.update_volume(conn, request.uuid, status="Ready")
    await tell_volume(conn, owned.change("recovered"))
    return volume


class ExpungeDataVolume(UuidRequest):
    """Delete a deleted data volume for good.

    Source: ZStack's volume API.
    """


@job(ExpungeDataVolume, http=ACTIONS, raises=(ResourceNotFound, OperationError))
async def expunge_data_volume(call: Call, conn: Connection, request: ExpungeDataVolume) -> None:
    owned = await store.get_volume(conn, request.uuid, scope_of(call))
    if owned.volume.status != "Deleted":
        raise OperationError(f"the volume is {owned.volume.status}, not Deleted")
    await store.delete_volume(conn, owned)


query_volume = query_api(Volume, http="GET /v1/volumes", access="user", category="volume", java=JAVA)

SUBMODULES = (ownership,)
"""Imported for what they declare."""
