"""The SQL of zones."""

from __future__ import annotations

from zstack_mgmt.db import Connection


async def clear_default(conn: Connection) -> None:
    """No zone is the default one; until the transaction ends none becomes it in another."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('the default zone'))")
    await conn.execute("UPDATE zones SET is_default = false WHERE is_default")
