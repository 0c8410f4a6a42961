"""The SQL of quotas."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.quotas.model import Quota, QuotaUsage
from zstack_mgmt.resources.owners import own


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
    await own(conn, account_uuid, *uuids)


async def set_quota(conn: Connection, account_uuid: str, name: str, value: int) -> Quota:
    """Set the value of a quota that the account has."""
    row = await fetch_one(
        conn,
        """
        UPDATE quotas SET value = $3, last_op_date = now() WHERE identity_uuid = $1 AND name = $2
        RETURNING uuid, name, identity_uuid, identity_type, value, create_date, last_op_date
        """,
        account_uuid,
        name,
        value,
    )
    return Quota.from_row(row)


async def usages(conn: Connection, account_uuid: str) -> list[QuotaUsage]:
    """Value and use of each quota; 0 where the account has no limit. No use is shown beyond 2^63 - 1."""
    rows = await conn.fetch(
        """
        SELECT d.name, coalesce(q.value, 0) AS total,
               least(coalesce(q.used, u.used, 0), 9223372036854775807)::bigint AS used
        FROM quota_defaults d LEFT JOIN quotas q ON q.name = d.name AND q.identity_uuid = $1
        LEFT JOIN (
            SELECT key, sum(value::numeric) AS used FROM resource_owners, jsonb_each_text(uses)
            WHERE account_uuid = $1 AND NOT EXISTS (SELECT FROM quotas WHERE identity_uuid = $1)
            GROUP BY key) u ON u.key = d.name
        ORDER BY d.name
        """,
        account_uuid,
    )
    return [QuotaUsage.from_row(row) for row in rows]


async def limits_of(conn: Connection, account_uuid: str) -> dict[str, int]:
    """The quotas that the account has, by name."""
    rows = await conn.fetch("SELECT name, value FROM quotas WHERE identity_uuid = $1", account_uuid)
    return {row["name"]: row["value"] for row in rows}


async def lock(conn: Connection, account_uuid: str, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Value and use of those of the quotas that the account has, locked until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT name, value, used::text FROM quotas WHERE identity_uuid = $1 AND name = ANY ($2)
        ORDER BY name FOR NO KEY UPDATE
        """,
        account_uuid,
        names,
    )
    return {row["name"]: (row["value"], int(row["used"])) for row in rows}
