"""The APIs of images."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.errors import DuplicateResource, QuotaExceeded, ResourceNotFound
from zstack_mgmt.images import movers, store
from zstack_mgmt.images.model import Image, MediaType, Platform
from zstack_mgmt.query.declare import query_api
from zstack_mgmt.quotas.usage import reserve
from zstack_mgmt.registry import ApiRequest, Call, api
from zstack_mgmt.sharing.owners import found, own, owners_of, scope_of
from zstack_mgmt.values import (
    DeleteMode,
    Description,
    Reference,
    ResourceName,
    ResourceUuid,
    StateEvent,
    is_uuid,
    new_uuid,
)

JAVA = "org.zstack.header.image"
ACTIONS = "PUT /v1/images/{uuid}/actions"
DEFAULT_SIZE = 10 * 1024**3  # bytes


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


@api(
    AddImage,
    http="POST /v1/images",
    mode="job",
    access="user",
    java=JAVA,
    category="image",
    returns=Image,
    raises=(QuotaExceeded, DuplicateResource),
)
async def add_image(call: Call, conn: Any, request: AddImage) -> Image:
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


class UpdateImage(ApiRequest):
    """Change an image's name, description, guest system or platform.

    Source: ZStack's image API.
    """

    uuid: Reference
    name: ResourceName | None = None
    description: Description | None = None
    guest_os_type: Annotated[str, StringConstraints(max_length=255)] | None = None
    platform: Platform | None = None


@api(
    UpdateImage,
    http=ACTIONS,
    mode="job",
    access="user",
    java=JAVA,
    category="image",
    returns=Image,
    raises=(ResourceNotFound,),
)
async def update_image(call: Call, conn: Any, request: UpdateImage) -> Image:
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


class ChangeImageState(ApiRequest):
    """Enable or disable an image. VMs cannot be created from a disabled one.

    Source: ZStack's image API.
    """

    uuid: Reference
    state_event: StateEvent


@api(
    ChangeImageState,
    http=ACTIONS,
    mode="job",
    access="user",
    java=JAVA,
    category="image",
    returns=Image,
    raises=(ResourceNotFound,),
)
async def change_image_state(call: Call, conn: Any, request: ChangeImageState) -> Image:
    state = "Enabled" if request.state_event == "enable" else "Disabled"
    image = await store.update_image(conn, request.uuid, scope_of(call), None, None, state, None, None)
    return found(image, "image", request.uuid)


class DeleteImage(ApiRequest):
    """Delete an image; VMs and volumes made from it stay. One that is gone is no error.

    Source: ZStack's image API.
    """

    uuid: Reference
    delete_mode: DeleteMode = "Permissive"


@api(
    DeleteImage,
    http="DELETE /v1/images/{uuid}",
    mode="job",
    access="user",
    java=JAVA,
    category="image",
    raises=(ResourceNotFound,),
)
async def delete_image(call: Call, conn: Any, request: DeleteImage) -> None:
    if not is_uuid(request.uuid):
        raise ResourceNotFound(f"no image has the uuid {request.uuid}")
    owner, _ = (await owners_of(conn, [request.uuid])).get(request.uuid, (None, ""))
    if owner is not None and scope_of(call) in (None, owner):
        await store.delete_image(conn, request.uuid)


query_image = query_api(Image, http="GET /v1/images", access="user", category="image", java=JAVA)

SUBMODULES = (movers,)
"""Imported for what they declare."""
