"""The APIs of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.images import store
from zstack_mgmt.compute.images.model import Image, MediaType, Platform
from zstack_mgmt.core.errors import DuplicateResource, QuotaExceeded
from zstack_mgmt.core.registry import Call
from zstack_mgmt.core.requests import CreateRequest, UpdateRequest
from zstack_mgmt.core.values import Reference
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource

DEFAULT_SIZE = 10 * 1024**3  # bytes
GuestOs = Annotated[str, StringConstraints(max_length=255)]

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

    Source: ZStack's image API; `size` is ours, because nothing is downloaded that could be measured.
    """

    url: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    media_type: MediaType = "RootVolumeTemplate"
    guest_os_type: GuestOs | None = None
    system: bool = False
    format: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    platform: Platform = "Linux"
    backup_storage_uuids: Annotated[list[Reference], Field(min_length=1, max_length=32)]
    type: GuestOs | None = None
    size: Annotated[int, Field(ge=1, le=2**62)] = DEFAULT_SIZE


@images.action(AddImage, "POST /v1/images", raises=(QuotaExceeded, DuplicateResource))
async def add_image(call: Call, conn: Connection, request: AddImage) -> Image:
    await reserve(
        conn, call.account_uuid, {"image.num": 1, "image.size": request.size}, is_admin=call.is_admin
    )
    stored = request.model_dump(
        include={"name", "description", "url", "media_type", "guest_os_type", "system", "format", "platform"}
    )
    sizes = {"size": request.size, "actual_size": request.size}
    image = await images.insert(call, conn, request, {**stored, **sizes})
    await store.insert_copies(conn, image.uuid, request.backup_storage_uuids)
    return await rows.get(conn, Image, image.uuid)


class UpdateImage(UpdateRequest):
    """Change an image's name, description, guest system or platform.

    Source: ZStack's image API.
    """

    guest_os_type: GuestOs | None = None
    platform: Platform | None = None


images.update(UpdateImage)
images.change_state("Enable or disable an image. VMs cannot be created from a disabled one.")
images.delete("Delete an image; VMs and volumes made from it stay. One that is gone is no error.")
images.query(access="user")
