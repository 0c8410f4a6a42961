"""Replacing the installation's key: everything that is sealed is sealed anew, while the service goes on.

Hashes stay as they are, under the key that made them, which is kept in the database, sealed
(`auth.keyring`): sessions, signatures that must not be shown again and repeated calls remain valid.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

import orjson

from zstack_mgmt.auth.keyring import adopt, key_file, load_keys, write_key_file
from zstack_mgmt.auth.keys import seal_context
from zstack_mgmt.auth.results import renewed as renewed_result
from zstack_mgmt.auth.secrets import KEY_BYTES, Sealer, SealError
from zstack_mgmt.config import Settings
from zstack_mgmt.db import Connection
from zstack_mgmt.ldap.access import seal_context as ldap_context
from zstack_mgmt.webhooks.secrets import seal_context as webhook_context

if TYPE_CHECKING:
    from asyncpg import Record

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds sealed texts.

    Attributes:
        select: at most $2 rows after the key $1, in the key's order: `key`, `text` and what `renew` needs.
        update: puts $3 into the row $1 if it still holds $2.
        renew: the text under the new key; None: it is already. Raises SealError.
    """

    select: LiteralString
    update: LiteralString
    renew: Callable[[Sealer, Record], str | None]


@dataclass(slots=True)
class Count:
    """What became of the texts."""

    renewed: int = 0
    lost: int = 0  # none of the keys opens them


def _by(context: Callable[[Record], str]) -> Callable[[Sealer, Record], str | None]:
    return lambda sealer, row: sealer.renewed(row["text"], context(row))


def _of_a_host(sealer: Sealer, row: Record) -> str | None:
    return sealer.renewed(row["text"], "password")


def _renewed_fields(sealer: Sealer, row: Record) -> str | None:
    """The secrets of a job: those that are sealed, for the name of their field, stand beside hashes."""
    fields: dict[str, str] = orjson.loads(row["text"])
    changed = False
    for name, value in fields.items():
        if value.startswith("s1."):
            anew = sealer.renewed(value, name)
            fields[name], changed = anew or value, changed or anew is not None
    return orjson.dumps(fields).decode() if changed else None


def _renewed_marks(sealer: Sealer, row: Record) -> str | None:
    return renewed_result(sealer, row["key"].removeprefix("msg_"), row["text"])


PLACES: dict[str, Place] = {
    "access_keys.sealed": Place(
        "SELECT uuid AS key, sealed AS text FROM access_keys WHERE uuid > $1 ORDER BY uuid LIMIT $2",
        "UPDATE access_keys SET sealed = $3 WHERE uuid = $1 AND sealed = $2",
        _by(lambda row: seal_context(row["key"])),
    ),
    "webhook_secrets.sealed": Place(
        """
        SELECT uuid AS key, sealed AS text, account_uuid FROM webhook_secrets
        WHERE uuid > $1 ORDER BY uuid LIMIT $2
        """,
        "UPDATE webhook_secrets SET sealed = $3 WHERE uuid = $1 AND sealed = $2",
        _by(lambda row: webhook_context(row["account_uuid"])),
    ),
    "ldap_servers.sealed_password": Place(
        """
        SELECT uuid AS key, sealed_password AS text FROM ldap_servers
        WHERE uuid > $1 ORDER BY uuid LIMIT $2
        """,
        "UPDATE ldap_servers SET sealed_password = $3 WHERE uuid = $1 AND sealed_password = $2",
        _by(lambda row: ldap_context(row["key"])),
    ),
    "hosts.password": Place(
        """
        SELECT uuid AS key, password AS text FROM hosts
        WHERE uuid > $1 AND password IS NOT NULL ORDER BY uuid LIMIT $2
        """,
        "UPDATE hosts SET password = $3 WHERE uuid = $1 AND password = $2",
        _of_a_host,
    ),
    "stray_domains.password": Place(
        """
        SELECT vm_uuid || host_uuid AS key, password AS text FROM stray_domains
        WHERE vm_uuid || host_uuid > $1 AND password IS NOT NULL ORDER BY vm_uuid || host_uuid LIMIT $2
        """,
        "UPDATE stray_domains SET password = $3 WHERE vm_uuid || host_uuid = $1 AND password = $2",
        _of_a_host,
    ),
    "api_jobs.secrets": Place(
        """
        SELECT uuid AS key, secrets AS text FROM api_jobs
        WHERE uuid > $1 AND secrets LIKE '%"s1.%' ORDER BY uuid LIMIT $2
        """,
        "UPDATE api_jobs SET secrets = $3 WHERE uuid = $1 AND secrets = $2",
        _renewed_fields,
    ),
    "api_jobs.result": Place(
        """
        SELECT uuid AS key, result AS text FROM api_jobs
        WHERE uuid > $1 AND result LIKE '%"sealed:s1.%' ORDER BY uuid LIMIT $2
        """,
        "UPDATE api_jobs SET result = $3 WHERE uuid = $1 AND result = $2",
        _renewed_marks,
    ),
    "webhook_deliveries.body": Place(
        """
        SELECT id AS key, body AS text FROM webhook_deliveries
        WHERE id > $1 AND body LIKE '%"sealed:s1.%' ORDER BY id LIMIT $2
        """,
        "UPDATE webhook_deliveries SET body = $3 WHERE id = $1 AND body = $2",
        _renewed_marks,
    ),
}
"""Every column with sealed texts; a test looks for others."""


async def rotate(conn: Connection, settings: Settings) -> Count:
    """Make the first key the database's, and seal everything with it.

    With the key in a file, a new one is made and put there. Broken off at any point, it can be run again.

    Raises: ConfigError for a database that knows none of the keys; nothing has changed.
    """
    keys = load_keys(settings)
    by_file = not settings.secret_key
    if by_file and len(keys) == 1:
        await adopt(conn, settings)  # refuses a key that is not the database's, before the file changes
        keys = (secrets.token_bytes(KEY_BYTES), *keys)
        write_key_file(key_file(settings), keys, replace=True)
    sealer = await adopt(conn, settings)
    count = Count()
    for place in PLACES.values():
        await _renew(conn, sealer, place, count)
    if by_file and not count.lost:
        write_key_file(key_file(settings), keys[:1], replace=True)
    return count


async def _renew(conn: Connection, sealer: Sealer, place: Place, count: Count) -> None:
    after = ""
    while rows := await conn.fetch(place.select, after, _BATCH):
        for row in rows:
            try:
                anew = place.renew(sealer, row)
            except SealError:
                count.lost += 1
                continue
            if anew is not None:
                await conn.execute(place.update, row["key"], row["text"], anew)
                count.renewed += 1
        after = rows[-1]["key"]
