"""The SQL of triggers and jobs. What fires them is in `due.py`."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.resources import rows
from zstack_mgmt.scheduler.model import SchedulerExecution, SchedulerJob, SchedulerJobSchedulerTrigger


async def now(conn: Connection) -> datetime:
    """The database's clock."""
    return await conn.fetchval("SELECT now()")


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


async def plan_job(conn: Connection, uuid: str, *, enabled: bool) -> None:
    """The due times of a job that is enabled go on with the grid, from now on; a disabled one has none."""
    await conn.execute(
        """
        UPDATE scheduler_job_triggers SET next_fire_at = CASE WHEN $2 THEN '-infinity'::timestamptz END,
               planned_from = now()
        WHERE scheduler_job_uuid = $1
        """,
        uuid,
        enabled,
    )


async def detach_all(conn: Connection, job_uuid: str, account_uuid: str | None) -> None:
    """Take the job off its triggers, if it is the account's (None: anybody's)."""
    await conn.execute(
        """
        DELETE FROM scheduler_job_triggers r USING resource_owners o
        WHERE r.scheduler_job_uuid = $1 AND o.resource_uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        """,
        job_uuid,
        account_uuid,
    )


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
    found = await conn.fetch(
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
    return [await rows.read(conn, SchedulerJob, row) for row in found]


async def executions(conn: Connection, job_uuid: str, before: int, limit: int) -> list[SchedulerExecution]:
    """The job's executions below the number `before`, the newest first, as their API jobs stand now."""
    found = await conn.fetch(
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
    return [SchedulerExecution.from_row(row) for row in found]


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


async def set_creator(conn: Connection, uuid: str, user_uuid: str) -> None:
    """Have the job fire in the name of this user."""
    await conn.execute("UPDATE scheduler_jobs SET creator_uuid = $2 WHERE uuid = $1", uuid, user_uuid)


async def login_of(conn: Connection, uuid: str) -> tuple[str, str]:
    """The account and the login in whose name the job fires; after a change of owner, the owner itself."""
    row = await fetch_one(
        conn,
        """
        SELECT o.account_uuid, CASE WHEN u.account_uuid <> o.account_uuid THEN o.account_uuid
                                    ELSE coalesce(j.creator_uuid, o.account_uuid) END AS login
        FROM scheduler_jobs j JOIN resource_owners o ON o.resource_uuid = j.uuid
        LEFT JOIN users u ON u.uuid = j.creator_uuid WHERE j.uuid = $1
        """,
        uuid,
    )
    return row["account_uuid"], row["login"]
