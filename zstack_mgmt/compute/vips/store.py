"""The SQL of VIPs and EIPs. What a VIP is used for is noted by the trigger note_use on the EIPs."""

from __future__ import annotations

from ipaddress import IPv4Address

from zstack_mgmt.compute.networks.store import why_no_address
from zstack_mgmt.compute.vips.model import Vip
from zstack_mgmt.core.errors import InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows


async def insert_vip(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    l3_uuid: str,
    wanted: IPv4Address | None,
    range_uuid: str | None = None,
) -> Vip:
    """Insert an enabled VIP with the wanted address of the network or range, or the lowest that is free.

    Raises:
        ResourceNotFound: the network has no such range.
        InvalidArgument: the wanted address is not of this range, or in none of the network.
        OperationError: it is in use, or none is left.
    """
    if range_uuid is not None:
        await _check_range(conn, l3_uuid, range_uuid, wanted)
    value = None if wanted is None else int(wanted)
    taken = await conn.fetchval(
        """
        WITH taken AS MATERIALIZED (
            SELECT * FROM take_address($4, $5, $6)
        ), noted AS (
            INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vip_uuid)
            SELECT $4, value, range_uuid, $1 FROM taken
        )
        INSERT INTO vips (uuid, name, description, l3_network_uuid, ip, gateway, netmask)
        SELECT $1, $2, $3, $4, host('0.0.0.0'::inet + value), gateway, netmask FROM taken RETURNING uuid
        """,
        uuid,
        name,
        description,
        l3_uuid,
        value,
        range_uuid,
    )
    if taken is None and wanted is None and range_uuid is not None:
        raise OperationError(f"the IP range {range_uuid} has no free address left")
    if taken is None:
        raise await why_no_address(conn, l3_uuid, wanted)
    return await rows.get(conn, Vip, uuid)


async def _check_range(conn: Connection, l3_uuid: str, uuid: str, wanted: IPv4Address | None) -> None:
    """See that the network has the range, and the range the wanted address."""
    row = await conn.fetchrow(
        "SELECT start_value, end_value FROM ip_ranges WHERE uuid = $1 AND l3_network_uuid = $2", uuid, l3_uuid
    )
    if row is None:
        raise ResourceNotFound(f"the L3 network {l3_uuid} has no IP range {uuid}")
    if wanted is not None and not row["start_value"] <= int(wanted) <= row["end_value"]:
        raise InvalidArgument(f"the address {wanted} is not in the IP range {uuid}")


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


async def nics_for(
    conn: Connection, eip_uuid: str, vm_uuid: str | None, vm_name: str, limit: int
) -> list[str]:
    """NICs of the EIP's owner without an EIP, on other networks than its VIP.

    Args:
        vm_uuid: of this VM; None: of any.
        vm_name: of VMs whose names have this in them.
    """
    found = await conn.fetch(
        """
        SELECT n.uuid FROM eips t
        JOIN vips p ON p.uuid = t.vip_uuid
        JOIN resource_owners w ON w.resource_uuid = p.uuid
        JOIN resource_owners o ON o.account_uuid = w.account_uuid AND o.resource_type = 'VmNicVO'
        JOIN vm_nics n ON n.uuid = o.resource_uuid AND n.l3_network_uuid <> p.l3_network_uuid
        JOIN vm_instances v ON v.uuid = n.vm_instance_uuid
        WHERE t.uuid = $1 AND ($2::text IS NULL OR v.uuid = $2)
          AND ($3 = '' OR strpos(lower(v.name), lower($3)) > 0)
          AND NOT EXISTS (SELECT FROM eips e WHERE e.vm_nic_uuid = n.uuid)
        ORDER BY n.uuid LIMIT $4
        """,
        eip_uuid,
        vm_uuid,
        vm_name,
        limit,
    )
    return [row["uuid"] for row in found]


async def eips_for(conn: Connection, nic_uuid: str, limit: int) -> list[str]:
    """Enabled EIPs of the NIC's owner that lead nowhere, on other networks; none if the NIC has one."""
    found = await conn.fetch(
        """
        SELECT e.uuid FROM vm_nics n
        JOIN resource_owners w ON w.resource_uuid = n.uuid
        JOIN resource_owners o ON o.account_uuid = w.account_uuid AND o.resource_type = 'VipVO'
        JOIN vips p ON p.uuid = o.resource_uuid AND p.l3_network_uuid <> n.l3_network_uuid
        JOIN eips e ON e.vip_uuid = p.uuid AND e.state = 'Enabled' AND e.vm_nic_uuid IS NULL
        WHERE n.uuid = $1 AND NOT EXISTS (SELECT FROM eips t WHERE t.vm_nic_uuid = n.uuid)
        ORDER BY e.uuid LIMIT $2
        """,
        nic_uuid,
        limit,
    )
    return [row["uuid"] for row in found]
