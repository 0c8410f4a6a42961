"""Who calls: from the Authorization header to the caller."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from zstack_mgmt.core.callers import ANONYMOUS, Caller
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Api
from zstack_mgmt.service.parts import Service


async def caller_of(request: web.Request, service: Service, served: Api) -> Caller:
    """The caller behind the Authorization header; nobody for a public API. Raises InvalidSession."""
    if served.access == "public":
        return ANONYMOUS
    token = bearer_token(request)
    if not token:
        raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
    return service.sessions.cached(token) or await service.sessions.find(token)


async def owner_of_path(
    service: Service, declared: Api, variables: Mapping[str, str], caller: Caller
) -> Caller:
    """Who calls a public API with a session in its path, such as LogOut: its owner, if it is alive."""
    if declared.access != "public" or not declared.changes or "sessionUuid" not in variables:
        return caller
    try:
        return await service.sessions.find(variables["sessionUuid"])
    except InvalidSession:
        return caller


def bearer_token(request: web.Request) -> str:
    """The session uuid of `Authorization: OAuth …`, or of the header `OAuth` of the manual's samples."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "oauth":
        return token.strip()
    return request.headers.get("OAuth", "").strip() if not scheme else ""
