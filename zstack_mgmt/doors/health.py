"""What operators ask of one process: does it answer, can it work, and its figures."""

from __future__ import annotations

import asyncio
import hmac
import time
from ipaddress import ip_address

import asyncpg
from aiohttp import web

from zstack_mgmt import db, metrics, schema
from zstack_mgmt.core.errors import PermissionDenied
from zstack_mgmt.doors.trace import SERVICE
from zstack_mgmt.engine import store
from zstack_mgmt.service.parts import Service

_ROOM_S = 1.0


async def healthz(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers, has the schema this version needs, and can write: 200, otherwise 503."""
    service = request.app[SERVICE]
    try:
        async with asyncio.timeout(2), service.pool.acquire() as conn:
            lacking = await schema.missing(conn)
            await request.app[ROOM].check(conn)
    except db.FULL:
        return web.json_response({"status": "the database has no room left on its disk"}, status=503)
    except (*db.UNAVAILABLE, asyncpg.PostgresError):
        return web.json_response({"status": "the database is away"}, status=503)
    if lacking:
        return web.json_response({"status": f"the schema lacks {', '.join(lacking)}"}, status=503)
    return web.json_response({"status": "ok"})


class Room:
    """Whether the database's disk has room, tried at most once a second."""

    def __init__(self) -> None:
        self._found_at = -_ROOM_S

    async def check(self, conn: db.Connection) -> None:
        """Have the server write a temporary file of about a megabyte. Raises one of db.FULL."""
        if time.monotonic() - self._found_at < _ROOM_S:
            return
        async with conn.transaction():
            await conn.execute("SET LOCAL work_mem = '64kB'")  # what is larger goes to the disk
            await conn.execute("SELECT count(*) FROM generate_series(1, 50000)")
        self._found_at = time.monotonic()


ROOM = web.AppKey("room", Room)


async def scrape(request: web.Request) -> web.Response:
    """Prometheus metrics of all processes on this machine, and gauges of the database."""
    service = request.app[SERVICE]
    if not _may_scrape(request, service.settings.metrics_token):
        raise PermissionDenied("send `Authorization: Bearer <METRICS_TOKEN>`")
    text = await request.app[FIGURES].text(service)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _may_scrape(request: web.Request, token: str) -> bool:
    """With the token; where none is configured, from this machine itself, but not through a proxy on it."""
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())
    forwarded = {"Forwarded", "X-Forwarded-For"} & {name.title() for name in request.headers}
    return not forwarded and bool(request.remote) and ip_address(request.remote or "").is_loopback


class Figures:
    """The text of the metrics, made once for all who ask within a second."""

    def __init__(self) -> None:
        self._made_at = -1.0
        self._text: bytes = b""
        self._turn = asyncio.Lock()

    async def text(self, service: Service) -> bytes:
        """What Prometheus reads."""
        async with self._turn:
            if time.monotonic() - self._made_at >= 1:
                self._text = metrics.render(service.settings.metrics_dir, await _gauges(service.pool))
                self._made_at = time.monotonic()
            return self._text


FIGURES = web.AppKey("figures", Figures)


async def _gauges(pool: db.Pool) -> dict[str, float]:
    metrics.POOL_CONNECTIONS.labels("open").set(pool.get_size())
    metrics.POOL_CONNECTIONS.labels("idle").set(pool.get_idle_size())
    try:
        async with asyncio.timeout(5), pool.acquire() as conn:
            row = await store.gauges(conn)
    except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError):
        return {"zstack_database_up": 0}
    return {
        "zstack_database_up": 1,
        "zstack_jobs_queued": row["queued"],
        "zstack_jobs_held_back": row["held_back"],
        "zstack_jobs_running": row["running"],
        "zstack_jobs_oldest_queued_seconds": row["oldest_s"],
        "zstack_webhooks_pending": row["deliveries"],
        "zstack_sessions": row["sessions"],
    }
