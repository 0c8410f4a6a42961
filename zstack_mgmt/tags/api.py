"""The APIs of tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from zstack_mgmt.core.errors import ApiError, InvalidArgument, ResourceNotFound, existing
from zstack_mgmt.core.registry import ApiRequest, Call, Tag
from zstack_mgmt.core.requests import CreateRequest, DeleteRequest, UpdateRequest, UuidRequest
from zstack_mgmt.core.values import ExistingUuid
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Doc
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.declare import Resource
from zstack_mgmt.resources.owners import scope_of
from zstack_mgmt.resources.tags import EPHEMERAL
from zstack_mgmt.tags import store
from zstack_mgmt.tags.model import PatternType, SystemTag, TagPattern, UserTag, text_of

JAVA = "org.zstack.header.tag"
TagText = Annotated[Tag, StringConstraints(min_length=1)]
Short = Annotated[str, StringConstraints(max_length=128)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=128)]

system_tags = Resource(
    SystemTag, "/v1/system-tags", java=JAVA, category="tag", access="user", source="ZStack's tag API"
)
user_tags = Resource(
    UserTag, "/v1/user-tags", java=JAVA, category="tag", access="user", source="ZStack's tag API"
)
tags = Resource(
    TagPattern, "/v1/tags", java=JAVA, category="tag", access="user", source="ZStack's tag API", name="Tag"
)


class TagRequest(ApiRequest):
    """A tag for one resource, which must be the caller's."""

    resource_type: Annotated[str, StringConstraints(max_length=64), Doc("of the resource, `VmInstanceVO`")]
    resource_uuid: ExistingUuid
    tag: TagText


class CreateSystemTag(TagRequest):
    """Put a system tag on a resource. What a tag means is heeded where the service next looks at it.

    Source: ZStack's tag API.
    """


class CreateUserTag(TagRequest):
    """Put a user tag on a resource.

    Source: ZStack's tag API.
    """


@system_tags.action(CreateSystemTag, "POST /v1/system-tags", raises=(ResourceNotFound, InvalidArgument))
async def create_system_tag(call: Call, conn: Connection, request: CreateSystemTag) -> SystemTag:
    if request.tag.startswith(EPHEMERAL):
        raise InvalidArgument(
            f"a tag that begins with {EPHEMERAL} is an option of one call and is not stored"
        )
    kind = await _type_of(call, conn, request)
    uuid = await store.insert(conn, request.resource_uuid, kind, request.tag, "System")
    return await rows.get(conn, SystemTag, uuid, lock=None)


@user_tags.action(CreateUserTag, "POST /v1/user-tags", raises=(ResourceNotFound, InvalidArgument))
async def create_user_tag(call: Call, conn: Connection, request: CreateUserTag) -> UserTag:
    kind = await _type_of(call, conn, request)
    uuid = await store.insert(conn, request.resource_uuid, kind, request.tag, "User")
    return await rows.get(conn, UserTag, uuid, lock=None)


async def _type_of(call: Call, conn: Connection, request: TagRequest) -> str:
    """The concrete type of the resource. Raises ResourceNotFound, InvalidArgument."""
    found = await store.lock_taggable(conn, [request.resource_uuid], scope_of(call))
    types = existing(found.get(request.resource_uuid), "resource", request.resource_uuid)
    if request.resource_type not in types:
        raise InvalidArgument(f"the resource {request.resource_uuid} is of the type {types[0]}")
    return types[0]


class UpdateSystemTag(UuidRequest):
    """Change the text of a system tag.

    Source: ZStack's tag API.
    """

    tag: TagText


class UpdateUserTag(UuidRequest):
    """Change the text of a user tag. One that was attached is a tag of its own from then on.

    Source: ours, beside ZStack's UpdateSystemTag.
    """

    tag: TagText


@system_tags.action(
    UpdateSystemTag, "PUT /v1/system-tags/{uuid}/actions", raises=(ResourceNotFound, InvalidArgument)
)
async def update_system_tag(call: Call, conn: Connection, request: UpdateSystemTag) -> SystemTag:
    if request.tag.startswith(EPHEMERAL):
        raise InvalidArgument(
            f"a tag that begins with {EPHEMERAL} is an option of one call and is not stored"
        )
    changed = await store.change(conn, request.uuid, "System", request.tag, scope_of(call))
    existing(changed or None, "system tag", request.uuid)
    return await rows.get(conn, SystemTag, request.uuid, lock=None)


@user_tags.action(
    UpdateUserTag, "PUT /v1/user-tags/{uuid}/actions", raises=(ResourceNotFound, InvalidArgument)
)
async def update_user_tag(call: Call, conn: Connection, request: UpdateUserTag) -> UserTag:
    changed = await store.change(conn, request.uuid, "User", request.tag, scope_of(call))
    existing(changed or None, "user tag", request.uuid)
    return await rows.get(conn, UserTag, request.uuid, lock=None)


class CreateTag(CreateRequest):
    """Make a tag that can be attached to resources.

    Source: ZStack's tag API.
    """

    name: Short
    value: Value
    color: Annotated[str, StringConstraints(max_length=32)] | None = None
    type: PatternType = "simple"


class UpdateTag(UpdateRequest):
    """Change a tag. A new value is the text of the attached ones too, unless it has tokens.

    Source: ZStack's tag API.
    """

    name: Short | None = None
    value: Value | None = None
    color: Annotated[str, StringConstraints(max_length=32)] | None = None


tags.create(CreateTag)


@tags.action(UpdateTag, "PUT /v1/tags/{uuid}/actions", raises=(ResourceNotFound,))
async def update_tag(call: Call, conn: Connection, request: UpdateTag) -> TagPattern:
    given = request.model_dump(include={"name", "value", "color", "description"}, exclude_none=True)
    changed = await rows.update(conn, TagPattern, request.uuid, given, scope_of(call))
    if request.value is not None and changed.type == "simple":
        await store.change_attached(conn, changed.uuid, changed.value)
    return changed


class DeleteTag(DeleteRequest):
    """Take a tag off its resource, or delete one that is attached to many. One that is gone is no error.

    Source: ZStack's tag API.
    """


@tags.action(DeleteTag, "DELETE /v1/tags/{uuid}", returns=None, raises=(ResourceNotFound,))
async def delete_tag(call: Call, conn: Connection, request: DeleteTag) -> None:
    await rows.delete(conn, TagPattern, request.uuid, scope_of(call))
    await store.delete(conn, request.uuid, scope_of(call))


class AttachTagToResources(ApiRequest):
    """Attach a tag to resources of the caller. The answer tells of each whether it was done.

    Source: ZStack's tag API.
    """

    tag_uuid: ExistingUuid
    resource_uuids: Annotated[
        list[Annotated[str, StringConstraints(max_length=32)]], Field(min_length=1, max_length=1000)
    ]
    tokens: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=255)]],
        Field(max_length=100),
        Doc("what the {names} of a tag with tokens stand for"),
    ] = Field({})


def _classes(body: Mapping[str, Any]) -> dict[str, str]:
    done = [i for i, result in enumerate(body["results"]) if result["success"]]
    return {f"results[{i}].inventory": UserTag.meta.java_class for i in done}


@tags.action(
    AttachTagToResources,
    "POST /v1/tags/{tagUuid}/resources",
    response_key="",
    returns=None,
    raises=(ResourceNotFound, InvalidArgument),
    describe=_classes,
)
async def attach_tag(call: Call, conn: Connection, request: AttachTagToResources) -> dict[str, Any]:
    pattern = await rows.get(conn, TagPattern, request.tag_uuid, scope_of(call))
    text = text_of(pattern, request.tokens)
    types = await store.lock_taggable(conn, request.resource_uuids, scope_of(call))
    results: list[dict[str, Any]] = []
    for uuid in dict.fromkeys(request.resource_uuids):
        if uuid not in types:
            missing: ApiError = ResourceNotFound(f"no resource has the uuid {uuid}")
            results.append({"success": False, "error": missing.to_json()})
            continue
        made = await store.attach(conn, uuid, types[uuid][0], text, pattern.uuid)
        tag = await rows.get(conn, UserTag, made, lock=None)
        results.append({"success": True, "inventory": tag.to_json(call.services.settings.time_zone)})
    return {"results": results}


class DetachTagFromResources(ApiRequest):
    """Take an attached tag off resources. Those that do not have it are no error.

    Source: ZStack's tag API.
    """

    tag_uuid: ExistingUuid
    resource_uuids: Annotated[
        list[Annotated[str, StringConstraints(max_length=32)]], Field(min_length=1, max_length=1000)
    ]


@tags.action(
    DetachTagFromResources,
    "DELETE /v1/tags/{tagUuid}/resources",
    returns=None,
    raises=(ResourceNotFound,),
)
async def detach_tag(call: Call, conn: Connection, request: DetachTagFromResources) -> None:
    pattern = await rows.get(conn, TagPattern, request.tag_uuid, scope_of(call))
    await store.detach(conn, pattern.uuid, request.resource_uuids, scope_of(call))


system_tags.query(access="user")
user_tags.query(access="user")
tags.query(access="user")
