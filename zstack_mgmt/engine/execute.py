"""Runs claimed jobs: each handler in the transaction that ends its job, short ones several in one.

A worker holds a job only under (uuid, epoch). Whatever it writes for a job it no longer holds is rolled back,
so a handler's effect and its job's result are committed together, once, whatever dies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import asyncpg
import orjson
import structlog

from zstack_mgmt import db, metrics, tasks, tracing
from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.recent import EVERYBODY
from zstack_mgmt.auth.standing import Login, SessionCaller, callers_now, shared_with
from zstack_mgmt.config import Settings
from zstack_mgmt.core.answer import body_of, schema_of
from zstack_mgmt.core.errors import ApiError, InternalError, JobTimedOut, PermissionDenied
from zstack_mgmt.core.registry import VALIDATION_ONLY, Call, Services, find_api
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store, traces
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import CANCELED
from zstack_mgmt.engine.model import ClaimedJob, Outcome, Submission, failure_body
from zstack_mgmt.engine.outside import JobLost, Outside, Turns
from zstack_mgmt.engine.shares import Shares
from zstack_mgmt.engine.submission import uuids_in

log = structlog.get_logger()

_RIGHTS = frozenset(  # features that change who may do what
    {
        "accounts",
        "users",
        "groups",
        "policies",
        "policy_roles",
        "sharing",  # of what a change of owner takes away
        "access_keys",
        "principals",
        "domains",
        "projects",
    }
)
Callers = Mapping[Login, SessionCaller]

_CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"  # what else the commit would check
_PAUSE_S, _PAUSE_MAX_S = 0.05, 1.0
_TRIES_TOGETHER = 4
_OVERDUE = JobTimedOut("the job ran past its deadline; what it had not finished was undone")


class Executor:
    """Runs jobs that the worker holds, to their end."""

    def __init__(self, pool: db.Pool, settings: Settings, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._settings = settings
        self._services = services
        self._bell = bell
        self._handlers: dict[tuple[str, int], asyncio.Future[Any]] = {}  # of outside jobs
        self.turns = Turns(settings.host_slots)
        self._shares = Shares(pool, self.turns.database, float(settings.job_retention_s))

    async def run(self, jobs: Sequence[ClaimedJob]) -> None:
        """Run these jobs, in one transaction if they are several.

        When one of them fails the others are run again without it; while the database is away all stay with
        this worker, which tries again. It may be one of them that loses its connection each time, so soon
        they try on their own.
        """
        if not tracing.is_on():
            return await self._run(jobs)
        causes = await traces.causes(self._pool, [job.uuid for job in jobs])
        with ExitStack() as spans:
            for job in jobs:
                about = {
                    "zstack.job": job.uuid,
                    "zstack.account": job.account_uuid,
                    "zstack.epoch": str(job.epoch),
                }
                spans.enter_context(tracing.span(f"job {job.api}", "CONSUMER", causes.get(job.uuid), about))
            return await self._run(jobs)

    async def _run(self, jobs: Sequence[ClaimedJob]) -> None:
        started = time.perf_counter()
        pause_s, careful, tries = _PAUSE_S, False, 0
        deadline = time.monotonic() + max(0.0, min(job.remaining_s for job in jobs))
        while True:
            try:
                outcomes, hooked = await self._attempt(jobs, deadline, careful=careful)
                break
            except (*db.UNAVAILABLE, *db.CONFLICTS) as error:
                if len(jobs) > 1 and isinstance(error, db.CONFLICTS):
                    return await self._one_by_one(jobs)
                tries += 1
                if len(jobs) > 1 and tries >= _TRIES_TOGETHER:
                    async with asyncio.TaskGroup() as group:
                        for job in jobs:
                            group.create_task(self._run([job]))
                    return None
                log.info("jobs are tried again", action="run", jobs=len(jobs), error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(_PAUSE_MAX_S, pause_s * 2)
            except Exception as error:
                # The boundary: the others of a chunk end without the one that fails.
                if len(jobs) == 1 and _is_lost(error):
                    return await self._end_canceled(jobs[0])
                if len(jobs) == 1:
                    raise
                if careful or _is_lost(error):
                    return await self._one_by_one(jobs)
                careful = True
        self.report(jobs, outcomes, time.perf_counter() - started, hooked=hooked)
        return None

    async def _one_by_one(self, jobs: Sequence[ClaimedJob]) -> None:
        for job in jobs:
            await self._run([job])

    def cancel(self, key: tuple[str, int]) -> None:
        """Stop an outside job that waits for the outside; the others end by themselves soon."""
        handler = self._handlers.pop(key, None)
        if handler is not None:
            handler.cancel()

    async def _attempt(
        self, jobs: Sequence[ClaimedJob], deadline: float, *, careful: bool
    ) -> tuple[list[Outcome], bool]:
        """The outcomes, committed, and whether a webhook is now due."""
        async with self._bell.changing_rights(accounts_of(jobs)):
            return await self._tried(jobs, deadline, careful=careful)

    async def _tried(
        self, jobs: Sequence[ClaimedJob], deadline: float, *, careful: bool
    ) -> tuple[list[Outcome], bool]:
        if len(jobs) > 1:
            async with db.transaction(self._pool) as conn:
                callers = await _callers(conn, jobs)
                outcomes = [await self._in_chunk(job, callers, conn, careful=careful) for job in jobs]
                return outcomes, await self._finish(conn, jobs, outcomes)
        (job,) = jobs
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                if not job.outside:
                    async with db.transaction(self._pool) as conn:
                        caller = _submitter(await _callers(conn, jobs), job)
                        outcomes = [await self._apply(job, caller, conn)]
                        return outcomes, await self._finish(conn, jobs, outcomes)
                outcomes = [await self._watched(job)]
            return outcomes, await self._shares.finish(job, outcomes[0])
        except (JobLost, *db.UNAVAILABLE, *db.CONFLICTS):
            raise
        except Exception as error:
            # The boundary: whatever a handler raises is its job's outcome.
            if _is_lost(error):
                raise
            overdue = isinstance(error, TimeoutError) and time.monotonic() >= deadline
            outcomes = [_failed(_OVERDUE) if overdue else self._explained(job, error)]
        return outcomes, await self._shares.finish(job, outcomes[0])

    async def _in_chunk(
        self, job: ClaimedJob, callers: Callers, conn: Connection, *, careful: bool
    ) -> Outcome:
        """The outcome of one of several. A careful run undoes the work of a failing job, and of no other."""
        if not careful:
            return await self._apply(job, _submitter(callers, job), conn)
        try:
            async with conn.transaction():
                outcome = await self._apply(job, _submitter(callers, job), conn)
                await conn.execute(_CHECK_NOW)
                return outcome
        except (*db.UNAVAILABLE, *db.CONFLICTS):
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: it is the job's outcome)
            return self._explained(job, error)

    async def _finish(
        self, conn: Connection, jobs: Sequence[ClaimedJob], outcomes: Sequence[Outcome]
    ) -> bool:
        return await store.finish(conn, jobs, outcomes, self._settings.job_retention_s)

    async def _end_canceled(self, job: ClaimedJob) -> None:
        """End a job that was to be canceled; one that is merely not ours any more is left alone.

        Its epoch does not tell: where a crash of the database has undone our claim, the next has the same.
        """
        outcome = Outcome("canceled", CANCELED)
        while True:
            try:
                async with db.transaction(self._pool) as conn:
                    asked = await store.is_to_be_canceled(conn, job.uuid, job.epoch)
                    hooked = asked and await self._finish(conn, [job], [outcome])
                break
            except (*db.UNAVAILABLE, *db.CONFLICTS):
                await asyncio.sleep(_PAUSE_MAX_S)
        if not asked:
            log.warning("a job was lost to another worker", action="run", job_uuid=job.uuid)
            return
        self.report([job], [outcome], 0.0, hooked=hooked)

    def _explained(self, job: ClaimedJob, error: Exception) -> Outcome:
        """The failure that an error means; what nobody foresaw is logged."""
        known = db.translate(error) if isinstance(error, asyncpg.PostgresError) else error
        if isinstance(known, ApiError):
            return _failed(known)
        log.error("a handler failed", action="run", api=job.api, job_uuid=job.uuid, exc_info=error)
        return _failed(
            InternalError(
                "an unexpected error; tell the operator the request id", requestId=job.request_id or ""
            )
        )

    async def _apply(
        self, job: ClaimedJob, caller: SessionCaller | None, means: Connection | Outside
    ) -> Outcome:
        declared = find_api(job.api)
        if declared is None or caller is None or not may_call(declared, caller):
            raise PermissionDenied("whoever made the call is gone, disabled, or may not make it any more")
        call = Call(caller, self._services, job.request_id, job_uuid=job.uuid)
        request = declared.request.restore(job.request, job.secrets)
        changed = uuids_in(request, declared.exclusive)
        if changed and not caller.is_admin:
            if isinstance(means, Outside):
                shared = await self._shares.only_shared(job.account_uuid, changed)
            else:
                shared = next(iter(await shared_with(means, job.account_uuid, changed)), None)
            if shared is not None:
                raise PermissionDenied(
                    f"the resource {shared} is shared with the account, which may not change it"
                )
        if VALIDATION_ONLY in request.system_tags and not declared.rehearses:
            if not isinstance(means, Outside):
                await _rehearse(means, declared.handler(call, means, request))
            return Outcome("succeeded", "{}")
        value = await declared.handler(call, means, request)
        body = body_of(declared, value, self._settings.time_zone)
        if job.with_schema:
            body["schema"] = schema_of(declared, body)
        return Outcome("succeeded", orjson.dumps(body).decode())

    async def _watched(self, job: ClaimedJob) -> Outcome:
        """An outside handler in a task of its own, so that a cancellation can stop it while it waits."""
        outside = Outside(self._pool, job, self.turns, self._shares)

        async def begin() -> Outcome:
            return await self._apply(job, await self._shares.caller(job), outside)

        task = asyncio.ensure_future(begin())
        self._handlers[job.key] = task
        try:
            return await task
        except asyncio.CancelledError:
            if job.key not in self._handlers:  # `cancel` took it out
                raise JobLost(job.uuid) from None
            await tasks.end(task)
            raise
        finally:
            self._handlers.pop(job.key, None)

    async def run_within(self, conn: Connection, job: ClaimedJob) -> tuple[Outcome, bool]:
        """Run a job and end it inside the caller's transaction: its outcome, and whether a webhook is due.

        A failure undoes what the job itself did. `report` is to be called after the commit.
        """
        outcome = await self._in_chunk(job, await _callers(conn, [job]), conn, careful=True)
        return outcome, await self._finish(conn, [job], [outcome])

    def report(
        self, jobs: Sequence[ClaimedJob], outcomes: Sequence[Outcome], seconds: float, *, hooked: bool
    ) -> None:
        """Tell everybody of the ends of jobs, which are committed."""
        self._bell.tell([(job.uuid, hooked) for job in jobs])
        # Noted after the announcement has left: somebody may wait for it.
        asyncio.get_running_loop().call_soon(_note, jobs, outcomes, seconds / len(jobs))


def _is_lost(error: Exception) -> bool:
    return isinstance(error, JobLost) or getattr(error, "sqlstate", None) == "ZS001"


def _note(jobs: Sequence[ClaimedJob], outcomes: Sequence[Outcome], each_s: float) -> None:
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
        await conn.execute(_CHECK_NOW)
    finally:
        await savepoint.rollback()


def accounts_of(jobs: Sequence[ClaimedJob | Submission]) -> set[str]:
    """The accounts in which these jobs may change who may do what."""
    found: set[str] = set()
    for job in jobs:
        declared = find_api(job.api)
        if declared is not None and declared.feature in _RIGHTS:
            # What no path of the REST API leads to may act on any account, by a role of its caller there.
            found.add(job.account_uuid if declared.paths and not job.is_admin else EVERYBODY)
    return found


async def _callers(conn: Connection, jobs: Sequence[ClaimedJob]) -> Callers:
    """Those submitters of these jobs who may still act, with the rights that they have now."""
    return await callers_now(conn, {(job.account_uuid, job.user_uuid) for job in jobs})


def _submitter(callers: Callers, job: ClaimedJob) -> SessionCaller | None:
    return callers.get((job.account_uuid, job.user_uuid))


def _failed(error: ApiError) -> Outcome:
    return Outcome("failed", failure_body(error))
