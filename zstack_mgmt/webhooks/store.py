"""The SQL of the webhook APIs and of the signing secrets: one function, one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zstack_mgmt.db import Connection, Lock
from zstack_mgmt.webhooks.model import SHOWN_ATTEMPTS, DeliverySummary, Receiver, WebhookAttempt


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A signing secret as it is stored. `ends_at` None: the current one."""

    uuid: str
    account_uuid: str
    sealed: str
    create_date: datetime
    read_date: datetime | None
    ends_at: datetime | None


async def live_secrets(conn: Connection, accounts: Sequence[str]) -> list[SecretRow]:
    """The secrets that sign now, each account's current one first, then from the newest to the oldest."""
    rows = await conn.fetch(
        """
        SELECT uuid, account_uuid, sealed, create_date, read_date, ends_at FROM webhook_secrets
        WHERE account_uuid = ANY ($1) AND (ends_at IS NULL OR ends_at > now())
        ORDER BY account_uuid, ends_at IS NOT NULL, create_date DESC, uuid
        """,
        accounts,
    )
    return [SecretRow(**row) for row in rows]


async def lock_secrets(conn: Connection, account_uuid: str) -> None:
    """Let one transaction at a time replace this account's secrets."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", Lock.WEBHOOK_SECRETS, account_uuid)


async def insert_secret(conn: Connection, uuid: str, account_uuid: str, sealed: str, *, read: bool) -> None:
    """Make it the account's current secret, unless there is one already."""
    await conn.execute(
        """
        INSERT INTO webhook_secrets (uuid, account_uuid, sealed, read_date)
        VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)
        ON CONFLICT (account_uuid) WHERE ends_at IS NULL DO NOTHING
        """,
        uuid,
        account_uuid,
        sealed,
        read,
    )


async def retire_secrets(conn: Connection, account_uuid: str, overlap_s: int, kept: int) -> None:
    """Give the current secret an end, and delete those that no longer sign: all but the newest `kept`."""
    await conn.execute(
        """
        WITH placed AS (
            SELECT s.uuid, row_number() OVER (ORDER BY s.ends_at IS NOT NULL, s.create_date DESC, s.uuid) AS
            place FROM webhook_secrets s WHERE s.account_uuid = $1
        ), deleted AS (
            DELETE FROM webhook_secrets s USING placed p
            WHERE s.uuid = p.uuid AND (p.place > $3 OR s.ends_at <= now() OR $2 = 0 AND s.ends_at IS NULL)
        )
        UPDATE webhook_secrets s SET ends_at = now() + make_interval(secs => $2)
        WHERE s.account_uuid = $1 AND s.ends_at IS NULL AND $2 > 0
        """,
        account_uuid,
        overlap_s,
        kept,
    )


async def submitter_of_job(conn: Connection, job_uuid: str) -> tuple[str, str] | None:
    """Account and user that submitted the job; of a delivery that outlived it, the account as both."""
    row = await conn.fetchrow(
        """
        SELECT account_uuid, user_uuid FROM api_jobs WHERE uuid = $1
        UNION ALL SELECT account_uuid, account_uuid FROM webhook_deliveries WHERE id = 'msg_' || $1 LIMIT 1
        """,
        job_uuid,
    )
    return None if row is None else (row["account_uuid"], row["user_uuid"])


async def delivery_of_job(conn: Connection, job_uuid: str) -> Any | None:
    """The delivery's row, without its body."""
    return await conn.fetchrow(
        """
        SELECT id, job_uuid, url, state, attempts, next_at, created_at, finished_at
        FROM webhook_deliveries WHERE id = 'msg_' || $1
        """,
        job_uuid,
    )


async def attempts_of(conn: Connection, delivery_id: str, *, with_blocked: bool) -> list[WebhookAttempt]:
    """The newest of the attempt log, the oldest of them first.

    Args:
        with_blocked: tell which address was refused and why; others learn nothing of names that lead inside.
    """
    rows = await conn.fetch(
        """
        SELECT * FROM (
            SELECT outcome, error, status, address, started_at, duration_ms, reply, epoch
            FROM webhook_attempts WHERE delivery_id = $1 ORDER BY epoch DESC LIMIT $2) newest
        ORDER BY epoch
        """,
        delivery_id,
        SHOWN_ATTEMPTS,
    )
    return [
        WebhookAttempt(
            start_date=row["started_at"],
            duration_ms=row["duration_ms"],
            outcome=row["outcome"],
            error=row["error"] if with_blocked else (row["error"] or "").partition(":")[0] or None,
            status=row["status"],
            address=row["address"] if with_blocked or row["outcome"] == "delivered" else None,
            reply=None if row["reply"] is None else row["reply"].decode(errors="replace"),
        )
        for row in rows
    ]


async def redeliver(conn: Connection, job_uuid: str) -> Any | None:
    """Start a new round of attempts now; the receiver and account of the delivery, or None without one.

    An attempt that is under way is logged when it ends, but no longer decides.
    """
    return await conn.fetchrow(
        """
        UPDATE webhook_deliveries SET state = 'pending', epoch = epoch + 1, attempts = 0, next_at = now(),
               not_before = NULL, finished_at = NULL, owner = NULL
        WHERE id = 'msg_' || $1 RETURNING receiver, account_uuid
        """,
        job_uuid,
    )


async def redeliver_failed(
    conn: Connection, account_uuid: str | None, receiver: str | None, since: datetime, limit: int
) -> list[tuple[str, str]]:
    """Start a new round for failed deliveries created since then, the oldest first.

    Returns: the account and the receiver of each.
    """
    rows = await conn.fetch(
        """
        UPDATE webhook_deliveries SET state = 'pending', epoch = epoch + 1, attempts = 0, next_at = now(),
               not_before = NULL, finished_at = NULL
        WHERE id IN (
            SELECT f.id FROM (
                SELECT d.id, d.created_at FROM webhook_deliveries d
                WHERE ($1::text IS NULL OR d.account_uuid = $1) AND d.created_at >= $3
                  AND d.state IN ('dead', 'gone') AND ($2::text IS NULL OR d.receiver = $2)
                UNION ALL
                SELECT d.id, d.created_at FROM webhook_deliveries d
                WHERE ($1::text IS NULL OR d.account_uuid = $1) AND d.created_at >= $3
                  AND d.state = 'pending' AND d.attempts > 0 AND ($2::text IS NULL OR d.receiver = $2)
            ) f ORDER BY f.created_at LIMIT $4)
          AND state <> 'delivered' AND owner IS NULL
        RETURNING account_uuid, receiver
        """,
        account_uuid,
        receiver,
        since,
        limit,
    )
    return [(row["account_uuid"], row["receiver"]) for row in rows]


async def probe_now(conn: Connection, lanes: Sequence[tuple[str, str]]) -> None:
    """Let open breakers of these accounts and receivers probe at once: somebody says that they are back."""
    await conn.execute(
        """
        UPDATE webhook_breakers b SET probe_at = now(), probe_by = now()
        FROM unnest($1::text[], $2::text[]) AS lane (account_uuid, receiver)
        WHERE b.account_uuid = lane.account_uuid AND b.receiver = lane.receiver AND b.opened_at IS NOT NULL
        """,
        [account for account, _ in lanes],
        [receiver for _, receiver in lanes],
    )


async def receivers(conn: Connection, account_uuid: str | None) -> list[Receiver]:
    """Who got the newest 10000 deliveries of the account, or of all, and those behind an open breaker."""
    rows = await conn.fetch(
        """
        WITH lately AS (
            SELECT account_uuid, receiver, state, created_at FROM webhook_deliveries
            WHERE $1::text IS NULL OR account_uuid = $1 ORDER BY created_at DESC LIMIT 10000
        ), counted AS (
            SELECT account_uuid, receiver, count(*) FILTER (WHERE state = 'pending') AS pending,
                   count(*) FILTER (WHERE state = 'delivered') AS delivered,
                   count(*) FILTER (WHERE state IN ('dead', 'gone')) AS failed, max(created_at) AS last_date
            FROM lately GROUP BY account_uuid, receiver
        )
        SELECT c.*, CASE WHEN b.opened_at IS NULL THEN 'closed' ELSE 'open' END AS breaker,
               coalesce(b.failures, 0) AS failures, b.opened_at AS open_date, b.probe_by AS probe_date
        FROM counted c LEFT JOIN webhook_breakers b USING (account_uuid, receiver)
        ORDER BY b.opened_at IS NULL, c.last_date DESC, c.receiver, c.account_uuid LIMIT 1000
        """,
        account_uuid,
    )
    return [Receiver(**dict(row)) for row in rows]


async def deliveries(
    conn: Connection,
    account_uuid: str | None,
    state: str | None,
    receiver: str | None,
    since: datetime | None,
    before: str | None,
    limit: int,
) -> list[DeliverySummary]:
    """A page of deliveries, the newest first, with how the newest attempt of each ended."""
    rows = await conn.fetch(
        """
        SELECT d.id, d.job_uuid, d.account_uuid, d.url, d.receiver, d.state, d.attempts,
               CASE WHEN d.state = 'pending' THEN d.next_at END AS next_date, d.created_at AS create_date,
               d.finished_at AS finish_date, a.status AS last_status,
               split_part(a.error, ':', 1) AS last_error
        FROM webhook_deliveries d
        LEFT JOIN LATERAL (SELECT status, error FROM webhook_attempts a WHERE a.delivery_id = d.id
                           ORDER BY a.epoch DESC LIMIT 1) a ON true
        WHERE ($1::text IS NULL OR d.account_uuid = $1) AND ($2::text IS NULL OR d.state = $2)
          AND ($3::text IS NULL OR d.receiver = $3)
          AND ($4::timestamptz IS NULL OR d.created_at >= $4)
          AND ($5::text IS NULL OR (d.created_at, d.id) < (
                SELECT last.created_at, last.id FROM webhook_deliveries last WHERE last.id = $5))
        ORDER BY d.created_at DESC, d.id DESC LIMIT $6
        """,
        account_uuid,
        state,
        receiver,
        since,
        before,
        limit,
    )
    return [DeliverySummary(**dict(row)) for row in rows]
