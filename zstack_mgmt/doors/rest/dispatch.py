"""One handler for all APIs: find the declaration, authenticate, gather, authorise, then answer or store a
job.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl, unquote

import asyncpg
import structlog
from aiohttp import web

from zstack_mgmt import db
from zstack_mgmt.auth.permissions import authorise
from zstack_mgmt.core.answer import body_of, schema_of
from zstack_mgmt.core.errors import (
    ApiError,
    InternalError,
    MethodNotAllowed,
    TooBusy,
    UnknownPath,
)
from zstack_mgmt.core.registry import Api, ApiRequest, Call
from zstack_mgmt.doors.rest.accept import accept_job, target_of
from zstack_mgmt.doors.rest.callers import authenticate, owner_of
from zstack_mgmt.doors.rest.context import CONTEXT, TRACE, Context
from zstack_mgmt.doors.rest.parameters import check_text, choose_api, from_body, from_query, parse_body
from zstack_mgmt.doors.rest.replies import JSON, json_reply
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.audit.trail import Line
from zstack_mgmt.query.gets import can_share
from zstack_mgmt.query.parser import Query, parse_parameters
from zstack_mgmt.query.plan import Scope
from zstack_mgmt.query.run import SINGLE_FETCH, answer_bytes, run, stream

log = structlog.get_logger()

_BUFFERED_ROWS = 20_000  # pages up to this are read from the database before the client takes any of it
_READER_PATIENCE_S = 5.0


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Answer a call of `/zstack/v1/...` or `/v1/...`. Errors leave as ApiError; the boundary shapes them."""
    context = request.app[CONTEXT]
    path = unquote_path(request)
    found = context.routes.find(path.removeprefix("/zstack"))
    if found is None:
        raise UnknownPath(f"no API has the path {path[:200]}")
    leaf, variables = found
    served = leaf.methods.get(request.method)
    if served is None:
        raise MethodNotAllowed(f"the path takes {leaf.allow}", leaf.allow)
    call = await authenticate(request, context, public=served[0][0].access == "public")
    raw = await request.read() if request.body_exists else b""
    body = parse_body(raw)
    declared, names = choose_api(served, body)
    request[TRACE].api = declared.name
    values = dict(zip(names, variables, strict=True))
    if declared.access == "public" and declared.method != "GET" and "sessionUuid" in values:
        call = await owner_of(request, context, call, values["sessionUuid"])
    try:
        authorise(declared, call)
        if declared.query is not None:
            name = declared.query.meta.name
            query = parse_parameters(name, query_string(request), next(iter(variables), None))
            return await _answer_query(request, context, call, query)
        parameters = gather(request, declared, body, values)
        if declared.mode == "job":
            return await accept_job(request, context, declared, call, parameters, raw)
        return await _answer(request, context, declared, call, parameters)
    except ApiError as error:
        if request.method != "GET" and error.status != 400:
            context.trail.add(_line(declared, call, values.get("uuid"), "refused", error.code))
        raise


def unquote_path(request: web.Request) -> str:
    """The path with its escapes resolved. Raises BadRequest for text that cannot be stored."""
    raw = request.raw_path.partition("?")[0]
    if "%" not in raw:
        return raw
    path = unquote(raw, errors="surrogateescape")
    check_text(path)
    return path


def gather(
    request: web.Request, declared: Api, body: dict[str, Any], variables: dict[str, str]
) -> ApiRequest:
    """The validated parameters from path, query string and body. Raises BadRequest."""
    if request.method not in ("GET", "DELETE"):
        return declared.parse(from_body(declared, body) | variables)
    return declared.parse(from_query(declared, query_string(request), body) | variables)


def query_string(request: web.Request) -> list[tuple[str, str]]:
    """The parameters of the query string in order. Raises BadRequest for text that cannot be stored."""
    text = request.raw_path.partition("?")[2]
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape") if text else []
    for key, value in pairs:
        check_text(key)
        check_text(value)
    return pairs


async def _answer(
    request: web.Request, context: Context, declared: Api, call: Call, parameters: ApiRequest
) -> web.Response:
    """Run a sync API in a transaction of its own, reads without one."""
    if declared.outside:
        value = await declared.handler(call, Direct(context.pool), parameters)
    elif request.method == "GET":
        async with context.pool.acquire() as conn:
            value = await declared.handler(call, conn, parameters)
    else:
        async with db.transaction(context.pool) as conn:
            value = await declared.handler(call, conn, parameters)
    body = body_of(declared, value, context.settings.time_zone)
    if request.method != "GET":
        context.trail.add(_line(declared, call, target_of(declared, parameters), "succeeded", None, body))
    if request.headers.get("X-JSON-Schema", "").lower() == "true":
        body["schema"] = schema_of(declared, body)
    return json_reply(body)


async def _answer_query(
    request: web.Request, context: Context, call: Call, query: Query
) -> web.StreamResponse:
    """The rows of a query; a page that can be very large is streamed, and never is in memory as a whole."""
    scope, zone = Scope.of(call.account_uuid), context.settings.time_zone
    if can_share(query):
        body = await context.gets.get(query, scope)
        if body["inventories"]:
            body["inventory"] = body["inventories"][0]  # the manual's overview shows this form
        return json_reply(body)
    if query.uuid is not None or query.count or query.limit <= SINGLE_FETCH:
        async with context.pool.acquire() as conn:
            body = await run(conn, query, scope, zone)
        return json_reply(body)
    if query.limit <= _BUFFERED_ROWS:
        async with context.pool.acquire() as conn:
            text = await answer_bytes(conn, query, scope, zone)
        return web.Response(body=text, content_type=JSON)
    async with context.pool.acquire() as conn, aclosing(stream(conn, query, scope, zone)) as pieces:
        first = await anext(pieces)
        reply = web.StreamResponse(headers={"Content-Type": JSON, "X-Request-ID": call.request_id})
        await reply.prepare(request)
        await _write(reply, first)
        async for piece in pieces:
            await _write(reply, piece)
    await reply.write_eof()
    return reply


async def _write(reply: web.StreamResponse, piece: bytes) -> None:
    """Send one piece; a reader that takes none of it for long must not keep a connection to the database."""
    async with asyncio.timeout(_READER_PATIENCE_S):
        await reply.write(piece)


def _line(
    declared: Api,
    call: Call,
    target: str | None,
    outcome: str,
    error_code: str | None,
    body: dict[str, Any] | None = None,
) -> Line:
    """The audit line of a call that was answered at once. A login is its account's, once it has succeeded."""
    who: dict[str, str] = (body or {}).get("inventory", {}) if declared.access == "public" else {}
    return Line(
        account_uuid=call.account_uuid or who.get("accountUuid", ""),
        user_uuid=call.user_uuid or who.get("userUuid", ""),
        api=declared.name,
        target=target,
        request_id=call.request_id,
        remote=call.remote,
        outcome=outcome,
        error_code=error_code,
    )


def translate(error: BaseException, request_id: str) -> ApiError:
    """The ApiError for what a handler or the database raised; logs what is unforeseen."""
    if isinstance(error, asyncpg.PostgresError):
        known = db.translate(error)
        if known is not None:
            return known
    if isinstance(error, db.UNAVAILABLE):
        return TooBusy("the database is away; try again")
    log.error("a request failed", action="request", request_id=request_id, exc_info=error)
    return InternalError("an unexpected error; tell the operator the request id", requestId=request_id)
