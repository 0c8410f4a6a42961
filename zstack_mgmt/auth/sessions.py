"""Sessions: bearer tokens of which only a keyed hash is stored, cached for less than a second per process.

An entry is looked at again in the database after `session_cache_s`, so a logout, a deletion or a new policy
reaches every process within that time, also while Redis is away. While Redis is there, a process is told
before such a change is committed, and trusts nothing that it knows of the account until told of its end.
"""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.auth.recent import Recent, Trust
from zstack_mgmt.auth.standing import SessionCaller, caller_with, statements_of
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.db import Pool

_SELECT = """
SELECT s.account_uuid, s.user_uuid, a.type = 'SystemAdmin' AS is_admin
FROM sessions s JOIN accounts a ON a.uuid = s.account_uuid
LEFT JOIN users u ON u.uuid = s.user_uuid AND u.account_uuid = s.account_uuid
WHERE s.token_hash = $1 AND s.expired_date >= now() AND a.enabled AND s.credential_uuid IS NULL
  AND (s.user_uuid = s.account_uuid OR u.enabled)
"""


def token_hash(sealer: Sealer, token: str) -> bytes:
    """What is stored of a session token."""
    return sealer.keyed_hash(token.encode(errors="surrogateescape"), "session")


def csrf_token(sealer: Sealer, token: str) -> str:
    """What a page must send beside the cookie of this session; other pages can neither read nor make it."""
    return sealer.keyed_hash(token.encode(errors="surrogateescape"), "csrf").hex()


class Sessions:
    """Finds the caller behind a token.

    One that an application credential has opened is none: policies know nothing of what bounds it.
    """

    def __init__(self, pool: Pool, sealer: Sealer, trust: Trust) -> None:
        self._pool = pool
        self._sealer = sealer
        self._recent = Recent(trust, self._load)
        self.cached = self._recent.kept
        self.forget = self._recent.forget

    async def find(self, token: str) -> SessionCaller:
        """The caller of a live session. Raises InvalidSession; database errors pass through."""
        caller = await self._recent.find(token)
        if caller is None:
            raise InvalidSession("the session does not exist or has expired; log in again")
        return caller

    async def _load(self, token: str) -> SessionCaller | None:
        if not 0 < len(token) <= 64:
            return None
        async with self._pool.acquire() as conn:
            hashed = token_hash(self._sealer, token)
            row = await conn.fetchrow(_SELECT, hashed)
            if row is None:
                return None
            account_uuid, login_uuid, is_admin = row
            statements = await statements_of(conn, account_uuid, login_uuid)
        return replace(await caller_with(account_uuid, login_uuid, is_admin, statements), session=hashed)
