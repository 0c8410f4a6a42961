"""The APIs of groups."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import UserGroupInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateUserGroupAction(Action["InventoryValue[UserGroupInventory]"]):
    """Create a group inside the calling account.

    `POST /accounts/groups`, a job. Who may call: account sessions.

    Errors: SYS.1007 (InvalidArgument).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeleteUserGroupAction(Action["Empty"]):
    """Delete a group. One that is gone already is no error.

    `DELETE /accounts/groups/{uuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class UpdateUserGroupAction(Action["InventoryValue[UserGroupInventory]"]):
    """Change a group's name or description.

    `PUT /accounts/groups/actions`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class AddUserToGroupAction(Action["Empty"]):
    """Make a user of the account a member of a group of the account. A member stays one.

    Refused when the group has roles beyond the account (docs/keystone.md).

    `POST /accounts/groups/{groupUuid}/users`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    groupUuid: str
    """The uuid of a resource."""

    userUuid: str
    """The uuid of a resource."""


class RemoveUserFromGroupAction(Action["Empty"]):
    """End a membership. One that is not there is no error. An administrator may do so in any account.

    `DELETE /accounts/groups/{groupUuid}/users/{userUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    groupUuid: str
    """The uuid of a resource."""

    userUuid: str
    """The uuid of a resource."""


class AttachPolicyToUserGroupAction(Action["Empty"]):
    """Bind a policy of the account to a group of the account. A bound one stays bound.

    `POST /accounts/groups/{groupUuid}/policies`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    groupUuid: str
    """The uuid of a resource."""

    policyUuid: str
    """The uuid of a resource."""


class DetachPolicyFromUserGroupAction(Action["Empty"]):
    """Take a policy from a group. One that is not bound is no error.

    `DELETE /accounts/groups/{groupUuid}/policies/{policyUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    groupUuid: str
    """The uuid of a resource."""

    policyUuid: str
    """The uuid of a resource."""


class QueryUserGroupAction(QueryAction["UserGroupInventory"]):
    """Find UserGroups by conditions on their fields, tags and links.

    `GET /accounts/groups`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, accountUuid, name, description, createDate, lastOpDate.

    Links: account., user., policy.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
