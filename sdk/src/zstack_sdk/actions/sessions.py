"""The APIs of sessions."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action

if TYPE_CHECKING:
    from zstack_sdk.inventories import OpenSessionInventory
    from zstack_sdk.inventories import SessionInventory
    from zstack_sdk.inventories import ValidateSessionValue
    from zstack_sdk.record import Empty, InventoryValue, ListValue


class LogInByAccountAction(Action["InventoryValue[SessionInventory]"]):
    """Open a session of an account.

    `PUT /accounts/login`. Who may call: anybody; no session is needed.

    Errors: ID.1000 (AuthenticationFailed), ID.1006 (TooManySessions).
    """

    accountName: str
    """At most 255 characters."""

    password: str
    """At most 255 characters."""


class LogInByUserAction(Action["InventoryValue[SessionInventory]"]):
    """Open a session of a user. The account is named by uuid or by name; the uuid wins.

    `PUT /accounts/users/login`. Who may call: anybody; no session is needed.

    Errors: ID.1000 (AuthenticationFailed), ID.1006 (TooManySessions).
    """

    accountUuid: str | None = None
    """At most 255 characters."""

    accountName: str | None = None
    """At most 255 characters."""

    userName: str
    """At most 255 characters."""

    password: str
    """At most 255 characters."""


class ValidateSessionAction(Action["ValidateSessionValue"]):
    """Tell whether a session exists and has not expired.

    `GET /accounts/sessions/{sessionUuid}/valid`. Who may call: anybody; no session is needed.
    """

    sessionUuid: str | None = None
    """The uuid of a session, which is its bearer token. At most 128 characters."""


class RenewSessionAction(Action["InventoryValue[SessionInventory]"]):
    """Let a session end `duration` seconds from now, at most a year.

    Without it, after the configured session time.

    The result shows the token to whoever made the call and to its webhook, and is stored with it
    sealed.

    `PUT /accounts/sessions/{sessionUuid}/renew`, a job. Who may call: account sessions, and users whose
    policies allow it.

    Errors: SYS.1003 (ResourceNotFound), ID.1001 (InvalidSession), ID.1002 (PermissionDenied), SYS.1006
    (OperationError).
    """

    sessionUuid: str | None = None
    """The uuid of a session, which is its bearer token. At most 128 characters."""

    duration: int | None = None
    """60 or more, at most 31536000."""


class LogOutAction(Action["Empty"]):
    """End a session. An unknown one is no error.

    `DELETE /accounts/sessions/{sessionUuid}`. Who may call: anybody; no session is needed.
    """

    sessionUuid: str | None = None
    """The uuid of a session, which is its bearer token. At most 128 characters."""


class ListSessionsAction(Action["ListValue[OpenSessionInventory]"]):
    """List the live sessions of the account, of a user its own, the newest first; at most 1000.

    `id` names a session for EndSession; it opens nothing.

    `GET /accounts/sessions`. Who may call: everybody with a session.
    """


class EndSessionAction(Action["Empty"]):
    """End a session of the account, of a user its own, by the `id` of ListSessions. A gone one is no
    error.

    `DELETE /accounts/sessions/by-id/{id}`. Who may call: everybody with a session.
    """

    id: str
    """Of the form `^[0-9a-f]{32}$`."""
