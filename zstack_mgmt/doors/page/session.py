"""`/ui/session`: the page logs in and out, and learns who it is. The session's uuid stays in the cookie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from zstack_mgmt.auth.sessions import csrf_token
from zstack_mgmt.core.callers import ANONYMOUS, Caller
from zstack_mgmt.core.errors import BadRequest, InvalidSession, MethodNotAllowed
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.doors.bodies import read_body
from zstack_mgmt.doors.browser import cookie_token, is_same_origin, session_cookie, set_cookie
from zstack_mgmt.doors.rest.replies import json_reply
from zstack_mgmt.doors.trace import SERVICE, TRACE
from zstack_mgmt.identity.configs.model import SESSION_TIMEOUT
from zstack_mgmt.identity.configs.store import value_of
from zstack_mgmt.service.invoke import Value, invoke
from zstack_mgmt.service.parts import Service

_LOGINS = {"account": "LogInByAccount", "user": "LogInByUser", "ldap": "LogInByLdap"}
_METHODS = "GET, POST, PUT, DELETE"
_RENEW_AFTER_S = 600  # at most: a page that is used renews its session so often


async def serve_session(request: web.Request) -> web.Response:
    """GET: who the page is; POST: log in, as `LogInByAccount` does; PUT: renew; DELETE: log out."""
    service = request.app[SERVICE]
    match request.method:
        case "GET" | "HEAD":
            reply = await _show(request, service)
        case "POST":
            reply = await _log_in(request, service)
        case "PUT":
            reply = await _renew(request, service)
        case "DELETE":
            reply = await _log_out(request, service)
        case _:
            raise MethodNotAllowed(f"the path takes {_METHODS}", _METHODS)
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def _show(request: web.Request, service: Service) -> web.Response:
    token = cookie_token(request, service)
    if not token:
        return json_reply({})
    try:
        caller = await service.sessions.find(token)
    except InvalidSession:
        reply = json_reply({"ended": True})
        set_cookie(request, service.settings, reply, "")
        return reply
    return json_reply(await _told(service, token, caller))


async def _log_in(request: web.Request, service: Service) -> web.Response:
    if not is_same_origin(request, service.settings) or request.content_type != "application/json":
        raise InvalidSession("a login of the page comes as JSON from a page of this origin")
    body = await read_body(request, service.settings)
    name = _LOGINS.get(str(body.pop("as", "account")))
    if name is None:
        raise BadRequest(f"parameter 'as': it is one of {', '.join(_LOGINS)}")
    value = await _call(request, service, name, ANONYMOUS, body)
    session: Any = value
    if isinstance(value, Mapping):
        session = cast("Mapping[str, Any]", value)["inventory"]
    told = await _told(service, session.uuid, await service.sessions.find(session.uuid))
    reply = json_reply(told)
    set_cookie(request, service.settings, reply, session.uuid)
    return reply


async def _renew(request: web.Request, service: Service) -> web.Response:
    """Accept the renewal, a job as `RenewSession` is. Raises InvalidSession without a session."""
    token = cookie_token(request, service)
    accepted = await _call(
        request, service, "RenewSession", await service.sessions.find(token), {"sessionUuid": token}
    )
    return json_reply({"uuid": accepted.job_uuid}, 202)


async def _log_out(request: web.Request, service: Service) -> web.Response:
    token = cookie_token(request, service)
    reply = json_reply({})
    if token:
        try:
            caller = await service.sessions.find(token)
        except InvalidSession:
            caller = ANONYMOUS
        await _call(request, service, "LogOut", caller, {"sessionUuid": token})
    if session_cookie(request, service.settings):
        set_cookie(request, service.settings, reply, "")
    return reply


async def _call(
    request: web.Request, service: Service, name: str, caller: Caller, parameters: Mapping[str, Any]
) -> Any:
    trace = request[TRACE]
    trace.api = name
    trace.account_uuid = caller.account_uuid
    outcome = await invoke(
        service, APIS[name], caller, parameters, request_id=trace.request_id, remote=trace.remote
    )
    return outcome.value if isinstance(outcome, Value) else outcome


async def _told(service: Service, token: str, caller: Caller) -> dict[str, object]:
    async with service.pool.acquire() as conn:
        lasts_s = await value_of(conn, SESSION_TIMEOUT, service.settings)
    return {
        "accountUuid": caller.account_uuid,
        "userUuid": caller.user_uuid,
        "isAdmin": caller.is_admin,
        "csrf": csrf_token(service.services.sealer, token),
        "timeZone": service.settings.time_zone.key,
        "renewAfterS": min(_RENEW_AFTER_S, lasts_s / 4),
    }
