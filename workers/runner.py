"""One worker process: its loop over PostgreSQL, arq beside it, and the ear at the doorbell.

The loop is the worker; losing Redis stops arq and the ear only, and both come back by themselves.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from typing import Any, Protocol

import structlog
from redis.exceptions import RedisError

from workers.deliver import DeliveryLoop
from workers.firing import FiringLoop
from workers.loop import JobLoop
from workers.settings import connect, make_worker
from zstack_mgmt import tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import Bell, Queue, heard, wake_channel
from zstack_mgmt.features import load
from zstack_mgmt.metrics import DeliveryMetrics
from zstack_mgmt.process import build_services, open_pool

log = structlog.get_logger()

_RETRY_S = 0.5


class Loop(Protocol):
    """What a worker process runs."""

    def wake(self) -> None: ...

    async def run(self) -> None: ...

    async def stop(self, grace_s: float) -> None: ...


async def run_worker(settings: Settings, queue: Queue, stop: asyncio.Event | None = None) -> None:
    """Run one worker until SIGTERM, SIGINT or the event, then end or hand back what it holds."""
    load()
    stop = stop or _stop_on_signals()
    pool = await open_pool(settings, application=f"zstack-{queue}", size=settings.worker_slots + 4)
    services = build_services(settings)
    bell = Bell(settings)
    bell.start()
    loops: list[Loop]
    if queue == "jobs":
        loops = [JobLoop(pool, settings, services, bell), FiringLoop(pool, settings, services, bell)]
    else:
        loops = [DeliveryLoop(pool, settings, services.sealer, DeliveryMetrics())]
    loop = loops[0]
    context = {"loop": loop, "pool": pool, "settings": settings, "services": services, "bell": bell}
    work = [asyncio.create_task(one.run(), name=type(one).__name__) for one in loops]
    beside = [
        asyncio.create_task(_run_arq(settings, queue, context), name="arq"),
        asyncio.create_task(_listen(settings, queue, loop), name="ear"),
    ]
    log.info("worker started", action="start", queue=queue)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
    stops = (one.stop(settings.stop_grace_s - 2) for one in loops)
    await asyncio.gather(tasks.end(*beside, stopped), *stops, return_exceptions=True)
    ended = await asyncio.gather(*work, return_exceptions=True)
    await bell.stop()
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()
    log.info("worker stopped", action="stop", queue=queue)
    for error in ended:
        if isinstance(error, BaseException):
            raise RuntimeError("a loop of the worker failed") from error


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _run_arq(settings: Settings, queue: Queue, context: dict[str, Any]) -> None:
    """Host arq's worker; a lost Redis ends it, so it is made anew until it can run again."""
    while True:
        client = connect(settings, queue)
        worker = make_worker(settings, queue, dict(context), client)
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            log.warning("arq lost redis", action="arq", queue=queue, error=type(error).__name__)
        finally:
            await tasks.end(*worker.tasks.values(), *filter(None, [worker.main_task]))
            await client.aclose(close_connection_pool=True)
        await asyncio.sleep(_RETRY_S)


async def _listen(settings: Settings, queue: Queue, loop: Loop) -> None:
    """Wake the loop whenever the bell rings."""
    while True:
        try:
            async with aclosing(heard(settings, wake_channel(settings, queue))) as rings:
                async for _ in rings:
                    loop.wake()
        except (RedisError, OSError) as error:
            log.warning("the doorbell is not heard", action="listen", queue=queue, error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)
