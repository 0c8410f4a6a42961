"""All that we ask of arq: a queue that carries one wake-up per kind of worker, once however often it rings,
and a record in Redis that says which workers are healthy. Every limit is chosen rather than inherited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.exceptions import RedisError

from zstack_mgmt import absence, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import Queue, dumps, heard, loads, queue_name, wake_channel
from zstack_mgmt.redis_client import close, redis_client

POLL_S = 5.0  # what must be quick does not wait for it: the ear is told, and the pullers look by themselves
_RETRY_S = 0.5


async def host(settings: Settings, queue: Queue, wake: Callable[[], None]) -> None:
    """Run arq's worker; a lost Redis ends it, so it is made anew until it can run again."""

    async def woken(ctx: dict[Any, Any]) -> None:
        wake()

    while True:
        client = redis_client(settings.redis_url, ArqRedis)
        client.job_serializer, client.job_deserializer = dumps, loads
        client.default_queue_name = queue_name(settings, queue)
        worker = Worker(
            functions=[func(woken, name="wake", timeout=5, keep_result=0, max_tries=1)],
            queue_name=queue_name(settings, queue),
            redis_pool=client,
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
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            absence.of_redis(settings.redis_url).lost(error)
        finally:
            await tasks.end(*worker.tasks.values(), *filter(None, [worker.main_task]))
            await close(client)
        await asyncio.sleep(_RETRY_S)


async def listen(settings: Settings, queue: Queue, wake: Callable[[], None]) -> None:
    """Wake whenever the bell rings."""
    while True:
        try:
            async with aclosing(heard(settings, wake_channel(settings, queue))) as rings:
                async for _ in rings:
                    wake()
        except (RedisError, OSError) as error:
            absence.of_redis(settings.redis_url).lost(error)
            await asyncio.sleep(_RETRY_S)
