"""Giving addresses out, each to one holder at a time."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from zstack_mgmt.compute.networks.model import Address, L3Network
from zstack_mgmt.core.errors import InvalidArgument, OperationError
from zstack_mgmt.db import Connection


async def take_address(conn: Connection, l3: L3Network, wanted: IPv4Address | None = None) -> Address:
    """Choose the lowest free address of the network's ranges, or the wanted one.

    The range stays locked until the transaction ends, so nobody else can choose the same; the constraint
    used_ips_address_key stands behind that. The caller notes the holder with `hold_address`.

    Raises:
        InvalidArgument: the wanted address is in no range of the network.
        OperationError: it is in use, or none is left.
    """
    for known in l3.ip_ranges:
        row = await conn.fetchrow(
            """
            SELECT uuid, netmask, gateway, start_value, end_value, next_value FROM ip_ranges WHERE uuid = $1
              AND ($2::bigint IS NULL OR $2 BETWEEN start_value AND end_value) FOR NO KEY UPDATE
            """,
            known.uuid,
            None if wanted is None else int(wanted),
        )
        if row is None:
            continue
        value = await _free_value(conn, l3.uuid, row, wanted)
        if value is not None:
            return Address(row["uuid"], str(IPv4Address(value)), value, row["netmask"], row["gateway"])
        if wanted is not None:
            raise OperationError(f"the address {wanted} is in use")
    if wanted is not None:
        raise InvalidArgument(f"the address {wanted} is in no range of the L3 network {l3.uuid}")
    raise OperationError(f"the L3 network {l3.uuid} has no free address left")


async def _free_value(conn: Connection, l3_uuid: str, row: Any, wanted: IPv4Address | None) -> int | None:
    if wanted is not None:
        taken = await conn.fetchval(
            "SELECT true FROM used_ips WHERE l3_network_uuid = $1 AND value = $2", l3_uuid, int(wanted)
        )
        return None if taken else int(wanted)
    value = await conn.fetchval("SELECT free_value($1, $2, $3)", l3_uuid, row["next_value"], row["end_value"])
    next_value = row["end_value"] + 1 if value is None else value + 1
    if next_value != row["next_value"]:
        await conn.execute("UPDATE ip_ranges SET next_value = $2 WHERE uuid = $1", row["uuid"], next_value)
    return value


async def hold_address(
    conn: Connection,
    l3_uuid: str,
    taken: Address,
    *,
    nic_uuid: str | None = None,
    vip_uuid: str | None = None,
) -> None:
    """Note who holds a chosen address. It is free again when the holder's row is deleted."""
    await conn.execute(
        """
        INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vm_nic_uuid, vip_uuid)
        VALUES ($1, $2, $3, $4, $5)
        """,
        l3_uuid,
        taken.value,
        taken.range_uuid,
        nic_uuid,
        vip_uuid,
    )
