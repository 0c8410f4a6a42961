"""The APIs of users."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import UserInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateUserAction(Action["InventoryValue[UserInventory]"]):
    """Create a user inside the calling account.

    It may read, and change its own password, until policies say more.

    `POST /accounts/users`, a job. Who may call: account sessions.

    Errors: SYS.1007 (InvalidArgument).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    password: str
    """At most 255 characters: clear text, or the hex sha512 that ZStack's clients send. Stored as a hash
    only. At most 255 characters.
    """

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeleteUserAction(Action["Empty"]):
    """Delete a user and end its sessions. One that is gone already is no error.

    `DELETE /accounts/users/{uuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class UpdateUserAction(Action["InventoryValue[UserInventory]"]):
    """Change a user's name, description or password.

    A user session may leave `uuid` out, and changes itself only.

    A new password ends the user's sessions. It is not for the account to set when the user has roles
    beyond the account (docs/keystone.md). With `oldPassword` the change is refused unless it fits.

    `PUT /accounts/users/actions`, a job. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1007 (InvalidArgument), SYS.1003 (ResourceNotFound), SYS.1006 (OperationError).
    """

    uuid: str | None = None
    """The uuid of a resource."""

    name: str | None = None
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    password: str | None = None
    """At most 255 characters: clear text, or the hex sha512 that ZStack's clients send. Stored as a hash
    only. At most 255 characters.
    """

    oldPassword: str | None = None
    """A password that the handler compares with a stored one. At most 255 characters."""


class AttachPolicyToUserAction(Action["Empty"]):
    """Bind a policy of the account to a user of the account. A bound one stays bound.

    `POST /accounts/users/{userUuid}/policies`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    userUuid: str
    """The uuid of a resource."""

    policyUuid: str
    """The uuid of a resource."""


class AttachPoliciesToUserAction(Action["Empty"]):
    """Bind several policies of the account to a user of the account.

    An administrator may do so for any account.

    `POST /accounts/users/{userUuid}/policy-collection`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    userUuid: str
    """The uuid of a resource."""

    policyUuids: list[str]
    """The uuids of resources."""


class DetachPolicyFromUserAction(Action["Empty"]):
    """Take a policy from a user. One that is not bound is no error.

    `DELETE /accounts/users/{userUuid}/policies/{policyUuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    userUuid: str
    """The uuid of a resource."""

    policyUuid: str
    """The uuid of a resource."""


class DetachPoliciesFromUserAction(Action["Empty"]):
    """Take several policies from a user.

    Those that are not bound are ignored. An administrator may do so for any account.

    `DELETE /accounts/users/{userUuid}/policies`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    userUuid: str
    """The uuid of a resource."""

    policyUuids: list[str]
    """The uuids of resources."""


class QueryUserAction(QueryAction["UserInventory"]):
    """Find Users by conditions on their fields, tags and links.

    `GET /accounts/users`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, accountUuid, name, description, createDate, lastOpDate.

    Links: account., group., policy.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
