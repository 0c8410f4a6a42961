"""The SQL of long jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zstack_mgmt.db import Connection, touched


async def insert(conn: Connection, values: Mapping[str, Any]) -> None:
    await conn.execute(
        """
        INSERT INTO long_jobs
            (uuid, name, description, job_name, job_data, target_resource_uuid, api_job_uuid)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        values["uuid"],
        values["name"],
        values["description"],
        values["job_name"],
        values["job_data"],
        values["target_resource_uuid"],
        values["api_job_uuid"],
    )


async def rename(conn: Connection, uuid: str, name: str | None, description: str | None) -> None:
    await conn.execute(
        """
        UPDATE long_jobs
        SET name = coalesce($2, name), description = coalesce($3, description), last_op_date = now()
        WHERE uuid = $1
        """,
        uuid,
        name,
        description,
    )


async def begin_again(conn: Connection, uuid: str, api_job_uuid: str) -> None:
    """Forget how it ended: it is this API job now."""
    await conn.execute(
        """
        UPDATE long_jobs SET api_job_uuid = $2, state = NULL, job_result = NULL, execute_time = NULL,
               last_op_date = now()
        WHERE uuid = $1
        """,
        uuid,
        api_job_uuid,
    )


async def delete(conn: Connection, uuid: str) -> None:
    await conn.execute("DELETE FROM long_jobs WHERE uuid = $1", uuid)


async def settle(conn: Connection, limit: int) -> int:
    """Copy the outcome of ended API jobs, whose rows do not stay; returns how many were settled."""
    done = await conn.execute(
        """
        WITH ended AS (
            SELECT l.uuid, s.state, s.job_result, s.execute_time, a.finished_at FROM long_jobs l
            JOIN long_job_states s ON s.uuid = l.uuid
            JOIN api_jobs a ON a.uuid = l.api_job_uuid AND a.state IN ('succeeded', 'failed', 'canceled')
            WHERE l.state IS NULL LIMIT $1 FOR UPDATE OF l SKIP LOCKED
        )
        UPDATE long_jobs l
        SET state = e.state, job_result = e.job_result, execute_time = e.execute_time,
            last_op_date = e.finished_at
        FROM ended e WHERE l.uuid = e.uuid
        """,
        limit,
    )
    return touched(done)
