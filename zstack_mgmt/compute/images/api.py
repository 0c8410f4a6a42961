"""The APIs of images."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field, StringConstraints

from zstack_mgmt.compute.images import movers, store
from zstack_mgmt.compute.images.model import Image, MediaType, Platform
from zstack_mgmt.core.errors import DuplicateResource, QuotaExceeded, ResourceNotFound
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.requests import DeleteRequest, StateRequest, UpdateRequest
from zstack_mgmt.core.values import Description, Reference, ResourceName, ResourceUuid, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.owners import found, own, owners_of, scope_of
from zstack_mgmt.query.declare import query_api

JAVA = "org.zstack.header.image"
ACTIONS = "PUT /v1/images/{uuid}/actions"
DEFAULT_SIZE = 10 * 1024**3  # bytes
job = partial(api, mode="job", access="user", java=JAVA, category="image")


class AddImage(ApiRequest):
    """Register an image. Its data is left where the url says; `size` tells the bytes a guest will see.

    Source: ZStack's image API; `size` is ours, because nothing is downloaded that could be measured.
    """

    name: ResourceName
    description: Description | None = None
    url: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    media_type: MediaType = "RootVolumeTemplate"
    guest_os_type: Annotated[str, StringConstraints(max_length=255)] | None = None
    system: bool = False
    format: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    platform: Platform = "Linux"
    backup_storage_uuids: Annotated[list[Reference], Field(min_length=1, max_length=32)]
    type: Annotated[str, StringConstraints(max_length=255)] | None = None
    size: Annotated[int, Field(ge=1, le=2**62)] = DEFAULT_SIZE
    resource_uuid: ResourceUuid | None = None


@job(AddImage, http="POST /v1/images", returns=Image, raises=(QuotaExceeded, DuplicateResource))
async def add_image(call: Call, conn: Connection, request: AddImage) -> Image:
    await reserve(
        conn, call.account_uuid, {"image.num": 1, "image.size": request.size}, is_admin=call.is_admin
    )
    image = await store.insert_image(
        conn,
        request.resource_uuid or new_uuid(),
        request.name,
        request.description,
        request.url,
        request.media_type,
        request.guest_os_type,
        request.platform,
        request.format,
        request.size,
        system=request.system,
        backup_storage_uuids=request.backup_storage_uuids,
    )
    await own(conn, image.uuid, call.account_uuid, request)
    return image


class UpdateImage(UpdateRequest):
    """Change an image's name, description, guest system or platform.

    Source: ZStack's image API.
    """

    guest_os_type: Annotated[str, StringConstraints(max_length=255)] | None = None
    platform: Platform | None = None


@job(UpdateImage, http=ACTIONS, returns=Image, raises=(ResourceNotFound,))
async def update_image(call: Call, conn: Connection, request: UpdateImage) -> Image:
    image = await store.update_image(
        conn,
        request.uuid,
        scope_of(call),
        request.name,
        request.description,
        None,
        request.guest_os_type,
        request.platform,
    )
    return found(image, "image", request.uuid)


class ChangeImageState(StateRequest):
    """Enable or disable an image. VMs cannot be created from a disabled one.

    Source: ZStack's image API.
    """


@job(ChangeImageState, http=ACTIONS, returns=Image, raises=(ResourceNotFound,))
async def change_image_state(call: Call, conn: Connection, request: ChangeImageState) -> Image:
    image = await store.update_image(
        conn, request.uuid, scope_of(call), None, None, request.state, None, None
    )
    return found(image, "image", request.uuid)


class DeleteImage(DeleteRequest):
    """Delete an image; VMs and volumes made from it stay. One that is gone is no error.

    Source: ZStack's image API.
    """


@job(DeleteImage, http="DELETE /v1/images/{uuid}", raises=(ResourceNotFound,))
async def delete_image(call: Call, conn: Connection, request: DeleteImage) -> None:
    uuid = request.uuid_of("image")
    owner, _ = (await owners_of(conn, [uuid])).get(uuid, (None, ""))
    if owner is not None and scope_of(call) in (None, owner):
        await store.delete_image(conn, uuid)


query_image = query_api(Image, http="GET /v1/images", access="user", category="image", java=JAVA)

SUBMODULES = (movers,)
"""Imported for what they declare."""
