"""The APIs of tags."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import SystemTagInventory
    from zstack_sdk.inventories import TagPatternInventory
    from zstack_sdk.inventories import UserTagInventory
    from zstack_sdk.record import AnyValue, Empty, InventoryValue


class CreateSystemTagAction(Action["InventoryValue[SystemTagInventory]"]):
    """Put a system tag on a resource. What a tag means is heeded where the service next looks at it.

    `POST /system-tags`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    resourceType: str
    """Of the resource, `VmInstanceVO`. At most 64 characters."""

    tag: str
    """At least 1 characters, at most 2048 characters."""

    resourceUuid: str
    """The uuid of a resource."""


class CreateUserTagAction(Action["InventoryValue[UserTagInventory]"]):
    """Put a user tag on a resource.

    `POST /user-tags`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    resourceType: str
    """Of the resource, `VmInstanceVO`. At most 64 characters."""

    tag: str
    """At least 1 characters, at most 2048 characters."""

    resourceUuid: str
    """The uuid of a resource."""


class UpdateSystemTagAction(Action["InventoryValue[SystemTagInventory]"]):
    """Change the text of a system tag.

    `PUT /system-tags/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    tag: str
    """At least 1 characters, at most 2048 characters."""


class UpdateUserTagAction(Action["InventoryValue[UserTagInventory]"]):
    """Change the text of a user tag. One that was attached is a tag of its own from then on.

    `PUT /user-tags/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    tag: str
    """At least 1 characters, at most 2048 characters."""


class CreateTagAction(Action["InventoryValue[TagPatternInventory]"]):
    """Make a tag that can be attached to resources.

    `POST /tags`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1000 (DuplicateResource).
    """

    name: str
    """At most 128 characters."""

    description: str | None = None
    """At most 2048 characters."""

    value: str
    """At least 1 characters, at most 128 characters."""

    color: str | None = None
    """At most 32 characters."""

    type: Literal["simple", "withToken"] | None = None
    """`simple` or `withToken`, `simple` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateTagAction(Action["InventoryValue[TagPatternInventory]"]):
    """Change a tag. A new value is the text of the attached ones too, unless it has tokens.

    `PUT /tags/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 128 characters."""

    description: str | None = None
    """At most 2048 characters."""

    value: str | None = None
    """At least 1 characters, at most 128 characters."""

    color: str | None = None
    """At most 32 characters."""


class DeleteTagAction(Action["Empty"]):
    """Take a tag off its resource, or delete one that is attached to many. One that is gone is no error.

    `DELETE /tags/{uuid}`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AttachTagToResourcesAction(Action["AnyValue"]):
    """Attach a tag to resources of the caller. The answer tells of each whether it was done.

    `POST /tags/{tagUuid}/resources`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    tagUuid: str
    """The uuid of a resource."""

    resourceUuids: list[str]
    """List of string, at most 32 characters; at least 1 of them; at most 1000 of them."""

    tokens: dict[str, Any] | None = None
    """What the {names} of a tag with tokens stand for. Object, `{}` by default."""


class DetachTagFromResourcesAction(Action["Empty"]):
    """Take an attached tag off resources. Those that do not have it are no error.

    `DELETE /tags/{tagUuid}/resources`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    tagUuid: str
    """The uuid of a resource."""

    resourceUuids: list[str]
    """List of string, at most 32 characters; at least 1 of them; at most 1000 of them."""


class QuerySystemTagAction(QueryAction["SystemTagInventory"]):
    """Find SystemTags by conditions on their fields, tags and links.

    `GET /system-tags`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, resourceUuid, resourceType, tag, type, inherent, createDate,
    lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryUserTagAction(QueryAction["UserTagInventory"]):
    """Find UserTags by conditions on their fields, tags and links.

    `GET /user-tags`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, resourceUuid, resourceType, tag, type, tagPatternUuid, createDate,
    lastOpDate.

    Links: tagPattern.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QueryTagAction(QueryAction["TagPatternInventory"]):
    """Find TagPatterns by conditions on their fields, tags and links.

    `GET /tags`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, value, description, color, type, createDate, lastOpDate.

    Links: userTag.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
