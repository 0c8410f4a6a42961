"""The SQL of access keys."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.db import Connection


async def lock_login(conn: Connection, account_uuid: str, user_uuid: str) -> bool:
    """Whether the account has this login, which stays for the transaction. Its keys are made in turn."""
    return bool(
        await conn.fetchval("SELECT true FROM accounts WHERE uuid = $1 FOR NO KEY UPDATE", account_uuid)
    ) and (
        user_uuid == account_uuid
        or bool(
            await conn.fetchval(
                "SELECT true FROM users WHERE uuid = $2 AND account_uuid = $1 FOR KEY SHARE",
                account_uuid,
                user_uuid,
            )
        )
    )


async def count(conn: Connection, user_uuid: str) -> int:
    """How many keys the login has."""
    return await conn.fetchval("SELECT count(*) FROM access_keys WHERE user_uuid = $1", user_uuid)


async def note_use(conn: Connection, signature: bytes, remote: str, ends_at: datetime) -> bool:
    """Whether the signature opens this change; it opens none from elsewhere, and none later."""
    return await conn.fetchval("SELECT use_signature($1, $2, $3)", signature, remote, ends_at)


async def forget_uses(conn: Connection, limit: int) -> int:
    """Drop signatures that are too old to be shown again; returns how many."""
    return await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM access_key_uses WHERE signature IN (
                SELECT signature FROM access_key_uses WHERE ends_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING 1)
        SELECT count(*) FROM gone
        """,
        limit,
    )
