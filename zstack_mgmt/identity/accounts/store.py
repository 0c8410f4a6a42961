"""The SQL of accounts."""

from __future__ import annotations

from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.accounts.model import Account


async def insert_account(
    conn: Connection, uuid: str, name: str, description: str | None, kind: str, password_hash: str
) -> Account:
    """Insert the account; a taken name or uuid breaks accounts_name_key or accounts_pkey."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO accounts (uuid, name, description, type, password_hash) VALUES ($1, $2, $3, $4, $5)
        RETURNING uuid, name, description, type, create_date, last_op_date
        """,
        uuid,
        name,
        description,
        kind,
        password_hash,
    )
    return Account.from_row(row)


async def get_account(conn: Connection, uuid: str) -> Account | None:
    """The account; its row is locked for the rest of the transaction."""
    row = await conn.fetchrow(
        """
        SELECT uuid, name, description, type, create_date, last_op_date FROM accounts
        WHERE uuid = $1 FOR UPDATE
        """,
        uuid,
    )
    return None if row is None else Account.from_row(row)


async def name_is_taken(conn: Connection, name: str, but_by: str) -> bool:
    """Whether another account has the name."""
    return bool(await conn.fetchval("SELECT true FROM accounts WHERE name = $1 AND uuid <> $2", name, but_by))


async def update_account(
    conn: Connection, uuid: str, name: str | None, description: str | None, password_hash: str | None
) -> Account:
    """Set what is not None; lastOpDate moves. A new password puts the old one into the history."""
    if password_hash is not None:
        await conn.execute(
            """
            INSERT INTO password_history (owner_uuid, password_hash)
            SELECT uuid, password_hash FROM accounts WHERE uuid = $1
            """,
            uuid,
        )
    row = await fetch_one(
        conn,
        """
        UPDATE accounts SET name = coalesce($2, name), description = coalesce($3, description),
               password_hash = coalesce($4, password_hash), last_op_date = now()
        WHERE uuid = $1 RETURNING uuid, name, description, type, create_date, last_op_date
        """,
        uuid,
        name,
        description,
        password_hash,
    )
    return Account.from_row(row)


async def delete_account(conn: Connection, uuid: str) -> None:
    """Delete the account with its users, groups, policies, quotas, sessions and shares.

    What else it owned passes to the built-in admin.
    """
    # Whoever makes something for the account meanwhile waits here, and then finds no account to own it.
    if await conn.fetchval("SELECT true FROM accounts WHERE uuid = $1 FOR UPDATE", uuid) is None:
        return
    await conn.execute(
        """
        DELETE FROM password_history
        WHERE owner_uuid = $1 OR owner_uuid IN (SELECT uuid FROM users WHERE account_uuid = $1)
        """,
        uuid,
    )
    await conn.execute("DELETE FROM users WHERE account_uuid = $1", uuid)
    await conn.execute("DELETE FROM user_groups WHERE account_uuid = $1", uuid)
    await conn.execute("DELETE FROM policies WHERE account_uuid = $1", uuid)
    await conn.execute("DELETE FROM quotas WHERE identity_uuid = $1", uuid)
    await conn.execute(
        "UPDATE resource_owners SET account_uuid = $2, last_op_date = now() WHERE account_uuid = $1",
        uuid,
        ADMIN_UUID,
    )
    await conn.execute("DELETE FROM accounts WHERE uuid = $1", uuid)


async def password_of(conn: Connection, uuid: str) -> str | None:
    """The stored hash of the account's password; None when there is no such account."""
    return await conn.fetchval("SELECT password_hash FROM accounts WHERE uuid = $1", uuid)


async def end_sessions(conn: Connection, account_uuid: str) -> None:
    """End the account sessions of the account; its users' sessions live on."""
    await conn.execute("DELETE FROM sessions WHERE account_uuid = $1 AND user_uuid = $1", account_uuid)


async def insert_admin(conn: Connection, password_hash: str) -> bool:
    """Create the built-in admin unless it exists; True when it was created."""
    made = await conn.fetchval(
        """
        INSERT INTO accounts (uuid, name, type, password_hash) VALUES ($1, 'admin', 'SystemAdmin', $2)
        ON CONFLICT (uuid) DO NOTHING RETURNING true
        """,
        ADMIN_UUID,
        password_hash,
    )
    return bool(made)


async def note_password_reset(conn: Connection, uuid: str) -> None:
    """An audit line: the operator has set the password, without an API."""
    await conn.execute(
        """
        INSERT INTO audits (account_uuid, user_uuid, api, target, outcome)
        VALUES ($1, $1, 'admin-password', $1, 'succeeded')
        """,
        uuid,
    )
