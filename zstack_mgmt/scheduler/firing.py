"""Firing: each due time becomes one API job of the job's owner, in the transaction that moves the trigger on.

Workers claim due rows with locks that others skip, so a due time fires once, whichever worker gets there.
When that worker dies before its commit, another one fires it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from zstack_mgmt import db
from zstack_mgmt.auth.policy import NO_POLICIES
from zstack_mgmt.core.callers import AccountCaller, Caller, UserCaller
from zstack_mgmt.core.errors import ApiError
from zstack_mgmt.core.registry import APIS, Call, Services
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.engine import store as jobs
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import Submission
from zstack_mgmt.engine.submission import Options, prepare
from zstack_mgmt.scheduler import due as ledger
from zstack_mgmt.scheduler.due import Due, Execution
from zstack_mgmt.scheduler.model import FIRES
from zstack_mgmt.scheduler.timing import MISFIRE_AFTER, next_due

log = structlog.get_logger()

_BATCH = 1000
_TAKEN_S = 0.02  # another worker is firing what is due


@dataclass(frozen=True, slots=True)
class Round:
    """What one transaction has done."""

    claimed: int
    fired: int


class DueTriggers:
    """Due triggers as a kind of work: claimed, fired and moved on in one transaction."""

    def __init__(self, pool: db.Pool, services: Services, bell: Bell) -> None:
        self._pool = pool
        self._services = services
        self._bell = bell
        self._fired = 0  # and not rung for

    async def pull(self) -> float | None:
        """Fire a batch of what is due.

        The jobs are rung for when all is fired, since the fires have a time to keep.
        """
        async with self._pool.acquire() as conn:
            wait_s = await ledger.wait_s(conn)
            if wait_s is not None and wait_s <= 0:
                async with conn.transaction():
                    done = await fire_due(conn, self._services, _BATCH)
                self._fired += done.fired
                return 0.0 if done.claimed else _TAKEN_S
        if self._fired:
            self._bell.ring("jobs")
            log.info("due jobs were fired", action="fire", jobs=self._fired)
            self._fired = 0
        return wait_s


async def fire_due(conn: Connection, services: Services, limit: int) -> Round:
    """Fire up to `limit` due jobs, and plan those whose next due time is not known, in one transaction."""
    uuids = await ledger.lock_due(conn, limit)
    if not uuids:
        return Round(0, 0)
    await ledger.lock_targets(conn, uuids)
    rows = await ledger.load(conn, uuids)
    decided, moves = _decide(rows, services)
    executions: list[Execution] = []
    batch: dict[str, Submission] = {}
    for execution in decided:
        try:
            if execution.api_job_uuid is not None:
                batch[execution.api_job_uuid] = await _submission(execution, services)
            executions.append(execution)
        except ApiError as error:
            executions.append(replace(execution, state="Failed", api_job_uuid=None, details=error.details))
    new = await ledger.note(conn, executions)
    if new:
        await jobs.accept(conn, [batch[uuid] for uuid in new])
    await ledger.end_orphaned(conn, [row.job_uuid for row in rows if row.orphaned])
    await ledger.advance(conn, moves)
    return Round(len(uuids), len(new))


def _decide(
    rows: Sequence[Due], services: Services
) -> tuple[list[Execution], list[tuple[str, datetime | None]]]:
    """What becomes of each row, and its next due time.

    Of the due times that have passed, one is fired late if it is not too old; the grid goes on from now.
    """
    zone = services.settings.time_zone
    executions: list[Execution] = []
    moves: list[tuple[str, datetime | None]] = []
    snapshots: set[str] = set()  # volumes that this round makes a snapshot of
    for row in rows:
        if row.account_uuid is None or not row.enabled or row.orphaned:
            moves.append((row.uuid, None))
            continue
        after = row.planned_from if row.due_at is None else row.due_at
        if row.due_at is not None:
            execution = _execution(row, row.due_at, busy=row.busy or row.target_uuid in snapshots)
            executions.append(execution)
            if execution.state == "Fired" and row.type == "volumeSnapshot":
                snapshots.add(row.target_uuid)
            after = max(row.now, row.due_at)
            missed = next_due(row.timing, row.grid_start, row.due_at, zone)
            if execution.state != "Missed" and missed is not None and missed <= row.now:
                executions.append(_missed(row, missed))
        moves.append((row.uuid, next_due(row.timing, row.grid_start, after, zone)))
    return executions, moves


def _execution(row: Due, due_at: datetime, *, busy: bool) -> Execution:
    if row.now - due_at > MISFIRE_AFTER:
        return _missed(row, due_at)
    if busy:
        return Execution(row, due_at, "Skipped", details="the snapshot before it is still being made")
    return Execution(row, due_at, "Fired", api_job_uuid=new_uuid())


def _missed(row: Due, due_at: datetime) -> Execution:
    details = f"no worker was there in time; the due times until {row.now:%Y-%m-%d %H:%M:%S} UTC are left out"
    return Execution(row, due_at, "Missed", details=details)


async def _submission(execution: Execution, services: Services) -> Submission:
    """The API job of a fire, as a call of whoever made the job; what it may do is looked at when it runs."""
    row, declared, values = execution.due, APIS[FIRES[execution.due.type]], _request(execution)
    caller: Caller = AccountCaller(row.account_uuid or "", row.is_admin)
    if row.creator_uuid is not None:
        caller = UserCaller(row.account_uuid or "", row.creator_uuid, row.is_admin, NO_POLICIES)
    call = Call(caller, services, request_id=row.job_uuid, remote="scheduler")
    options = Options(job_uuid=execution.api_job_uuid)
    return await prepare(declared, call, declared.parse(values), values, options)


def _request(execution: Execution) -> dict[str, str]:
    row = execution.due
    if row.type != "volumeSnapshot":
        return {"uuid": row.target_uuid}
    name = row.parameters.get("snapshotName") or f"{row.target_uuid}-snapshot-{execution.due_at:%Y%m%d%H%M%S}"
    request = {"volumeUuid": row.target_uuid, "name": name}
    if "snapshotDescription" in row.parameters:
        request["description"] = row.parameters["snapshotDescription"]
    return request
