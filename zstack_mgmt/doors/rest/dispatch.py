"""One handler for all APIs: a request in ZStack's REST form becomes a call of the core, and back."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from zstack_mgmt import db
from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.core.answer import JsonText
from zstack_mgmt.core.callers import Caller
from zstack_mgmt.core.errors import BadRequest, MethodNotAllowed, UnknownPath
from zstack_mgmt.core.registry import Api
from zstack_mgmt.core.values import is_job_uuid, may_be_uuid
from zstack_mgmt.doors.bodies import check_text, read_body
from zstack_mgmt.doors.rest.callers import caller_of, owner_of_path, poller_of
from zstack_mgmt.doors.rest.parameters import (
    beside_wrapper,
    choose_api,
    from_body,
    from_query,
    lacks_wrapper,
)
from zstack_mgmt.doors.rest.replies import accepted_reply, job_reply, unknown_reply, value_reply
from zstack_mgmt.doors.rest.routes import Routes
from zstack_mgmt.doors.rest.streams import STREAMS, send_events, send_text
from zstack_mgmt.doors.trace import SERVICE, TRACE
from zstack_mgmt.doors.wire import target_of
from zstack_mgmt.engine.submission import MAX_TIMEOUT_S, Options
from zstack_mgmt.service.invoke import NO_OPTIONS, Accepted, invoke
from zstack_mgmt.service.parts import Service
from zstack_mgmt.webhooks.egress import check_url

ROUTES = web.AppKey("rest_routes", Routes)
_MAX_WAIT_S = 30.0
_HOLD_S = 5.0  # how long a poll bridges the database's absence before it answers 202
_POLL = "PollApiJob"
_SECONDS = re.compile(r"[0-9]{1,20}")


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Answer a call of `/zstack/v1/...` or `/v1/...`. Errors leave as ApiError; the boundary shapes them."""
    app = request.app
    service = app[SERVICE]
    path = unquote_path(request)
    found = app[ROUTES].find(path.removeprefix("/zstack"))
    if found is None:
        raise UnknownPath(f"no API has the path {path[:200]}")
    leaf, variables = found
    served = leaf.serving(request.method)
    if served is None:
        raise MethodNotAllowed(f"the path takes {leaf.allow}", leaf.allow)
    first = served[0][0]
    if first.name == _POLL:
        return await _poll(request, service, first, variables[0])
    if first.query is not None and variables and not may_be_uuid(variables[-1]):
        # The path of an API that is not here, such as /v1/vm-instances/cdroms, and no resource that is gone.
        raise UnknownPath(f"no API has the path {path[:200]}; {variables[-1][:64]!r} is no uuid")
    caller = await caller_of(request, service, first)
    body = await read_body(request, service.settings)
    declared, names = choose_api(served, body)
    values = dict(zip(names, variables, strict=True))
    caller = await owner_of_path(service, declared, values, caller)
    if (sentence := lacks_wrapper(declared, body)) and may_call(declared, caller):
        raise BadRequest(sentence)
    return await _call(request, service, declared, caller, gather(request, declared, body, values))


async def _poll(request: web.Request, service: Service, declared: Api, uuid: str) -> web.StreamResponse:
    """A poll, which is held for a moment: clients sleep for seconds after one that came too early.

    It holds also while the database is away, and then says that the job is not known to have ended.

    ZStack's SDKs take every status but 202 for the end.
    """
    wait_s = preferred_wait(request) or service.settings.poll_hold_s
    parameters = from_query(declared, query_string(request), {}) | {"uuid": uuid}
    parameters |= {"wait": wait_s} if wait_s else {}
    until = time.monotonic() + wait_s + _HOLD_S
    while True:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                caller = await poller_of(request, service)
                return await _call(request, service, declared, caller, parameters)
        except (TimeoutError, *db.UNAVAILABLE):
            if time.monotonic() + 0.2 >= until:
                return unknown_reply(request, service.settings, uuid)
            await asyncio.sleep(0.2)


async def _call(
    request: web.Request, service: Service, declared: Api, caller: Caller, parameters: Mapping[str, Any]
) -> web.StreamResponse:
    trace = request[TRACE]
    trace.api = declared.name
    trace.account_uuid = caller.account_uuid
    with_schema = _wants_schema(request)
    options = options_of(request, service, caller, with_schema) if declared.mode == "job" else NO_OPTIONS
    outcome = await invoke(
        service,
        declared,
        caller,
        parameters,
        options,
        request_id=trace.request_id,
        remote=trace.remote,
    )
    trace.ignored += outcome.ignored
    if isinstance(outcome, Accepted):
        trace.job_uuid = outcome.job_uuid
        if outcome.job is None:
            timeout_s = options.timeout_s or service.settings.job_timeout_s
            return accepted_reply(request, service.settings, outcome.job_uuid, timeout_s=timeout_s)
        return job_reply(request, service.settings, outcome.job, with_schema, options.wait_s)
    value = outcome.value
    match declared.answer:
        case "job":
            return job_reply(request, service.settings, value, with_schema, preferred_wait(request))
        case "accepted":
            return accepted_reply(request, service.settings, value.uuid, value.state)
        case "events" if request.method == "HEAD":
            return web.Response(content_type="text/event-stream")
        case "events":
            with request.app[STREAMS].one(caller.account_uuid, trace.remote):
                return await send_events(request, value, lambda: caller_of(request, service, declared))
        case "body" if isinstance(value, JsonText) and request.method == "HEAD":
            await value.rest.aclose()
            return web.Response(content_type="application/json")
        case "body" if isinstance(value, JsonText):
            return await send_text(request, value)
        case "body":
            return value_reply(declared, value, service.settings, with_schema)


def options_of(request: web.Request, service: Service, caller: Caller, with_schema: bool) -> Options:
    """What the headers of a mutating call ask for. Raises BadRequest."""
    headers = request.headers
    hook = headers.get("X-Web-Hook")
    return Options(
        job_uuid=headers.get("X-Job-UUID") or _uuid_of_key(headers.get("Idempotency-Key"), caller),
        web_hook=None if hook is None else str(check_url(hook, service.settings)),
        timeout_s=_api_timeout(headers.get("X-API-Timeout")),
        with_schema=with_schema,
        wait_s=preferred_wait(request),
    )


def _uuid_of_key(key: str | None, caller: Caller) -> str | None:
    """The job uuid that any Idempotency-Key of this caller stands for; a job uuid stands for itself."""
    key = (key or "").strip().strip('"')
    if not key or is_job_uuid(key):
        return key or None
    digest = sha256(f"{caller.account_uuid} {caller.user_uuid} {key}".encode()).hexdigest()
    return f"{digest[:12]}4{digest[13:16]}a{digest[17:32]}"


def _wants_schema(request: web.Request) -> bool:
    return request.headers.get("X-JSON-Schema", "").lower() == "true"


def _api_timeout(text: str | None) -> int | None:
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or not 0 < int(text) <= MAX_TIMEOUT_S:
        raise BadRequest(f"X-API-Timeout must be a number of seconds from 1 to {MAX_TIMEOUT_S}")
    return int(text)


def preferred_wait(request: web.Request) -> float:
    """The seconds of `Prefer: wait=N` (RFC 7240), at most 30; 0 without it."""
    text = request.headers.get("Prefer")
    for preference in text.split(",") if text else ():
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isascii() and value.strip().isdigit():
            return min(_MAX_WAIT_S, float(value))
    return 0.0


def unquote_path(request: web.Request) -> str:
    """The path with its escapes resolved. Raises BadRequest for text that cannot be stored."""
    raw = target_of(request).partition("?")[0]
    if "%" not in raw:
        return raw
    path = unquote(raw, errors="surrogateescape")
    check_text(path)
    return path


def gather(
    request: web.Request, declared: Api, body: dict[str, Any], variables: dict[str, str]
) -> dict[str, Any]:
    """The parameters from path, query string and body, by their names on the wire. Raises BadRequest."""
    if declared.query is not None:
        return {"parameters": query_string(request), "uuid": next(iter(variables.values()), None)}
    if request.method not in ("GET", "HEAD", "DELETE"):
        request[TRACE].ignored = beside_wrapper(declared, body)
        return from_body(declared, body) | variables
    if "params" in body and len(body) > 1:
        request[TRACE].ignored = tuple(sorted(body.keys() - {"params"}))
    values = from_query(declared, query_string(request), body) | variables
    if declared.answer == "events" and (last := request.headers.get("Last-Event-ID", "")).isdigit():
        values["lastEventId"] = last
    return values


def query_string(request: web.Request) -> list[tuple[str, str]]:
    """The parameters of the query string in order. Raises BadRequest for text that cannot be stored."""
    text = target_of(request).partition("?")[2]
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape") if text else []
    for key, value in pairs:
        check_text(key)
        check_text(value)
    return pairs
