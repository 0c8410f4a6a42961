"""The WebSocket that carries a console, for whoever brings its token."""

from __future__ import annotations

from urllib.parse import urlsplit

import structlog
from aiohttp import web

from zstack_mgmt.config import Settings
from zstack_mgmt.console.agent import Agent, ConsoleRefused
from zstack_mgmt.core.errors import BadRequest, PermissionDenied
from zstack_mgmt.doors.console.carry import MAX_MESSAGE_BYTES, REFUSED, carry, hang_up
from zstack_mgmt.doors.rest.replies import error_reply
from zstack_mgmt.doors.trace import SETTINGS
from zstack_mgmt.doors.wire import client_address, is_trusted

log = structlog.get_logger()

AGENT = web.AppKey("agent", Agent)


async def healthz(request: web.Request) -> web.Response:
    """200 when the agent has given its first sign of life, else 503."""
    alive = request.app[AGENT].alive.is_set()
    return web.json_response({"status": "ok" if alive else "starting"}, status=200 if alive else 503)


def is_socket(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def open_console(request: web.Request) -> web.StreamResponse:
    """A WebSocket to `?token=...`: the console that the token opens."""
    token = request.query.get("token", "")
    if not is_socket(request):
        return error_reply(BadRequest("a console is carried by a WebSocket"), request)
    settings, agent = request.app[SETTINGS], request.app[AGENT]
    if not _same_origin(settings, request):
        error = PermissionDenied("pages of this origin may not open consoles here; see CORS_ORIGINS")
        return error_reply(error, request, 403)
    # Accepted first: only then can a browser be told why it gets nothing.
    ws = new_socket()
    await ws.prepare(request)
    remote = client_address(settings, request)
    try:
        async with agent.visit(token, remote) as (visit, console):
            log.info("console opened", action="console", remote=remote, vm_uuid=visit.ticket.right.vm_uuid)
            carried = await carry(ws, console, visit, settings)
        log.info("console closed", action="console", remote=remote, bytes=carried, reason=visit.reason)
    except ConsoleRefused as refusal:
        log.info("console refused", action="console", remote=remote, reason=str(refusal))
        await hang_up(ws, REFUSED, str(refusal))
    finally:
        if request.transport is not None:
            request.transport.abort()  # whoever does not read keeps nothing here
    return ws


def new_socket() -> web.WebSocketResponse:
    """The WebSocket of a console. Pixels do not compress in the time that a screen has."""
    return web.WebSocketResponse(
        protocols=("binary",), max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=1.0
    )


def _same_origin(settings: Settings, request: web.Request) -> bool:
    """Whether the page that opens the WebSocket is one of ours. A program sends no Origin."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    origin = origin.rstrip("/").lower()
    ours = {url.rstrip("/").lower() for url in (settings.public_url, settings.console_public_url) if url}
    if origin in ours | set(settings.cors_origins):
        return True
    host = request.headers.get("Host", "")
    if is_trusted(settings, request):
        host = request.headers.get("X-Forwarded-Host", host).partition(",")[0].strip()
    return urlsplit(origin).netloc == host.lower()
