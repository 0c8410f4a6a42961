"""The SQL of L2 and L3 networks and their ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from zstack_mgmt.compute.networks.model import Capacity, FreeIp, L2Network, L2VlanNetwork, RangeText
from zstack_mgmt.core.errors import ApiError, InvalidArgument, OperationError, ResourceNotFound
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.resources import rows


@dataclass(frozen=True, slots=True)
class UsableL3:
    """What a NIC needs to know of the network that it is on."""

    uuid: str
    zone_uuid: str
    l2_network_uuid: str
    bridge: str


async def get_l2(conn: Connection, uuid: str) -> L2Network | L2VlanNetwork:
    """The L2 network, which cannot be deleted until the transaction ends; raises ResourceNotFound."""
    l2 = await rows.get(conn, L2Network, uuid)
    return l2 if l2.type == "L2NoVlanNetwork" else await rows.get(conn, L2VlanNetwork, uuid, lock=None)


async def attach_l2(conn: Connection, uuid: str, cluster_uuid: str) -> None:
    """Attach the network to the cluster; breaks l2_network_clusters_pkey when it is attached."""
    await conn.execute(
        "INSERT INTO l2_network_clusters (l2_network_uuid, cluster_uuid) VALUES ($1, $2)", uuid, cluster_uuid
    )


async def same_l2_in_cluster(
    conn: Connection, cluster_uuid: str, physical_interface: str, vlan: int | None
) -> bool:
    """Whether the cluster has another network on the interface with the same VLAN number, or also without
    one.
    """
    return bool(
        await conn.fetchval(
            """
            SELECT true FROM l2_network_clusters a JOIN l2_networks l ON l.uuid = a.l2_network_uuid
            WHERE a.cluster_uuid = $1 AND l.physical_interface = $2 AND l.vlan IS NOT DISTINCT FROM $3 LIMIT 1
            """,
            cluster_uuid,
            physical_interface,
            vlan,
        )
    )


async def l2_is_in_cluster(conn: Connection, uuid: str, cluster_uuid: str) -> bool:
    """Whether the network is attached to the cluster."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM l2_network_clusters WHERE l2_network_uuid = $1 AND cluster_uuid = $2",
            uuid,
            cluster_uuid,
        )
    )


async def detach_l2(conn: Connection, uuid: str, cluster_uuid: str) -> None:
    """Detach the network from the cluster, if it is attached."""
    await conn.execute(
        "DELETE FROM l2_network_clusters WHERE l2_network_uuid = $1 AND cluster_uuid = $2", uuid, cluster_uuid
    )


async def usable_l3s(
    conn: Connection, uuids: Sequence[str], account_uuid: str | None
) -> tuple[UsableL3, ...]:
    """The networks in their order, on each of which the account (None: any) may have a NIC or VIP.

    Raises:
        ResourceNotFound: there is none, or it is another account's.
        OperationError: it is disabled.
    """
    if not uuids:
        return ()
    rows = await conn.fetch(
        """
        SELECT n.uuid, n.state, n.zone_uuid, n.l2_network_uuid, bridge_of(l) AS bridge
        FROM l3_networks n JOIN l2_networks l ON l.uuid = n.l2_network_uuid
        WHERE n.uuid = ANY ($1) AND can_use(n.uuid, $2) FOR KEY SHARE OF n
        """,
        uuids,
        account_uuid,
    )
    known = {row["uuid"]: row for row in rows}
    for uuid in uuids:
        if uuid not in known:
            raise ResourceNotFound(f"no L3 network has the uuid {uuid}")
        if known[uuid]["state"] != "Enabled":
            raise OperationError(f"the L3 network {uuid} is {known[uuid]['state']}")
    fields = ("zone_uuid", "l2_network_uuid", "bridge")
    return tuple(UsableL3(uuid, *(known[uuid][field] for field in fields)) for uuid in uuids)


async def why_no_address(conn: Connection, l3_uuid: str, wanted: IPv4Address | None) -> ApiError:
    """What to say when `take_address` gave no address of a network, the wanted one or any."""
    if wanted is None:
        return OperationError(f"the L3 network {l3_uuid} has no free address left")
    known = await conn.fetchval(
        """
        SELECT true FROM ip_ranges
        WHERE l3_network_uuid = $1 AND $2 BETWEEN start_value AND end_value LIMIT 1
        """,
        l3_uuid,
        int(wanted),
    )
    if known:
        return OperationError(f"the address {wanted} is in use")
    return InvalidArgument(f"the address {wanted} is in no range of the L3 network {l3_uuid}")


async def add_dns(conn: Connection, uuid: str, dns: str) -> None:
    """Add a DNS server; breaks l3_network_dns_pkey when the network has it."""
    await conn.execute("INSERT INTO l3_network_dns (l3_network_uuid, dns) VALUES ($1, $2)", uuid, dns)


async def remove_dns(conn: Connection, uuid: str, dns: str) -> None:
    """Remove a DNS server, if the network has it."""
    await conn.execute("DELETE FROM l3_network_dns WHERE l3_network_uuid = $1 AND dns = $2", uuid, dns)


async def conflicting_range(conn: Connection, l3_uuid: str, text: RangeText) -> str | None:
    """What speaks against adding the range: another one on the same L2 network has its addresses or gateway.

    The L2 network stays locked until the transaction ends, so that no range is added to it meanwhile.
    """
    await conn.execute(
        """
        SELECT FROM l2_networks l WHERE l.uuid = (SELECT l2_network_uuid FROM l3_networks WHERE uuid = $1)
        FOR NO KEY UPDATE
        """,
        l3_uuid,
    )
    row = await conn.fetchrow(
        """
        SELECT r.name, r.start_value <= $3 AND r.end_value >= $2 AS shares, r.gateway
        FROM ip_ranges r JOIN l3_networks n ON n.uuid = r.l3_network_uuid
        WHERE n.l2_network_uuid = (SELECT l2_network_uuid FROM l3_networks WHERE uuid = $1)
          AND ((r.start_value <= $3 AND r.end_value >= $2)
               OR r.gateway::inet BETWEEN $6::text::inet AND $7::text::inet
               OR $5::text::inet BETWEEN r.start_ip::inet AND r.end_ip::inet
               OR (r.l3_network_uuid = $1 AND r.network_cidr = $4 AND r.gateway <> $5))
        ORDER BY shares DESC, r.uuid LIMIT 1
        """,
        l3_uuid,
        int(text.start),
        int(text.end),
        str(text.network),
        str(text.gateway),
        str(text.start),
        str(text.end),
    )
    if row is None:
        return None
    if row["shares"]:
        return f"the range shares addresses with the range {row['name']!r}"
    return f"the range does not go with the range {row['name']!r}, whose gateway is {row['gateway']}"


async def addresses_in_use(conn: Connection, range_uuid: str) -> int:
    """How many addresses of a range are taken; no more are until the transaction ends."""
    await conn.execute("SELECT FROM ip_ranges WHERE uuid = $1 FOR UPDATE", range_uuid)
    return await conn.fetchval("SELECT count(*) FROM used_ips WHERE ip_range_uuid = $1", range_uuid)


async def address_capacity(
    conn: Connection,
    l3_uuids: Sequence[str],
    zone_uuids: Sequence[str],
    range_uuids: Sequence[str],
    *,
    everything: bool,
) -> Capacity:
    """Addresses in all of these, and those that are free."""
    row = await fetch_one(
        conn,
        """
        WITH chosen AS (
            SELECT r.uuid, r.end_value - r.start_value + 1 AS size FROM ip_ranges r
            JOIN l3_networks n ON n.uuid = r.l3_network_uuid
            WHERE $4 OR r.l3_network_uuid = ANY ($1) OR n.zone_uuid = ANY ($2) OR r.uuid = ANY ($3))
        SELECT coalesce(sum(size), 0)::bigint AS total,
               (SELECT count(*) FROM used_ips u JOIN chosen c ON c.uuid = u.ip_range_uuid) AS used
        FROM chosen
        """,
        list(l3_uuids),
        list(zone_uuids),
        list(range_uuids),
        everything,
    )
    return {
        "totalCapacity": row["total"],
        "availableCapacity": row["total"] - row["used"],
        "usedIpAddressNumber": row["used"],
    }


async def free_addresses(
    conn: Connection, l3_uuid: str | None, range_uuid: str | None, start: int, limit: int
) -> list[FreeIp]:
    """Free addresses of a range or, without one, of a network, from one on, the lowest first."""
    # As a column generate_series gives its values one by one; in FROM it would make all of them first.
    rows = await conn.fetch(
        """
        SELECT r.uuid AS ip_range_uuid, host('0.0.0.0'::inet + f.value) AS ip, r.netmask, r.gateway
        FROM ip_ranges r CROSS JOIN LATERAL (
            SELECT s.value FROM (SELECT generate_series(greatest(r.start_value, $3), r.end_value) AS value) s
            WHERE NOT EXISTS (
                SELECT FROM used_ips u WHERE u.l3_network_uuid = r.l3_network_uuid AND u.value = s.value)
            LIMIT $4) f
        WHERE CASE WHEN $2::text IS NULL THEN r.l3_network_uuid = $1 ELSE r.uuid = $2 END
        ORDER BY f.value LIMIT $4
        """,
        l3_uuid,
        range_uuid,
        start,
        limit,
    )
    return [FreeIp.from_row(row) for row in rows]


async def why_not_free(conn: Connection, l3_uuid: str, value: int) -> str | None:
    """Why an address cannot be taken; None: it can."""
    return await conn.fetchval(
        """
        SELECT CASE
            WHEN NOT EXISTS (SELECT FROM ip_ranges r
                             WHERE r.l3_network_uuid = $1 AND $2 BETWEEN r.start_value AND r.end_value)
                THEN 'no range of the network has the address'
            WHEN EXISTS (SELECT FROM used_ips u WHERE u.l3_network_uuid = $1 AND u.value = $2)
                THEN 'the address is in use' END
        """,
        l3_uuid,
        value,
    )
