"""The SQL of logins, accounts and users alike, and of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from zstack_mgmt.db import Connection


@dataclass(frozen=True, slots=True)
class Filters:
    """Which logins are listed; None: any."""

    account_uuid: str | None = None
    enabled: bool | None = None
    name: str | None = None
    like: Sequence[str] = ()  # patterns that the name must match
    like_any_case: Sequence[str] = ()
    group_uuid: str | None = None
    default_project_uuid: str | None = None
    inactive_days: int = 0  # without a login, after which one counts as disabled; 0: never
    expiry: Sequence[tuple[str, datetime]] = ()  # lt, lte, gt, gte, eq or neq, and the time


async def find_login(conn: Connection, uuid: str, inactive_days: int = 0) -> Any:
    """The login with its details, or None.

    Args:
        inactive_days: without a login, after which it counts as disabled; 0: never.
    """
    return await conn.fetchrow(
        """
        SELECT l.uuid, l.account_uuid, l.name, l.description, l.email, l.password_expires_at, l.options,
               l.enabled AND NOT coalesce($2 > 0 AND d.active_at < now() - make_interval(days => $2)
                   AND l.options ->> 'ignore_user_inactivity' IS DISTINCT FROM 'true', false) AS enabled,
               d.default_project_uuid, d.last_project_uuid, d.password_strength,
               coalesce(d.password_reset, false) AS password_reset, coalesce(d.extra, '{}') AS extra,
               (SELECT account_uuid FROM projects WHERE uuid = d.last_project_uuid) AS last_project_in
        FROM logins l LEFT JOIN login_details d ON d.login_uuid = l.uuid WHERE l.uuid = $1
        """,
        uuid,
        inactive_days,
    )


async def list_logins(conn: Connection, filters: Filters, since: str, limit: int | None) -> list[Any]:
    """Logins with their details, by uuid, from the given one on."""
    return await conn.fetch(
        """
        SELECT l.uuid, l.account_uuid, l.name, l.description, l.email, l.password_expires_at, l.options,
               l.enabled AND NOT coalesce($12 > 0 AND d.active_at < now() - make_interval(days => $12)
                   AND l.options ->> 'ignore_user_inactivity' IS DISTINCT FROM 'true', false) AS enabled,
               d.default_project_uuid, d.last_project_uuid, d.password_strength,
               coalesce(d.password_reset, false) AS password_reset, coalesce(d.extra, '{}') AS extra,
               (SELECT account_uuid FROM projects WHERE uuid = d.last_project_uuid) AS last_project_in
        FROM logins l LEFT JOIN login_details d ON d.login_uuid = l.uuid
        WHERE ($1::text IS NULL OR l.account_uuid = $1) AND ($2::boolean IS NULL OR $2 = (
              l.enabled AND NOT coalesce($12 > 0 AND d.active_at < now() - make_interval(days => $12)
                  AND l.options ->> 'ignore_user_inactivity' IS DISTINCT FROM 'true', false)))
          AND ($3::text IS NULL OR l.name = $3)
          AND l.name LIKE ALL ($4::text[]) AND l.name ILIKE ALL ($5::text[])
          AND ($6::text IS NULL OR EXISTS (
              SELECT FROM group_members m WHERE m.group_uuid = $6 AND m.user_uuid = l.uuid))
          AND ($7::text IS NULL OR d.default_project_uuid = $7)
          AND NOT EXISTS (
              SELECT FROM unnest($8::text[], $9::timestamptz[]) AS f (op, at)
              WHERE NOT coalesce(CASE f.op
                  WHEN 'lt' THEN l.password_expires_at < f.at WHEN 'lte' THEN l.password_expires_at <= f.at
                  WHEN 'gt' THEN l.password_expires_at > f.at WHEN 'gte' THEN l.password_expires_at >= f.at
                  WHEN 'eq' THEN l.password_expires_at = f.at WHEN 'neq' THEN l.password_expires_at <> f.at
                  END, false))
          AND l.uuid >= $10
        ORDER BY l.uuid LIMIT $11
        """,
        filters.account_uuid,
        filters.enabled,
        filters.name,
        list(filters.like),
        list(filters.like_any_case),
        filters.group_uuid,
        filters.default_project_uuid,
        [op for op, _ in filters.expiry],
        [at for _, at in filters.expiry],
        since,
        limit,
        filters.inactive_days,
    )


async def update_login(conn: Connection, uuid: str, values: dict[str, Any]) -> None:
    """Set what can change of a user or an account as a login, but for its password."""
    await conn.execute(
        """
        UPDATE users SET name = $2, description = $3, email = $4, enabled = $5, options = $6::text::jsonb,
               last_op_date = now()
        WHERE uuid = $1
        """,
        uuid,
        values["name"],
        values["description"],
        values["email"],
        values["enabled"],
        orjson.dumps(values["options"]).decode(),
    )
    await conn.execute(
        "UPDATE accounts SET email = $2, options = $3::text::jsonb, last_op_date = now() WHERE uuid = $1",
        uuid,
        values["email"],
        orjson.dumps(values["options"]).decode(),
    )
    await conn.execute(
        """
        INSERT INTO login_details (login_uuid, default_project_uuid, extra) VALUES ($1, $2, $3::text::jsonb)
        ON CONFLICT (login_uuid) DO UPDATE SET default_project_uuid = $2, extra = $3::text::jsonb
        """,
        uuid,
        values["default_project_uuid"],
        orjson.dumps(values["extra"]).decode(),
    )


async def note_active(conn: Connection, uuid: str) -> None:
    """Let the time without a login begin again."""
    await conn.execute(
        "UPDATE login_details SET active_at = now() WHERE login_uuid = $1 AND active_at IS NOT NULL", uuid
    )


async def find_actor(conn: Connection, uuid: str, *, is_group: bool) -> Any:
    """uuid and account of a group, or of a user or an account as a login; None when there is none."""
    if is_group:
        return await conn.fetchrow("SELECT uuid, account_uuid FROM user_groups WHERE uuid = $1", uuid)
    return await conn.fetchrow("SELECT uuid, account_uuid FROM logins WHERE uuid = $1", uuid)


async def find_group(conn: Connection, uuid: str) -> Any:
    """The group's row with its extra, or None."""
    return await conn.fetchrow(
        """
        SELECT g.*, coalesce(x.extra, '{}') AS extra
        FROM user_groups g LEFT JOIN resource_extras x ON x.resource_uuid = g.uuid WHERE g.uuid = $1
        """,
        uuid,
    )


async def list_groups(
    conn: Connection,
    *,
    account_uuid: str | None = None,
    name: str | None = None,
    member_uuid: str | None = None,
    since: str = "",
    limit: int | None = None,
) -> list[Any]:
    """Groups by uuid; with a member, those that it is in."""
    return await conn.fetch(
        """
        SELECT g.*, coalesce(x.extra, '{}') AS extra
        FROM user_groups g LEFT JOIN resource_extras x ON x.resource_uuid = g.uuid
        WHERE ($1::text IS NULL OR account_uuid = $1) AND ($2::text IS NULL OR name = $2)
          AND ($3::text IS NULL OR EXISTS (
              SELECT FROM group_members m WHERE m.group_uuid = g.uuid AND m.user_uuid = $3))
          AND uuid >= $4
        ORDER BY uuid LIMIT $5
        """,
        account_uuid,
        name,
        member_uuid,
        since,
        limit,
    )


async def is_member(conn: Connection, group_uuid: str, user_uuid: str) -> bool:
    """Whether the user is in the group."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM group_members WHERE group_uuid = $1 AND user_uuid = $2", group_uuid, user_uuid
        )
    )
