"""Runs API jobs: claims them in batches, runs each handler in the transaction that ends its job, keeps their leases.

A worker holds a job only under (uuid, epoch). Whatever it writes for a job it no longer holds is rolled back, so a handler's
effect and its job's result are committed together, once, whatever dies.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from typing import Any

import asyncpg
import orjson
import structlog

from zstack_mgmt import db, metrics
from zstack_mgmt.config import Settings
from zstack_mgmt.errors import ApiError, InternalError, JobCanceled, JobTimedOut
from zstack_mgmt.jobs import store
from zstack_mgmt.jobs.answer import body_of, schema_of
from zstack_mgmt.jobs.bell import Bell
from zstack_mgmt.jobs.model import ClaimedJob, Outcome, failure_body
from zstack_mgmt.jobs.outside import JobLost, Outside
from zstack_mgmt.registry import APIS, Call, Services
from zstack_mgmt.values import new_uuid

log = structlog.get_logger()

VALIDATION_ONLY = "ephemeral::validationOnly"
_TICK_S = 1.0
_MAX_CHUNK = 16
_CHUNK_TARGET_S = 0.04  # jobs that end sooner share a transaction
_AHEAD_S = 0.2  # work claimed ahead per slot
_OUTSIDE_SLOTS = 32
_SUSPECT_WAIT_S = 5.0
_LOST = InternalError("the job ended its worker each time it was run; it is not tried again")
_LATE = JobTimedOut("the job waited past its deadline and was not run")


class JobLoop:
    """The job runner of one worker process."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._services = services
        self._bell = bell
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{new_uuid()[:8]}"
        self._wake = asyncio.Event()
        self._stopping = False
        self._backlog: deque[list[ClaimedJob]] = deque()
        self._held: dict[str, ClaimedJob] = {}  # claimed and not ended, started or not
        self._running: dict[asyncio.Task[None], list[ClaimedJob]] = {}
        self._outside: dict[asyncio.Task[None], list[ClaimedJob]] = {}
        self._handlers: dict[
            str, asyncio.Future[Any]
        ] = {}  # of outside jobs, to be stopped by a cancellation
        self._mean_s = 0.01
        self._suspect_since: float | None = None

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
                try:
                    async with asyncio.timeout(_TICK_S):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            keeper.cancel()
            reaper.cancel()
            await asyncio.gather(keeper, reaper, return_exceptions=True)

    async def stop(self, grace_s: float) -> None:
        """Claim no more, give running jobs `grace_s` to end, and hand the others back without counting the claim."""
        self._stopping = True
        self._wake.set()
        unstarted = [job for chunk in self._backlog for job in chunk]
        self._backlog.clear()
        await self._hand_back(unstarted)
        tasks = {**self._running, **self._outside}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await self._hand_back([job for task in late for job in tasks[task]])

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
        """Claim until nothing more can be claimed or enough is at hand, and start what there are slots for."""
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
            if not jobs:
                return
            self._take(jobs)
            if suspects:
                self._start()
                return
            if len(jobs) < room:
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
        self._running.pop(task, None)
        self._outside.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("a chunk of jobs was dropped", action="run", exc_info=task.exception())
        self._start()
        if self._room() > 0:
            self._wake.set()

    async def _run_chunk(self, chunk: list[ClaimedJob]) -> None:
        """Run the jobs in one transaction; if one of them fails, each in its own."""
        started = time.perf_counter()
        try:
            if len(chunk) == 1 or not await self._together(chunk):
                for job in chunk:
                    await self._alone(job)
        finally:
            for job in chunk:
                self._held.pop(job.uuid, None)
            each = (time.perf_counter() - started) / len(chunk)
            self._mean_s += 0.1 * (min(each, 1.0) - self._mean_s)
            self._mean_s = max(self._mean_s, 0.0005)

    async def _together(self, chunk: list[ClaimedJob]) -> bool:
        started = time.perf_counter()
        try:
            async with self._pool.acquire() as conn:
                transaction = conn.transaction()
                await transaction.start()
                try:
                    outcomes = [await self._apply(job, conn) for job in chunk]
                    hooked = await store.finish(conn, chunk, outcomes, self._settings.job_retention_s)
                except BaseException:
                    await transaction.rollback()
                    raise
                await transaction.commit()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 (the worker's boundary: each job is run again alone, which tells)
            log.info("a chunk is run one by one", action="run", jobs=len(chunk), error=type(error).__name__)
            return False
        self._report(chunk, outcomes, time.perf_counter() - started, hooked=hooked)
        return True

    async def _alone(self, job: ClaimedJob) -> None:
        """Run one job to its end. While the database is away the job stays with this worker, which tries again."""
        started = time.perf_counter()
        deadline = time.monotonic() + max(job.remaining_s, 0)
        pause_s = 0.05
        while True:
            try:
                outcome, hooked = await self._attempt(job, deadline)
            except db.UNAVAILABLE as error:
                log.warning(
                    "the database is away", action="run", job_uuid=job.uuid, error=type(error).__name__
                )
                await asyncio.sleep(pause_s)
                pause_s = min(1.0, pause_s * 2)
                continue
            except JobLost:
                if not await self._end_canceled(job):
                    log.warning(
                        "a job was lost to another worker", action="run", job_uuid=job.uuid, epoch=job.epoch
                    )
                return
            except asyncpg.PostgresError as error:
                if error.sqlstate != "ZS001":
                    raise
                log.warning(
                    "a job was lost to another worker", action="run", job_uuid=job.uuid, epoch=job.epoch
                )
                return
            self._report([job], [outcome], time.perf_counter() - started, hooked=hooked)
            return

    async def _attempt(self, job: ClaimedJob, deadline: float) -> tuple[Outcome, bool]:
        outcome: Outcome
        for retry in (True, True, True, True, False):
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    if not APIS[job.api].outside:
                        async with db.transaction(self._pool) as conn:
                            outcome = await self._apply(job, conn)
                            hooked = await store.finish(
                                conn, [job], [outcome], self._settings.job_retention_s
                            )
                        return outcome, hooked
                    outcome = await self._apply(job, Outside(self._pool, job))
            except TimeoutError:
                if time.monotonic() < deadline:
                    raise
                outcome = _failed(
                    JobTimedOut("the job ran past its deadline; what it had not finished was undone")
                )
            except ApiError as error:
                outcome = _failed(error)
            except db.CONFLICTS:
                if retry:
                    continue
                outcome = _failed(InternalError("the job kept losing against others; try again"))
            except (JobLost, *db.UNAVAILABLE):
                raise
            except asyncpg.PostgresError as error:
                if error.sqlstate == "ZS001":
                    raise
                outcome = _failed(self._explain(job, error))
            except Exception as error:  # noqa: BLE001 (the worker's boundary)
                outcome = _failed(self._explain(job, error))
            break
        async with self._pool.acquire() as conn:
            return outcome, await store.finish(conn, [job], [outcome], self._settings.job_retention_s)

    async def _end_canceled(self, job: ClaimedJob) -> bool:
        """End an outside job that stopped because its cancellation was asked for; False when it was lost instead."""
        outcome = Outcome("canceled", failure_body(JobCanceled("the job was canceled while it ran")))
        try:
            async with self._pool.acquire() as conn:
                hooked = await store.finish(conn, [job], [outcome], self._settings.job_retention_s)
        except asyncpg.PostgresError:
            return False
        self._report([job], [outcome], 0.0, hooked=hooked)
        return True

    def _explain(self, job: ClaimedJob, error: BaseException) -> ApiError:
        known = db.translate(error) if isinstance(error, asyncpg.PostgresError) else None
        if known is not None:
            return known
        log.error("a handler failed", action="run", api=job.api, job_uuid=job.uuid, exc_info=error)
        return InternalError(
            "an unexpected error; tell the operator the request id", requestId=job.request_id or ""
        )

    async def _apply(self, job: ClaimedJob, conn: Any) -> Outcome:
        declared = APIS[job.api]
        call = Call(
            account_uuid=job.account_uuid,
            user_uuid=job.user_uuid,
            is_admin=job.is_admin,
            request_id=job.request_id,
            job_uuid=job.uuid,
            services=self._services,
        )
        request = declared.request.model_validate_json(job.request)
        if VALIDATION_ONLY in request.system_tags and not declared.outside:
            return Outcome("succeeded", "{}")
        value = await (
            self._watched(job, call, conn, request)
            if declared.outside
            else declared.handler(call, conn, request)
        )
        body = body_of(declared, value, self._settings.time_zone)
        if job.with_schema:
            body["schema"] = schema_of(declared, body)
        return Outcome("succeeded", orjson.dumps(body).decode())

    async def _watched(self, job: ClaimedJob, call: Call, outside: Outside, request: Any) -> Any:
        """An outside handler in a task of its own, so that a cancellation can stop it while it waits."""
        task = asyncio.ensure_future(APIS[job.api].handler(call, outside, request))
        self._handlers[job.uuid] = task
        try:
            return await task
        except asyncio.CancelledError:
            if task.cancelled() and not self._stopping and job.uuid in self._handlers:
                raise JobLost(job.uuid) from None
            task.cancel()
            raise
        finally:
            self._handlers.pop(job.uuid, None)

    def _report(
        self, jobs: list[ClaimedJob], outcomes: list[Outcome], seconds: float, *, hooked: bool
    ) -> None:
        self._bell.announce([job.uuid for job in jobs])
        if hooked:
            self._bell.ring("webhooks")
        each = seconds / len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            metrics.FINISHED.labels(job.api, outcome.state).inc()
            metrics.RUN_SECONDS.labels(job.api).observe(each)
            log.info(
                "job ended",
                action="job",
                api=job.api,
                job_uuid=job.uuid,
                account_uuid=job.account_uuid,
                request_id=job.request_id,
                state=outcome.state,
                epoch=job.epoch,
                duration_ms=round(each * 1000, 2),
            )

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
                handler = self._handlers.get(uuid)
                if handler is not None and kept.get(uuid, True):
                    handler.cancel()
            lost = {uuid for uuid in held if uuid not in kept and uuid in self._held}
            if lost:
                self._drop(lost)

    def _drop(self, lost: set[str]) -> None:
        """Forget jobs that another worker holds now. Those that run already fail at their end, and are rolled back."""
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
                    suspects = await store.has_suspects(conn)
            except (*db.UNAVAILABLE, asyncpg.PostgresError):
                await asyncio.sleep(_TICK_S)
                continue
            if ended:
                self._bell.announce([uuid for uuid, _ in ended])
                if any(hooked for _, hooked in ended):
                    self._bell.ring("webhooks")
            if suspects and self._suspect_since is None:
                self._suspect_since = time.monotonic()
                self._wake.set()
            await asyncio.sleep(_TICK_S)


def _failed(error: ApiError) -> Outcome:
    return Outcome("failed", failure_body(error))
