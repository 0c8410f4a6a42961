"""The APIs of accounts."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import AccountInventory
    from zstack_sdk.record import Empty, InventoryValue


class CreateAccountAction(Action["InventoryValue[AccountInventory]"]):
    """Create an account with its default policies and, unless it is an administrator, its quotas.

    `POST /accounts`, a job. Who may call: system administrators.

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

    type: Literal["SystemAdmin", "Normal"] | None = None
    """`SystemAdmin` or `Normal`, `Normal` by default."""

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class UpdateAccountAction(Action["InventoryValue[AccountInventory]"]):
    """Change an account's name, description or password. A new password ends the account's sessions.

    With `oldPassword` the change is refused unless it fits.

    `PUT /accounts/{uuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound), SYS.1006 (OperationError), SYS.1007 (InvalidArgument).
    """

    uuid: str
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


class DeleteAccountAction(Action["Empty"]):
    """Delete an account with everything that exists for it alone; what it owned passes to the built-in
    admin.

    Its scheduler jobs are disabled until the admin enables them.

    `DELETE /accounts/{uuid}`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class QueryAccountAction(QueryAction["AccountInventory"]):
    """Find Accounts by conditions on their fields, tags and links.

    `GET /accounts`. Who may call: system administrators.

    Fields for conditions: uuid, name, description, type, createDate, lastOpDate.

    Links: user., group., policy., quota.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
