"""The SQL of accounts."""

from __future__ import annotations

from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Connection


async def delete_account(conn: Connection, uuid: str) -> None:
    """Delete the account with its users, groups, policies, roles, keys, quotas, sessions and shares.

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
    await conn.execute("DELETE FROM policy_roles WHERE account_uuid = $1", uuid)
    await conn.execute("DELETE FROM access_keys WHERE account_uuid = $1", uuid)
    await conn.execute("DELETE FROM quotas WHERE identity_uuid = $1", uuid)
    await conn.execute(
        "UPDATE resource_owners SET account_uuid = $2, last_op_date = now() WHERE account_uuid = $1",
        uuid,
        ADMIN_UUID,
    )
    await conn.execute("DELETE FROM accounts WHERE uuid = $1", uuid)


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
