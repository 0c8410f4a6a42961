"""The SQL of the job ledger: one function, one statement. The functions it calls are in schema.sql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import orjson

from zstack_mgmt.config import Settings
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.model import ClaimedJob, JobView, Outcome, Submission, Wish

_ACCEPT: LiteralString = """
SELECT * FROM accept_jobs(
    p_uuids => $1, p_accounts => $2, p_users => $3, p_admins => $4, p_apis => $5, p_fingerprints => $6,
    p_requests => $7, p_request_ids => $8, p_keys => $9, p_outside => $10, p_schemas => $11, p_hooks => $12,
    p_timeouts_s => $13, p_remotes => $14, p_targets => $15, p_secrets => $16, p_revokes => $17,
    p_by_uuid => $18, p_access_keys => $19, p_signatures => $20, p_ends => $21)
"""
_CLAIM: LiteralString = "SELECT * FROM claim_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
_FINISH: LiteralString = "SELECT finish_jobs('running', $1, $2, $3, $4, $5)"
_SWEEP: LiteralString = "SELECT * FROM sweep_jobs($1, $2, $3, $4, $5, $6)"
_GIVE_BACK: LiteralString = "SELECT * FROM give_back_jobs($1, $2, $3, $4, $5, $6, $7)"
_LEAVE: LiteralString = "SELECT * FROM leave_workers(ARRAY[$1::text], false, 0, '', $2, $3)"
_VIEW: LiteralString = """
SELECT uuid, account_uuid, user_uuid, by_uuid, api, state, epoch, accepted_at, started_at,
       finished_at, result, extract(epoch FROM now() - accepted_at)::float8 AS age_s
FROM api_jobs WHERE uuid = $1
"""


async def accept(conn: Connection, batch: Sequence[Submission]) -> list[tuple[str, str | None, bytes | None]]:
    """Store the batch in one transaction.

    Returns (uuid, account, fingerprint) of the uuids some of which existed; account None: not stored, since
    the signature has opened another change.
    """
    columns = zip(*batch, strict=True)  # in the order of the fields
    # asyncpg looks at each value that is no text; a column of NULLs alone is as well sent as none.
    given = [column if column.count(None) < len(batch) else () for column in columns]
    return [tuple(row) for row in await conn.fetch(_ACCEPT, *given)]


async def queued(conn: Connection) -> dict[str, int]:
    """The number of queued jobs of each account that has any."""
    rows = await conn.fetch(
        "SELECT account_uuid, count(*) FROM api_jobs WHERE state = 'queued' GROUP BY account_uuid"
    )
    return {row[0]: row[1] for row in rows}


async def laden(conn: Connection, max_bytes: int) -> set[str]:
    """The accounts whose jobs and deliveries keep more than so many bytes."""
    rows = await conn.fetch(
        "SELECT account_uuid FROM kept_bytes GROUP BY account_uuid HAVING sum(bytes) > $1", max_bytes
    )
    return {row[0] for row in rows}


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


async def claim(conn: Connection, owner: str, wish: Wish) -> tuple[list[ClaimedJob], bool]:
    """Claim runnable jobs, accounts in turn and the oldest of each first, each under a new epoch.

    Returns them, and whether there may be more.
    """
    rows = await conn.fetch(
        _CLAIM,
        owner,
        wish.inside,
        wish.outside,
        wish.suspects,
        wish.after,
        wish.rooms,
        wish.size,
        [lane.name for lane in wish.lanes],
        [lane.outside for lane in wish.lanes],
        [lane.room for lane in wish.lanes],
        [lane.size for lane in wish.lanes],
        wish.unknown,
    )
    jobs = [ClaimedJob(**{name: value for name, value in row.items() if name != "more"}) for row in rows]
    return jobs, bool(rows and rows[0]["more"])


async def begin(conn: Connection, uuid: str) -> ClaimedJob | None:
    """Claim a revocation in the transaction that has stored it and is to end it.

    None when an earlier job of somebody else holds it back.
    """
    row = await conn.fetchrow(
        """
        UPDATE api_jobs j SET state = 'running', epoch = 1, claims = 1, started_at = now()
        WHERE j.uuid = $1 AND NOT EXISTS (
            SELECT FROM api_job_keys mine
            JOIN api_job_keys before ON before.key = mine.key AND before.seq < mine.seq
                                        AND NOT (before.shared AND mine.shared)
                                        AND before.submitter IS DISTINCT FROM mine.key
            WHERE mine.seq = j.seq)
        RETURNING uuid, epoch, api, request, secrets, account_uuid, user_uuid, is_admin, request_id, outside,
                  with_schema, keyed, claims, accepted_at, lane,
                  extract(epoch FROM deadline_at - now())::float8 AS remaining_s
        """,
        uuid,
    )
    return None if row is None else ClaimedJob(**dict(row))


async def end_sessions(conn: Connection, uuid: str) -> None:
    """End the sessions of those accounts and users whom the job changes; a new login opens others."""
    await conn.execute(
        """
        DELETE FROM sessions s USING api_job_keys k
        WHERE k.job_uuid = $1 AND NOT k.shared AND k.key IN (s.user_uuid, s.account_uuid)
        """,
        uuid,
    )


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


async def note_changes(conn: Connection, job_uuid: str, changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Have the audit line of a job that succeeds tell what was changed: the old and the new value by name."""
    told = {name: {"old": old, "new": new} for name, (old, new) in changes.items()}
    await conn.execute(
        "UPDATE api_jobs SET changes = coalesce(changes, '{}') || $2::text::jsonb WHERE uuid = $1",
        job_uuid,
        orjson.dumps(told).decode(),
    )


async def sweep(
    conn: Connection, settings: Settings, lost: str, canceled: str, late: str
) -> list[tuple[str, bool]]:
    """Queue the jobs of dead workers again, or end them; end late ones.

    Returns (uuid, webhook due) of the ended.
    """
    retention_s = float(settings.job_retention_s)
    rows = await conn.fetch(_SWEEP, 500, settings.max_claims, lost, canceled, late, retention_s)
    return [(row["uuid"], row["hooked"]) for row in rows]


async def join(conn: Connection, owner: str, lease_s: float, kind: str) -> None:
    """Note that a worker lives. Repeating it is harmless: the answer to the first one may have been lost."""
    await conn.execute(
        """
        INSERT INTO workers (owner, lease_until, kind) VALUES ($1, now() + make_interval(secs => $2), $3)
        ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until
        """,
        owner,
        lease_s,
        kind,
    )


async def beat(conn: Connection, owner: str, lease_s: float) -> bool:
    """Extend a worker's lease; False when it has ended, and what the worker held was taken back."""
    return bool(
        await conn.fetchval(
            """
            UPDATE workers SET lease_until = now() + make_interval(secs => $2) WHERE owner = $1 RETURNING true
            """,
            owner,
            lease_s,
        )
    )


async def leave(conn: Connection, owner: str, canceled: str, retention_s: float) -> list[tuple[str, bool]]:
    """Give back what a worker holds, which counts against no job.

    Returns (uuid, webhook due) of the ended.
    """
    return [(row["uuid"], row["hooked"]) for row in await conn.fetch(_LEAVE, owner, canceled, retention_s)]


async def hand_back(
    conn: Connection, settings: Settings, keys: Sequence[tuple[str, int]], lost: str | None, canceled: str
) -> list[tuple[str, bool]]:
    """Queue claimed jobs again, as if they had not been claimed; those that were to be canceled are.

    Args:
        keys: uuid and epoch of each.
        lost: the claim counts against them, and this body ends those that have used up all.

    Returns (uuid, webhook due) of the ended.
    """
    rows = await conn.fetch(
        _GIVE_BACK,
        [uuid for uuid, _ in keys],
        [epoch for _, epoch in keys],
        lost is not None,
        settings.max_claims,
        lost,
        canceled,
        float(settings.job_retention_s),
    )
    return [(row["uuid"], row["hooked"]) for row in rows]


async def held(conn: Connection, owner: str) -> dict[tuple[str, int], bool]:
    """What the worker holds, by uuid and epoch, and whether it is to be canceled."""
    rows = await conn.fetch(
        "SELECT uuid, epoch, cancel_asked FROM api_jobs WHERE owner = $1 AND state = 'running'", owner
    )
    return {(row["uuid"], row["epoch"]): row["cancel_asked"] for row in rows}


_HOLD: LiteralString = """
    SELECT uuid, epoch FROM api_jobs WHERE uuid = ANY ($1) AND state = 'running' AND NOT cancel_asked
"""
_LOCKED: LiteralString = "ORDER BY seq FOR NO KEY UPDATE"
_HOLD_FLUSHED: LiteralString = f"{_HOLD} {_LOCKED}"
_HOLD_UNFLUSHED: LiteralString = f"""
    {_HOLD} AND set_config('synchronous_commit', 'off', true) = 'off' {_LOCKED}
"""


async def hold(conn: Connection, jobs: Sequence[ClaimedJob], *, flush: bool) -> set[tuple[str, int]]:
    """Lock the jobs' rows for the rest of the transaction; the keys of those still held and not canceled.

    Args:
        flush: the commit waits until it is on disk.
    """
    rows = await conn.fetch(_HOLD_FLUSHED if flush else _HOLD_UNFLUSHED, [job.uuid for job in jobs])
    return {(row["uuid"], row["epoch"]) for row in rows} & {job.key for job in jobs}


async def flush(conn: Connection) -> None:
    """Wait until all that was committed before is on disk."""
    await conn.execute("SELECT pg_logical_emit_message(true, 'zstack', '')")


async def is_to_be_canceled(conn: Connection, uuid: str, epoch: int) -> bool:
    """Lock the job's row for the rest of the transaction, if it is still held and to be canceled."""
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM api_jobs
            WHERE uuid = $1 AND epoch = $2 AND state = 'running' AND cancel_asked
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


async def states(conn: Connection, uuids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """State and epoch of those of the jobs that there are."""
    rows = await conn.fetch("SELECT uuid, state, epoch FROM api_jobs WHERE uuid = ANY ($1)", uuids)
    return {row["uuid"]: (row["state"], row["epoch"]) for row in rows}


async def cancel(conn: Connection, uuid: str, body: str, retention_s: float) -> str | None:
    """End a queued job, or ask a running one to stop. Returns its state before; None: no such job."""
    return await conn.fetchval("SELECT cancel_job($1, $2, $3)", uuid, body, retention_s)


async def expire(conn: Connection, tombstone_s: float, limit: int) -> int:
    """Drop results past their time, leaving tombstones, and tombstones past theirs.

    Undelivered webhooks keep their own.
    """
    return await conn.fetchval("SELECT expire_jobs($1, $2)", tombstone_s, limit)


async def trim(conn: Connection, max_bytes: int, limit: int) -> int:
    """Forget the oldest ended jobs of the accounts whose jobs and deliveries keep more than so many bytes."""
    return await conn.fetchval("SELECT trim_jobs($1, $2)", max_bytes, limit)


_COLUMNS: LiteralString = """
    SELECT j.seq, j.uuid, j.account_uuid, j.user_uuid, j.api, j.target, j.state, j.accepted_at, j.started_at,
           j.finished_at
"""
_FILTERS: LiteralString = """
    WHERE ($1::text IS NULL OR j.account_uuid = $1) AND ($2::text IS NULL OR j.state = $2)
      AND ($3::text IS NULL OR j.api = $3) AND j.seq < $4 AND ($6::text IS NULL OR j.user_uuid = $6)
    ORDER BY j.seq DESC LIMIT $5
"""
_LIST: LiteralString = f"{_COLUMNS} FROM api_jobs j {_FILTERS}"
# What has ended is found by its audit line, which names the resource and has an index for it.
_NAMED: LiteralString = """
    WITH named AS MATERIALIZED (
        SELECT a.job_uuid AS uuid FROM audits a WHERE a.target IS NOT NULL AND lower(a.target) = lower($7)
        UNION SELECT k.job_uuid FROM api_job_keys k WHERE k.key = $7
        UNION SELECT u.uuid FROM api_jobs u WHERE u.state = 'queued' AND u.target = $7
        UNION SELECT u.uuid FROM api_jobs u WHERE u.state = 'running' AND u.target = $7)
"""
_LIST_ON_RESOURCE: LiteralString = f"{_NAMED} {_COLUMNS} FROM named JOIN api_jobs j USING (uuid) {_FILTERS}"


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
    filters = (account_uuid, state, api, before, limit, user_uuid)
    if resource is None:
        return await conn.fetch(_LIST, *filters)
    return await conn.fetch(_LIST_ON_RESOURCE, *filters, resource)


async def last_seq(conn: Connection) -> int:
    """The number of the job that was accepted last."""
    return await conn.fetchval("SELECT coalesce(max(seq), 0) FROM api_jobs")


async def unfinished_jobs(
    conn: Connection, account_uuid: str | None, user_uuid: str | None, limit: int
) -> dict[str, tuple[str, int]]:
    """State and epoch of the newest jobs that have not ended."""
    rows = await conn.fetch(
        """
        SELECT uuid, state, epoch FROM api_jobs
        WHERE state IN ('queued', 'running') AND ($1::text IS NULL OR account_uuid = $1)
          AND ($2::text IS NULL OR user_uuid = $2)
        ORDER BY seq DESC LIMIT $3
        """,
        account_uuid,
        user_uuid,
        limit,
    )
    return {row["uuid"]: (row["state"], row["epoch"]) for row in rows}


async def changed_jobs(
    conn: Connection,
    account_uuid: str | None,
    user_uuid: str | None,
    after: int,
    unfinished: Sequence[str],
    limit: int,
) -> list[Any]:
    """Jobs accepted after that number, the newest `limit` of them, and those named; the oldest first."""
    return await conn.fetch(
        """
        SELECT * FROM (
            (SELECT j.seq, j.uuid, j.account_uuid, j.user_uuid, j.api, j.target, j.state, j.epoch,
                    j.accepted_at, j.started_at, j.finished_at
             FROM api_jobs j
             WHERE j.seq > $3 AND ($1::text IS NULL OR j.account_uuid = $1)
               AND ($2::text IS NULL OR j.user_uuid = $2)
             ORDER BY j.seq DESC LIMIT $5)
            UNION
            SELECT j.seq, j.uuid, j.account_uuid, j.user_uuid, j.api, j.target, j.state, j.epoch,
                   j.accepted_at, j.started_at, j.finished_at
            FROM api_jobs j WHERE j.uuid = ANY ($4)) changed
        ORDER BY seq
        """,
        account_uuid,
        user_uuid,
        after,
        unfinished,
        limit,
    )


async def details(conn: Connection, uuid: str) -> Any | None:
    """All that a reader may see of a job besides its result."""
    return await conn.fetchrow(
        """
        SELECT uuid, account_uuid, user_uuid, api, target, state, request, request_id, remote, web_hook,
               access_key_uuid, waits_for, cancel_asked, claims, accepted_at, started_at, finished_at,
               deadline_at
        FROM api_jobs WHERE uuid = $1
        """,
        uuid,
    )


async def workers(conn: Connection) -> list[Any]:
    """The worker processes that have a lease, and how many jobs each runs."""
    return await conn.fetch(
        """
        SELECT w.owner, w.lease_until,
               (SELECT count(*) FROM api_jobs j WHERE j.state = 'running' AND j.owner = w.owner) AS jobs
        FROM workers w WHERE w.lease_until > now() ORDER BY w.owner
        """
    )


async def database_figures(conn: Connection) -> Any:
    """Version, size and connections of the database."""
    return await conn.fetchrow(
        """
        SELECT current_setting('server_version') AS "serverVersion",
               pg_database_size(current_database()) AS bytes,
               (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections
        """
    )


async def paces(conn: Connection) -> Any:
    """Jobs accepted, finished and failed in the last minute, of the newest 20000, and paused receivers."""
    return await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE accepted_at > now() - interval '1 minute') AS accepted,
               count(*) FILTER (WHERE finished_at > now() - interval '1 minute') AS finished,
               count(*) FILTER (WHERE state = 'failed' AND finished_at > now() - interval '1 minute')
                   AS failed,
               (SELECT count(*) FROM webhook_breakers WHERE opened_at IS NOT NULL) AS paused
        FROM (SELECT accepted_at, finished_at, state FROM api_jobs ORDER BY seq DESC LIMIT 20000) newest
        """
    )
