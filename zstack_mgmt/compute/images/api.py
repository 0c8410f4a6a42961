"""The APIs of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.images import store
from zstack_mgmt.compute.images.model import Architecture, GuestOs, Image, MediaType, Platform
from zstack_mgmt.core.errors import DuplicateResource, OperationError, QuotaExceeded, ResourceNotFound
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import owners_of, scope_of

DEFAULT_SIZE = 10 * 1024**3  # bytes

Format = Annotated[str, StringConstraints(min_length=1, max_length=32)]

images = Resource(
    Image,
    "/v1/images",
    java="org.zstack.header.image",
    category="image",
    access="user",
    source="ZStack's image API",
)


class AddImage(CreateRequest):
    """Register an image. Its data is left where the url says; `size` tells the bytes a guest will see.

    Without a `format` an ISO is `iso`, and anything else `qcow2`.

    Source: ZStack's image API; `size` is ours, because nothing is downloaded that could be measured.
    """

    url: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    media_type: MediaType = "RootVolumeTemplate"
    guest_os_type: GuestOs | None = None
    system: bool = False
    format: Format | None = None
    architecture: Architecture = "x86_64"
    platform: Platform = "Linux"
    backup_storage_uuids: Annotated[list[ExistingUuid], Field(min_length=1, max_length=32)]
    type: GuestOs | None = None
    size: Annotated[int, Field(ge=1, le=2**62)] = DEFAULT_SIZE


@images.action(AddImage, "POST /v1/images", raises=(ResourceNotFound, QuotaExceeded, DuplicateResource))
async def add_image(call: Call, conn: Connection, request: AddImage) -> Image:
    await reserve(
        conn, call.account_uuid, {"image.num": 1, "image.size": request.size}, is_admin=call.is_admin
    )
    stored = request.model_dump(
        include={"name", "description", "url", "media_type", "guest_os_type", "system", "platform"}
    )
    stored["architecture"] = request.architecture
    stored["format"] = request.format or ("iso" if request.media_type == "ISO" else "qcow2")
    stored["type"] = request.type or "zstack"
    sizes = {"size": request.size, "actual_size": request.size}
    image = await images.insert(call, conn, request, {**stored, **sizes})
    await store.insert_copies(conn, image.uuid, request.backup_storage_uuids)
    return await rows.get(conn, Image, image.uuid)


class UpdateImage(UpdateRequest):
    """Change what an image says of itself. VMs that were made from it stay as they are.

    Source: ZStack's image API.
    """

    guest_os_type: GuestOs | None = None
    platform: Platform | None = None
    media_type: MediaType | None = None
    format: Format | None = None
    system: bool | None = None
    architecture: Architecture | None = None


images.update(UpdateImage)
images.change_state("Enable or disable an image. VMs cannot be created from a disabled one.")


class DeleteImage(DeleteRequest):
    """Put an image away: it can be recovered until it is expunged. One that is gone is no error.

    VMs and volumes made from it stay; new ones cannot be made.

    Source: ZStack's image API.
    """


@images.action(DeleteImage, "DELETE /v1/images/{uuid}", returns=None, raises=(ResourceNotFound,))
async def delete_image(call: Call, conn: Connection, request: DeleteImage) -> None:
    image = await rows.find(conn, Image, request.uuid, scope_of(call), lock="NO KEY UPDATE")
    if image is not None and image.status != "Deleted":
        await rows.update(conn, Image, image.uuid, {"status": "Deleted"})


class RecoverImage(UuidRequest):
    """Take a deleted image back.

    Source: ZStack's image API.
    """


@images.action(
    RecoverImage,
    "PUT /v1/images/{uuid}/actions",
    raises=(ResourceNotFound, OperationError, QuotaExceeded),
)
async def recover_image(call: Call, conn: Connection, request: RecoverImage) -> Image:
    await _get_deleted(call, conn, request.uuid)
    owner, _ = (await owners_of(conn, [request.uuid]))[request.uuid]
    await reserve(conn, owner, {"image.num": 1}, is_admin=call.is_admin)
    return await rows.update(conn, Image, request.uuid, {"status": "Ready"})


class ExpungeImage(UuidRequest):
    """Delete a deleted image for good.

    Source: ZStack's image API.
    """


@images.action(
    ExpungeImage,
    "PUT /v1/images/{uuid}/actions",
    returns=None,
    raises=(ResourceNotFound, OperationError),
)
async def expunge_image(call: Call, conn: Connection, request: ExpungeImage) -> None:
    await _get_deleted(call, conn, request.uuid)
    await rows.delete(conn, Image, request.uuid)


async def _get_deleted(call: Call, conn: Connection, uuid: str) -> None:
    image = await rows.get(conn, Image, uuid, scope_of(call), lock="UPDATE")
    if image.status != "Deleted":
        raise OperationError(f"the image is {image.status}, not Deleted")


images.query(access="user")
