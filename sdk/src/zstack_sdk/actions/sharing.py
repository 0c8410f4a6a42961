"""The APIs of sharing."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import AccountResourceRefInventory
    from zstack_sdk.inventories import ResourceNameInventory
    from zstack_sdk.inventories import SharedResourceInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class ShareResourceAction(Action["Empty"]):
    """Let other accounts, or everybody, see and use resources of the calling account. Existing shares
    stay.

    `PUT /accounts/resources/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1007 (InvalidArgument), SYS.1003 (ResourceNotFound).
    """

    resourceUuids: list[str]
    """The uuids of resources."""

    accountUuids: list[str] | None = None
    """The uuids of resources."""

    toPublic: bool | None = None
    """Boolean, `False` by default."""


class RevokeResourceSharingAction(Action["Empty"]):
    """End shares: with `accountUuids`, with the public (`toPublic`), or `all` of them.

    `all` with `toPublic` ends the public share only, as on ZStack.

    `PUT /accounts/resources/actions`, a job. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1007 (InvalidArgument).
    """

    resourceUuids: list[str]
    """The uuids of resources."""

    accountUuids: list[str] | None = None
    """The uuids of resources."""

    toPublic: bool | None = None
    """Boolean, `False` by default."""

    all: bool | None = None
    """Boolean, `False` by default."""


class ChangeResourceOwnerAction(Action["InventoryValue[AccountResourceRefInventory]"]):
    """Give a resource, and what hangs on it, to another account. Its shares end.

    `POST /account/{accountUuid}/resources`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), ID.1004 (SameOwner), ID.1003
    (QuotaExceeded), SYS.1006 (OperationError).
    """

    accountUuid: str
    """The uuid of a resource."""

    resourceUuid: str
    """The uuid of a resource."""


class GetResourceNamesAction(Action["ListValue[ResourceNameInventory]"]):
    """Names and types of the resources that the caller can see; unknown uuids are left out.

    `GET /resources/names`. Who may call: account sessions, and users whose policies allow it.
    """

    uuids: list[str]
    """The uuids of resources."""


class QueryAccountResourceRefAction(QueryAction["AccountResourceRefInventory"]):
    """Find AccountResourceRefs by conditions on their fields, tags and links.

    `GET /accounts/resources/refs`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: id, accountUuid, ownerAccountUuid, resourceUuid, resourceType, createDate,
    lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """


class QuerySharedResourceAction(QueryAction["SharedResourceInventory"]):
    """Find SharedResources by conditions on their fields, tags and links.

    `GET /accounts/resources`. Who may call: system administrators.

    Fields for conditions: ownerAccountUuid, receiverAccountUuid, toPublic, resourceType, resourceUuid,
    createDate, lastOpDate.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
