"""The SQL of user groups, their members and their policies."""

from __future__ import annotations

from typing import LiteralString

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.groups.model import UserGroup

_COLUMNS: LiteralString = "uuid, account_uuid, name, description, create_date, last_op_date"


async def insert_group(
    conn: Connection, uuid: str, account_uuid: str, name: str, description: str | None
) -> UserGroup:
    """Insert the group; a name that is taken in the account breaks user_groups_account_name_key."""
    row = await fetch_one(
        conn,
        f"""
        INSERT INTO user_groups (uuid, account_uuid, name, description) VALUES ($1, $2, $3, $4)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 (a constant of this module)
        uuid,
        account_uuid,
        name,
        description,
    )
    return UserGroup.from_row(row)


async def get_group(conn: Connection, uuid: str) -> UserGroup | None:
    """The group, its row locked, whichever account it belongs to."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM user_groups WHERE uuid = $1 FOR UPDATE",  # noqa: S608 (a constant of this module)
        uuid,
    )
    return None if row is None else UserGroup.from_row(row)


async def update_group(conn: Connection, uuid: str, name: str | None, description: str | None) -> UserGroup:
    """Set what is not None; lastOpDate moves."""
    row = await fetch_one(
        conn,
        f"""
        UPDATE user_groups
        SET name = coalesce($2, name), description = coalesce($3, description), last_op_date = now()
        WHERE uuid = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 (a constant of this module)
        uuid,
        name,
        description,
    )
    return UserGroup.from_row(row)


async def delete_group(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Delete the group with its memberships and bindings; None: of any account."""
    await conn.execute(
        "DELETE FROM user_groups WHERE uuid = $1 AND ($2::text IS NULL OR account_uuid = $2)",
        uuid,
        account_uuid,
    )


async def add_member(conn: Connection, group_uuid: str, user_uuid: str) -> None:
    """Make the user a member; a member stays one."""
    await conn.execute(
        "INSERT INTO group_members (group_uuid, user_uuid) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        group_uuid,
        user_uuid,
    )


async def remove_member(conn: Connection, group_uuid: str, user_uuid: str) -> None:
    """End the membership, if there is one."""
    await conn.execute(
        "DELETE FROM group_members WHERE group_uuid = $1 AND user_uuid = $2", group_uuid, user_uuid
    )


async def bind_policy(conn: Connection, group_uuid: str, policy_uuid: str) -> None:
    """Bind the policy to the group; a bound one stays bound."""
    await conn.execute(
        "INSERT INTO group_policies (group_uuid, policy_uuid) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        group_uuid,
        policy_uuid,
    )


async def unbind_policy(conn: Connection, group_uuid: str, policy_uuid: str) -> None:
    """Take the binding away, if there is one."""
    await conn.execute(
        "DELETE FROM group_policies WHERE group_uuid = $1 AND policy_uuid = $2", group_uuid, policy_uuid
    )
