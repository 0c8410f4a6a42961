"""The SQL of VIPs and EIPs. What a VIP is used for is noted by the trigger note_use on the EIPs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Generic, LiteralString, TypeVar

from zstack_mgmt.compute.vips.model import Eip, Vip
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.core.inventory import Inventory
from zstack_mgmt.db import Connection, fetch_one

T = TypeVar("T", bound=Inventory)


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """What can be done to VIPs and EIPs alike."""

    noun: str
    inventory: type[T]
    lock_sql: LiteralString
    update_sql: LiteralString
    delete_sql: LiteralString

    async def find(self, conn: Connection, uuid: str, account_uuid: str | None) -> tuple[T, str] | None:
        """The row of the account (None: of any) and its owner, both locked until the transaction ends."""
        row = await conn.fetchrow(self.lock_sql, uuid, account_uuid)
        return None if row is None else (self.inventory.from_row(row), row["owner_uuid"])

    async def lock(self, conn: Connection, uuid: str, account_uuid: str | None = None) -> tuple[T, str]:
        """The same of one that must be there; raises ResourceNotFound."""
        found = await self.find(conn, uuid, account_uuid)
        if found is None:
            raise ResourceNotFound(f"no {self.noun} has the uuid {uuid}")
        return found

    async def update(
        self,
        conn: Connection,
        uuid: str,
        name: str | None = None,
        description: str | None = None,
        state: str | None = None,
    ) -> T:
        """Set what is not None of one that exists."""
        return self.inventory.from_row(await fetch_one(conn, self.update_sql, uuid, name, description, state))

    async def delete(self, conn: Connection, uuid: str) -> None:
        """Delete the row."""
        await conn.execute(self.delete_sql, uuid)


VIPS = Table(
    "VIP",
    Vip,
    """
    SELECT v.*, o.account_uuid AS owner_uuid FROM vips v JOIN resource_owners o ON o.resource_uuid = v.uuid
    WHERE v.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR UPDATE OF v FOR SHARE OF o
    """,
    """
    UPDATE vips SET name = coalesce($2, name), description = coalesce($3, description),
           state = coalesce($4, state), last_op_date = now()
    WHERE uuid = $1 RETURNING *
    """,
    "DELETE FROM vips WHERE uuid = $1",  # its EIP goes with it, and its address is free again
)
EIPS = Table(
    "EIP",
    Eip,
    """
    SELECT e.*, (SELECT n.ip FROM vm_nics n WHERE n.uuid = e.vm_nic_uuid) AS guest_ip,
           o.account_uuid AS owner_uuid
    FROM eips e JOIN resource_owners o ON o.resource_uuid = e.uuid
    WHERE e.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
    FOR NO KEY UPDATE OF e FOR SHARE OF o
    """,
    """
    UPDATE eips SET name = coalesce($2, name), description = coalesce($3, description),
           state = coalesce($4, state), last_op_date = now()
    WHERE uuid = $1 RETURNING *, (SELECT n.ip FROM vm_nics n WHERE n.uuid = vm_nic_uuid) AS guest_ip
    """,
    "DELETE FROM eips WHERE uuid = $1",  # its VIP stays
)


async def insert_vip(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    l3_uuid: str,
    wanted: IPv4Address | None,
) -> Vip:
    """Insert an enabled VIP with the wanted address of the network, or the lowest that is free.

    Raises:
        InvalidArgument: the wanted address is in no range of the network.
        OperationError: it is in use, or none is left.
    """
    value = None if wanted is None else int(wanted)
    row = await conn.fetchrow(
        """
        WITH taken AS MATERIALIZED (
            SELECT * FROM take_address($4, $5)
        ), noted AS (
            INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vip_uuid)
            SELECT $4, value, range_uuid, $1 FROM taken
        )
        INSERT INTO vips (uuid, name, description, l3_network_uuid, ip, gateway, netmask)
        SELECT $1, $2, $3, $4, host('0.0.0.0'::inet + value), gateway, netmask FROM taken RETURNING *
        """,
        uuid,
        name,
        description,
        l3_uuid,
        value,
    )
    if row is not None:
        return Vip.from_row(row)
    if wanted is None:
        raise OperationError(f"the L3 network {l3_uuid} has no free address left")
    known = await conn.fetchval(
        """
        SELECT true FROM ip_ranges
        WHERE l3_network_uuid = $1 AND $2 BETWEEN start_value AND end_value LIMIT 1
        """,
        l3_uuid,
        value,
    )
    if known:
        raise OperationError(f"the address {wanted} is in use")
    raise InvalidArgument(f"the address {wanted} is in no range of the L3 network {l3_uuid}")


async def insert_eip(
    conn: Connection, uuid: str, name: str, description: str | None, vip: Vip, nic_uuid: str | None
) -> Eip:
    """Insert an enabled EIP; breaks eips_vip_key or eips_nic_key when another one has the VIP or the NIC."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO eips (uuid, name, description, vip_uuid, vip_ip, vm_nic_uuid)
        VALUES ($1, $2, $3, $4, $5, $6)
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


async def lock_nic(conn: Connection, uuid: str, account_uuid: str | None) -> tuple[str, str]:
    """Network and owner of a NIC of the account (None: of any), both locked until the transaction ends.

    Raises:
        ResourceNotFound: the account owns no such NIC.
    """
    row = await conn.fetchrow(
        """
        SELECT n.l3_network_uuid, o.account_uuid FROM vm_nics n
        JOIN resource_owners o ON o.resource_uuid = n.uuid
        WHERE n.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        FOR KEY SHARE OF n FOR NO KEY UPDATE OF o
        """,
        uuid,
        account_uuid,
    )
    if row is None:
        raise ResourceNotFound(f"no NIC has the uuid {uuid}")
    return row["l3_network_uuid"], row["account_uuid"]


async def eip_of_vip(conn: Connection, vip_uuid: str) -> str | None:
    """The EIP that uses the VIP."""
    return await conn.fetchval("SELECT uuid FROM eips WHERE vip_uuid = $1", vip_uuid)
