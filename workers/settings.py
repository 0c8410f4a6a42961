"""How arq is set up: queues, periodic tasks, serialiser, and every limit chosen rather than inherited.

arq's queue carries one deduplicated wake-up per kind of worker, and the periodic tasks. The work itself is
claimed from PostgreSQL by the loop that the worker process runs beside arq.
"""

from __future__ import annotations

from typing import Any

from arq.connections import ArqRedis
from arq.cron import CronJob, cron
from arq.worker import Worker, func

from workers import periodic
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import Queue, queue_name
from zstack_mgmt.engine.codec import dumps, loads

POLL_S = 5.0  # what must be quick does not wait for it: the ear is told, and the loops look by themselves
_EVERY_SECONDS = 10


async def wake(ctx: dict[str, Any]) -> None:
    """The wake-up job: have the loop of this process look into PostgreSQL."""
    ctx["loop"].wake()


def connect(settings: Settings, queue: Queue) -> ArqRedis:
    """arq's client; whoever makes it closes it."""
    client: ArqRedis = ArqRedis.from_url(settings.redis_url, socket_connect_timeout=1)  # pyright: ignore[reportAssignmentType, reportUnknownMemberType]
    client.job_serializer, client.job_deserializer = dumps, loads
    client.default_queue_name = queue_name(settings, queue)
    return client


def make_worker(settings: Settings, queue: Queue, ctx: dict[str, Any], redis: ArqRedis) -> Worker:
    """arq's worker for one kind of queue. `ctx` holds `loop`, `pool`, `settings` and `bell`."""
    cron_jobs: list[CronJob] = []
    if queue == "jobs":
        seconds = set(range(0, 60, _EVERY_SECONDS))
        cron_jobs = [
            cron(
                task,
                name=f"{settings.redis_prefix}{task.__name__}",
                second=seconds,
                unique=True,
                timeout=30,
                keep_result=1,
            )
            for task in periodic.TASKS
        ]
    return Worker(
        functions=[func(wake, name="wake", timeout=5, keep_result=0, max_tries=1)],
        queue_name=queue_name(settings, queue),
        redis_pool=redis,
        cron_jobs=cron_jobs,
        ctx=ctx,
        handle_signals=False,
        max_jobs=4,
        job_timeout=30,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        poll_delay=POLL_S,
        health_check_interval=15,
        job_serializer=dumps,
        job_deserializer=loads,
        log_results=False,
    )
