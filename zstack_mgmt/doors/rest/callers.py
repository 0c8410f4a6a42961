"""Who calls: from the Authorization header, or the page's cookie, to the caller."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from zstack_mgmt.auth.signatures import Signed
from zstack_mgmt.core.callers import ANONYMOUS, Caller
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Api
from zstack_mgmt.doors.browser import cookie_token
from zstack_mgmt.doors.trace import TRACE
from zstack_mgmt.doors.wire import target_of
from zstack_mgmt.service.parts import Service


async def caller_of(request: web.Request, service: Service, served: Api) -> Caller:
    """The caller behind the Authorization header, or the page's cookie; nobody for a public API.

    Raises InvalidSession.
    """
    if served.access == "public":
        return ANONYMOUS
    scheme, value = _authorization(request)
    if scheme == "zstack":
        return await service.keys.find(_signed(request, value), request[TRACE].remote)
    token = _bearer_token(request, scheme, value) or cookie_token(request, service)
    if not token:
        raise InvalidSession("the call needs a session: send `Authorization: OAuth <session uuid>`")
    return service.sessions.cached(token) or await service.sessions.find(token)


async def poller_of(request: web.Request, service: Service) -> Caller:
    """The caller of a poll, or nobody: clients with an access key send no credentials that are of use.

    ZStack's come with the signature of the call that made the job, with the token `null` or `None`, or with
    nothing. Raises InvalidSession for a token that opens nothing.
    """
    scheme, value = _authorization(request)
    if scheme == "zstack":
        try:
            return await service.keys.find(_signed(request, value), request[TRACE].remote, lenient=True)
        except InvalidSession:
            return ANONYMOUS
    token = _bearer_token(request, scheme, value) or cookie_token(request, service)
    if token in ("", "null", "None"):
        return ANONYMOUS
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


def _authorization(request: web.Request) -> tuple[str, str]:
    """The scheme of the header Authorization, in lower case, and what follows it; both empty without it."""
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    return scheme.lower(), value.strip()


def _bearer_token(request: web.Request, scheme: str, value: str) -> str:
    """The session uuid of `Authorization: OAuth …`, or of the header `OAuth` of the manual's samples."""
    if scheme == "oauth":
        return value
    return request.headers.get("OAuth", "").strip() if not scheme else ""


def _signed(request: web.Request, value: str) -> Signed:
    """What `Authorization: ZStack <key id>:<signature>` says."""
    key_id, _, signature = value.partition(":")
    path = target_of(request).partition("?")[0].removeprefix("/zstack")
    return Signed(key_id, signature, request.headers.get("Date", "").strip(), request.method, path)
