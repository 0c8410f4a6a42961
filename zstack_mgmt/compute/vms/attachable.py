"""The SQL of what could be attached to what, by the rules of `devices`. Nothing is locked."""

from __future__ import annotations

from collections.abc import Collection

from zstack_mgmt.compute.storages.model import PrimaryStorage
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows


async def vms_for_volume(
    conn: Connection, volume_uuid: str, states: Collection[str], most: int, limit: int
) -> list[str]:
    """VMs of the volume's owner in these states, with fewer than `most` data volumes."""
    found = await conn.fetch(
        """
        SELECT v.uuid FROM vm_instances v
        JOIN resource_owners o ON o.resource_uuid = v.uuid
        JOIN resource_owners w ON w.account_uuid = o.account_uuid AND w.resource_uuid = $1
        WHERE v.state = ANY ($2)
          AND (SELECT count(*) FROM volumes d WHERE d.vm_instance_uuid = v.uuid AND d.type = 'Data') < $3
        ORDER BY v.uuid LIMIT $4
        """,
        volume_uuid,
        list(states),
        most,
        limit,
    )
    return [row["uuid"] for row in found]


async def volumes_for_vm(conn: Connection, vm_uuid: str, limit: int) -> list[str]:
    """Data volumes of the VM's owner that are ready, enabled and attached to none."""
    found = await conn.fetch(
        """
        SELECT d.uuid FROM volumes d
        JOIN resource_owners o ON o.resource_uuid = d.uuid
        JOIN resource_owners w ON w.account_uuid = o.account_uuid AND w.resource_uuid = $1
        WHERE d.type = 'Data' AND d.state = 'Enabled' AND d.status IN ('Ready', 'NotInstantiated')
          AND d.vm_instance_uuid IS NULL
        ORDER BY d.uuid LIMIT $2
        """,
        vm_uuid,
        limit,
    )
    return [row["uuid"] for row in found]


async def l3s_for_vm(conn: Connection, vm_uuid: str, account_uuid: str | None, limit: int) -> list[str]:
    """Enabled networks that the account (None: any) may use, in the VM's place, on which it has no NIC."""
    found = await conn.fetch(
        """
        SELECT n.uuid FROM vm_instances v CROSS JOIN l3_networks n
        WHERE v.uuid = $1 AND n.state = 'Enabled' AND can_use(n.uuid, $2)
          AND coalesce(v.zone_uuid, n.zone_uuid) = n.zone_uuid
          AND (v.cluster_uuid IS NULL OR EXISTS (
              SELECT FROM l2_network_clusters c
              WHERE c.l2_network_uuid = n.l2_network_uuid AND c.cluster_uuid = v.cluster_uuid))
          AND NOT EXISTS (
              SELECT FROM vm_nics c WHERE c.vm_instance_uuid = v.uuid AND c.l3_network_uuid = n.uuid)
        ORDER BY n.uuid LIMIT $3
        """,
        vm_uuid,
        account_uuid,
        limit,
    )
    return [row["uuid"] for row in found]


async def storages(conn: Connection) -> list[PrimaryStorage]:
    """The primary storages that take new volumes; there are few."""
    found = await conn.fetch("SELECT uuid FROM primary_storages WHERE state = 'Enabled' ORDER BY uuid")
    return [await rows.get(conn, PrimaryStorage, row["uuid"], lock=None) for row in found]
