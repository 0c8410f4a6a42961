"""The SQL of quotas."""

from __future__ import annotations

from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.model import Quota


async def create_quotas(conn: Connection, account_uuid: str) -> None:
    """Give a new account its quotas at the current defaults, owned by it."""
    names = [row["name"] for row in await conn.fetch("SELECT name FROM quota_defaults ORDER BY name")]
    uuids = [new_uuid() for _ in names]
    await conn.execute(
        """
        INSERT INTO quotas (uuid, name, identity_uuid, value)
        SELECT n.uuid, n.name, $1, d.value FROM unnest($2::text[], $3::text[]) AS n (uuid, name)
        JOIN quota_defaults d ON d.name = n.name
        """,
        account_uuid,
        uuids,
        names,
    )
    await conn.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        SELECT u, 'QuotaVO', $1 FROM unnest($2::text[]) AS u
        """,
        account_uuid,
        uuids,
    )


async def set_quota(conn: Connection, account_uuid: str, name: str, value: int) -> Quota | None:
    """Set the value; None when the account has no such quota."""
    row = await conn.fetchrow(
        """
        UPDATE quotas SET value = $3, last_op_date = now() WHERE identity_uuid = $1 AND name = $2
        RETURNING uuid, name, identity_uuid, identity_type, value, create_date, last_op_date
        """,
        account_uuid,
        name,
        value,
    )
    return None if row is None else Quota.from_row(row)


async def values(conn: Connection, account_uuid: str) -> dict[str, int]:
    """Name and value of the account's quotas; the defaults' names with 0 where it has none."""
    rows = await conn.fetch(
        """
        SELECT d.name, coalesce(q.value, 0) AS value FROM quota_defaults d
        LEFT JOIN quotas q ON q.name = d.name AND q.identity_uuid = $1 ORDER BY d.name
        """,
        account_uuid,
    )
    return {row["name"]: row["value"] for row in rows}


async def lock(conn: Connection, account_uuid: str, name: str) -> int | None:
    """The value, its row locked until the transaction ends; None when the account has no such limit."""
    return await conn.fetchval("SELECT lock_quota($1, $2)", account_uuid, name)


async def account_exists(conn: Connection, uuid: str) -> bool:
    """Whether there is such an account."""
    return bool(await conn.fetchval("SELECT true FROM accounts WHERE uuid = $1", uuid))
