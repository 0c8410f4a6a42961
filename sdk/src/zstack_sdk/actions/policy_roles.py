"""The APIs of policy_roles."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import RoleInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateRoleAction(Action["InventoryValue[RoleInventory]"]):
    """Create a role inside the calling account: statements as those of a policy, that users can be given.

    `POST /identities/roles`, a job. Who may call: account sessions.

    Errors: SYS.1007 (InvalidArgument), ID.1003 (QuotaExceeded).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    statements: list[dict[str, Any]] | None = None
    """List of StatementRequest; at most 100 of them. Each has name, effect, actions, principals,
    resources.
    """

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateRoleAction(Action["InventoryValue[RoleInventory]"]):
    """Change a role's name or description.

    `PUT /identities/roles/{uuid}/actions`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""


class ChangeRoleStateAction(Action["InventoryValue[RoleInventory]"]):
    """Enable or disable a role. A disabled one gives and denies nothing.

    `PUT /identities/roles/{uuid}/actions`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    stateEvent: Literal["enable", "disable"]
    """`enable` or `disable`."""


class DeleteRoleAction(Action["Empty"]):
    """Delete a role; whoever had it loses it. One that is gone already is no error.

    `DELETE /identities/roles/{uuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class AddPolicyStatementsToRoleAction(Action["InventoryValue[RoleInventory]"]):
    """Add statements to a role. They hold for all who have it.

    `POST /identities/roles/{uuid}/policy-statements`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), ID.1003 (QuotaExceeded).
    """

    uuid: str
    """The uuid of a resource."""

    statements: list[dict[str, Any]]
    """List of StatementRequest; at least 1 of them; at most 100 of them. Each has name, effect, actions,
    principals, resources.
    """


class RemovePolicyStatementsFromRoleAction(Action["InventoryValue[RoleInventory]"]):
    """Take statements from a role. Those that it does not have are ignored.

    `DELETE /identities/roles/{uuid}/policy-statements`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    policyStatementUuids: list[str]
    """The uuids of resources."""


class AttachRoleToUserAction(Action["Empty"]):
    """Give a user a role. One that it has stays.

    An administrator may give its own roles to users of any account, and an account's to the account's
    users.

    `POST /identities/users/{userUuid}/roles/{roleUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    userUuid: str
    """The uuid of a resource."""

    roleUuid: str
    """The uuid of a resource."""


class DetachRoleFromUserAction(Action["Empty"]):
    """Take a role from a user. One that it does not have is no error.

    `DELETE /identities/users/{userUuid}/roles/{roleUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    userUuid: str
    """The uuid of a resource."""

    roleUuid: str
    """The uuid of a resource."""


class AttachRoleToAccountAction(Action["Empty"]):
    """Give a role to all users of an account, of now and later. One that they have stays.

    An account gives its own roles to itself. An administrator may give its own to any account.

    `POST /identities/accounts/{accountUuid}/roles/{roleUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    accountUuid: str
    """The uuid of a resource."""

    roleUuid: str
    """The uuid of a resource."""


class DetachRoleFromAccountAction(Action["Empty"]):
    """Take a role from an account. One that it does not have is no error.

    What an administrator gave, an administrator takes.

    `DELETE /identities/accounts/{accountUuid}/roles/{roleUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    accountUuid: str
    """The uuid of a resource."""

    roleUuid: str
    """The uuid of a resource."""


class QueryRoleAction(QueryAction["RoleInventory"]):
    """Find Roles by conditions on their fields, tags and links.

    `GET /identities/roles`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, accountUuid, state, createDate, lastOpDate.

    Links: account., user.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
