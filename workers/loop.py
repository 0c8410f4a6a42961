"""Claims jobs in batches, keeps slots busy, renews leases, and takes back what dead workers held."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque

import asyncpg
import structlog

from workers.execute import Executor
from zstack_mgmt import db, metrics, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import InternalError, JobTimedOut
from zstack_mgmt.core.registry import Services
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import ClaimedJob, failure_body

log = structlog.get_logger()

_TICK_S = 1.0
_MAX_CHUNK = 16
_CHUNK_TARGET_S = 0.04  # jobs that end sooner share a transaction
_AHEAD_S = 0.2  # work claimed ahead per slot
_SUSPECT_WAIT_S = 5.0
_LOST = InternalError("the job ended its worker each time it was run; it is not tried again")
_LATE = JobTimedOut("the job waited past its deadline and was not run")


class JobLoop:
    """The job runner of one worker process."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._bell = bell
        self.executor = Executor(pool, settings, services, bell)
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{new_uuid()[:8]}"
        self._wake = asyncio.Event()
        self._stopping = False
        self._backlog: deque[list[ClaimedJob]] = deque()
        self._held: dict[str, ClaimedJob] = {}  # claimed and not ended, started or not
        self._running: dict[asyncio.Task[None], list[ClaimedJob]] = {}
        self._outside: dict[asyncio.Task[None], list[ClaimedJob]] = {}
        self._mean_s = 0.01
        self._suspect_since: float | None = None
        self._more = False  # whether the last claim may have left runnable jobs behind

    def wake(self) -> None:
        """Look for work now. Called when Redis rings; harmless at any time."""
        self._wake.set()

    async def run(self) -> None:
        """Claim and run jobs until `stop`. Survives the loss of Redis and of PostgreSQL."""
        keeper = asyncio.create_task(self._keep_leases(), name="leases")
        reaper = asyncio.create_task(self._reap(), name="reaper")
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._fill()
                except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                    log.warning("jobs cannot be claimed", action="claim", error=type(error).__name__)
                    await asyncio.sleep(0.2)
                    continue
                await self._wake.wait()
        finally:
            await tasks.end(keeper, reaper)

    async def stop(self, grace_s: float) -> None:
        """Claim no more, give running jobs `grace_s` to end; the others go back, their claim not counted."""
        self._stopping = True
        self._wake.set()
        unstarted = [job for chunk in self._backlog for job in chunk]
        self._backlog.clear()
        await self._hand_back(unstarted)
        running = {**self._running, **self._outside}
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            await tasks.end(*late)
            await self._hand_back([job for task in late for job in running[task]])

    async def _hand_back(self, jobs: list[ClaimedJob]) -> None:
        if not jobs:
            return
        for job in jobs:
            self._held.pop(job.uuid, None)
        try:
            async with self._pool.acquire() as conn:
                await store.hand_back(conn, jobs)
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            log.warning(
                "jobs could not be handed back", action="stop", jobs=len(jobs), error=type(error).__name__
            )
        self._bell.ring("jobs")

    async def _fill(self) -> None:
        """Claim until there is nothing more or enough is at hand; start what there are slots for."""
        self._more = True
        while not self._stopping:
            self._start()
            room = self._room()
            if room <= 0:
                return
            suspects = self._suspect_since is not None and self._may_run_suspect()
            if self._suspect_since is not None and not suspects:
                return
            async with self._pool.acquire() as conn:
                jobs = await store.claim(
                    conn, self.owner, 1 if suspects else room, self._settings.lease_s, suspects=suspects
                )
            if suspects and not jobs:
                self._suspect_since = None
                continue
            self._take(jobs)
            if suspects:
                self._start()
                return
            if len(jobs) < room:
                self._more = False
                self._start()
                return

    def _room(self) -> int:
        ahead = max(self._settings.worker_slots, int(self._settings.worker_slots * _AHEAD_S / self._mean_s))
        waiting = sum(len(chunk) for chunk in self._backlog) + len(self._outside)
        target = min(self._settings.claim_batch, ahead)
        return target - waiting if waiting * 2 < target else 0

    def _may_run_suspect(self) -> bool:
        """A job that has lost a worker before runs alone, unless the others take too long to end."""
        alone = not self._running and not self._outside and not self._backlog
        return alone or time.monotonic() - (self._suspect_since or 0) > _SUSPECT_WAIT_S

    def _take(self, jobs: list[ClaimedJob]) -> None:
        now = time.time()
        for job in jobs:
            self._held[job.uuid] = job
            metrics.WAIT_SECONDS.observe(max(0.0, now - job.accepted_at.timestamp()))
        inside = [job for job in jobs if not job.outside]
        size = 1
        if len(inside) > self._settings.worker_slots:
            size = (
                min(
                    _MAX_CHUNK,
                    len(inside) // self._settings.worker_slots,
                    int(_CHUNK_TARGET_S / self._mean_s),
                )
                or 1
            )
        for first in range(0, len(inside), size):
            self._backlog.append(inside[first : first + size])
        for job in jobs:
            if job.outside:
                self._launch(self._outside, [job])

    def _start(self) -> None:
        while self._backlog and len(self._running) < self._settings.worker_slots:
            self._launch(self._running, self._backlog.popleft())

    def _launch(self, where: dict[asyncio.Task[None], list[ClaimedJob]], chunk: list[ClaimedJob]) -> None:
        task = asyncio.create_task(self._run_chunk(chunk))
        where[task] = chunk
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        chunk = self._running.pop(task, None) or self._outside.pop(task, [])
        if not task.cancelled() and task.exception() is not None:
            log.error("a chunk of jobs was dropped", action="run", exc_info=task.exception())
        self._start()
        let_others_go = self._more or any(job.keyed for job in chunk)
        if let_others_go and self._room() > 0:
            self._wake.set()

    async def _run_chunk(self, chunk: list[ClaimedJob]) -> None:
        started = time.perf_counter()
        try:
            await self.executor.run(chunk)
        finally:
            for job in chunk:
                self._held.pop(job.uuid, None)
            if not chunk[0].outside:
                each = (time.perf_counter() - started) / len(chunk)
                self._mean_s = max(0.0005, self._mean_s + 0.1 * (min(each, 1.0) - self._mean_s))

    async def _keep_leases(self) -> None:
        """Renew the leases of all held jobs; a job that was taken away or canceled is stopped."""
        while True:
            await asyncio.sleep(self._settings.lease_renew_s)
            held = list(self._held)
            if not held:
                continue
            try:
                async with self._pool.acquire() as conn:
                    kept = await store.renew(conn, self.owner, held, self._settings.lease_s)
            except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
                log.warning("leases could not be renewed", action="lease", error=type(error).__name__)
                continue
            for uuid in held:
                if kept.get(uuid, True):
                    self.executor.cancel(uuid)
            lost = {uuid for uuid in held if uuid not in kept and uuid in self._held}
            if lost:
                self._drop(lost)

    def _drop(self, lost: set[str]) -> None:
        """Forget jobs that another worker holds now. Those that run are rolled back at their end."""
        log.warning("leases were lost", action="lease", jobs=len(lost))
        chunks = [[job for job in chunk if job.uuid not in lost] for chunk in self._backlog]
        self._backlog = deque(chunk for chunk in chunks if chunk)
        for uuid in lost:
            self._held.pop(uuid, None)

    async def _reap(self) -> None:
        """Take the jobs of dead workers back and end late ones, also while Redis is away."""
        lost, late = failure_body(_LOST), failure_body(_LATE)
        while True:
            try:
                async with self._pool.acquire() as conn:
                    ended = await store.reap(conn, self._settings, lost, late)
                    runnable, suspects = await store.waiting(conn)
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                await asyncio.sleep(_TICK_S)
                continue
            if ended:
                self._bell.announce([uuid for uuid, _ in ended])
                if any(hooked for _, hooked in ended):
                    self._bell.ring("webhooks")
            if suspects and self._suspect_since is None:
                self._suspect_since = time.monotonic()
            if runnable:
                self._wake.set()  # what nobody rang for
            await asyncio.sleep(_TICK_S)
