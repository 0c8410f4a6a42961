"""The signing secrets of accounts: made at first need, sealed at rest, handed out once, replaced with an
overlap during which both sign.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import structlog

from zstack_mgmt.auth.secrets import SealError
from zstack_mgmt.core.registry import Sealer
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.webhooks import store
from zstack_mgmt.webhooks.model import OlderSecret, WebhookSecret
from zstack_mgmt.webhooks.signing import key_of, new_secret

log = structlog.get_logger()

MAX_OLDER = 3  # secrets that still sign beside the current one; each makes the header longer


async def signing_keys(
    conn: Connection, sealer: Sealer, accounts: Sequence[str]
) -> dict[str, tuple[bytes, ...]]:
    """The keys of each account, the current one first; an account without a secret gets one.

    Secrets sealed with another installation's key are left out, so an account may have none.
    """
    rows = await store.live_secrets(conn, accounts)
    missing = set(accounts) - {row.account_uuid for row in rows if row.ends_at is None}
    for account_uuid in missing:
        await _make(conn, sealer, account_uuid, read=False)
    if missing:
        rows = await store.live_secrets(conn, accounts)
    keys: defaultdict[str, list[bytes]] = defaultdict(list)
    for row in rows:
        try:
            keys[row.account_uuid].append(key_of(sealer.open(row.sealed, seal_context(row.account_uuid))))
        except SealError:
            log.error("webhook secret cannot be opened", account_uuid=row.account_uuid, secret_uuid=row.uuid)
    return {account_uuid: tuple(held) for account_uuid, held in keys.items()}


class KeyCache:
    """Signing keys, kept for so long that a rotation is noticed soon and a busy sender asks once."""

    def __init__(self, sealer: Sealer, kept_s: float) -> None:
        self._sealer = sealer
        self._kept_s = kept_s
        self._keys: dict[str, tuple[float, tuple[bytes, ...]]] = {}

    def get(self, account_uuid: str, now: float) -> tuple[bytes, ...] | None:
        """The account's keys, or None when they have to be loaded."""
        kept = self._keys.get(account_uuid)
        return kept[1] if kept is not None and now - kept[0] < self._kept_s else None

    async def load(self, conn: Connection, accounts: set[str], now: float) -> None:
        """Load those of the accounts whose keys are not there or too old."""
        self._keys = {a: kept for a, kept in self._keys.items() if now - kept[0] < self._kept_s}
        missing = sorted(accounts - self._keys.keys())
        if missing:
            loaded = await signing_keys(conn, self._sealer, missing)
            self._keys.update({account_uuid: (now, loaded.get(account_uuid, ())) for account_uuid in missing})


async def describe(conn: Connection, account_uuid: str) -> WebhookSecret | None:
    """What is known of the account's secret without its text; None when there is none yet."""
    return (
        await _described(conn, account_uuid, None) if await store.live_secrets(conn, [account_uuid]) else None
    )


async def rotate(conn: Connection, sealer: Sealer, account_uuid: str, overlap_s: int) -> WebhookSecret:
    """Replace the secret; the old one signs along for the overlap. Returns the new one in clear."""
    await store.lock_secrets(conn, account_uuid)
    await store.retire_secrets(conn, account_uuid, overlap_s, MAX_OLDER)
    clear = await _make(conn, sealer, account_uuid, read=True)
    return await _described(conn, account_uuid, clear)


async def _make(conn: Connection, sealer: Sealer, account_uuid: str, *, read: bool) -> str:
    clear = new_secret()
    sealed = sealer.seal(clear, seal_context(account_uuid))
    await store.insert_secret(conn, new_uuid(), account_uuid, sealed, read=read)
    return clear


async def _described(conn: Connection, account_uuid: str, clear: str | None) -> WebhookSecret:
    current, *older = await store.live_secrets(conn, [account_uuid])
    return WebhookSecret(
        uuid=current.uuid,
        secret=clear,
        create_date=current.create_date,
        read_date=current.read_date,
        older=[
            OlderSecret(uuid=row.uuid, create_date=row.create_date, end_date=row.ends_at)
            for row in older
            if row.ends_at is not None
        ],
    )


def seal_context(account_uuid: str) -> str:
    """What an account's signing secret is sealed for."""
    return f"webhook-secret:{account_uuid}"
