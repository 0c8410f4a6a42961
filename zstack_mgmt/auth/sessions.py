"""Sessions: bearer tokens of which only a keyed hash is stored, cached for less than a second per process.

The cache is the whole of invalidation: an entry is looked at again in the database after `session_cache_s`,
so a logout, a deletion or a password change reaches every process within that time, also while Redis is away.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from zstack_mgmt.auth.policy import policy_set
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Policies, Sealer
from zstack_mgmt.db import Connection, Pool

_MAX_CACHED = 20_000
_SELECT = """
SELECT s.account_uuid, s.user_uuid, a.type = 'SystemAdmin' AS is_admin
FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid
LEFT JOIN users u ON u.uuid = s.user_uuid AND u.account_uuid = s.account_uuid
WHERE s.token_hash = $1 AND s.expired_date >= now() AND a.enabled
  AND (s.user_uuid = s.account_uuid OR u.enabled)
"""


async def statements_of(conn: Connection, user_uuid: str) -> list[str]:
    """The statements, as JSON text, of each policy of the user and of its groups."""
    rows = await conn.fetch(
        """
        SELECT p.statements::text FROM policies p
        WHERE p.uuid IN (SELECT policy_uuid FROM user_policies WHERE user_uuid = $1
                         UNION SELECT gp.policy_uuid FROM group_members m
                         JOIN group_policies gp ON gp.group_uuid = m.group_uuid WHERE m.user_uuid = $1)
        """,
        user_uuid,
    )
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a session belongs to. An account session has its account's uuid in both fields."""

    account_uuid: str
    user_uuid: str
    is_admin: bool
    policies: Policies | None = None


def token_hash(sealer: Sealer, token: str) -> bytes:
    """What is stored of a session token."""
    return sealer.keyed_hash(token.encode(errors="surrogateescape"), "session")


class Sessions:
    """Finds the identity behind a token."""

    def __init__(self, pool: Pool, sealer: Sealer, cache_s: float) -> None:
        self._pool = pool
        self._sealer = sealer
        self._cache_s = cache_s
        self._cached: dict[str, tuple[float, Identity]] = {}
        self._pending: dict[str, asyncio.Future[Identity | None]] = {}

    def cached(self, token: str) -> Identity | None:
        """The identity if it was confirmed less than `session_cache_s` ago."""
        entry = self._cached.get(token)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        return None

    async def find(self, token: str) -> Identity:
        """The identity of a live session. Raises InvalidSession; database errors pass through."""
        identity = self.cached(token)
        if identity is not None:
            return identity
        pending = self._pending.get(token)
        if pending is None:
            pending = asyncio.ensure_future(self._load(token))
            self._pending[token] = pending
            pending.add_done_callback(lambda _: self._pending.pop(token, None))
        identity = await asyncio.shield(pending)
        if identity is None:
            raise InvalidSession("the session does not exist or has expired; log in again")
        return identity

    def forget(self, token: str) -> None:
        """Drop the entry at once in this process; the others follow within `session_cache_s`."""
        self._cached.pop(token, None)

    async def _load(self, token: str) -> Identity | None:
        row: Any = None
        policies: Policies | None = None
        if 0 < len(token) <= 64:
            async with self._pool.acquire() as conn:
                row = await conn.fetchrow(_SELECT, token_hash(self._sealer, token))
                if row is not None and row["user_uuid"] != row["account_uuid"]:
                    policies = policy_set(await statements_of(conn, row["user_uuid"]))
        if row is None:
            self._cached.pop(token, None)
            return None
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        identity = Identity(row["account_uuid"], row["user_uuid"], row["is_admin"], policies)
        self._cached[token] = (time.monotonic() + self._cache_s, identity)
        return identity
