"""What the database tells of how the service does, for metrics and readiness."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.db import Connection


async def live_workers(conn: Connection) -> dict[str, int]:
    """Workers whose lease holds, by kind. One of a release that did not tell its kind counts for both."""
    row: Any = await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE kind IS DISTINCT FROM 'webhooks') AS jobs,
               count(*) FILTER (WHERE kind IS DISTINCT FROM 'jobs') AS webhooks
        FROM workers WHERE lease_until > now()
        """
    )
    return dict(row)


async def unsent(conn: Connection) -> bool:
    """Whether a delivery waits to be sent."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM webhook_deliveries WHERE state = 'pending')"))


async def queues(conn: Connection) -> list[Any]:
    """Queued jobs, those held back by others, running ones, and the age of the oldest runnable, by class."""
    return await conn.fetch(
        """
        SELECT c.class,
               count(*) FILTER (WHERE j.state = 'queued' AND j.waits_for IS NULL) AS queued,
               count(*) FILTER (WHERE j.waits_for IS NOT NULL) AS held_back,
               count(*) FILTER (WHERE j.state = 'running') AS running,
               coalesce(max(extract(epoch FROM now() - j.accepted_at)::float8)
                        FILTER (WHERE j.state = 'queued' AND j.waits_for IS NULL), 0) AS oldest_s
        FROM (VALUES ('admin', true), ('tenant', false)) AS c (class, is_admin)
        LEFT JOIN api_jobs j ON j.is_admin = c.is_admin AND j.state IN ('queued', 'running')
        GROUP BY c.class ORDER BY c.class
        """
    )


async def backlog(conn: Connection) -> dict[str, float]:
    """Deliveries that wait or were given up, paused receivers, sessions, how late the scheduler is."""
    row: Any = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending') AS pending,
               coalesce((SELECT extract(epoch FROM now() - min(next_at))::float8 FROM webhook_deliveries
                         WHERE state = 'pending' AND next_at < now()), 0) AS due_s,
               (SELECT count(*) FROM webhook_deliveries WHERE state IN ('dead', 'gone')) AS dead,
               (SELECT count(*) FROM webhook_breakers WHERE opened_at IS NOT NULL) AS paused,
               (SELECT count(*) FROM sessions WHERE expired_date >= now()) AS sessions,
               coalesce((SELECT extract(epoch FROM now() - min(next_fire_at))::float8
                         FROM scheduler_job_triggers
                         WHERE next_fire_at > '-infinity' AND next_fire_at < now()), 0) AS scheduler_s,
               (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
               pg_database_size(current_database()) AS bytes,
               (SELECT count(*) FROM pg_stat_replication) AS standbys,
               coalesce((SELECT max(extract(epoch FROM replay_lag))::float8 FROM pg_stat_replication), 0)
                   AS lag_s
        """
    )
    return {name: float(value) for name, value in row.items()}
