"""The SQL of users and of the policies bound to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.users.model import User

_COLUMNS: LiteralString = "uuid, account_uuid, name, description, create_date, last_op_date"


async def insert_user(
    conn: Connection, uuid: str, account_uuid: str, name: str, description: str | None, password_hash: str
) -> User:
    """Insert the user; a name that is taken in the account breaks users_account_name_key."""
    row = await fetch_one(
        conn,
        f"""
        INSERT INTO users (uuid, account_uuid, name, description, password_hash) VALUES ($1, $2, $3, $4, $5)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 (a constant of this module)
        uuid,
        account_uuid,
        name,
        description,
        password_hash,
    )
    return User.from_row(row)


async def get_user(conn: Connection, uuid: str) -> User | None:
    """The user, its row locked, whichever account it belongs to."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE uuid = $1 FOR UPDATE",  # noqa: S608 (a constant of this module)
        uuid,
    )
    return None if row is None else User.from_row(row)


async def update_user(
    conn: Connection, uuid: str, name: str | None, description: str | None, password_hash: str | None
) -> User:
    """Set what is not None; lastOpDate moves. A new password puts the old one into the history."""
    if password_hash is not None:
        await conn.execute(
            """
            INSERT INTO password_history (owner_uuid, password_hash)
            SELECT uuid, password_hash FROM users WHERE uuid = $1
            """,
            uuid,
        )
    row = await fetch_one(
        conn,
        f"""
        UPDATE users SET name = coalesce($2, name), description = coalesce($3, description),
               password_hash = coalesce($4, password_hash), last_op_date = now()
        WHERE uuid = $1 RETURNING {_COLUMNS}
        """,  # noqa: S608 (a constant of this module)
        uuid,
        name,
        description,
        password_hash,
    )
    return User.from_row(row)


async def delete_user(conn: Connection, uuid: str, account_uuid: str | None) -> None:
    """Delete the user with its sessions, memberships and bindings; None: of any account."""
    gone = await conn.fetchval(
        "DELETE FROM users WHERE uuid = $1 AND ($2::text IS NULL OR account_uuid = $2) RETURNING uuid",
        uuid,
        account_uuid,
    )
    if gone is not None:
        await end_sessions(conn, uuid)
        await conn.execute("DELETE FROM password_history WHERE owner_uuid = $1", uuid)


async def password_of(conn: Connection, uuid: str) -> str | None:
    """The stored hash of the user's password; None when there is no such user."""
    return await conn.fetchval("SELECT password_hash FROM users WHERE uuid = $1", uuid)


async def end_sessions(conn: Connection, user_uuid: str) -> None:
    """End all sessions of the user."""
    await conn.execute("DELETE FROM sessions WHERE user_uuid = $1", user_uuid)


async def bind_policies(conn: Connection, user_uuid: str, policy_uuids: Sequence[str]) -> None:
    """Bind policies to the user; bound ones stay bound."""
    await conn.execute(
        """
        INSERT INTO user_policies (user_uuid, policy_uuid) SELECT $1, unnest($2::text[])
        ON CONFLICT DO NOTHING
        """,
        user_uuid,
        policy_uuids,
    )


async def unbind_policies(conn: Connection, user_uuid: str, policy_uuids: Sequence[str]) -> None:
    """Take the bindings away; unbound ones are ignored."""
    await conn.execute(
        "DELETE FROM user_policies WHERE user_uuid = $1 AND policy_uuid = ANY ($2)", user_uuid, policy_uuids
    )


async def bind_default_policies(
    conn: Connection, user_uuid: str, account_uuid: str, names: Sequence[str]
) -> None:
    """Bind the account's policies of these names to the new user."""
    await conn.execute(
        """
        INSERT INTO user_policies (user_uuid, policy_uuid)
        SELECT $1, uuid FROM policies WHERE account_uuid = $2 AND name = ANY ($3) ON CONFLICT DO NOTHING
        """,
        user_uuid,
        account_uuid,
        names,
    )
