"""The SQL of accounts as domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zstack_mgmt.db import Connection


async def find_domain(conn: Connection, uuid: str) -> Any:
    """The account as `list_domains` gives it, or None."""
    return next(iter(await list_domains(conn, uuids=[uuid])), None)


async def domain_named(conn: Connection, name: str) -> str | None:
    """The uuid of the account of this name."""
    return await conn.fetchval("SELECT uuid FROM accounts WHERE name = $1", name)


async def has_user_named(conn: Connection, uuid: str, name: str) -> bool:
    """Whether a user of the account has this name, which its own login may then not take."""
    return bool(
        await conn.fetchval("SELECT true FROM users WHERE account_uuid = $1 AND name = $2", uuid, name)
    )


async def list_domains(
    conn: Connection,
    *,
    uuids: Sequence[str] | None = None,
    name: str | None = None,
    enabled: bool | None = None,
    since: str = "",
    limit: int | None = None,
) -> list[Any]:
    """uuid, name, description, enabled, extra and tags of accounts, by uuid."""
    return await conn.fetch(
        """
        SELECT uuid, name, description, enabled, coalesce(extra, '{}') AS extra, coalesce(tags, '{}') AS tags
        FROM accounts LEFT JOIN resource_extras ON resource_uuid = uuid
        WHERE ($1::text[] IS NULL OR uuid = ANY ($1)) AND ($2::text IS NULL OR name = $2)
          AND ($3::boolean IS NULL OR enabled = $3) AND uuid >= $4
        ORDER BY uuid LIMIT $5
        """,
        None if uuids is None else list(uuids),
        name,
        enabled,
        since,
        limit,
    )


async def update_domain(
    conn: Connection, uuid: str, name: str, description: str | None, *, enabled: bool
) -> None:
    """Set what can change of a domain. Disabling it ends all sessions in it."""
    await conn.execute(
        "UPDATE accounts SET name = $2, description = $3, enabled = $4, last_op_date = now() WHERE uuid = $1",
        uuid,
        name,
        description,
        enabled,
    )
    if not enabled:
        await conn.execute("DELETE FROM sessions WHERE account_uuid = $1", uuid)
