"""What operators ask of one process: does it answer, can it work, and its figures."""

from __future__ import annotations

import asyncio

import asyncpg
from aiohttp import web

from zstack_mgmt import db, metrics, schema
from zstack_mgmt.doors.trace import SERVICE
from zstack_mgmt.engine import store


async def healthz(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers and has the schema this version needs: 200, otherwise 503."""
    service = request.app[SERVICE]
    try:
        async with asyncio.timeout(2), service.pool.acquire() as conn:
            lacking = await schema.missing(conn)
    except (*db.UNAVAILABLE, asyncpg.PostgresError):
        return web.json_response({"status": "the database is away"}, status=503)
    if lacking:
        return web.json_response({"status": f"the schema lacks {', '.join(lacking)}"}, status=503)
    return web.json_response({"status": "ok"})


async def scrape(request: web.Request) -> web.Response:
    """Prometheus metrics of all processes on this machine, with gauges from the database."""
    service = request.app[SERVICE]
    pool = service.pool
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
    text = metrics.render(service.settings.metrics_dir, gauges)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
