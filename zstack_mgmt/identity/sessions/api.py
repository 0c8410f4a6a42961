"""Logging in and out, and what becomes of sessions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from zstack_mgmt.auth.results import kept
from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.auth.throttle import subject_of
from zstack_mgmt.core.errors import (
    AuthenticationFailed,
    InvalidSession,
    OperationError,
    PermissionDenied,
    ResourceNotFound,
    TooManySessions,
)
from zstack_mgmt.core.registry import ApiRequest, Call
from zstack_mgmt.core.values import SealedToken, SessionToken
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.configs.model import SESSION_TIMEOUT
from zstack_mgmt.identity.configs.store import value_of
from zstack_mgmt.identity.resource import identity_resource
from zstack_mgmt.identity.sessions import store
from zstack_mgmt.identity.sessions.model import OpenSession, Session
from zstack_mgmt.identity.sessions.open import open_session
from zstack_mgmt.identity.sessions.proof import prove

LoginName = Annotated[str, StringConstraints(max_length=255)]
LoginPassword = Annotated[str, StringConstraints(max_length=255)]
"""A password that is compared at once and never stored."""

sessions = identity_resource(Session, "/v1/accounts/sessions", "public")


class LogInByAccount(ApiRequest):
    """Open a session of an account.

    Source: manual, "Identity > LogInByAccount".
    """

    account_name: LoginName
    password: LoginPassword


@sessions.action(
    LogInByAccount,
    "PUT /v1/accounts/login",
    mode="sync",
    raises=(AuthenticationFailed, TooManySessions),
    outside=True,
)
async def log_in_by_account(call: Call, work: Direct, request: LogInByAccount) -> Session:
    subject = subject_of(call.services.sealer, "account", request.account_name)
    async with work.connection() as conn:
        account = await store.find_account(conn, request.account_name)
    return await log_in(call, work, subject, account, request.password)


class LogInByUser(ApiRequest):
    """Open a session of a user. The account is named by uuid or by name; the uuid wins.

    Source: manual, "Identity > LogInByUser".
    """

    account_uuid: LoginName | None = None
    account_name: LoginName | None = None
    user_name: LoginName
    password: LoginPassword

    @model_validator(mode="after")
    def _names_an_account(self) -> LogInByUser:
        if self.account_uuid is None and self.account_name is None:
            raise ValueError("accountUuid or accountName must be given")
        return self


@sessions.action(
    LogInByUser,
    "PUT /v1/accounts/users/login",
    mode="sync",
    raises=(AuthenticationFailed, TooManySessions),
    outside=True,
)
async def log_in_by_user(call: Call, work: Direct, request: LogInByUser) -> Session:
    async with work.connection() as conn:
        account_uuid = request.account_uuid
        if account_uuid is None:
            account = await store.find_account(conn, request.account_name or "")
            account_uuid = account["account_uuid"] if account else f"name:{request.account_name}"
        user = await store.find_user(conn, account_uuid, request.user_name)
    subject = subject_of(call.services.sealer, "user", account_uuid, request.user_name)
    return await log_in(call, work, subject, user, request.password)


async def log_in(call: Call, work: Direct, subject: bytes, login: Any, password: str) -> Session:
    """Check the password and open a session. Raises what `prove` raises, and TooManySessions."""

    async def opened(conn: Connection) -> Session:
        return await open_session(call, conn, login["account_uuid"], login["user_uuid"])

    return await prove(call, work, subject, login, password, opened)


class ValidateSession(ApiRequest):
    """Tell whether a session exists and has not expired.

    Source: manual, "Identity > ValidateSession".
    """

    session_uuid: SessionToken


@sessions.action(
    ValidateSession,
    "GET /v1/accounts/sessions/{sessionUuid}/valid",
    returns=None,
    mode="sync",
    response_key="valid",
)
async def validate_session(call: Call, conn: Connection, request: ValidateSession) -> bool:
    return await store.is_valid(conn, token_hash(call.services.sealer, request.session_uuid))


class RenewSession(ApiRequest):
    """Let a session end `duration` seconds from now, at most a year.

    Without it, after the configured session time.

    The result shows the token to whoever made the call and to its webhook, and is stored with it sealed.

    Source: manual, "Identity > RenewSession".
    """

    session_uuid: SealedToken
    duration: Annotated[int, Field(ge=60, le=31536000)] | None = None


@sessions.action(
    RenewSession,
    "PUT /v1/accounts/sessions/{sessionUuid}/renew",
    access="user",
    raises=(ResourceNotFound, InvalidSession, PermissionDenied, OperationError),
    exclusive=(),
)
async def renew_session(call: Call, conn: Connection, request: RenewSession) -> Session:
    sealer = call.services.sealer
    token = sealer.open(request.session_uuid, "session_uuid")
    stored = token_hash(sealer, token)
    found = await store.find_session(conn, stored)
    if found is None or (found["account_uuid"] != call.account_uuid and not call.is_admin):
        raise ResourceNotFound("no such session")
    if found["user_uuid"] != call.user_uuid and not call.is_account_session:
        raise PermissionDenied("a user can renew its own sessions only")
    if not found["alive"]:
        raise InvalidSession("the session has expired")
    if not found["renewable"]:
        raise OperationError("the session ends at a fixed time and cannot be renewed")
    duration_s = request.duration or await value_of(conn, SESSION_TIMEOUT, call.services.settings)
    uuid = kept(sealer, call.job_uuid, token)
    return Session(uuid=uuid, **dict(await store.renew_session(conn, stored, duration_s)))


class LogOut(ApiRequest):
    """End a session. An unknown one is no error.

    Source: manual, "Identity > LogOut".
    """

    session_uuid: SessionToken


@sessions.action(
    LogOut,
    "DELETE /v1/accounts/sessions/{sessionUuid}",
    returns=None,
    mode="sync",
    outside=True,
)
async def log_out(call: Call, work: Direct, request: LogOut) -> None:
    accounts = [call.account_uuid] if call.account_uuid else []
    async with call.services.bell.changing_rights(accounts), work.transaction() as conn:
        await store.delete_session(conn, token_hash(call.services.sealer, request.session_uuid))
    call.services.forget_session(request.session_uuid)


class ListSessions(ApiRequest):
    """List the live sessions of the account, of a user its own, the newest first; at most 1000.

    `id` names a session for EndSession; it opens nothing.

    Source: ours, so that one can see who is logged in.
    """


@sessions.action(
    ListSessions,
    "GET /v1/accounts/sessions",
    mode="sync",
    access="session",
    response_key="inventories",
    returns=OpenSession,
)
async def list_sessions(call: Call, conn: Connection, request: ListSessions) -> list[OpenSession]:
    user = None if call.is_account_session else call.user_uuid
    return await store.open_sessions(conn, call.account_uuid, user)


class EndSession(ApiRequest):
    """End a session of the account, of a user its own, by the `id` of ListSessions. A gone one is no error.

    Source: ours, for a session that somebody left open.
    """

    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


@sessions.action(
    EndSession,
    "DELETE /v1/accounts/sessions/by-id/{id}",
    returns=None,
    mode="sync",
    access="session",
    outside=True,
)
async def end_session(call: Call, work: Direct, request: EndSession) -> None:
    user = None if call.is_account_session else call.user_uuid
    async with call.services.bell.changing_rights([call.account_uuid]), work.transaction() as conn:
        await store.end_session(conn, call.account_uuid, user, request.id)
