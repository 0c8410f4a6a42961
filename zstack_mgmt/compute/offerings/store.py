"""The SQL of offerings."""

from __future__ import annotations

from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.db import Connection, fetch_one


async def insert_instance_offering(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    cpu_num: int,
    memory_size: int,
    sort_key: int,
    allocator_strategy: str,
    type_: str,
) -> InstanceOffering:
    """Insert an enabled instance offering."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO instance_offerings (uuid, name, description, cpu_num, memory_size, sort_key,
        allocator_strategy, type)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
        """,
        uuid,
        name,
        description,
        cpu_num,
        memory_size,
        sort_key,
        allocator_strategy,
        type_,
    )
    return InstanceOffering.from_row(row)


async def get_instance_offering(conn: Connection, uuid: str) -> InstanceOffering | None:
    """The offering, which cannot be deleted until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM instance_offerings WHERE uuid = $1 FOR KEY SHARE", uuid)
    return None if row is None else InstanceOffering.from_row(row)


async def update_instance_offering(
    conn: Connection,
    uuid: str,
    name: str | None,
    description: str | None,
    state: str | None,
    sort_key: int | None,
) -> InstanceOffering | None:
    """Set what is not None; None when there is no such offering."""
    row = await conn.fetchrow(
        """
        UPDATE instance_offerings SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), sort_key = coalesce($5, sort_key), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
        sort_key,
    )
    return None if row is None else InstanceOffering.from_row(row)


async def delete_instance_offering(conn: Connection, uuid: str) -> None:
    """Delete the offering. VMs made from it stay, and forget it."""
    await conn.execute("DELETE FROM instance_offerings WHERE uuid = $1", uuid)


async def insert_disk_offering(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    disk_size: int,
    sort_key: int,
    allocator_strategy: str,
    type_: str,
) -> DiskOffering:
    """Insert an enabled disk offering."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO disk_offerings (uuid, name, description, disk_size, sort_key, allocator_strategy, type)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *
        """,
        uuid,
        name,
        description,
        disk_size,
        sort_key,
        allocator_strategy,
        type_,
    )
    return DiskOffering.from_row(row)


async def get_disk_offering(conn: Connection, uuid: str) -> DiskOffering | None:
    """The offering, which cannot be deleted until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM disk_offerings WHERE uuid = $1 FOR KEY SHARE", uuid)
    return None if row is None else DiskOffering.from_row(row)


async def update_disk_offering(
    conn: Connection,
    uuid: str,
    name: str | None,
    description: str | None,
    state: str | None,
    sort_key: int | None,
) -> DiskOffering | None:
    """Set what is not None; None when there is no such offering."""
    row = await conn.fetchrow(
        """
        UPDATE disk_offerings SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), sort_key = coalesce($5, sort_key), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
        sort_key,
    )
    return None if row is None else DiskOffering.from_row(row)


async def delete_disk_offering(conn: Connection, uuid: str) -> None:
    """Delete the offering. Volumes made from it stay, and forget it."""
    await conn.execute("DELETE FROM disk_offerings WHERE uuid = $1", uuid)
