"""How the service does, for its operator: the figures of /metrics that a person wants, and who is there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

import zstack_mgmt
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.engine import store
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.redis_client import close, redis_client

_LOOK_S = 1.0


class GetServiceHealth(ApiRequest):
    """Read how the service does: its workers, its queue, the pace of the last minute, and its servers.

    An empty `redis` is away, which delays work and loses none.

    Source: ours, for whoever runs the service.
    """


class Worker(TypedDict):
    """A worker process with a lease: `host:pid:number`."""

    process: str
    leaseUntil: datetime
    jobs: int  # that it runs now


class Health(TypedDict):
    """What an operator looks at first. Ages in seconds."""

    version: str
    database: dict[str, Any]  # serverVersion, bytes, connections
    redis: dict[str, Any]  # serverVersion, clients; empty while it is away
    workers: list[Worker]
    queued: int
    heldBack: int
    running: int
    oldestSeconds: float
    webhooksPending: int
    webhooksPaused: int  # receivers behind an open breaker
    sessions: int
    acceptedPerMinute: int
    finishedPerMinute: int
    failedPerMinute: int


@api(
    GetServiceHealth,
    http="GET /v1/service/health",
    mode="sync",
    access="admin",
    java="org.zstack.job",
    category="service",
    is_read=True,
    outside=True,
)
async def get_service_health(call: Call, means: Direct, request: GetServiceHealth) -> Health:
    async with means.connection() as conn:
        gauges = await store.gauges(conn)
        workers = await store.workers(conn)
        database = await store.database_figures(conn)
        paces = await store.paces(conn)
    return {
        "version": zstack_mgmt.__version__,
        "database": dict(database),
        "redis": await _redis(call.services.settings.redis_url),
        "workers": [
            {"process": w["owner"], "leaseUntil": w["lease_until"], "jobs": w["jobs"]} for w in workers
        ],
        "queued": gauges["queued"],
        "heldBack": gauges["held_back"],
        "running": gauges["running"],
        "oldestSeconds": gauges["oldest_s"],
        "webhooksPending": gauges["deliveries"],
        "webhooksPaused": paces["paused"],
        "sessions": gauges["sessions"],
        "acceptedPerMinute": paces["accepted"],
        "finishedPerMinute": paces["finished"],
        "failedPerMinute": paces["failed"],
    }


async def _redis(url: str) -> dict[str, Any]:
    client: Any = redis_client(url, Redis, socket_timeout=_LOOK_S)
    try:
        found: dict[str, Any] = await client.info()
    except (RedisError, OSError):
        return {}
    finally:
        await close(client)
    return {"serverVersion": found.get("redis_version"), "clients": found.get("connected_clients")}
