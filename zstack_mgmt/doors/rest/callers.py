"""Who calls: from the Authorization header to the session's identity."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from zstack_mgmt.auth.sessions import Identity
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Call
from zstack_mgmt.doors.rest.context import TRACE, Context
from zstack_mgmt.doors.rest.replies import client_address


async def authenticate(request: web.Request, context: Context, *, public: bool = False) -> Call:
    """The caller behind the Authorization header; for public APIs nobody in particular.

    Raises InvalidSession.
    """
    token = bearer_token(request)
    if public:
        identity = Identity("", "", is_admin=False)
    elif not token:
        raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
    else:
        identity = context.sessions.cached(token) or await context.sessions.find(token)
    trace = request[TRACE]
    trace.account_uuid = identity.account_uuid
    trace.remote = client_address(context.settings, request)
    return Call(
        account_uuid=identity.account_uuid,
        user_uuid=identity.user_uuid,
        is_admin=identity.is_admin,
        policies=identity.policies,
        request_id=trace.request_id,
        remote=trace.remote,
        session_token=token,
        services=context.services,
    )


async def owner_of(request: web.Request, context: Context, call: Call, token: str) -> Call:
    """The call of a public API whose path holds a session: that session's owner makes it, if it is alive."""
    try:
        identity = await context.sessions.find(token)
    except InvalidSession:
        return call
    request[TRACE].account_uuid = identity.account_uuid
    return replace(call, account_uuid=identity.account_uuid, user_uuid=identity.user_uuid)


def bearer_token(request: web.Request) -> str:
    """The session uuid of `Authorization: OAuth …`, or of the header `OAuth` of the manual's samples."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "oauth":
        return token.strip()
    return request.headers.get("OAuth", "").strip() if not scheme else ""
