"""Sessions: bearer tokens of which only a keyed hash is stored, cached for less than a second per process.

An entry is looked at again in the database after `session_cache_s`, so a logout, a deletion or a new policy
reaches every process within that time, also while Redis is away. While Redis is there, a process is told
before such a change is committed, and trusts nothing that it knows of the account until told of its end.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial

from zstack_mgmt.auth.standing import SessionCaller, caller_of
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.db import Connection, Pool

EVERYBODY = "*"
_MAX_CACHED = 20_000
_MAX_ACCOUNTS = 10_000
_CHANGING_S = 5.0  # the longest that a change is waited for; the word of its end comes sooner
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
        self._cached: dict[str, tuple[float, SessionCaller]] = {}  # with the moment of the look-up
        self._trusted_from: dict[str, float] = {}  # by account: earlier look-ups may be out of date
        self._changes: Counter[str] = Counter()  # under way, by account
        self._pending: dict[str, asyncio.Future[SessionCaller | None]] = {}

    def cached(self, token: str) -> SessionCaller | None:
        """The caller if it was confirmed less than `session_cache_s` ago."""
        entry = self._cached.get(token)
        if entry is None or entry[0] + self._cache_s <= time.monotonic():
            return None
        seen_at, caller = entry
        trusted = self._trusted_from
        if trusted and seen_at < max(trusted.get(caller.account_uuid, 0.0), trusted.get(EVERYBODY, 0.0)):
            return None
        return caller

    async def find(self, token: str) -> SessionCaller:
        """The caller of a live session. Raises InvalidSession; database errors pass through."""
        caller = self.cached(token)
        if caller is not None:
            return caller
        pending = self._pending.get(token)
        if pending is None:
            pending = asyncio.ensure_future(self._load(token))
            self._pending[token] = pending
            pending.add_done_callback(partial(self._answered, token))
        caller = await asyncio.shield(pending)
        if caller is None:
            raise InvalidSession("the session does not exist or has expired; log in again")
        return caller

    def _answered(self, token: str, pending: asyncio.Future[SessionCaller | None]) -> None:
        if self._pending.get(token) is pending:
            del self._pending[token]

    def forget(self, token: str) -> None:
        """Drop the entry at once in this process."""
        self._cached.pop(token, None)

    def changing(self, account_uuid: str) -> None:
        """Rights in the account (EVERYBODY: in all) are about to change: look each time until `changed`."""
        self._changes[account_uuid] += 1
        self._trust_from(account_uuid, time.monotonic() + _CHANGING_S)

    def changed(self, account_uuid: str) -> None:
        """Such a change is committed: look again once, unless others are under way."""
        if self._changes[account_uuid] > 1:
            self._changes[account_uuid] -= 1
        else:
            del self._changes[account_uuid]
            self._trust_from(account_uuid, time.monotonic())

    def _trust_from(self, account_uuid: str, moment: float) -> None:
        if len(self._trusted_from) > _MAX_ACCOUNTS:
            old = time.monotonic() - self._cache_s
            self._trusted_from = {name: at for name, at in self._trusted_from.items() if at > old}
        self._trusted_from[account_uuid] = moment
        self._pending.clear()  # what was asked before the change is no answer for those who ask now

    async def _load(self, token: str) -> SessionCaller | None:
        caller: SessionCaller | None = None
        seen_at = time.monotonic()
        if 0 < len(token) <= 64:
            async with self._pool.acquire() as conn:
                caller = await _caller(conn, token_hash(self._sealer, token))
        if caller is None:
            self._cached.pop(token, None)
            return None
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        self._cached[token] = (seen_at, caller)
        return caller


async def _caller(conn: Connection, hashed: bytes) -> SessionCaller | None:
    row = await conn.fetchrow(_SELECT, hashed)
    return None if row is None else await caller_of(conn, *row)
