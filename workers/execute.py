"""Runs claimed jobs: each handler in the transaction that ends its job, short ones several in one.

A worker holds a job only under (uuid, epoch). Whatever it writes for a job it no longer holds is rolled back,
so a handler's effect and its job's result are committed together, once, whatever dies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import asyncpg
import orjson
import structlog

from zstack_mgmt import db, metrics
from zstack_mgmt.auth.policy import policy_set
from zstack_mgmt.config import Settings
from zstack_mgmt.core.answer import body_of, schema_of
from zstack_mgmt.core.callers import AccountCaller, Caller, UserCaller
from zstack_mgmt.core.errors import ApiError, InternalError, JobCanceled, JobTimedOut
from zstack_mgmt.core.registry import APIS, VALIDATION_ONLY, Call, Services
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import ClaimedJob, Outcome, failure_body
from zstack_mgmt.engine.outside import JobLost, Outside

log = structlog.get_logger()


class Executor:
    """Runs jobs that the worker holds, to their end."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._services = services
        self._bell = bell
        self._handlers: dict[str, asyncio.Future[Any]] = {}  # of outside jobs
        self._canceled: set[str] = set()

    async def run(self, chunk: list[ClaimedJob]) -> None:
        """Run the jobs in one transaction; if one of them fails, each in its own."""
        if len(chunk) == 1 or not await self._together(chunk):
            for job in chunk:
                await self._alone(job)

    def cancel(self, uuid: str) -> None:
        """Stop an outside job that waits for the outside; the others end by themselves soon."""
        handler = self._handlers.get(uuid)
        if handler is not None:
            self._canceled.add(uuid)
            handler.cancel()

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
        """Run one job to its end. While the database is away it stays with this worker, which tries again."""
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
        outcome = _failed(InternalError("the job kept losing against others; try again"))
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
        """End an outside job that was stopped by a cancellation; False when it was lost instead."""
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

    async def _apply(self, job: ClaimedJob, means: Connection | Outside) -> Outcome:
        declared = APIS[job.api]
        call = Call(_caller(job), self._services, job.request_id, job_uuid=job.uuid)
        request = declared.request.restore(job.request, job.secrets)
        if VALIDATION_ONLY in request.system_tags and not declared.rehearses:
            if not isinstance(means, Outside):
                await _rehearse(means, declared.handler(call, means, request))
            return Outcome("succeeded", "{}")
        value = await (
            self._watched(job, call, means, request)
            if isinstance(means, Outside)
            else declared.handler(call, means, request)
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
            if job.uuid in self._canceled:
                raise JobLost(job.uuid) from None
            task.cancel()
            raise
        finally:
            self._handlers.pop(job.uuid, None)
            self._canceled.discard(job.uuid)

    def _report(
        self, jobs: list[ClaimedJob], outcomes: list[Outcome], seconds: float, *, hooked: bool
    ) -> None:
        self._bell.announce([job.uuid for job in jobs])
        if hooked:
            self._bell.ring("webhooks")
        # Noted after the announcement has left: somebody may wait for it.
        asyncio.get_running_loop().call_soon(_note, jobs, outcomes, seconds / len(jobs))


def _note(jobs: list[ClaimedJob], outcomes: list[Outcome], each_s: float) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        metrics.FINISHED.labels(job.api, outcome.state).inc()
        metrics.RUN_SECONDS.labels(job.api).observe(each_s)
        log.info(
            "job ended",
            action="job",
            api=job.api,
            job_uuid=job.uuid,
            account_uuid=job.account_uuid,
            request_id=job.request_id,
            state=outcome.state,
            epoch=job.epoch,
            duration_ms=round(each_s * 1000, 2),
        )


async def _rehearse(conn: Connection, work: Awaitable[Any]) -> None:
    """Let the handler make its checks, and undo what it did."""
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        await work
    finally:
        await savepoint.rollback()


def _caller(job: ClaimedJob) -> Caller:
    if job.user_uuid == job.account_uuid:
        return AccountCaller(job.account_uuid, job.is_admin)
    return UserCaller(job.account_uuid, job.user_uuid, job.is_admin, policy_set(()))


def _failed(error: ApiError) -> Outcome:
    return Outcome("failed", failure_body(error))
