"""The aiohttp application: its parts, its routes, and the boundary where errors take shape."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote

import asyncpg
import structlog
from aiohttp import web

from zstack_mgmt import db, metrics, tasks
from zstack_mgmt.config import MAX_LINE_BYTES, Settings
from zstack_mgmt.core.errors import (
    ApiError,
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    TooBusy,
    UnknownPath,
)
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.doors import cors, health
from zstack_mgmt.doors.connections import Runner
from zstack_mgmt.doors.keystone import discovery, replies
from zstack_mgmt.doors.keystone.dispatch import dispatch as keystone_dispatch
from zstack_mgmt.doors.messages.dispatch import get_result, post_message
from zstack_mgmt.doors.page import index
from zstack_mgmt.doors.rest.dispatch import ROUTES, dispatch
from zstack_mgmt.doors.rest.replies import error_reply as rest_error_reply
from zstack_mgmt.doors.rest.routes import Routes
from zstack_mgmt.doors.rest.streams import STREAMS, Streams
from zstack_mgmt.doors.trace import SERVICE, SETTINGS, TRACE, Trace
from zstack_mgmt.doors.wire import client_address
from zstack_mgmt.features import load
from zstack_mgmt.process import raise_descriptor_limit
from zstack_mgmt.service.parts import running

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(settings: Settings) -> web.Application:
    """The application of one API process. It connects to its services when it starts."""
    load()
    app = web.Application(middlewares=[boundary], client_max_size=settings.max_body_bytes)
    app[SETTINGS] = settings
    app[health.FIGURES] = health.Figures()
    app[STREAMS] = Streams(settings)
    app[ROUTES] = Routes(APIS.values())
    app.cleanup_ctx.append(_service(settings))
    for prefix in ("/zstack/v1", "/v1"):
        _get(app, f"{prefix}/openapi.json", index.serve_openapi)
        app.router.add_route("*", f"{prefix}/{{path:.*}}", dispatch)
    app.router.add_route("*", "/zstack/api", post_message)
    app.router.add_route("*", "/zstack/api/", post_message)
    app.router.add_route("*", "/zstack/api/result{uuid:.*}", get_result)
    app.router.add_route("*", "/v3", keystone_dispatch)
    app.router.add_route("*", "/v3/{path:.*}", keystone_dispatch)
    _get(app, "/", discovery.show_versions)
    _get(app, "/docs", index.serve_index)
    _get(app, "/docs/errors", index.serve_errors)
    _get(app, "/healthz", health.healthz)
    _get(app, "/readyz", health.readyz)
    _get(app, "/metrics", health.scrape)
    return app


async def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT, then end what is under way.

    Raises OSError without a port, RuntimeError when one of the process's loops fails.
    """
    descriptors = raise_descriptor_limit()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = make_runner(settings, shutdown_timeout=min(5.0, settings.stop_grace_s - 2))
    await runner.setup()
    at_work = runner.app[SERVICE].tasks
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024, reuse_port=True).start()
        log.info("listening", action="start", host=settings.host, port=settings.port, descriptors=descriptors)
        await tasks.any_ended(stop, *at_work)
    finally:
        await runner.cleanup()
    tasks.raise_failure(*at_work)


def make_runner(settings: Settings, *, shutdown_timeout: float) -> Runner:
    """The application on connections that are counted and whose errors are JSON."""
    return Runner(
        build_app(settings),
        settings,
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=75,
        lingering_time=2.0,
        max_line_size=MAX_LINE_BYTES,
    )


def _get(app: web.Application, path: str, handler: Handler) -> None:
    async def only_get(request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the path takes GET", "GET")
        return await handler(request)

    app.router.add_route("*", path, only_get)


def _service(settings: Settings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        async with running(settings) as app[SERVICE]:
            yield

    return run


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, turn every error into a JSON body, count and log the outcome."""
    started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else new_uuid()[:16]
    if replies.is_keystone(request):
        request_id = replies.new_request_id()
    trace = request[TRACE] = Trace(request_id)
    # Until an account is known, its address takes turns at the database.
    db.BORROWER.set(client_address(request.app[SETTINGS], request))
    try:
        reply = cors.preflight(request, request.app[SETTINGS]) or await handler(request)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 (the boundary)
        reply = _cut(request, trace.open_body, error) if trace.open_body else _refusal(request, trace, error)
    seconds = time.perf_counter() - started
    if not reply.prepared:
        reply.headers["X-Request-ID"] = request_id
        reply.headers["Server"] = "zstack-mgmt"
        if replies.is_keystone(request):
            replies.mark(reply, request_id)
        cors.allow(request, reply, request.app[SETTINGS])
    # Noted after the reply has left.
    asyncio.get_running_loop().call_soon(_note, request, trace, reply.status, seconds)
    return reply


def _refusal(request: web.Request, trace: Trace, error: Exception) -> web.StreamResponse:
    error_reply = replies.error_reply if replies.is_keystone(request) else rest_error_reply
    match error:
        case ApiError():
            return error_reply(error, request)
        case web.HTTPRequestEntityTooLarge():
            return error_reply(BodyTooLarge("the body is larger than the server takes"), request)
        case web.HTTPNotFound():
            return error_reply(UnknownPath(f"no API has the path {request.path[:200]}"), request)
        case web.HTTPException():
            return error_reply(UnknownPath(error.reason), request, error.status)
        case ConnectionResetError():
            raise error
        case _:
            return error_reply(_translated(error, trace.request_id), request)


def _cut(request: web.Request, body: web.StreamResponse, error: Exception) -> web.StreamResponse:
    """End the connection under a body that cannot be finished; another answer would look like its end."""
    if not isinstance(error, ApiError | OSError | TimeoutError):
        log.error("a body could not be finished", action="request", exc_info=error)
    if request.transport is not None:
        request.transport.abort()
    return body


def _translated(error: Exception, request_id: str) -> ApiError:
    """The ApiError for what a handler or the database raised; logs what is unforeseen."""
    if isinstance(error, asyncpg.PostgresError):
        known = db.translate(error)
        if known is not None:
            return known
    if isinstance(error, db.UNAVAILABLE):
        return TooBusy("the database is away; try again")
    log.error("a request failed", action="request", request_id=request_id, exc_info=error)
    return InternalError("an unexpected error; tell the operator the request id", requestId=request_id)


def _note(request: web.Request, trace: Trace, status: int, seconds: float) -> None:
    metrics.count_request(trace.api, status, request.method, seconds)
    if trace.api == "-" and status < 400:
        return  # probes and scrapes
    log.info(
        "request",
        action="request",
        method=request.method,
        path=logged_path(request.raw_path),
        status=status,
        api=trace.api,
        account_uuid=trace.account_uuid,
        job_uuid=trace.job_uuid,
        request_id=trace.request_id,
        remote=trace.remote or request.remote,
        duration_ms=round(seconds * 1000, 2),
    )


def logged_path(raw: str) -> str:
    """The path without its query, and without what follows `sessions`, in any case: a token."""
    path = raw.partition("?")[0]
    return path if "session" not in unquote(path, errors="replace").lower() else "…/sessions/…"
