"""The APIs of access_keys."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import AccessKeyInventory
    from zstack_sdk.inventories import NewAccessKeyInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateAccessKeyAction(Action["InventoryValue[NewAccessKeyInventory]"]):
    """Make a key of the calling account or user, or an account's for one of its users.

    The secret is in the result of this call, for whoever made it and its webhook, and nowhere else.
    Without one, or without an id, the service chooses them. A system administrator may make keys for
    any account.

    `POST /accesskeys`, a job. Who may call: account sessions, and users whose policies allow it.

    Errors: SYS.1003 (ResourceNotFound), ID.1002 (PermissionDenied), SYS.1007 (InvalidArgument),
    SYS.1006 (OperationError), SYS.1000 (DuplicateResource).
    """

    accountUuid: str | None = None
    """The uuid of a resource."""

    userUuid: str | None = None
    """The uuid of a resource."""

    description: str | None = None
    """At most 2048 characters."""

    AccessKeyID: str | None = None
    """Of the form `^[A-Za-z0-9_-]{8,64}$`."""

    AccessKeySecret: str | None = None
    """20 to 128 printable ASCII characters. Of the form `^[!-~]{20,128}$`."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class ChangeAccessKeyStateAction(Action["InventoryValue[AccessKeyInventory]"]):
    """Enable or disable a key. A disabled one opens nothing.

    `PUT /accesskeys/{uuid}/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteAccessKeyAction(Action["Empty"]):
    """Delete a key, which opens nothing from then on. One that is gone already is no error.

    `DELETE /accesskeys/{uuid}`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryAccessKeyAction(QueryAction["AccessKeyInventory"]):
    """Find AccessKeys by conditions on their fields, tags and links.

    `GET /accesskeys`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, accountUuid, userUuid, AccessKeyID, state, description, createDate,
    lastOpDate.

    Links: account., user.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
