"""Access keys: finding the caller behind a signed request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from zstack_mgmt import db
from zstack_mgmt.auth.recent import Recent, Trust
from zstack_mgmt.auth.secrets import SealError
from zstack_mgmt.auth.signatures import Signed, moments_of
from zstack_mgmt.auth.standing import SessionCaller, caller_with, statements_of
from zstack_mgmt.auth.throttle import (
    forget_failures,
    is_blocked,
    network_of,
    note_failure,
    subject_of,
    take_turn,
)
from zstack_mgmt.config import Settings
from zstack_mgmt.core.callers import KeyUse
from zstack_mgmt.core.errors import InvalidSession
from zstack_mgmt.core.registry import Sealer

# Clients look for the words "wrong accessKey signature" and "access key id".
_WRONG = "wrong accessKey signature, or no such access key id"
_PAUSE_S = 1.0
_MAX_FAILED = 10_000
_SELECT = """
SELECT k.uuid, k.sealed, k.account_uuid, k.user_uuid, a.type = 'SystemAdmin' AS is_admin
FROM access_keys k JOIN accounts a ON a.uuid = k.account_uuid
LEFT JOIN users u ON u.uuid = k.user_uuid AND u.account_uuid = k.account_uuid
WHERE k.access_key_id = $1 AND k.state = 'Enabled' AND a.enabled
  AND (k.user_uuid = k.account_uuid OR u.enabled)
"""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key that can be used, and whom it acts for."""

    uuid: str
    secret: str = field(repr=False)
    caller: SessionCaller

    @property
    def account_uuid(self) -> str:
        return self.caller.account_uuid


def seal_context(uuid: str) -> str:
    """What a key's secret is sealed for."""
    return f"access-key:{uuid}"


class Keys:
    """Finds the caller behind a signature.

    Failures are counted like those of logins. Where one was seen by this process lately, right signatures
    from that address wait as well: whoever guesses must not learn by being let in.
    """

    def __init__(self, pool: db.Pool, sealer: Sealer, settings: Settings, trust: Trust) -> None:
        self._pool = pool
        self._sealer = sealer
        self._settings = settings
        self._recent = Recent(trust, self._load)
        self._failed: dict[str, float] = {}  # networks with wrong signatures lately, and when to ask again

    async def find(self, signed: Signed, remote: str, *, lenient: bool = False) -> SessionCaller:
        """The caller; of a change with the use of the key.

        Args: lenient: a wrong signature is to be expected, and is not counted.
        Raises: InvalidSession. An unknown key and a wrong signature are told alike.
        """
        ends_at = self._end_of(signed)
        if ends_at is None:
            most = self._settings.access_key_tolerance_s
            raise InvalidSession(
                "wrong accessKey signature: the header Date must be a date such as "
                f"`Wed, 25 Nov 2026 22:32:27 UTC`, at most {most} seconds from now"
            )
        key = await self._recent.find(signed.key_id)
        fits = key is not None and signed.made_by(key.secret)
        if not lenient and (not fits or network_of(remote) in self._failed):
            fits = await self._judge(signed.key_id, remote, fits=fits)
        if key is None or not fits:
            raise InvalidSession(_WRONG)
        if signed.method in ("GET", "HEAD"):
            return key.caller
        signature = self._sealer.keyed_hash(f"{signed.key_id}:{signed.signature}".encode(), "signature")
        return replace(key.caller, key=KeyUse(key.uuid, signature, ends_at))

    def _end_of(self, signed: Signed) -> datetime | None:
        """When the signature's time is over; None: it is not its time now."""
        tolerance = timedelta(seconds=self._settings.access_key_tolerance_s)
        moments = moments_of(signed.date, self._settings.time_zone)
        now = datetime.now(UTC)
        if not any(abs(now - moment) <= tolerance for moment in moments):
            return None
        return max(moments) + tolerance

    async def _load(self, key_id: str) -> AccessKey | None:
        if not 0 < len(key_id) <= 128:
            return None
        async with self._pool.acquire() as conn:
            row = await conn.fetchrow(_SELECT, key_id)
            if row is None:
                return None
            uuid, sealed, account_uuid, login_uuid, is_admin = row
            statements = await statements_of(conn, account_uuid, login_uuid)
        caller = await caller_with(account_uuid, login_uuid, is_admin, statements)
        try:
            return AccessKey(uuid, self._sealer.open(sealed, seal_context(uuid)), caller)
        except SealError:  # another installation's key has sealed it
            return None

    async def _judge(self, key_id: str, remote: str, *, fits: bool) -> bool:
        """Count a wrong signature, and let a right one pass unless so many were wrong that it must wait."""
        network, now = network_of(remote), time.monotonic()
        if self._failed.get(network, 0.0) > now:
            return False  # blocked a moment ago: the database need not be asked each time
        subject = subject_of(self._sealer, "access key", key_id[:128])
        async with db.transaction(self._pool) as conn:
            await take_turn(conn, subject)
            blocked = await is_blocked(conn, subject, remote)
            if fits and not blocked:
                await forget_failures(conn, subject, remote)
            elif not blocked:
                await note_failure(conn, self._settings, subject, remote)
        if len(self._failed) >= _MAX_FAILED:
            self._failed.clear()
        if fits and not blocked:
            self._failed.pop(network, None)
        else:
            self._failed[network] = now + blocked * _PAUSE_S
        return fits and not blocked
