"""The SQL of sessions."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.db import Connection, Lock, touched
from zstack_mgmt.identity.sessions.model import OpenSession


async def find_account(conn: Connection, name: str) -> Any:
    """account_uuid, user_uuid and password_hash of the enabled account of this name, or None."""
    return await conn.fetchrow(
        """
        SELECT uuid AS account_uuid, uuid AS user_uuid, password_hash FROM accounts
        WHERE name = $1 AND enabled
        """,
        name,
    )


async def find_user(conn: Connection, account_uuid: str, name: str) -> Any:
    """account_uuid, user_uuid and password_hash of the enabled user of an enabled account, or None."""
    return await conn.fetchrow(
        """
        SELECT u.account_uuid, u.uuid AS user_uuid, u.password_hash
        FROM users u JOIN accounts a ON a.uuid = u.account_uuid
        WHERE u.account_uuid = $1 AND u.name = $2 AND u.enabled AND a.enabled
        """,
        account_uuid,
        name,
    )


async def still_opens(conn: Connection, login: Any, *, to_change: bool = False) -> bool:
    """Whether the login still has the password that was checked; it stays so until the transaction ends.

    Args:
        to_change: the transaction is about to change it, and ends sessions that others may be opening.
    """
    lock = "FOR NO KEY UPDATE" if to_change else "FOR SHARE"
    account_uuid, password_hash = login["account_uuid"], login["password_hash"]
    if account_uuid == login["user_uuid"]:
        own = "SELECT true FROM accounts WHERE uuid = $1 AND enabled AND password_hash = $2 "
        return bool(await conn.fetchval(own + lock, account_uuid, password_hash))
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM accounts a JOIN users u ON u.account_uuid = a.uuid
            WHERE a.uuid = $1 AND a.enabled AND u.uuid = $2 AND u.enabled AND u.password_hash = $3
            """  # noqa: S608
            + lock,
            account_uuid,
            login["user_uuid"],
            password_hash,
        )
    )


async def has_expired(conn: Connection, login_uuid: str) -> bool:
    """Whether the login's password must be changed before anything else."""
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM logins WHERE uuid = $1 AND password_expires_at <= now()
              AND options ->> 'ignore_password_expiry' IS DISTINCT FROM 'true'
            """,
            login_uuid,
        )
    )


async def is_inactive(conn: Connection, login_uuid: str, days: int) -> bool:
    """Whether the last login is so many days ago; otherwise this one is noted as the last."""
    if await conn.fetchval(
        """
        SELECT true FROM logins l JOIN login_details d ON d.login_uuid = l.uuid
        WHERE l.uuid = $1 AND d.active_at < now() - make_interval(days => $2)
          AND l.options ->> 'ignore_user_inactivity' IS DISTINCT FROM 'true'
        """,
        login_uuid,
        days,
    ):
        return True
    await conn.execute(
        """
        INSERT INTO login_details AS d (login_uuid, active_at) VALUES ($1, now())
        ON CONFLICT (login_uuid) DO UPDATE SET active_at = now()
        WHERE d.active_at IS NULL OR d.active_at < now() - interval '1 hour'
        """,
        login_uuid,
    )
    return False


async def insert_session(
    conn: Connection, token_hash: bytes, account_uuid: str, user_uuid: str, timeout_s: int, limit: int
) -> Any:
    """Insert the session unless the user has `limit` of them already; None then.

    Logins of one user take turns.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", Lock.SESSIONS, user_uuid)
    return await conn.fetchrow(
        """
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, expired_date)
        SELECT $1, $2, $3, now() + make_interval(secs => $4)
        WHERE (SELECT count(*) FROM sessions
               WHERE account_uuid = $2 AND user_uuid = $3 AND origin <> 'keystone'
                 AND expired_date >= now()) < $5
        RETURNING account_uuid, user_uuid, expired_date, create_date
        """,
        token_hash,
        account_uuid,
        user_uuid,
        timeout_s,
        limit,
    )


async def is_valid(conn: Connection, token_hash: bytes) -> bool:
    """Whether the session exists and has not expired."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM sessions WHERE token_hash = $1 AND expired_date >= now()", token_hash
        )
    )


async def find_session(conn: Connection, token_hash: bytes) -> Any:
    """The session's row, locked, with `alive`; None when there is none."""
    return await conn.fetchrow(
        """
        SELECT account_uuid, user_uuid, renewable, expired_date >= now() AS alive FROM sessions
        WHERE token_hash = $1 FOR UPDATE
        """,
        token_hash,
    )


async def renew_session(conn: Connection, token_hash: bytes, duration_s: int) -> Any:
    """Let the session end `duration_s` from now."""
    return await conn.fetchrow(
        """
        UPDATE sessions SET expired_date = now() + make_interval(secs => $2) WHERE token_hash = $1
        RETURNING account_uuid, user_uuid, expired_date, create_date
        """,
        token_hash,
        duration_s,
    )


async def delete_session(conn: Connection, token_hash: bytes) -> None:
    """End the session, if there is one."""
    await conn.execute("DELETE FROM sessions WHERE token_hash = $1", token_hash)


async def open_sessions(conn: Connection, account_uuid: str, user_uuid: str | None) -> list[OpenSession]:
    """The account's live sessions, or the user's; the id is a part of the hash, which opens nothing."""
    rows = await conn.fetch(
        """
        SELECT substr(encode(s.token_hash, 'hex'), 1, 32) AS id, s.user_uuid, s.origin, s.expired_date,
               s.create_date, coalesce(u.name, a.name) AS name
        FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid LEFT JOIN users u ON u.uuid = s.user_uuid
        WHERE s.account_uuid = $1 AND ($2::text IS NULL OR s.user_uuid = $2) AND s.expired_date >= now()
        ORDER BY s.create_date DESC, s.token_hash LIMIT 1000
        """,
        account_uuid,
        user_uuid,
    )
    return [OpenSession(**dict(row)) for row in rows]


async def end_session(conn: Connection, account_uuid: str, user_uuid: str | None, session_id: str) -> None:
    """End the account's session of this id, if there is one."""
    await conn.execute(
        """
        DELETE FROM sessions WHERE account_uuid = $1 AND ($2::text IS NULL OR user_uuid = $2)
          AND substr(encode(token_hash, 'hex'), 1, 32) = $3
        """,
        account_uuid,
        user_uuid,
        session_id,
    )


async def delete_expired(conn: Connection, limit: int) -> int:
    """Drop sessions that have expired; their number."""
    done = await conn.execute(
        """
        DELETE FROM sessions WHERE token_hash IN (
            SELECT token_hash FROM sessions WHERE expired_date < now() LIMIT $1 FOR UPDATE SKIP LOCKED)
        """,
        limit,
    )
    return touched(done)
