"""The sender's SQL on the outbox: find, claim, record, purge. One function, one statement; the database's
clock is the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import LiteralString

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.webhooks.model import Delivery, Exchange
from zstack_mgmt.webhooks.schedule import Breaker, Step

# Walks the lanes that have something to claim, one index probe each, however many deliveries wait in them.
_DISCOVER: LiteralString = """
WITH RECURSIVE lanes AS (
    (SELECT d.receiver, d.account_uuid, d.next_at FROM webhook_deliveries d
     WHERE d.state = 'pending' AND d.owner IS NULL
     ORDER BY d.receiver, d.account_uuid, d.next_at LIMIT 1)
    UNION ALL
    SELECT n.receiver, n.account_uuid, n.next_at FROM lanes l CROSS JOIN LATERAL (
        SELECT d.receiver, d.account_uuid, d.next_at FROM webhook_deliveries d
        WHERE d.state = 'pending' AND d.owner IS NULL
          AND (d.receiver, d.account_uuid) > (l.receiver, l.account_uuid)
        ORDER BY d.receiver, d.account_uuid, d.next_at LIMIT 1) n
), due AS (
    SELECT l.receiver, l.account_uuid,
           CASE WHEN b.opened_at IS NULL THEN l.next_at
                ELSE least(b.probe_by, greatest(b.probe_at, l.next_at)) END AS due_at
    FROM lanes l
    LEFT JOIN webhook_breakers b ON b.receiver = l.receiver AND b.account_uuid = l.account_uuid
    LEFT JOIN webhook_receivers r ON r.receiver = l.receiver
    WHERE coalesce(r.owner, $1) = $1 AND NOT l.receiver = ANY ($2)
)
SELECT chosen.receivers, chosen.places,
       (SELECT extract(epoch FROM min(due.due_at) - now())::float8 FROM due WHERE due.due_at > now())
       AS next_s
FROM (
    SELECT coalesce(array_agg(c.receiver ORDER BY c.place, c.due_at), '{}') AS receivers,
           coalesce(array_agg(c.place ORDER BY c.place, c.due_at), '{}') AS places
    FROM (
        SELECT q.receiver, min(q.place)::int AS place, min(q.due_at) AS due_at FROM (
            SELECT due.receiver, due.due_at,
                   row_number() OVER (PARTITION BY due.account_uuid ORDER BY due.due_at) AS place
            FROM due WHERE due.due_at <= now()) q
        GROUP BY q.receiver ORDER BY min(q.place), min(q.due_at) LIMIT $3) c
) chosen
"""

_CLAIM: LiteralString = """
WITH RECURSIVE wanted AS (
    SELECT w.receiver, w.want FROM unnest($1::text[], $2::int[]) AS w (receiver, want)
), alive AS MATERIALIZED (
    SELECT FROM workers k WHERE k.owner = $3 FOR KEY SHARE
), owned AS (
    INSERT INTO webhook_receivers AS r (receiver, owner)
    SELECT w.receiver, $3 FROM wanted w, alive ORDER BY w.receiver
    ON CONFLICT (receiver) DO UPDATE SET owner = excluded.owner WHERE r.owner = excluded.owner
    RETURNING r.receiver
), lanes AS (
    SELECT f.receiver, f.account_uuid FROM owned o CROSS JOIN LATERAL (
        SELECT d.receiver, d.account_uuid FROM webhook_deliveries d
        WHERE d.state = 'pending' AND d.receiver = o.receiver ORDER BY d.account_uuid LIMIT 1) f
    UNION ALL
    SELECT n.receiver, n.account_uuid FROM lanes l CROSS JOIN LATERAL (
        SELECT d.receiver, d.account_uuid FROM webhook_deliveries d
        WHERE d.state = 'pending' AND d.receiver = l.receiver AND d.account_uuid > l.account_uuid
        ORDER BY d.account_uuid LIMIT 1) n
), found AS MATERIALIZED (
    SELECT d.*, w.want, b.failures, b.probes, b.opened_at,
           row_number() OVER (PARTITION BY l.receiver, l.account_uuid ORDER BY d.next_at, d.id) AS nth
    FROM lanes l
    JOIN wanted w ON w.receiver = l.receiver
    LEFT JOIN webhook_breakers b ON b.receiver = l.receiver AND b.account_uuid = l.account_uuid
    CROSS JOIN LATERAL (
        SELECT c.id, c.receiver, c.account_uuid, c.next_at
        FROM webhook_deliveries c
        WHERE c.state = 'pending' AND c.receiver = l.receiver AND c.account_uuid = l.account_uuid
          AND c.next_at <= CASE WHEN b.probe_by <= now() THEN 'infinity'
                                WHEN b.opened_at IS NULL OR b.probe_at <= now() THEN now()
                                ELSE '-infinity' END
          AND c.owner IS NULL AND (c.not_before IS NULL OR c.not_before <= now())
        ORDER BY c.next_at LIMIT CASE WHEN b.opened_at IS NULL THEN w.want ELSE 1 END
        FOR UPDATE SKIP LOCKED) d
), placed AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.receiver ORDER BY f.nth, f.next_at) AS place FROM found f
), chosen AS (
    SELECT p.* FROM placed p WHERE p.place <= p.want
), probing AS (
    UPDATE webhook_breakers b SET probe_at = now() + make_interval(secs => $4),
           probe_by = now() + make_interval(secs => $4)
    FROM chosen c
    WHERE c.opened_at IS NOT NULL AND b.receiver = c.receiver AND b.account_uuid = c.account_uuid
), claimed AS (
    UPDATE webhook_deliveries d SET owner = $3, epoch = d.epoch + 1, claimed_at = now()
    FROM chosen c WHERE d.id = c.id
    RETURNING d.id, d.epoch, d.job_uuid, d.account_uuid, d.url, d.receiver, d.success, d.body, d.attempts,
              extract(epoch FROM d.next_at - now())::float8 AS due_in_s, c.failures, c.probes,
              extract(epoch FROM now() - c.opened_at)::float8 AS open_for_s, c.place
)
SELECT o.receiver AS owned, c.*, extract(epoch FROM clock_timestamp())::float8 AS clock
FROM owned o LEFT JOIN claimed c ON c.receiver = o.receiver ORDER BY c.place
"""

_RECORD: LiteralString = """
WITH e AS (
    SELECT * FROM unnest($2::text[], $3::int[], $4::text[], $5::int[], $6::float8[], $7::float8[], $8::text[],
                         $9::text[], $10::int[], $11::text[], $12::float8[], $13::int[], $14::bytea[])
        AS e (id, epoch, state, attempts, delay_s, not_before_s, outcome, error, status, address, age_s,
              duration_ms, reply)
), held AS MATERIALIZED (
    SELECT x.tid, e.* FROM e CROSS JOIN LATERAL (
        SELECT d.ctid AS tid FROM webhook_deliveries d
        WHERE d.id = e.id AND d.epoch = e.epoch AND d.state = 'pending' LIMIT 1 FOR UPDATE) x
), moved AS (
    UPDATE webhook_deliveries d SET state = e.state, attempts = e.attempts, owner = NULL,
           next_at = coalesce(now() + make_interval(secs => e.delay_s), d.next_at),
           not_before = now() + make_interval(secs => e.not_before_s),
           finished_at = CASE WHEN e.state <> 'pending' THEN now() END
    FROM held e
    -- Row by row: the planner would rather read all of a small table, which an outbox is only at first.
    WHERE d.ctid = ANY (ARRAY(SELECT held.tid FROM held)) AND d.id = e.id
), logged AS (
    INSERT INTO webhook_attempts AS a (delivery_id, epoch, outcome, error, status, address, started_at,
                                       duration_ms, reply)
    SELECT e.id, e.epoch, e.outcome, e.error, e.status, e.address, now() - make_interval(secs => e.age_s),
           e.duration_ms, e.reply
    FROM e WHERE e.outcome IS NOT NULL
    -- The next claimer took this attempt for lost, but its sender was only slow.
    ON CONFLICT (delivery_id, epoch) DO UPDATE SET outcome = excluded.outcome, error = excluded.error,
        status = excluded.status, address = excluded.address, started_at = excluded.started_at,
        duration_ms = excluded.duration_ms, reply = excluded.reply
        WHERE a.outcome = 'unknown'
)
DELETE FROM webhook_receivers r WHERE r.owner = $1 AND r.receiver = ANY ($15)
"""

_SAVE_BREAKERS: LiteralString = """
INSERT INTO webhook_breakers AS b (receiver, account_uuid, failures, probes, opened_at, probe_at, probe_by)
SELECT e.receiver, e.account_uuid, e.failures, e.probes, CASE WHEN e.is_open THEN now() END,
       now() + make_interval(secs => e.probe_s), now() + make_interval(secs => e.latest_s)
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bool[], $6::float8[], $7::float8[])
    AS e (receiver, account_uuid, failures, probes, is_open, probe_s, latest_s)
ORDER BY e.receiver, e.account_uuid
ON CONFLICT (receiver, account_uuid) DO UPDATE SET failures = excluded.failures, probes = excluded.probes,
    opened_at = coalesce(b.opened_at, excluded.opened_at),
    probe_at = excluded.probe_at, probe_by = excluded.probe_by
"""


_NOT_SENT = (None,) * 7  # columns of the attempt log


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim brought: receivers, their deliveries in sending order, and the breakers of lanes."""

    receivers: list[str]
    deliveries: list[Delivery]
    breakers: dict[tuple[str, str], Breaker]  # by receiver and account
    clock: float  # seconds since 1970 at the database


@dataclass(frozen=True, slots=True)
class Record:
    """How a claimed delivery goes on. Without an exchange nothing was sent, and it is only handed back."""

    delivery: Delivery
    step: Step
    exchange: Exchange | None = None


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A lane's breaker as it is to be stored. The delays are set exactly when it is open."""

    receiver: str
    account_uuid: str
    failures: int
    probes: int
    probe_s: float | None
    latest_s: float | None


async def discover(
    conn: Connection, owner: str, skip: Sequence[str], limit: int
) -> tuple[list[tuple[str, int]], float | None]:
    """Receivers with something to send that no other sender owns, and the seconds until the next one has.

    Accounts take turns, so that one with many receivers does not crowd out the others: each receiver comes
    with its place among those of its account.
    """
    row = await fetch_one(conn, _DISCOVER, owner, skip, limit)
    return list(zip(row["receivers"], row["places"], strict=True)), row["next_s"]


async def claim(conn: Connection, owner: str, probe_s: float, wants: Sequence[tuple[str, int]]) -> Claimed:
    """Take receivers and claim up to so many of each one's due deliveries, accounts in turn.

    A lane with an open breaker gives one delivery when its probe is due, else none. Receivers that another
    sender owns are left out.

    Args:
        probe_s: until the next probe of such a lane, should the outcome of this one never be recorded.
        wants: in the order of receivers, so that two senders never wait for each other.
    """
    rows = await conn.fetch(_CLAIM, [r for r, _ in wants], [n for _, n in wants], owner, probe_s)
    deliveries: list[Delivery] = []
    breakers: dict[tuple[str, str], Breaker] = {}
    for row in rows:
        if row["id"] is None:
            continue
        deliveries.append(
            Delivery(
                id=row["id"],
                epoch=row["epoch"],
                job_uuid=row["job_uuid"],
                account_uuid=row["account_uuid"],
                url=row["url"],
                receiver=row["receiver"],
                success=row["success"],
                body=row["body"].encode(),
                attempts=row["attempts"],
                due_in_s=row["due_in_s"],
                probe=row["open_for_s"] is not None,
            )
        )
        if row["failures"]:
            breaker = Breaker(row["failures"], row["probes"], row["open_for_s"])
            breakers[row["receiver"], row["account_uuid"]] = breaker
    clock = rows[0]["clock"] if rows else 0.0
    return Claimed(list(dict.fromkeys(row["owned"] for row in rows)), deliveries, breakers, clock)


async def give_back_others(conn: Connection, owner: str, known: Collection[tuple[str, int]]) -> None:
    """Give back what the owner has, but for the deliveries with these ids and epochs."""
    await conn.execute(
        """
        UPDATE webhook_deliveries d SET owner = NULL FROM webhook_receivers r
        WHERE r.owner = $1 AND d.receiver = r.receiver AND d.state = 'pending' AND d.owner = r.owner
          AND (d.id, d.epoch) NOT IN (SELECT * FROM unnest($2::text[], $3::int[]))
        """,
        owner,
        [delivery_id for delivery_id, _ in known],
        [epoch for _, epoch in known],
    )


async def record(
    conn: Connection, owner: str, records: Sequence[Record], release: Sequence[str], now: float
) -> None:
    """Write down what came of claimed deliveries and give receivers back.

    A delivery that is no longer held under its epoch keeps its state; its attempt is logged all the same.
    Args: now: the loop's clock, by which the exchanges are dated.
    """
    rows: list[tuple[object, ...]] = []
    for r in records:
        d, step, e = r.delivery, r.step, r.exchange
        if e is None:
            rows.append((d.id, d.epoch, step.state, step.attempts, None, None, *_NOT_SENT))
            continue
        delay_s = None if step.delay_s is None else max(0.0, step.delay_s - (now - e.ended_at))
        moved = (d.id, d.epoch, step.state, step.attempts, delay_s, step.not_before_s)
        took_ms = round((e.ended_at - e.started_at) * 1000)
        rows.append((*moved, e.outcome, e.error, e.status, e.address, now - e.started_at, took_ms, e.reply))
    columns = zip(*rows, strict=True) if rows else [()] * 13
    await conn.execute(_RECORD, owner, *columns, release)


async def is_alive(conn: Connection, owner: str) -> bool:
    """Whether the worker has its lease, and keeps it until the transaction ends."""
    return bool(await conn.fetchval("SELECT true FROM workers WHERE owner = $1 FOR KEY SHARE", owner))


async def save_breakers(conn: Connection, changes: Sequence[BreakerChange]) -> None:
    """Store the breakers of lanes that failed."""
    if not changes:
        return
    columns = zip(
        *(
            (c.receiver, c.account_uuid, c.failures, c.probes, c.probe_s is not None, c.probe_s, c.latest_s)
            for c in changes
        ),
        strict=True,
    )
    await conn.execute(_SAVE_BREAKERS, *columns)


async def drop_breakers(conn: Connection, receivers: Sequence[str], accounts: Sequence[str]) -> None:
    """Forget the failures of lanes whose last attempt succeeded."""
    if not receivers:
        return
    await conn.execute(
        """
        DELETE FROM webhook_breakers b USING unnest($1::text[], $2::text[]) AS e (receiver, account_uuid)
        WHERE b.receiver = e.receiver AND b.account_uuid = e.account_uuid
        """,
        receivers,
        accounts,
    )


async def drain(conn: Connection, receiver: str, account_uuid: str) -> None:
    """Make due what waits in a lane whose breaker has closed, unless a Retry-After holds it back."""
    await conn.execute(
        """
        UPDATE webhook_deliveries SET next_at = greatest(now(), not_before)
        WHERE state = 'pending' AND receiver = $1 AND account_uuid = $2 AND next_at > now()
        """,
        receiver,
        account_uuid,
    )


async def give_up(conn: Connection, receiver: str, account_uuid: str, horizon_s: float) -> int:
    """End the deliveries that an open breaker has held back for too long; their number."""
    rows = await conn.fetch(
        """
        UPDATE webhook_deliveries SET state = 'dead', finished_at = now()
        WHERE state = 'pending' AND receiver = $1 AND account_uuid = $2
          AND next_at < now() - make_interval(secs => $3) AND owner IS NULL
        RETURNING 1
        """,
        receiver,
        account_uuid,
        horizon_s,
    )
    return len(rows)


async def purge(conn: Connection, kept_s: float, limit: int) -> int:
    """Delete ended deliveries past their time, and what belongs to them; their number. Pending ones stay."""
    rows = await conn.fetch(
        """
        WITH old AS (
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT d.id FROM webhook_deliveries d
                WHERE d.created_at < now() - make_interval(secs => $1)
                  AND d.finished_at < now() - make_interval(secs => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)
            RETURNING id
        ), secrets AS (
            DELETE FROM webhook_secrets s
            WHERE s.ends_at < now()
               OR NOT EXISTS (SELECT FROM accounts a WHERE a.uuid = s.account_uuid)
              AND NOT EXISTS (SELECT FROM webhook_deliveries d
                              WHERE d.account_uuid = s.account_uuid AND d.state = 'pending')
        ), breakers AS (
            DELETE FROM webhook_breakers b
            WHERE b.probe_by < now() - interval '1 day'
              AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.state = 'pending'
                              AND d.receiver = b.receiver AND d.account_uuid = b.account_uuid)
        )
        SELECT id FROM old
        """,
        kept_s,
        limit,
    )
    return len(rows)
