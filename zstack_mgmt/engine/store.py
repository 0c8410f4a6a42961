"""The SQL of the job ledger: one function, one statement. The functions it calls are in schema.sql."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import orjson

from zstack_mgmt.config import Settings
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.engine.model import ClaimedJob, JobView, Outcome, Submission

_ACCEPT: LiteralString = """
SELECT * FROM accept_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
_CLAIM: LiteralString = "SELECT * FROM claim_jobs($1, $2, $3, $4)"
_FINISH: LiteralString = "SELECT finish_jobs('running', $1, $2, $3, $4, $5)"
_REAP: LiteralString = "SELECT * FROM reap_jobs($1, $2, $3, $4, $5)"
_VIEW: LiteralString = """
SELECT uuid, account_uuid, user_uuid, api, state, epoch, accepted_at, started_at, finished_at, result,
       extract(epoch FROM now() - accepted_at)::float8 AS age_s
FROM api_jobs WHERE uuid = $1
"""


async def accept(conn: Connection, batch: Sequence[Submission]) -> list[tuple[str, str, bytes]]:
    """Store the batch in one transaction.

    Returns (uuid, account, fingerprint) of the uuids some of which existed.
    """
    columns = zip(
        *(
            (
                *(s.uuid, s.account_uuid, s.user_uuid, s.is_admin, s.api, s.fingerprint, _whole(s)),
                *(
                    s.request_id,
                    s.keys,
                    s.outside,
                    s.with_schema,
                    s.web_hook,
                    s.timeout_s,
                    s.remote,
                    s.target,
                ),
            )
            for s in batch
        ),
        strict=True,
    )
    return [tuple(row) for row in await conn.fetch(_ACCEPT, *columns)]


def _whole(submission: Submission) -> str:
    if submission.secrets is None:
        return submission.request
    return orjson.dumps(orjson.loads(submission.request) | orjson.loads(submission.secrets)).decode()


async def fingerprints(conn: Connection, uuids: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Account and fingerprint of those of the uuids that are stored."""
    rows = await conn.fetch(
        "SELECT uuid, account_uuid, fingerprint FROM api_jobs WHERE uuid = ANY ($1)", uuids
    )
    return {row["uuid"]: (row["account_uuid"], row["fingerprint"]) for row in rows}


async def queue_depth(conn: Connection, limit: int) -> int:
    """The number of queued jobs, counted up to the limit."""
    return await conn.fetchval(
        """
        SELECT (SELECT count(*) FROM (
                    SELECT FROM api_jobs WHERE state = 'queued' AND waits_for IS NULL LIMIT $1) q)
             + (SELECT count(*) FROM (SELECT FROM api_jobs WHERE waits_for IS NOT NULL LIMIT $1) w)
        """,
        limit,
    )


async def gauges(conn: Connection) -> Any:
    """Depth and age of the queue, running jobs, due webhooks and live sessions, for the metrics."""
    return await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM api_jobs WHERE state = 'queued' AND waits_for IS NULL) AS queued,
               (SELECT count(*) FROM api_jobs WHERE waits_for IS NOT NULL) AS held_back,
               (SELECT count(*) FROM api_jobs WHERE state = 'running') AS running,
               coalesce((SELECT extract(epoch FROM now() - accepted_at)::float8 FROM api_jobs
                         WHERE state = 'queued' AND waits_for IS NULL ORDER BY seq LIMIT 1), 0) AS oldest_s,
               (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending') AS deliveries,
               (SELECT count(*) FROM sessions WHERE expired_date >= now()) AS sessions
        """
    )


async def claim(
    conn: Connection, owner: str, limit: int, lease_s: float, *, suspects: bool
) -> list[ClaimedJob]:
    """Claim runnable jobs, the oldest first, each under a new epoch and a lease by the database's clock."""
    return [ClaimedJob(**dict(row)) for row in await conn.fetch(_CLAIM, owner, limit, lease_s, suspects)]


async def finish(
    conn: Connection, jobs: Sequence[ClaimedJob], outcomes: Sequence[Outcome], retention_s: float
) -> bool:
    """End the jobs in the caller's transaction; True when a webhook is now due.

    Raises PostgresError ZS001 if one was lost.
    """
    return await conn.fetchval(
        _FINISH,
        [j.uuid for j in jobs],
        [j.epoch for j in jobs],
        [o.state for o in outcomes],
        [o.body for o in outcomes],
        retention_s,
    )


async def reap(conn: Connection, settings: Settings, lost: str, late: str) -> list[tuple[str, bool]]:
    """Queue the jobs of dead workers again, or end them; end late ones.

    Returns (uuid, webhook due) of the ended.
    """
    rows = await conn.fetch(_REAP, 500, settings.max_claims, lost, late, float(settings.job_retention_s))
    return [(row["uuid"], row["hooked"]) for row in rows]


async def waiting(conn: Connection) -> tuple[bool, bool]:
    """Whether a job is runnable, and whether one of those that are queued has lost a worker before."""
    row = await fetch_one(
        conn,
        """
        SELECT EXISTS (SELECT FROM api_jobs WHERE state = 'queued' AND waits_for IS NULL),
               EXISTS (SELECT FROM api_jobs WHERE state = 'queued' AND claims > 0)
        """,
    )
    return row[0], row[1]


async def renew(conn: Connection, owner: str, uuids: Sequence[str], lease_s: float) -> dict[str, bool]:
    """Extend the leases of the worker's jobs; returns those it still holds, and whether their cancellation
    was asked for.
    """
    rows = await conn.fetch(
        """
        UPDATE api_jobs SET lease_until = now() + make_interval(secs => $3)
        WHERE uuid = ANY ($2) AND owner = $1 AND state = 'running' RETURNING uuid, cancel_asked
        """,
        owner,
        uuids,
        lease_s,
    )
    return {row["uuid"]: row["cancel_asked"] for row in rows}


async def hand_back(conn: Connection, jobs: Sequence[ClaimedJob]) -> None:
    """Queue claimed jobs again that were not run to an end; the claim does not count against them."""
    await conn.execute(
        """
        UPDATE api_jobs j SET state = 'queued', owner = NULL, lease_until = NULL, claims = j.claims - 1
        FROM unnest($1::text[], $2::int[]) AS h (uuid, epoch)
        WHERE j.uuid = h.uuid AND j.epoch = h.epoch AND j.state = 'running'
        """,
        [j.uuid for j in jobs],
        [j.epoch for j in jobs],
    )


async def hold(conn: Connection, uuid: str, epoch: int) -> bool:
    """Lock the job's row for the rest of the transaction if it is still held under the epoch and not to be
    canceled.
    """
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM api_jobs
            WHERE uuid = $1 AND epoch = $2 AND state = 'running' AND NOT cancel_asked
            FOR NO KEY UPDATE
            """,
            uuid,
            epoch,
        )
    )


async def view(conn: Connection, uuid: str) -> JobView | None:
    """The job as a reader sees it; None when no row, not even a tombstone, is left."""
    row = await conn.fetchrow(_VIEW, uuid)
    return None if row is None else JobView(**dict(row))


async def final_ones(conn: Connection, uuids: Sequence[str]) -> list[str]:
    """Those of the uuids whose job has ended."""
    rows = await conn.fetch(
        "SELECT uuid FROM api_jobs WHERE uuid = ANY ($1) AND state NOT IN ('queued', 'running')", uuids
    )
    return [row["uuid"] for row in rows]


async def cancel(conn: Connection, uuid: str, body: str, retention_s: float) -> str | None:
    """End a queued job at once, ask a running one to stop; returns its state before, None when there is no
    such row.
    """
    return await conn.fetchval("SELECT cancel_job($1, $2, $3)", uuid, body, retention_s)


async def expire(conn: Connection, tombstone_s: float, limit: int) -> int:
    """Drop results past their time, leaving tombstones, and tombstones past theirs.

    Undelivered webhooks keep their own.
    """
    return await conn.fetchval("SELECT expire_jobs($1, $2)", tombstone_s, limit)


async def list_jobs(
    conn: Connection,
    account_uuid: str | None,
    user_uuid: str | None,
    state: str | None,
    api: str | None,
    resource: str | None,
    before: int,
    limit: int,
) -> list[Any]:
    """Jobs of the account and of the user in it (None: of all), the newest first, below `before`."""
    return await conn.fetch(
        """
        SELECT j.seq, j.uuid, j.account_uuid, j.user_uuid, j.api, j.state, j.accepted_at, j.started_at,
               j.finished_at
        FROM api_jobs j
        WHERE ($1::text IS NULL OR j.account_uuid = $1) AND ($2::text IS NULL OR j.state = $2)
          AND ($3::text IS NULL OR j.api = $3) AND j.seq < $5 AND ($7::text IS NULL OR j.user_uuid = $7)
          AND ($4::text IS NULL OR j.target = $4 OR EXISTS (
                SELECT FROM api_job_keys k WHERE k.key = $4 AND k.seq = j.seq))
        ORDER BY j.seq DESC LIMIT $6
        """,
        account_uuid,
        state,
        api,
        resource,
        before,
        limit,
        user_uuid,
    )
