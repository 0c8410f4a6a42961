"""Sessions: bearer tokens of which only a keyed hash is stored, cached for less than a second per process.

The cache is the whole of invalidation: an entry is looked at again in the database after `session_cache_s`,
so a logout, a deletion or a password change reaches every process within that time, also while Redis is away.
"""

from __future__ import annotations

import asyncio
import time

from zstack_mgmt.auth.standing import SessionCaller, caller_of
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.db import Connection, Pool

_MAX_CACHED = 20_000
_SELECT = """
SELECT s.account_uuid, s.user_uuid, a.type = 'SystemAdmin' AS is_admin
FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid
LEFT JOIN users u ON u.uuid = s.user_uuid AND u.account_uuid = s.account_uuid
WHERE s.token_hash = $1 AND s.expired_date >= now() AND a.enabled
  AND (s.user_uuid = s.account_uuid OR u.enabled)
"""


def token_hash(sealer: Sealer, token: str) -> bytes:
    """What is stored of a session token."""
    return sealer.keyed_hash(token.encode(errors="surrogateescape"), "session")


class Sessions:
    """Finds the caller behind a token."""

    def __init__(self, pool: Pool, sealer: Sealer, cache_s: float) -> None:
        self._pool = pool
        self._sealer = sealer
        self._cache_s = cache_s
        self._cached: dict[str, tuple[float, SessionCaller]] = {}
        self._pending: dict[str, asyncio.Future[SessionCaller | None]] = {}

    def cached(self, token: str) -> SessionCaller | None:
        """The caller if it was confirmed less than `session_cache_s` ago."""
        entry = self._cached.get(token)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        return None

    async def find(self, token: str) -> SessionCaller:
        """The caller of a live session. Raises InvalidSession; database errors pass through."""
        caller = self.cached(token)
        if caller is not None:
            return caller
        pending = self._pending.get(token)
        if pending is None:
            pending = asyncio.ensure_future(self._load(token))
            self._pending[token] = pending
            pending.add_done_callback(lambda _: self._pending.pop(token, None))
        caller = await asyncio.shield(pending)
        if caller is None:
            raise InvalidSession("the session does not exist or has expired; log in again")
        return caller

    def forget(self, token: str) -> None:
        """Drop the entry at once in this process; the others follow within `session_cache_s`."""
        self._cached.pop(token, None)

    async def _load(self, token: str) -> SessionCaller | None:
        caller: SessionCaller | None = None
        if 0 < len(token) <= 64:
            async with self._pool.acquire() as conn:
                caller = await _caller(conn, token_hash(self._sealer, token))
        if caller is None:
            self._cached.pop(token, None)
            return None
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        self._cached[token] = (time.monotonic() + self._cache_s, caller)
        return caller


async def _caller(conn: Connection, hashed: bytes) -> SessionCaller | None:
    row = await conn.fetchrow(_SELECT, hashed)
    return None if row is None else await caller_of(conn, *row)
