"""Which trace a job belongs to: kept beside it, only where traces are on, and of no weight for its fate."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from zstack_mgmt import db, tracing
from zstack_mgmt.db import Connection


async def note(pool: db.Pool, job_uuid: str) -> None:
    """Keep what goes on as the cause of the job that is about to be stored."""
    parent = tracing.current()
    if not parent:
        return
    try:
        async with pool.acquire() as conn:
            await conn.execute(
                "INSERT INTO job_traces (job_uuid, traceparent) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                job_uuid,
                parent,
            )
    except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
        pool.absence.lost(error)


async def causes(pool: db.Pool, job_uuids: Sequence[str]) -> dict[str, str]:
    """The `traceparent` of each of these jobs that has one."""
    if not tracing.is_on():
        return {}
    try:
        async with pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT job_uuid, traceparent FROM job_traces WHERE job_uuid = ANY ($1)", job_uuids
            )
    except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
        pool.absence.lost(error)
        return {}
    return {row["job_uuid"]: row["traceparent"] for row in rows}


async def forget_old(conn: Connection, kept_s: float, limit: int) -> int:
    """Drop those that are older than any job."""
    done = await conn.execute(
        """
        DELETE FROM job_traces WHERE job_uuid IN (
            SELECT t.job_uuid FROM job_traces t
            WHERE t.create_date < now() - make_interval(secs => $1) ORDER BY t.create_date LIMIT $2)
        """,
        kept_s,
        limit,
    )
    return int(done.rpartition(" ")[2])
