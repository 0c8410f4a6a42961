"""The APIs of policies."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import CheckApiPermissionValue
    from zstack_sdk.inventories import PolicyExplanationInventory
    from zstack_sdk.inventories import PolicyInventory
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class CreatePolicyAction(Action["InventoryValue[PolicyInventory]"]):
    """Create a policy inside the calling account.

    Each action is a regular expression for whole permission names, `instance:.*`, or a pattern of full
    class names, `org.zstack.header.vm.**` (docs/compatibility.md).

    Refused are rules over 1024 characters, and expressions that are too complex or that need
    backtracking.

    `POST /accounts/policies`, a job. Who may call: account sessions.

    Errors: SYS.1007 (InvalidArgument), ID.1003 (QuotaExceeded).
    """

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    description: str | None = None
    """At most 2048 characters."""

    statements: list[dict[str, Any]]
    """List of StatementRequest; at least 1 of them; at most 100 of them. Each has name, effect, actions,
    principals, resources.
    """

    resourceUuid: str | None = None
    """A uuid that the client chooses for a new resource. Of the form
    `^[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15}$`.
    """


class DeletePolicyAction(Action["Empty"]):
    """Delete a policy with its bindings. One that is gone already is no error.

    `DELETE /accounts/policies/{uuid}`, a job. Who may call: account sessions.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""

    deleteMode: Literal["Permissive", "Enforcing"] | None = None
    """`Permissive` or `Enforcing` or empty, `Permissive` by default."""


class CheckApiPermissionAction(Action["CheckApiPermissionValue"]):
    """Tell for each API whether the caller, or the user `userUuid`, may call it.

    Names are full or short class names.

    `PUT /accounts/permissions/actions`. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    userUuid: str | None = None
    """The uuid of a resource."""

    apiNames: list[str]
    """List of string; at least 1 of them; at most 1000 of them."""


class ExplainPolicyAction(Action["ListValue[PolicyExplanationInventory]"]):
    """Tell for each API whether a user who has only this policy may call it, and which statement decides.

    The policy need not exist: its statements are checked as `CreatePolicy` does, and nothing is stored.
    An API is denied by the first statement that denies it, else allowed by the first that allows it.
    The user is thought to be one of the calling account.

    `PUT /accounts/permissions/explanations`. Who may call: account sessions, and users whose policies
    allow it.

    Errors: SYS.1007 (InvalidArgument).
    """

    statements: list[dict[str, Any]]
    """List of StatementRequest; at least 1 of them; at most 100 of them. Each has name, effect, actions,
    principals, resources.
    """

    apiNames: list[str] | None = None
    """Full or short class names, as for `CheckApiPermission`; by default all APIs. List of string; at
    least 1 of them; at most 1000 of them.
    """


class QueryPolicyAction(QueryAction["PolicyInventory"]):
    """Find Policies by conditions on their fields, tags and links.

    `GET /accounts/policies`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, accountUuid.

    Links: account., user., group.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
