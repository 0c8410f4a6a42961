"""The SQL of triggers and jobs. What fires them is in `due.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.scheduler.model import (
    SchedulerExecution,
    SchedulerJob,
    SchedulerJobSchedulerTrigger,
    SchedulerTrigger,
)
from zstack_mgmt.scheduler.timing import Timing


async def now(conn: Connection) -> datetime:
    """The database's clock."""
    return await conn.fetchval("SELECT now()")


async def insert_trigger(
    conn: Connection, uuid: str, name: str, description: str | None, timing: Timing
) -> SchedulerTrigger:
    """Insert a trigger; a taken uuid breaks scheduler_triggers_pkey."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO scheduler_triggers (uuid, name, description, scheduler_type, scheduler_interval,
                                        repeat_count, start_time, stop_time, cron)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING *, ARRAY[]::text[] AS jobs_uuid
        """,
        uuid,
        name,
        description,
        timing.kind,
        timing.interval_s,
        timing.repeat_count if timing.kind == "simple" else None,
        timing.start,
        timing.stop,
        timing.cron,
    )
    return SchedulerTrigger.from_row(row)


async def get_trigger(conn: Connection, uuid: str, account_uuid: str | None) -> SchedulerTrigger | None:
    """The trigger, locked, if it is the account's (None: anybody's)."""
    row = await conn.fetchrow(
        """
        SELECT t.*, ARRAY(SELECT r.scheduler_job_uuid FROM scheduler_job_triggers r
                          WHERE r.scheduler_trigger_uuid = t.uuid ORDER BY 1) AS jobs_uuid
        FROM scheduler_triggers t JOIN resource_owners o ON o.resource_uuid = t.uuid
        WHERE t.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR NO KEY UPDATE OF t
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else SchedulerTrigger.from_row(row)


async def update_trigger(
    conn: Connection, uuid: str, name: str | None, description: str | None, timing: Timing | None
) -> SchedulerTrigger:
    """Set what is not None; the row is locked by the caller."""
    row = await fetch_one(
        conn,
        """
        UPDATE scheduler_triggers t SET name = coalesce($2, name), description = coalesce($3, description),
               scheduler_interval = CASE WHEN $4 THEN $5 ELSE scheduler_interval END,
               repeat_count = CASE WHEN $4 THEN $6 ELSE repeat_count END,
               start_time = CASE WHEN $4 THEN $7 ELSE start_time END,
               stop_time = CASE WHEN $4 THEN $8 ELSE stop_time END,
               cron = CASE WHEN $4 THEN $9 ELSE cron END, last_op_date = now()
        WHERE uuid = $1
        RETURNING t.*, ARRAY(SELECT r.scheduler_job_uuid FROM scheduler_job_triggers r
                             WHERE r.scheduler_trigger_uuid = t.uuid ORDER BY 1) AS jobs_uuid
        """,
        uuid,
        name,
        description,
        timing is not None,
        timing and timing.interval_s,
        timing and (timing.repeat_count if timing.kind == "simple" else None),
        timing and timing.start,
        timing and timing.stop,
        timing and timing.cron,
    )
    return SchedulerTrigger.from_row(row)


async def restart_grids(conn: Connection, trigger_uuid: str, start: datetime | None) -> None:
    """Let the grids of the trigger's jobs start anew, at `start` or now, before they are planned again."""
    await conn.execute(
        """
        UPDATE scheduler_job_triggers SET grid_start = coalesce($2::timestamptz, now())
        WHERE scheduler_trigger_uuid = $1
        """,
        trigger_uuid,
        start,
    )


async def replan_trigger(conn: Connection, trigger_uuid: str) -> None:
    """Have the next due times of the trigger's enabled jobs worked out again, from now on."""
    await conn.execute(
        """
        UPDATE scheduler_job_triggers r SET next_fire_at = '-infinity', planned_from = now()
        FROM scheduler_jobs j
        WHERE r.scheduler_trigger_uuid = $1 AND j.uuid = r.scheduler_job_uuid AND j.state = 'Enabled'
        """,
        trigger_uuid,
    )


async def delete_trigger(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Delete the trigger, if there is one; an attached job breaks scheduler_job_triggers_trigger_fkey."""
    await conn.execute(
        """
        DELETE FROM scheduler_triggers t USING resource_owners o
        WHERE t.uuid = $1 AND o.resource_uuid = t.uuid AND ($2::text IS NULL OR o.account_uuid = $2)
        """,
        uuid,
        account_uuid,
    )


async def insert_job(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    kind: str,
    target_uuid: str,
    parameters: Mapping[str, str],
) -> SchedulerJob:
    """Insert an enabled job; a taken uuid breaks scheduler_jobs_pkey."""
    row = await conn.fetchrow(
        """
        INSERT INTO scheduler_jobs (uuid, name, description, type, target_resource_uuid, parameters)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING *, ARRAY[]::text[] AS triggers_uuid
        """,
        uuid,
        name,
        description,
        kind,
        target_uuid,
        orjson.dumps(parameters).decode(),
    )
    return _job(row)


async def get_job(conn: Connection, uuid: str, account_uuid: str | None) -> SchedulerJob | None:
    """The job, locked, if it is the account's (None: anybody's)."""
    row = await conn.fetchrow(
        """
        SELECT j.*, ARRAY(SELECT r.scheduler_trigger_uuid FROM scheduler_job_triggers r
                          WHERE r.scheduler_job_uuid = j.uuid ORDER BY 1) AS triggers_uuid
        FROM scheduler_jobs j JOIN resource_owners o ON o.resource_uuid = j.uuid
        WHERE j.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR NO KEY UPDATE OF j
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else _job(row)


async def update_job(conn: Connection, uuid: str, name: str | None, description: str | None) -> SchedulerJob:
    """Set what is not None; the row is locked by the caller."""
    row = await conn.fetchrow(
        """
        UPDATE scheduler_jobs j SET name = coalesce($2, name), description = coalesce($3, description),
               last_op_date = now()
        WHERE uuid = $1
        RETURNING j.*, ARRAY(SELECT r.scheduler_trigger_uuid FROM scheduler_job_triggers r
                             WHERE r.scheduler_job_uuid = j.uuid ORDER BY 1) AS triggers_uuid
        """,
        uuid,
        name,
        description,
    )
    return _job(row)


async def delete_job(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Delete the job, if there is one, with its places on triggers and its history."""
    # The places go first: a worker that is firing one holds its row, and needs the job's afterwards.
    await conn.execute(
        """
        DELETE FROM scheduler_job_triggers r USING resource_owners o
        WHERE r.scheduler_job_uuid = $1 AND o.resource_uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        """,
        uuid,
        account_uuid,
    )
    await conn.execute(
        """
        DELETE FROM scheduler_jobs j USING resource_owners o
        WHERE j.uuid = $1 AND o.resource_uuid = j.uuid AND ($2::text IS NULL OR o.account_uuid = $2)
        """,
        uuid,
        account_uuid,
    )


async def set_state(conn: Connection, uuid: str, *, enabled: bool) -> SchedulerJob:
    """Enable or disable the job; its due times follow. Enabling goes on with the grid, from now on."""
    row = await conn.fetchrow(
        """
        WITH changed AS (
            UPDATE scheduler_jobs j SET state = CASE WHEN $2 THEN 'Enabled' ELSE 'Disabled' END,
                   host_lost = false, last_op_date = now()
            WHERE uuid = $1 RETURNING j.*
        ), refs AS (
            UPDATE scheduler_job_triggers SET next_fire_at = CASE WHEN $2 THEN '-infinity'::timestamptz END,
                   planned_from = now()
            WHERE scheduler_job_uuid = $1
        )
        SELECT c.*, ARRAY(SELECT r.scheduler_trigger_uuid FROM scheduler_job_triggers r
                          WHERE r.scheduler_job_uuid = $1 ORDER BY 1) AS triggers_uuid FROM changed c
        """,
        uuid,
        enabled,
    )
    return _job(row)


async def attach(
    conn: Connection,
    uuid: str,
    job_uuid: str,
    trigger_uuid: str,
    grid_start: datetime,
    planned_from: datetime,
) -> SchedulerJobSchedulerTrigger:
    """Put the job on the trigger; the pair must be new (scheduler_job_triggers_pair_key)."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO scheduler_job_triggers (uuid, scheduler_job_uuid, scheduler_trigger_uuid, grid_start,
                                            planned_from, next_fire_at)
        SELECT $1, j.uuid, $3, $4, $5, CASE WHEN j.state = 'Enabled' THEN '-infinity'::timestamptz END
        FROM scheduler_jobs j WHERE j.uuid = $2
        RETURNING uuid, scheduler_job_uuid, scheduler_trigger_uuid, create_date, last_op_date
        """,
        uuid,
        job_uuid,
        trigger_uuid,
        grid_start,
        planned_from,
    )
    return SchedulerJobSchedulerTrigger.from_row(row)


async def detach(conn: Connection, job_uuid: str, trigger_uuid: str) -> None:
    """Take the job off the trigger, if it is on it."""
    await conn.execute(
        "DELETE FROM scheduler_job_triggers WHERE scheduler_job_uuid = $1 AND scheduler_trigger_uuid = $2",
        job_uuid,
        trigger_uuid,
    )


async def jobs_without_trigger(
    conn: Connection, account_uuid: str, limit: int, *, sees_all: bool
) -> list[SchedulerJob]:
    """Jobs on no trigger that the account can see: its own, those shared with it, public ones."""
    rows = await conn.fetch(
        """
        SELECT j.*, ARRAY[]::text[] AS triggers_uuid FROM scheduler_jobs j
        JOIN resource_owners o ON o.resource_uuid = j.uuid
        WHERE NOT EXISTS (SELECT FROM scheduler_job_triggers r WHERE r.scheduler_job_uuid = j.uuid)
          AND ($3 OR o.account_uuid = $1 OR EXISTS (
              SELECT FROM resource_shares s
              WHERE s.resource_uuid = j.uuid AND (s.to_public OR s.receiver_account_uuid = $1)))
        ORDER BY j.uuid LIMIT $2
        """,
        account_uuid,
        limit,
        sees_all,
    )
    return [_job(row) for row in rows]


async def has_job(conn: Connection, uuid: str, account_uuid: str | None) -> bool:
    """Whether the account (None: anybody) has such a job."""
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM scheduler_jobs j JOIN resource_owners o ON o.resource_uuid = j.uuid
            WHERE j.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
            """,
            uuid,
            account_uuid,
        )
    )


async def executions(conn: Connection, job_uuid: str, before: int, limit: int) -> list[SchedulerExecution]:
    """The job's executions below the number `before`, the newest first, as their API jobs stand now."""
    rows = await conn.fetch(
        """
        SELECT e.id, e.scheduler_job_uuid, e.scheduler_trigger_uuid, e.target_resource_uuid,
               e.due_at AS due_date, e.fired_at AS fire_date, e.api_job_uuid,
               coalesce(e.finished_at, a.finished_at) AS finish_date,
               CASE WHEN e.state <> 'Fired' THEN e.state
                    WHEN a.state = 'running' THEN 'Running'
                    WHEN a.state IN ('succeeded', 'failed', 'canceled') THEN initcap(a.state)
                    ELSE 'Waiting' END AS state,
               CASE WHEN e.state <> 'Fired' THEN e.details
                    WHEN a.state IN ('failed', 'canceled')
                    THEN a.result::json -> 'error' ->> 'details' END AS details
        FROM scheduler_executions e LEFT JOIN api_jobs a ON a.uuid = e.api_job_uuid
        WHERE e.scheduler_job_uuid = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT $3
        """,
        job_uuid,
        before,
        limit,
    )
    return [SchedulerExecution.from_row(row) for row in rows]


async def disable_for(conn: Connection, target_uuid: str, *, host_lost: bool = False) -> None:
    """Disable the enabled jobs of a resource; with `host_lost` until `enable_found` is called for it."""
    await conn.execute(
        """
        WITH disabled AS (
            UPDATE scheduler_jobs SET state = 'Disabled', host_lost = $2, last_op_date = now()
            WHERE target_resource_uuid = $1 AND (state = 'Enabled' OR (host_lost AND NOT $2)) RETURNING uuid
        )
        UPDATE scheduler_job_triggers r SET next_fire_at = NULL
        FROM disabled d WHERE r.scheduler_job_uuid = d.uuid
        """,
        target_uuid,
        host_lost,
    )


async def disable_all_of(conn: Connection, account_uuid: str) -> None:
    """Disable the account's jobs, and whichever act on what it owns."""
    await conn.execute(
        """
        WITH owned AS MATERIALIZED (
            SELECT resource_uuid FROM resource_owners WHERE account_uuid = $1
        ), disabled AS (
            UPDATE scheduler_jobs j SET state = 'Disabled', host_lost = false, last_op_date = now()
            WHERE (j.state = 'Enabled' OR j.host_lost)
              AND (j.uuid IN (SELECT * FROM owned) OR j.target_resource_uuid IN (SELECT * FROM owned))
            RETURNING j.uuid
        )
        UPDATE scheduler_job_triggers r SET next_fire_at = NULL
        FROM disabled d WHERE r.scheduler_job_uuid = d.uuid
        """,
        account_uuid,
    )


async def enable_found(conn: Connection, target_uuid: str) -> None:
    """Enable the jobs of a VM that were disabled when its host was lost; they go on with their grids."""
    await conn.execute(
        """
        WITH enabled AS (
            UPDATE scheduler_jobs SET state = 'Enabled', host_lost = false, last_op_date = now()
            WHERE target_resource_uuid = $1 AND host_lost RETURNING uuid
        )
        UPDATE scheduler_job_triggers r SET next_fire_at = '-infinity', planned_from = now()
        FROM enabled e WHERE r.scheduler_job_uuid = e.uuid
        """,
        target_uuid,
    )


async def detach_for(conn: Connection, target_uuid: str) -> None:
    """Take the jobs of a resource that is gone off all triggers; the jobs stay."""
    await conn.execute(
        """
        DELETE FROM scheduler_job_triggers r USING scheduler_jobs j
        WHERE j.target_resource_uuid = $1 AND r.scheduler_job_uuid = j.uuid
        """,
        target_uuid,
    )


def _job(row: Any) -> SchedulerJob:
    return SchedulerJob.from_row(dict(row) | {"parameters": orjson.loads(row["parameters"])})
