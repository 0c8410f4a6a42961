"""What operators ask of one process: does it answer, can the service do its work, and its figures."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from typing import Any

import asyncpg
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from zstack_mgmt import __version__, db, metrics, schema
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.core.errors import PermissionDenied
from zstack_mgmt.engine import figures
from zstack_mgmt.metrics import Figure
from zstack_mgmt.redis_client import close, redis_client

_FRESH_S = 1.0  # for so long an answer serves all who ask
_LOOK_S = 2.0
OK = "ok"


class Standing:
    """How the service stands, looked at through this process's own way to the servers."""

    def __init__(
        self,
        settings: Settings,
        connection: Callable[[], AbstractAsyncContextManager[db.Connection]],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._is_stopping = is_stopping
        self._room_at = -_FRESH_S
        self._text_at = -_FRESH_S
        self._text = b""
        self._turn = asyncio.Lock()

    async def parts(self) -> dict[str, str]:
        """What accepted work needs, and how it stands: `ok`, or what is wrong. Redis is not needed."""
        if self._is_stopping():
            return {"process": "the process is stopping"}
        try:
            async with asyncio.timeout(_LOOK_S), self._connection() as conn:
                found = await self._of_database(conn)
        except db.FULL:
            return {"database": "the database has no room left on its disk"}
        except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError):
            return {"database": "the database is away"}
        return {"database": OK, **found}

    async def _of_database(self, conn: db.Connection) -> dict[str, str]:
        lacking = await schema.missing(conn)
        if lacking:
            return {"schema": f"the schema lacks {', '.join(lacking)}"}
        await self._check_room(conn)
        workers = await figures.live_workers(conn)
        senders = workers["webhooks"] or not await figures.unsent(conn)
        return {
            "schema": OK,
            "workers": OK if workers["jobs"] else "no worker runs jobs",
            "webhooks": OK if senders else "no worker sends the webhooks that are due",
        }

    async def _check_room(self, conn: db.Connection) -> None:
        """Have the server write a temporary file of about a megabyte, at most once a second.

        Raises: one of db.FULL.
        """
        if time.monotonic() - self._room_at < _FRESH_S:
            return
        async with conn.transaction():
            await conn.execute("SET LOCAL work_mem = '64kB'")  # what is larger goes to the disk
            await conn.execute("SELECT count(*) FROM generate_series(1, 50000)")
        self._room_at = time.monotonic()

    async def text(self) -> bytes:
        """What Prometheus reads: the counts of the machine's processes, and gauges of the servers."""
        async with self._turn:
            if time.monotonic() - self._text_at >= _FRESH_S:
                gauges = [*await self._database_figures(), await self._redis_figure(), _VERSION]
                self._text = metrics.render(self._settings.metrics_dir, gauges)
                self._text_at = time.monotonic()
            return self._text

    async def _database_figures(self) -> list[Figure]:
        try:
            async with asyncio.timeout(5), self._connection() as conn:
                workers = await figures.live_workers(conn)
                queues = await figures.queues(conn)
                rest = await figures.backlog(conn)
        except (TimeoutError, *db.UNAVAILABLE, asyncpg.PostgresError):
            return [Figure("zstack_database_up", _UP, {"": 0})]

        def by_class(name: str, about: str, column: str) -> Figure:
            return Figure(name, about, {row["class"]: row[column] for row in queues}, "class")

        return [
            Figure("zstack_database_up", _UP, {"": 1}),
            Figure(
                "zstack_workers", "Worker processes with a lease, by the kind of their work", workers, "kind"
            ),
            by_class("zstack_jobs_queued", "Jobs that a worker could run now", "queued"),
            by_class("zstack_jobs_held_back", "Queued jobs that wait for another one", "held_back"),
            by_class("zstack_jobs_running", "Jobs that a worker runs", "running"),
            by_class("zstack_jobs_oldest_queued_seconds", "Age of the oldest of those", "oldest_s"),
            *(Figure(name, about, {"": rest[column]}) for name, about, column in _REST),
        ]

    async def _redis_figure(self) -> Figure:
        up = 1
        client: Any = redis_client(self._settings.redis_url, Redis, socket_timeout=1)
        try:
            await client.ping()
        except (RedisError, OSError):
            up = 0
        finally:
            await close(client)
        return Figure(
            "zstack_redis_up", "Whether Redis answers; without it work waits for up to a second", {"": up}
        )


_UP = "Whether PostgreSQL answers"
_VERSION = Figure("zstack_build_info", "The release", {__version__: 1}, "version")
_REST = (
    ("zstack_webhooks_pending", "Webhook deliveries that wait to be sent", "pending"),
    ("zstack_webhooks_oldest_due_seconds", "Lateness of the delivery that is due for longest", "due_s"),
    ("zstack_webhooks_dead", "Webhook deliveries that were given up and are kept", "dead"),
    ("zstack_webhook_receivers_paused", "Receivers behind an open breaker", "paused"),
    ("zstack_scheduler_late_seconds", "Lateness of the due time that should have fired first", "scheduler_s"),
    ("zstack_sessions", "Live sessions", "sessions"),
    ("zstack_database_connections", "Connections to the database", "connections"),
    ("zstack_database_bytes", "Size of the database", "bytes"),
    ("zstack_database_standbys", "Standbys that stream from the database", "standbys"),
    ("zstack_database_replay_lag_seconds", "How far the standby that is behind most is", "lag_s"),
)
STANDING = web.AppKey("standing", Standing)


async def healthz(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": OK})


async def readyz(request: web.Request) -> web.Response:
    """Accepted work can be done: 200; otherwise 503, and which part is wrong."""
    parts = await request.app[STANDING].parts()
    wrong = next((said for said in parts.values() if said != OK), "")
    return web.json_response({"status": wrong or OK, "parts": parts}, status=503 if wrong else 200)


async def scrape(request: web.Request) -> web.Response:
    """Prometheus metrics, for this machine or whoever has the token."""
    if not _may_scrape(request, request.app[SCRAPERS]):
        raise PermissionDenied("send `Authorization: Bearer <METRICS_TOKEN>`")
    text = await request.app[STANDING].text()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _may_scrape(request: web.Request, token: str) -> bool:
    """With the token; where none is configured, from this machine itself, but not through a proxy on it."""
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())
    forwarded = {"Forwarded", "X-Forwarded-For"} & {name.title() for name in request.headers}
    return not forwarded and bool(request.remote) and ip_address(request.remote or "").is_loopback


SCRAPERS = web.AppKey("scrapers", str)  # their token


@asynccontextmanager
async def operations_port(settings: Settings) -> AsyncGenerator[None]:
    """Serve health and metrics of this process on OPERATIONS_PORT for the time of a block, if it is set.

    Raises: ConfigError when the port cannot be had.
    """
    if not settings.operations_port:
        yield
        return
    way = _Way(settings)
    app = web.Application(middlewares=[_plain_refusal])
    app[STANDING] = Standing(settings, way.connection)
    app[SCRAPERS] = settings.metrics_token
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.operations_port).start()
        except OSError as error:
            where = f"HOST={settings.host} OPERATIONS_PORT={settings.operations_port}"
            raise ConfigError(f"{where} cannot be used: {error}") from error
        yield
    finally:
        await runner.cleanup()
        await way.close()


@web.middleware
async def _plain_refusal(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except PermissionDenied as error:
        return web.json_response({"status": str(error)}, status=403)


class _Way:
    """One connection of its own, so that a process that is busy or cannot start tells why."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: db.Pool | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[db.Connection]:
        if self._pool is None:
            self._pool = db.create_pool(self._settings, application="zstack-operations", size=1)
        async with self._pool.acquire() as conn:
            yield conn

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()


async def beside_operations(settings: Settings, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work of a process, with its operations port open."""
    async with operations_port(settings):
        await work()
