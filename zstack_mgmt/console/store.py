"""The SQL of console proxy agents and of the tokens that open consoles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.drivers.protocol import ConsoleKind

KEPT_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Right:
    """By what right a console is open: whose, on which VM, and by which login."""

    vm_uuid: str
    account_uuid: str
    user_uuid: str
    session: bytes | None  # the hash of its token; with it the console ends
    key_uuid: str | None  # of an access key; the same


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token opens."""

    right: Right
    kind: ConsoleKind


async def beat(conn: Connection, management_ip: str, port: int, lives_s: float) -> None:
    """Say that the agent at this address lives for some seconds more; the first time it gets its row."""
    known = await conn.fetchval(
        """
        UPDATE console_agents SET alive_until = now() + $3 * interval '1 s', answered_at = now()
        WHERE management_ip = $1 AND listen_port = $2 RETURNING true
        """,
        management_ip,
        port,
        lives_s,
    )
    if not known:
        await conn.execute(
            """
            INSERT INTO console_agents
                (uuid, description, management_ip, listen_port, console_proxy_port, alive_until)
            VALUES ($4, 'Console proxy agent at ' || $1 || ':' || $2::int, $1, $2, $2,
                    now() + $3 * interval '1 s')
            ON CONFLICT ON CONSTRAINT console_agents_address_key DO NOTHING
            """,
            management_ip,
            port,
            lives_s,
            new_uuid(),
        )


async def leave(conn: Connection, management_ip: str, port: int) -> None:
    """Say that the agent has stopped."""
    await conn.execute(
        "UPDATE console_agents SET alive_until = '-infinity' WHERE management_ip = $1 AND listen_port = $2",
        management_ip,
        port,
    )


async def choose_agent(conn: Connection) -> Any:
    """The address that clients are told of one of the agents that live; None without any."""
    return await conn.fetchrow(
        """
        SELECT CASE WHEN console_proxy_overridden_ip IN ('', '0.0.0.0') THEN management_ip
               ELSE console_proxy_overridden_ip END AS hostname, console_proxy_port AS port
        FROM console_agents WHERE alive_until >= now() AND state = 'Enabled' ORDER BY random() LIMIT 1
        """
    )


async def ask(conn: Connection, uuids: Sequence[str] | None) -> dict[str, datetime]:
    """Ask agents, None: all, for a sign of life; when that was, by the uuids that are known."""
    rows = await conn.fetch(
        """
        UPDATE console_agents SET asked_at = clock_timestamp(), last_op_date = now()
        WHERE $1::text[] IS NULL OR uuid = ANY ($1) RETURNING uuid, asked_at
        """,
        uuids,
    )
    return {row["uuid"]: row["asked_at"] for row in rows}


async def silent(conn: Connection, asked: dict[str, datetime]) -> list[str]:
    """Those that have not answered since they were asked."""
    rows = await conn.fetch(
        """
        SELECT a.uuid FROM unnest($1::text[], $2::timestamptz[]) AS a (uuid, asked_at)
        LEFT JOIN console_agents c ON c.uuid = a.uuid AND c.answered_at >= a.asked_at
        WHERE c.uuid IS NULL ORDER BY 1
        """,
        list(asked),
        list(asked.values()),
    )
    return [row["uuid"] for row in rows]


async def keep_token(
    conn: Connection, token_hash: bytes, ticket: Ticket, remote: str | None, lives_s: float
) -> datetime:
    """Keep a token for its one use; returns its end. Of a login's on one VM the newest are kept."""
    right = ticket.right
    row = await fetch_one(
        conn,
        """
        WITH newest AS (
            SELECT token_hash FROM console_tokens WHERE vm_uuid = $2 AND user_uuid = $4
            ORDER BY expires_at DESC, token_hash LIMIT $9 - 1
        ), gone AS (
            DELETE FROM console_tokens WHERE vm_uuid = $2 AND user_uuid = $4
            AND token_hash NOT IN (SELECT token_hash FROM newest)
        )
        INSERT INTO console_tokens
            (token_hash, vm_uuid, account_uuid, user_uuid, session_hash, access_key_uuid, kind, remote,
             expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $10 * interval '1 s') RETURNING expires_at
        """,
        token_hash,
        right.vm_uuid,
        right.account_uuid,
        right.user_uuid,
        right.session,
        right.key_uuid,
        ticket.kind,
        remote,
        KEPT_TOKENS,
        lives_s,
    )
    return row["expires_at"]


async def use_token(conn: Connection, token_hash: bytes, remote: str) -> Ticket | None:
    """What the token opens for a client at this address; it opens nothing afterwards."""
    row = await conn.fetchrow(
        """
        DELETE FROM console_tokens
        WHERE token_hash = $1 AND expires_at >= now() AND (remote IS NULL OR remote = $2)
        RETURNING vm_uuid, account_uuid, user_uuid, session_hash, access_key_uuid, kind
        """,
        token_hash,
        remote,
    )
    if row is None:
        return None
    *right, kind = row.values()
    return Ticket(Right(*right), kind)


async def still_right(conn: Connection, rights: Sequence[Right]) -> list[bool]:
    """Of each, whether its VM runs and is the account's to use, and its session or key is still there.

    Whether the login may use consoles at all is another question (`auth.standing`).
    """
    rows = await conn.fetch(
        """
        SELECT m.uuid IS NOT NULL AND (a.type = 'SystemAdmin' OR o.account_uuid = r.account)
               AND (r.session IS NULL OR EXISTS (
                   SELECT FROM sessions s WHERE s.token_hash = r.session AND s.expired_date >= now()))
               AND (r.key IS NULL OR EXISTS (
                   SELECT FROM access_keys k WHERE k.uuid = r.key AND k.state = 'Enabled'))
        FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[])
            WITH ORDINALITY AS r (vm, account, session, key, number)
        LEFT JOIN accounts a ON a.uuid = r.account
        LEFT JOIN resource_owners o ON o.resource_uuid = r.vm
        LEFT JOIN vm_instances m ON m.uuid = r.vm
            AND m.state NOT IN ('Created', 'Starting', 'Stopped', 'Destroying', 'Destroyed', 'Expunging')
        ORDER BY r.number
        """,
        [right.vm_uuid for right in rights],
        [right.account_uuid for right in rights],
        [right.session for right in rights],
        [right.key_uuid for right in rights],
    )
    return [bool(row[0]) for row in rows]


async def forget_old(conn: Connection, limit: int) -> int:
    """Drop tokens past their time, and agents not seen for a day; returns how many tokens."""
    await conn.execute("DELETE FROM console_agents WHERE alive_until < now() - interval '1 day'")
    return await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM console_tokens WHERE token_hash IN (
                SELECT token_hash FROM console_tokens WHERE expires_at < now() LIMIT $1
                FOR UPDATE SKIP LOCKED)
            RETURNING 1)
        SELECT count(*) FROM gone
        """,
        limit,
    )
