"""The SQL of VIPs and EIPs. What a VIP is used for is noted by the trigger note_use on the EIPs."""

from __future__ import annotations

from zstack_mgmt.compute.networks.model import Address, Eip, Vip
from zstack_mgmt.db import Connection, fetch_one


async def insert_vip(
    conn: Connection, uuid: str, name: str, description: str | None, l3_uuid: str, taken: Address
) -> Vip:
    """Insert an enabled VIP."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO vips (uuid, name, description, l3_network_uuid, ip, gateway, netmask)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *
        """,
        uuid,
        name,
        description,
        l3_uuid,
        taken.ip,
        taken.gateway,
        taken.netmask,
    )
    return Vip.from_row(row)


async def lock_vip(conn: Connection, uuid: str, account_uuid: str | None) -> tuple[Vip, str] | None:
    """The VIP of the account (None: of any) and its owner, both locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT v.*, o.account_uuid AS owner_uuid FROM vips v
        JOIN resource_owners o ON o.resource_uuid = v.uuid
        WHERE v.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR UPDATE OF v FOR SHARE OF o
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else (Vip.from_row(row), row["owner_uuid"])


async def update_vip(
    conn: Connection, uuid: str, name: str | None, description: str | None, state: str | None
) -> Vip:
    """Set what is not None of a VIP that exists."""
    row = await fetch_one(
        conn,
        """
        UPDATE vips SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
    )
    return Vip.from_row(row)


async def delete_vip(conn: Connection, uuid: str) -> None:
    """Delete the VIP with its EIP. Its address is free again."""
    await conn.execute("DELETE FROM vips WHERE uuid = $1", uuid)


async def insert_eip(
    conn: Connection, uuid: str, name: str, description: str | None, vip: Vip, nic_uuid: str | None
) -> Eip:
    """Insert an enabled EIP; breaks eips_vip_key or eips_nic_key when another one has the VIP or the NIC."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO eips (uuid, name, description, vip_uuid, vip_ip, vm_nic_uuid) VALUES ($1, $2, $3, $4, $5,
        $6)
        RETURNING *, (SELECT n.ip FROM vm_nics n WHERE n.uuid = vm_nic_uuid) AS guest_ip
        """,
        uuid,
        name,
        description,
        vip.uuid,
        vip.ip,
        nic_uuid,
    )
    return Eip.from_row(row)


async def lock_eip(conn: Connection, uuid: str, account_uuid: str | None) -> Eip | None:
    """The EIP of the account (None: of any); row and owner are locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT e.*, (SELECT n.ip FROM vm_nics n WHERE n.uuid = e.vm_nic_uuid) AS guest_ip
        FROM eips e JOIN resource_owners o ON o.resource_uuid = e.uuid
        WHERE e.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        FOR NO KEY UPDATE OF e FOR SHARE OF o
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else Eip.from_row(row)


async def update_eip(
    conn: Connection, uuid: str, name: str | None, description: str | None, state: str | None
) -> Eip:
    """Set what is not None of an EIP that exists."""
    row = await fetch_one(
        conn,
        """
        UPDATE eips SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), last_op_date = now()
        WHERE uuid = $1 RETURNING *, (SELECT n.ip FROM vm_nics n WHERE n.uuid = vm_nic_uuid) AS guest_ip
        """,
        uuid,
        name,
        description,
        state,
    )
    return Eip.from_row(row)


async def set_nic(conn: Connection, uuid: str, nic_uuid: str | None) -> Eip:
    """Let the EIP lead to the NIC, or nowhere."""
    row = await fetch_one(
        conn,
        """
        UPDATE eips SET vm_nic_uuid = $2, last_op_date = now() WHERE uuid = $1
        RETURNING *, (SELECT n.ip FROM vm_nics n WHERE n.uuid = vm_nic_uuid) AS guest_ip
        """,
        uuid,
        nic_uuid,
    )
    return Eip.from_row(row)


async def delete_eip(conn: Connection, uuid: str) -> None:
    """Delete the EIP. Its VIP stays."""
    await conn.execute("DELETE FROM eips WHERE uuid = $1", uuid)


async def eip_of_vip(conn: Connection, vip_uuid: str) -> str | None:
    """The EIP that uses the VIP."""
    return await conn.fetchval("SELECT uuid FROM eips WHERE vip_uuid = $1", vip_uuid)
