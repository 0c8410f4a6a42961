"""How every login with a stored password is judged, whatever door it came through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from zstack_mgmt.auth.throttle import forget_failures, is_blocked, note_failure, take_turn
from zstack_mgmt.core.errors import AuthenticationFailed
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.sessions import store

WRONG = "the name or the password is wrong"
T = TypeVar("T")


async def prove(
    call: Call,
    work: Direct,
    subject: bytes,
    login: Any,
    password: str,
    then: Callable[[Connection], Awaitable[T]],
    *,
    even_expired: bool = False,
    still: Callable[[Connection, Any], Awaitable[bool]] = store.still_opens,
) -> T:
    """Check the password, and do what it opens in the transaction that has found it right.

    Args:
        subject: what failures are counted under.
        login: account_uuid, user_uuid and password_hash, or None when there is no such login.
        even_expired: for the change of the password itself, and for secrets that are not the password.
        still: whether what was checked has not changed meanwhile; it must not until the transaction ends.

    Raises:
        AuthenticationFailed: unknown, wrong or blocked, told and timed alike; the failure is counted. Only
            the right password is told that it has expired.
    """
    services = call.services
    login_uuid: str | None = login and login["user_uuid"]
    async with work.connection() as conn:
        blocked = await is_blocked(conn, subject, call.remote, login_uuid)
    matches = await services.hasher.verify(login and login["password_hash"], password, call.remote)
    async with work.transaction() as conn:
        # Right ones need not wait for each other, only for the failures before them to be counted.
        await take_turn(conn, subject, shared=matches)
        # Looked at again: many attempts at once must not all be free because none of them had failed yet.
        blocked = blocked or await is_blocked(conn, subject, call.remote, login_uuid)
        # The same for the password: a change that ended all sessions while we hashed must not miss this one.
        matches = matches and await still(conn, login)
        if matches and not blocked:
            if not even_expired and await store.has_expired(conn, login["user_uuid"]):
                raise AuthenticationFailed(
                    f"the password is expired and needs to be changed for user: {login['user_uuid']}"
                )
            days = services.settings.user_inactive_days
            if days and await store.is_inactive(conn, login["user_uuid"], days):
                raise AuthenticationFailed(
                    "the user has not logged in for long; an administrator can enable it"
                )
            await forget_failures(conn, subject, call.remote)
            return await then(conn)
        if not blocked:
            await note_failure(conn, services.settings, subject, call.remote)
    raise AuthenticationFailed(WRONG)
