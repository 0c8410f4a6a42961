"""One worker process: its lease, a puller for each kind of its work, and arq beside them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from zstack_mgmt import db, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services
from zstack_mgmt.engine.bell import Bell, Queue
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.outside import TRANSACTIONS
from zstack_mgmt.engine.puller import Puller
from zstack_mgmt.features import load
from zstack_mgmt.process import load_services, open_pool, raise_descriptor_limit
from zstack_mgmt.webhooks.deliveries import lease_s

from . import arq_host, webhooks

log = structlog.get_logger()

_OTHERS = 4  # connections for claims, due triggers and periodic work


async def run_worker(settings: Settings, queue: Queue, stop: asyncio.Event | None = None) -> None:
    """Run one worker until SIGTERM, SIGINT or the event, then end or hand back what it holds.

    Raises RuntimeError when one of its loops fails: a new process is better than one that is half alive.
    """
    make_pullers = _pullers_of(queue)
    descriptors = raise_descriptor_limit()
    stop = stop or _stop_on_signals()
    size = settings.worker_slots + TRANSACTIONS + _OTHERS if queue == "jobs" else _OTHERS
    pool = await open_pool(settings, application=f"zstack-{queue}", size=size)
    services = await load_services(pool, settings)
    bell = Bell(settings)
    lease = Lease(settings, bell, settings.lease_s if queue == "jobs" else lease_s(settings), queue)
    pullers = make_pullers(pool, services, lease, bell)

    def wake() -> None:
        for puller in pullers:
            puller.wake()

    beside = [
        *bell.start(),
        asyncio.create_task(lease.run(), name="lease"),
        asyncio.create_task(arq_host.host(settings, queue, wake), name="arq"),
        asyncio.create_task(arq_host.listen(settings, queue, wake), name="ear"),
    ]
    work = [puller.start() for puller in pullers]
    log.info("worker started", action="start", queue=queue, descriptors=descriptors)
    await tasks.any_ended(stop, *work, *beside)
    stops = (puller.stop(settings.stop_grace_s - 2) for puller in pullers)
    await asyncio.gather(*stops, return_exceptions=True)
    await tasks.end(*beside)
    await lease.leave()
    await bell.stop()
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()
    log.info("worker stopped", action="stop", queue=queue)
    tasks.raise_failure(*work, *beside)


def _pullers_of(queue: Queue) -> Callable[[db.Pool, Services, Lease, Bell], list[Puller]]:
    """What makes the pullers. Only a worker of jobs needs the features, which take a second to import."""
    if queue == "webhooks":
        return webhooks.pullers
    from . import jobs

    load()
    return jobs.pullers


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
