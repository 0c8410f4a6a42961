"""The application of one console proxy agent: its parts, its routes and its life."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from zstack_mgmt import tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.console.agent import Agent
from zstack_mgmt.doors.app import boundary
from zstack_mgmt.doors.connections import RUNNER, Runner
from zstack_mgmt.doors.console import socket
from zstack_mgmt.doors.page import site
from zstack_mgmt.doors.trace import SETTINGS
from zstack_mgmt.features import load
from zstack_mgmt.process import load_services, open_pool, raise_descriptor_limit

log = structlog.get_logger()

RUNNING = web.AppKey("running", list[asyncio.Task[None]])


def build_app(settings: Settings) -> web.Application:
    """The application of one agent. It connects to the database when it starts."""
    load()
    app = web.Application(middlewares=[boundary])
    app[SETTINGS] = settings
    app.cleanup_ctx.append(_agent)
    app.router.add_get("/", show_console)
    app.router.add_get("/websockify", socket.open_console)  # where some clients look for it
    app.router.add_get("/ui/own/{digest}/{path:.+}", site.serve_own)
    app.router.add_get("/ui/lib/{digest}/{path:.+}", site.serve_library)
    app.router.add_get("/healthz", socket.healthz)
    return app


async def _agent(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    pool = await open_pool(settings, application="zstack-console")
    agent = app[socket.AGENT] = Agent(pool, await load_services(pool, settings), settings.console_port)
    running = app[RUNNING] = agent.start()
    yield
    await agent.stop(*running)
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def serve(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Be a console proxy agent until SIGTERM, SIGINT or the event.

    Raises OSError without a port, RuntimeError when one of its loops fails.
    """
    raise_descriptor_limit()
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = build_app(settings)
    limit_s = min(5.0, settings.stop_grace_s - 2)
    app[RUNNER] = runner = Runner(app, settings, shutdown_timeout=limit_s, keepalive_timeout=75)
    await runner.setup()
    running = app[RUNNING]
    try:
        site = web.TCPSite(runner, settings.host, settings.console_port, backlog=256, reuse_port=True)
        await site.start()
        log.info("listening", action="start", host=settings.host, port=settings.console_port)
        await tasks.any_ended(stop, *running)
        app[socket.AGENT].end_all()
    finally:
        await runner.cleanup()
    tasks.raise_failure(*running)


async def show_console(request: web.Request) -> web.StreamResponse:
    """`?token=...`: the console for a WebSocket, the page that shows it for a browser."""
    if socket.is_socket(request):
        return await socket.open_console(request)
    return await site.serve_page(request, "console.html")
