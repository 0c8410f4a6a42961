"""The SQL of zones."""

from __future__ import annotations

from zstack_mgmt.compute.zones.model import Zone
from zstack_mgmt.db import Connection, fetch_one


async def insert_zone(conn: Connection, uuid: str, name: str, description: str | None) -> Zone:
    """Insert an enabled zone; a taken uuid breaks zones_pkey."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO zones (uuid, name, description) VALUES ($1, $2, $3)
        RETURNING uuid, name, description, state, type, create_date, last_op_date
        """,
        uuid,
        name,
        description,
    )
    return Zone.from_row(row)


async def update_zone(
    conn: Connection, uuid: str, name: str | None, description: str | None, state: str | None
) -> Zone | None:
    """Set what is not None; None when there is no such zone."""
    row = await conn.fetchrow(
        """
        UPDATE zones SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), last_op_date = now()
        WHERE uuid = $1 RETURNING uuid, name, description, state, type, create_date, last_op_date
        """,
        uuid,
        name,
        description,
        state,
    )
    return None if row is None else Zone.from_row(row)


async def lock_zone(conn: Connection, uuid: str) -> None:
    """Nothing comes into the zone until the transaction ends; what is on its way there is waited for."""
    await conn.execute("SELECT FROM zones WHERE uuid = $1 FOR UPDATE", uuid)


async def delete_zone(conn: Connection, uuid: str) -> None:
    """Delete the zone, if there is one."""
    await conn.execute("DELETE FROM zones WHERE uuid = $1", uuid)
