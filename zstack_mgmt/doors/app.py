"""The aiohttp application: its parts, its routes, and the boundary where errors take shape."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote

import asyncpg
import structlog
from aiohttp import web

from zstack_mgmt import db, metrics, tasks, tracing
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
from zstack_mgmt.doors import cors, health
from zstack_mgmt.doors.connections import RUNNER, Runner
from zstack_mgmt.doors.keystone import discovery, replies
from zstack_mgmt.doors.keystone.dispatch import dispatch as keystone_dispatch
from zstack_mgmt.doors.messages.dispatch import get_result, post_message
from zstack_mgmt.doors.page import index, site
from zstack_mgmt.doors.page.session import serve_session
from zstack_mgmt.doors.rest.dispatch import ROUTES, dispatch
from zstack_mgmt.doors.rest.replies import error_reply as rest_error_reply
from zstack_mgmt.doors.rest.routes import Routes
from zstack_mgmt.doors.rest.streams import STREAMS, Streams
from zstack_mgmt.doors.trace import SERVICE, SETTINGS, TRACE, Trace
from zstack_mgmt.doors.wire import client_address
from zstack_mgmt.features import load
from zstack_mgmt.pool import BORROWER
from zstack_mgmt.process import raise_descriptor_limit
from zstack_mgmt.service.parts import running
from zstack_mgmt.unheeded import header_of

log = structlog.get_logger()

_WAITS_S = 1.0  # that clients who wait for a job's end still do when the process stops
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(settings: Settings) -> web.Application:
    """The application of one API process. It connects to its services when it starts."""
    load()
    app = web.Application(middlewares=[boundary], client_max_size=settings.max_body_bytes)
    app[SETTINGS] = settings
    app[health.SCRAPERS] = settings.metrics_token
    app[STREAMS] = Streams(settings)
    app[ROUTES] = Routes(APIS.values())
    app.cleanup_ctx.append(_service(settings))
    for prefix in ("/zstack/v1", "/v1"):
        # Before the others that begin so: most calls are for it.
        app.router.add_route("*", f"{prefix}/{{path:.+}}", dispatch)
        _get(app, prefix, index.serve_start)
        _get(app, f"{prefix}/", index.serve_start)
        _get(app, f"{prefix}/openapi.json", index.serve_openapi)
    app.router.add_route("*", "/zstack/api", post_message)
    app.router.add_route("*", "/zstack/api/", post_message)
    app.router.add_route("*", "/zstack/api/result{uuid:.*}", get_result)
    app.router.add_route("*", "/v3", keystone_dispatch)
    app.router.add_route("*", "/v3/{path:.*}", keystone_dispatch)
    _get(app, "/", _front)
    _get(app, "/ui", site.go_to_page)
    _get(app, "/ui/", site.serve_html)
    _get(app, "/ui/{name:[a-z]+[.]html}", site.serve_html)
    _get(app, "/ui/own/{digest}/{path:.+}", site.serve_own)
    _get(app, "/ui/lib/{digest}/{path:.+}", site.serve_library)
    app.router.add_route("*", "/ui/session", serve_session)
    _get(app, "/docs", _docs)
    _get(app, "/docs/", _docs)
    _get(app, "/docs/plain", index.serve_index)
    _get(app, "/docs/errors", index.serve_errors)
    _get(app, "/healthz", health.healthz)
    _get(app, "/readyz", health.readyz)
    _get(app, "/metrics", health.scrape)
    return app


async def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT, then end what is under way, cutting no client off.

    Raises OSError without a port, RuntimeError when one of the process's loops fails.
    """
    descriptors = raise_descriptor_limit()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = make_runner(settings, shutdown_timeout=1.0)
    await runner.setup()
    service = runner.app[SERVICE]
    at_work = service.tasks
    try:
        await runner.listen(settings.host, settings.port)
        log.info("listening", action="start", host=settings.host, port=settings.port, descriptors=descriptors)
        await tasks.any_ended(stop, *at_work)
        asyncio.get_running_loop().call_later(_WAITS_S, service.watcher.let_go)
        await runner.drain(min(5.0, settings.stop_grace_s - 2))
    finally:
        await runner.cleanup()
    tasks.raise_failure(*at_work)


def make_runner(settings: Settings, *, shutdown_timeout: float) -> Runner:
    """The application on connections that are counted and whose errors are JSON."""
    app = build_app(settings)
    app[RUNNER] = runner = Runner(
        app,
        settings,
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=75,
        lingering_time=2.0,
        max_line_size=MAX_LINE_BYTES,
    )
    return runner


def _get(app: web.Application, path: str, handler: Handler) -> None:
    async def only_get(request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the path takes GET", "GET")
        return await handler(request)

    app.router.add_route("*", path, only_get)


async def _front(request: web.Request) -> web.StreamResponse:
    """`/` of a browser is the page, of every other client the versions of Keystone's API."""
    if "text/html" in request.headers.get("Accept", ""):
        return await site.go_to_page(request)
    return await discovery.show_versions(request)


async def _docs(request: web.Request) -> web.StreamResponse:
    """The reference in its viewer; until the viewer has come, and without JavaScript, the plain page."""
    if site.has_libraries(request):
        return await site.serve_page(request, "docs.html")
    return await index.serve_index(request)


def _service(settings: Settings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        async with running(settings) as service:
            app[SERVICE] = service
            app[health.STANDING] = health.Standing(
                settings, service.pool.acquire, lambda: app[RUNNER].draining
            )
            yield

    return run


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, turn every error into a JSON body, count and log the outcome."""
    started = time.perf_counter()
    app, for_keystone = request.app, replies.is_keystone(request)
    settings = app[SETTINGS]
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(8).hex()
    if for_keystone:
        request_id = replies.new_request_id()
    trace = request[TRACE] = Trace(request_id, client_address(settings, request))
    # Until an account is known, its address takes turns at the database.
    BORROWER.set(trace.remote)
    try:
        with tracing.span(request.method, "SERVER", request.headers.get("traceparent")):
            reply = cors.preflight(request, settings) or await handler(request)
            tracing.rename(f"{request.method} {trace.api}")
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 (the boundary)
        reply = _cut(request, trace.open_body, error) if trace.open_body else _refusal(request, trace, error)
    seconds = time.perf_counter() - started
    # After a body that cannot be read to its end, nobody knows where the next request begins.
    if app[RUNNER].draining or request.content.exception() is not None:
        reply.force_close()
    if not reply.prepared:
        reply.headers.update(trace.headers())
        reply.headers["Server"] = "zstack-mgmt"
        if for_keystone:
            replies.mark(reply, request_id)
        cors.allow(request, reply, settings)
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
        remote=trace.remote,
        duration_ms=round(seconds * 1000, 2),
        **({"ignored": header_of(trace.ignored)} if trace.ignored else {}),
    )


def logged_path(raw: str) -> str:
    """The path without its query, and without what follows `sessions`, in any case: a token."""
    path = raw.partition("?")[0]
    return path if "session" not in unquote(path, errors="replace").lower() else "…/sessions/…"
