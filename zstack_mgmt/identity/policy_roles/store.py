"""The SQL of who has which role."""

from __future__ import annotations

from zstack_mgmt.db import Connection


async def attach_to_account(conn: Connection, role_uuid: str, account_uuid: str) -> None:
    """Let the role hold for all users of the account, of now and later. One that does stays."""
    await conn.execute(
        "INSERT INTO policy_role_accounts (role_uuid, account_uuid) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        role_uuid,
        account_uuid,
    )


async def detach_from_account(conn: Connection, role_uuid: str, account_uuid: str) -> None:
    """End that. It is no error that it did not hold."""
    await conn.execute(
        "DELETE FROM policy_role_accounts WHERE role_uuid = $1 AND account_uuid = $2", role_uuid, account_uuid
    )


async def move(conn: Connection, uuid: str, account_uuid: str) -> None:
    """Make the role one of another account; whoever had it loses it."""
    await conn.execute("DELETE FROM policy_role_users WHERE role_uuid = $1", uuid)
    await conn.execute("DELETE FROM policy_role_accounts WHERE role_uuid = $1", uuid)
    await conn.execute(
        "UPDATE policy_roles SET account_uuid = $2, last_op_date = now() WHERE uuid = $1", uuid, account_uuid
    )


async def account_exists(conn: Connection, uuid: str) -> bool:
    """Whether there is such an account; it stays until the transaction ends."""
    return bool(await conn.fetchval("SELECT true FROM accounts WHERE uuid = $1 FOR KEY SHARE", uuid))
