"""The APIs of data volumes by themselves; those that take a VM too are the VMs'."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zstack_mgmt.compute.offerings.model import DiskOffering
from zstack_mgmt.compute.offerings.store import usable
from zstack_mgmt.compute.volumes import store
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import NewVolume, Volume
from zstack_mgmt.core.errors import (
    DuplicateResource,
    InvalidArgument,
    OperationError,
    QuotaExceeded,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest, UuidRequest
from zstack_mgmt.core.values import Reference, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import own, scope_of
from zstack_mgmt.resources.tags import tag

ACTIONS = "PUT /v1/volumes/{uuid}/actions"
volumes = Resource(
    Volume,
    "/v1/volumes",
    java="org.zstack.header.volume",
    category="volume",
    access="user",
    source="ZStack's volume API",
)


class CreateDataVolume(CreateRequest):
    """Create a data volume. It comes into being when it is attached for the first time.

    Source: ZStack's volume API.
    """

    disk_offering_uuid: Reference | None = None
    disk_size: Annotated[int, Field(ge=1, le=2**62)] | None = None
    primary_storage_uuid: Reference | None = None


@volumes.action(
    CreateDataVolume,
    "POST /v1/volumes/data",
    raises=(ResourceNotFound, InvalidArgument, OperationError, QuotaExceeded, DuplicateResource),
    shared=("disk_offering_uuid",),
)
async def create_data_volume(call: Call, conn: Connection, request: CreateDataVolume) -> Volume:
    size, uuid = request.disk_size, request.disk_offering_uuid
    if (uuid is None) == (size is None):
        raise InvalidArgument("give either diskOfferingUuid or diskSize")
    if uuid is not None:
        size = (await usable(conn, call, DiskOffering, uuid)).disk_size
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
    await own(conn, call.account_uuid, volume.uuid)
    await tag(conn, volume.uuid, request)
    return volume


volumes.update("Change a volume's name or description.")
volumes.change_state("Enable or disable a volume. A disabled one cannot be attached.")


class DeleteDataVolume(DeleteRequest):
    """Put a data volume away: it can be recovered until it is expunged. One that is gone is no error.

    Source: ZStack's volume API.
    """


@volumes.action(
    DeleteDataVolume, "DELETE /v1/volumes/{uuid}", returns=None, raises=(ResourceNotFound, OperationError)
)
async def delete_data_volume(call: Call, conn: Connection, request: DeleteDataVolume) -> None:
    uuid = request.uuid
    owned = await store.lock_volume(conn, uuid, scope_of(call))
    if owned is None or owned.volume.status == "Deleted":
        return
    _check_data(owned.volume)
    if owned.volume.vm_instance_uuid is not None:
        raise OperationError("the volume is attached to a VM; detach it first")
    if owned.volume.status == "NotInstantiated":
        await store.delete_volume(conn, owned)  # it never was on a storage, so there is nothing to recover
        return
    await rows.update(conn, Volume, uuid, {"status": "Deleted"})
    await tell_volume(conn, owned.change("deleted"))


def _check_data(volume: Volume) -> None:
    if volume.type != "Data":
        raise OperationError("a root volume lives and ends with its VM")


class RecoverDataVolume(UuidRequest):
    """Take a deleted data volume back.

    Source: ZStack's volume API.
    """


@volumes.action(RecoverDataVolume, ACTIONS, raises=(ResourceNotFound, OperationError, QuotaExceeded))
async def recover_data_volume(call: Call, conn: Connection, request: RecoverDataVolume) -> Volume:
    owned = await store.get_volume(conn, request.uuid, scope_of(call))
    if owned.volume.status != "Deleted":
        raise OperationError(f"the volume is {owned.volume.status}, not Deleted")
    await reserve(conn, owned.account_uuid, {"volume.data.num": 1}, is_admin=call.is_admin)
    volume = await rows.update(conn, Volume, request.uuid, {"status": "Ready"})
    await tell_volume(conn, owned.change("recovered"))
    return volume


class ExpungeDataVolume(UuidRequest):
    """Delete a deleted data volume for good.

    Source: ZStack's volume API.
    """


@volumes.action(ExpungeDataVolume, ACTIONS, returns=None, raises=(ResourceNotFound, OperationError))
async def expunge_data_volume(call: Call, conn: Connection, request: ExpungeDataVolume) -> None:
    owned = await store.get_volume(conn, request.uuid, scope_of(call))
    if owned.volume.status != "Deleted":
        raise OperationError(f"the volume is {owned.volume.status}, not Deleted")
    await store.delete_volume(conn, owned)


volumes.query(access="user")
