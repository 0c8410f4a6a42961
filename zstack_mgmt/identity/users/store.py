"""The SQL of users."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.db import Connection


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


async def forget_passwords(conn: Connection, user_uuid: str) -> None:
    """Drop the earlier passwords of a user that is gone."""
    await conn.execute("DELETE FROM password_history WHERE owner_uuid = $1", user_uuid)
