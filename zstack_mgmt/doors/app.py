"""The aiohttp application: its parts, their life, its fixed routes, the boundary where errors take shape."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from urllib.parse import unquote

import asyncpg
import structlog
from aiohttp import web

from zstack_mgmt import db, metrics, schema
from zstack_mgmt.auth.sessions import Sessions
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError, BodyTooLarge, MethodNotAllowed, UnknownPath
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.doors.page import index
from zstack_mgmt.doors.rest import jobs as job_routes
from zstack_mgmt.doors.rest.context import CONTEXT, TRACE, Context, Trace
from zstack_mgmt.doors.rest.dispatch import dispatch, translate
from zstack_mgmt.doors.rest.replies import error_reply
from zstack_mgmt.doors.rest.routes import Routes
from zstack_mgmt.engine import store
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.watch import Watcher
from zstack_mgmt.features import load
from zstack_mgmt.identity.audit.trail import Trail
from zstack_mgmt.process import build_services, open_pool
from zstack_mgmt.query.gets import Gets

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def build_app(settings: Settings) -> web.Application:
    """The application of one API process. It connects to its services when it starts."""
    load()
    app = web.Application(middlewares=[boundary], client_max_size=settings.max_body_bytes)
    app.cleanup_ctx.append(_context(settings))
    router = app.router
    for prefix in ("/zstack/v1", "/v1"):
        jobs = f"{prefix}/api-jobs"
        _route(router, jobs, {"GET": job_routes.list_jobs})
        _route(router, f"{jobs}/{{uuid}}", {"GET": job_routes.poll_job, "DELETE": job_routes.cancel_job})
        _route(router, f"{jobs}/{{uuid}}/events", {"GET": job_routes.follow_job})
        _route(router, f"{prefix}/openapi.json", {"GET": index.serve_openapi})
        router.add_route("*", f"{prefix}/{{path:.*}}", dispatch)
    _route(router, "/docs", {"GET": index.serve_index})
    _route(router, "/docs/errors", {"GET": index.serve_errors})
    _route(router, "/healthz", {"GET": healthz})
    _route(router, "/readyz", {"GET": readyz})
    _route(router, "/metrics", {"GET": scrape})
    return app


Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _route(router: web.UrlDispatcher, path: str, methods: dict[str, Route]) -> None:
    allow = ", ".join(sorted(methods))

    async def choose(request: web.Request) -> web.StreamResponse:
        handler = methods.get(request.method)
        if handler is None:
            raise MethodNotAllowed(f"the path takes {allow}", allow)
        return await handler(request)

    router.add_route("*", path, choose)


def _context(settings: Settings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        pool = await open_pool(settings, application="zstack-api")
        services = build_services(settings)
        sessions = Sessions(pool, services.sealer, settings.session_cache_s)
        bell = Bell(settings)
        services = replace(
            services, forget_session=sessions.forget, ring_webhooks=lambda: bell.ring("webhooks")
        )
        context = Context(
            settings=settings,
            pool=pool,
            services=services,
            sessions=sessions,
            acceptor=Acceptor(settings, bell),
            watcher=Watcher(settings, pool),
            bell=bell,
            trail=Trail(pool),
            gets=Gets(pool, settings.time_zone),
            routes=Routes(APIS.values()),
        )
        app[CONTEXT] = context
        bell.start()
        context.acceptor.start()
        context.watcher.start()
        context.trail.start()
        yield
        await context.watcher.stop()
        await context.acceptor.stop()
        await context.trail.stop()
        await bell.stop()
        try:
            async with asyncio.timeout(3):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    return run


@web.middleware
async def boundary(request: web.Request, handler: Route) -> web.StreamResponse:
    """Give the request its id, turn every error into a JSON body, count and log the outcome."""
    started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else new_uuid()[:16]
    trace = request[TRACE] = Trace(request_id)
    try:
        reply = await handler(request)
    except ApiError as error:
        reply = error_reply(error, request)
    except web.HTTPRequestEntityTooLarge:
        reply = error_reply(BodyTooLarge("the body is larger than the server takes"), request)
    except web.HTTPNotFound:
        reply = error_reply(UnknownPath(f"no API has the path {request.path[:200]}"), request)
    except web.HTTPException as error:
        reply = error_reply(UnknownPath(error.reason), request, error.status)
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 (the boundary)
        reply = error_reply(translate(error, request_id), request)
    seconds = time.perf_counter() - started
    if not reply.prepared:
        reply.headers["X-Request-ID"] = request_id
        reply.headers["Server"] = "zstack-mgmt"
    # Noted after the reply has left.
    asyncio.get_running_loop().call_soon(_note, request, trace, reply.status, seconds)
    return reply


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
    """The path without its query, and without what follows `sessions`: a token."""
    path = raw.partition("?")[0]
    return path if "session" not in unquote(path, errors="replace") else "…/sessions/…"


async def healthz(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers and has the schema this version needs: 200, otherwise 503."""
    context = request.app[CONTEXT]
    try:
        async with asyncio.timeout(2), context.pool.acquire() as conn:
            lacking = await schema.missing(conn)
    except (*db.UNAVAILABLE, asyncpg.PostgresError):
        return web.json_response({"status": "the database is away"}, status=503)
    if lacking:
        return web.json_response({"status": f"the schema lacks {', '.join(lacking)}"}, status=503)
    return web.json_response({"status": "ok"})


async def scrape(request: web.Request) -> web.Response:
    """Prometheus metrics of all processes on this machine, with gauges from the database."""
    context = request.app[CONTEXT]
    pool = context.pool
    metrics.POOL_CONNECTIONS.labels("open").set(pool.get_size())
    metrics.POOL_CONNECTIONS.labels("idle").set(pool.get_idle_size())
    gauges: dict[str, float] = {}
    try:
        async with asyncio.timeout(5), pool.acquire() as conn:
            row = await store.gauges(conn)
    except (*db.UNAVAILABLE, asyncpg.PostgresError):
        gauges["zstack_database_up"] = 0
    else:
        gauges = {
            "zstack_database_up": 1,
            "zstack_jobs_queued": row["queued"],
            "zstack_jobs_held_back": row["held_back"],
            "zstack_jobs_running": row["running"],
            "zstack_jobs_oldest_queued_seconds": row["oldest_s"],
            "zstack_webhooks_pending": row["deliveries"],
            "zstack_sessions": row["sessions"],
        }
    text = metrics.render(context.settings.metrics_dir, gauges)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
