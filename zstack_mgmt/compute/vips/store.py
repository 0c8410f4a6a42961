"""The SQL of VIPs and EIPs. What a VIP is used for is noted by the trigger note_use on the EIPs."""

from __future__ import annotations

from ipaddress import IPv4Address

from zstack_mgmt.compute.vips.model import Vip
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.db import Connection


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
