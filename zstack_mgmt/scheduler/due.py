"""The SQL of firing: which jobs are due, and what becomes of them. `firing.py` decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from zstack_mgmt.db import Connection, Lock, touched
from zstack_mgmt.scheduler.timing import Timing


@dataclass(frozen=True, slots=True)
class Due:
    """A job on a trigger that is due, or is to be planned; its row is locked."""

    uuid: str
    due_at: datetime | None  # None: its next due time is to be worked out
    grid_start: datetime
    planned_from: datetime
    timing: Timing
    trigger_uuid: str
    job_uuid: str
    type: str
    target_uuid: str
    parameters: dict[str, str]
    account_uuid: str | None  # None: the job lost its owner
    creator_uuid: str | None  # the user in whose name it fires; None: the owner itself
    orphaned: bool  # the user who made it is gone
    enabled: bool
    is_admin: bool
    busy: bool  # an API job of an earlier fire on the same volume has not ended
    now: datetime


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a due time, to be written down."""

    due: Due
    due_at: datetime
    state: str
    api_job_uuid: str | None = None
    details: str | None = None


async def wait_s(conn: Connection) -> float | None:
    """Seconds until the next due time, negative when it has passed; None: there is none."""
    return await conn.fetchval(
        """
        SELECT CASE WHEN isfinite(next_fire_at)
                    THEN extract(epoch FROM next_fire_at - clock_timestamp())::float8 ELSE 0 END
        FROM scheduler_job_triggers WHERE next_fire_at IS NOT NULL ORDER BY next_fire_at LIMIT 1
        """
    )


async def lock_due(conn: Connection, limit: int) -> list[str]:
    """Lock jobs on triggers that are due and that no other worker is firing, the longest overdue first."""
    rows = await conn.fetch(
        """
        SELECT uuid FROM scheduler_job_triggers WHERE next_fire_at <= statement_timestamp()
        ORDER BY next_fire_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return [row["uuid"] for row in rows]


async def lock_targets(conn: Connection, uuids: Sequence[str]) -> None:
    """Lock the resources of these jobs as accept_jobs does, in its order: nothing else joins their queues."""
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock($2, k.hash) FROM (
            SELECT DISTINCT hashtext(j.target_resource_uuid) AS hash
            FROM scheduler_job_triggers r JOIN scheduler_jobs j ON j.uuid = r.scheduler_job_uuid
            WHERE r.uuid = ANY ($1) ORDER BY 1) k
        """,
        uuids,
        Lock.JOB_KEYS,
    )


async def load(conn: Connection, uuids: Sequence[str]) -> list[Due]:
    """What is known of locked rows; a statement of its own, so that it sees what came before the locks."""
    rows = await conn.fetch(
        """
        SELECT r.uuid, CASE WHEN isfinite(r.next_fire_at) THEN r.next_fire_at END AS due_at, r.grid_start,
               r.planned_from, r.scheduler_trigger_uuid,
               t.scheduler_type, t.scheduler_interval, t.repeat_count, t.start_time, t.cron,
               j.uuid AS job_uuid, j.type, j.target_resource_uuid, j.parameters,
               o.account_uuid, j.state = 'Enabled' AS enabled,
               CASE WHEN u.account_uuid = o.account_uuid THEN u.uuid END AS creator_uuid,
               j.creator_uuid IS NOT NULL AND u.uuid IS NULL AS orphaned,
               coalesce(a.type = 'SystemAdmin', false) AS is_admin,
               j.type = 'volumeSnapshot' AND EXISTS (
                   SELECT FROM scheduler_executions e JOIN api_jobs b ON b.uuid = e.api_job_uuid
                   WHERE e.target_resource_uuid = j.target_resource_uuid AND e.state = 'Fired'
                     AND b.state IN ('queued', 'running')) AS busy,
               clock_timestamp() AS now
        FROM scheduler_job_triggers r
        JOIN scheduler_triggers t ON t.uuid = r.scheduler_trigger_uuid
        JOIN scheduler_jobs j ON j.uuid = r.scheduler_job_uuid
        LEFT JOIN resource_owners o ON o.resource_uuid = j.uuid
        LEFT JOIN accounts a ON a.uuid = o.account_uuid
        LEFT JOIN users u ON u.uuid = j.creator_uuid
        WHERE r.uuid = ANY ($1) ORDER BY r.next_fire_at, r.uuid
        """,
        uuids,
    )
    return [_due(row) for row in rows]


def _due(row: Any) -> Due:
    timing = Timing(
        kind=row["scheduler_type"],
        interval_s=row["scheduler_interval"],
        repeat_count=row["repeat_count"] or 0,
        start=row["start_time"],
        cron=row["cron"],
    )
    return Due(
        uuid=row["uuid"],
        due_at=row["due_at"],
        grid_start=row["grid_start"],
        planned_from=row["planned_from"],
        timing=timing,
        trigger_uuid=row["scheduler_trigger_uuid"],
        job_uuid=row["job_uuid"],
        type=row["type"],
        target_uuid=row["target_resource_uuid"],
        parameters=orjson.loads(row["parameters"]),
        account_uuid=row["account_uuid"],
        creator_uuid=row["creator_uuid"],
        orphaned=row["orphaned"],
        enabled=row["enabled"],
        is_admin=row["is_admin"],
        busy=row["busy"],
        now=row["now"],
    )


async def end_orphaned(conn: Connection, job_uuids: Sequence[str]) -> None:
    """Disable jobs whose makers are gone."""
    await conn.execute(
        """
        UPDATE scheduler_jobs SET state = 'Disabled', last_op_date = now()
        WHERE uuid = ANY ($1) AND state = 'Enabled'
        """,
        job_uuids,
    )


async def note(conn: Connection, executions: Sequence[Execution]) -> set[str]:
    """Write executions down, one for each due time; returns the API jobs of the new ones."""
    rows = await conn.fetch(
        """
        INSERT INTO scheduler_executions (job_trigger_uuid, scheduler_job_uuid, scheduler_trigger_uuid,
            target_resource_uuid, due_at, state, api_job_uuid, details, finished_at)
        SELECT n.*, CASE WHEN n.state <> 'Fired' THEN clock_timestamp() END
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
                    $8::text[]) AS n (ref, job, trigger, target, due_at, state, api_job, details)
        ON CONFLICT ON CONSTRAINT scheduler_executions_due_key DO NOTHING RETURNING api_job_uuid
        """,
        [e.due.uuid for e in executions],
        [e.due.job_uuid for e in executions],
        [e.due.trigger_uuid for e in executions],
        [e.due.target_uuid for e in executions],
        [e.due_at for e in executions],
        [e.state for e in executions],
        [e.api_job_uuid for e in executions],
        [e.details for e in executions],
    )
    return {row["api_job_uuid"] for row in rows if row["api_job_uuid"] is not None}


async def advance(conn: Connection, moves: Sequence[tuple[str, datetime | None]]) -> None:
    """Set the next due times."""
    await conn.execute(
        """
        UPDATE scheduler_job_triggers r SET next_fire_at = n.next
        FROM unnest($1::text[], $2::timestamptz[]) AS n (uuid, next) WHERE r.uuid = n.uuid
        """,
        [uuid for uuid, _ in moves],
        [moment for _, moment in moves],
    )


async def settle(conn: Connection, limit: int) -> int:
    """Copy the outcome of ended API jobs, whose rows do not stay; returns how many were settled."""
    done = await conn.execute(
        """
        WITH ended AS (
            SELECT e.id, a.state, a.finished_at, a.result FROM scheduler_executions e
            JOIN api_jobs a ON a.uuid = e.api_job_uuid AND a.state NOT IN ('queued', 'running')
            WHERE e.state = 'Fired' LIMIT $1 FOR UPDATE OF e SKIP LOCKED
        )
        UPDATE scheduler_executions e
        SET state = CASE WHEN d.state IN ('failed', 'canceled') THEN initcap(d.state) ELSE 'Succeeded' END,
            finished_at = d.finished_at,
            details = CASE WHEN d.state IN ('failed', 'canceled')
                           THEN d.result::json -> 'error' ->> 'details' END
        FROM ended d WHERE e.id = d.id
        """,
        limit,
    )
    return touched(done)


async def forget_old(conn: Connection, days: int, limit: int) -> int:
    """Drop executions past their time; their number."""
    done = await conn.execute(
        """
        DELETE FROM scheduler_executions WHERE id IN (
            SELECT id FROM scheduler_executions WHERE fired_at < now() - make_interval(days => $1)
              AND state <> 'Fired' LIMIT $2)
        """,
        days,
        limit,
    )
    return touched(done)
