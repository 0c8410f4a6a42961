"""The SQL of VMs and NICs. Every change of state passes `set_state`, which tells the subscribers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from zstack_mgmt.compute.networks.model import Address
from zstack_mgmt.compute.vms.events import VmReason, tell
from zstack_mgmt.compute.vms.model import Vm, VmInstance, VmNic
from zstack_mgmt.compute.volumes.model import Volume, disk_of
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.drivers.protocol import Domain, Nic


async def insert_vm(conn: Connection, values: Mapping[str, Any], account_uuid: str) -> None:
    """Insert a VM without a host, and its owner.

    Args:
        values: by column name.
    """
    await conn.execute(
        """
        INSERT INTO vm_instances
            (uuid, name, description, zone_uuid, cluster_uuid, image_uuid, instance_offering_uuid,
             root_volume_uuid, platform, default_l3_network_uuid, hypervisor_type, memory_size, cpu_num,
             cpu_speed, allocator_strategy, state, job_uuid)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'Created', $16)
        """,
        values["uuid"],
        values["name"],
        values["description"],
        values["zone_uuid"],
        values["cluster_uuid"],
        values["image_uuid"],
        values["instance_offering_uuid"],
        values["root_volume_uuid"],
        values["platform"],
        values["default_l3_network_uuid"],
        values["hypervisor_type"],
        values["memory_size"],
        values["cpu_num"],
        values["cpu_speed"],
        values["allocator_strategy"],
        values["job_uuid"],
    )
    await conn.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
        VALUES ($1, 'VmInstanceVO', $2)
        """,
        values["uuid"],
        account_uuid,
    )


async def insert_nic(
    conn: Connection, uuid: str, vm_uuid: str, l3_uuid: str, taken: Address, device_id: int, account_uuid: str
) -> VmNic:
    """Insert a NIC with a MAC of its own, and its owner."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO vm_nics (uuid, vm_instance_uuid, l3_network_uuid, ip, netmask, gateway, device_id, mac)
        VALUES ($1, $2, $3, $4, $5, $6, $7,
                'fa' || regexp_replace(lpad(to_hex(nextval('mac_numbers')), 10, '0'), '(..)', ':\\1', 'g'))
        RETURNING *
        """,
        uuid,
        vm_uuid,
        l3_uuid,
        taken.ip,
        taken.netmask,
        taken.gateway,
        device_id,
    )
    await conn.execute(
        "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, 'VmNicVO', $2)",
        uuid,
        account_uuid,
    )
    return VmNic.from_row(row)


async def delete_nic(conn: Connection, uuid: str) -> None:
    """Delete the NIC; its address is free again. The VM's default network stays one that it has a NIC on."""
    await conn.execute("DELETE FROM vm_nics WHERE uuid = $1", uuid)


async def lock_vm(conn: Connection, uuid: str, account_uuid: str | None) -> Vm | None:
    """The VM of the account (None: of any), its row locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT v.uuid, v.name, o.account_uuid, v.state, v.cpu_num, v.memory_size, v.hypervisor_type,
               v.zone_uuid, v.cluster_uuid, v.host_uuid, v.last_host_uuid, v.root_volume_uuid, v.job_uuid,
               coalesce((SELECT r.size FROM volumes r WHERE r.uuid = v.root_volume_uuid), 0)
                   AS root_volume_size
        FROM vm_instances v JOIN resource_owners o ON o.resource_uuid = v.uuid
        WHERE v.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR NO KEY UPDATE OF v
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else Vm(**dict(row))


async def set_state(
    conn: Connection, vm: Vm, state: str, reason: VmReason, job_uuid: str | None, *, new: bool = False
) -> Vm:
    """Change the state of a locked VM and tell of it.

    A VM leaves its host, whose capacity is free again, when it becomes Stopped, Created or Destroyed. It
    keeps the host as its last one.

    Args:
        job_uuid: the job that changes it; its second run will know by that what its first one did.
        new: the row was inserted in this transaction.
    """
    await conn.execute(
        """
        UPDATE vm_instances SET state = $2, job_uuid = $3, last_op_date = now(),
               last_host_uuid = coalesce(host_uuid, last_host_uuid),
               host_uuid = CASE WHEN $2 NOT IN ('Stopped', 'Created', 'Destroyed') THEN host_uuid END
        WHERE uuid = $1
        """,
        vm.uuid,
        state,
        job_uuid,
    )
    changed = await lock_vm(conn, vm.uuid, None)
    assert changed is not None  # noqa: S101 (its row is locked)
    await tell(conn, changed.change(None if new else vm.state, reason))
    return changed


async def place(conn: Connection, uuid: str, host: Mapping[str, Any]) -> None:
    """Put the VM on a host whose row the caller has locked; the host's capacity shrinks."""
    await conn.execute(
        """
        UPDATE vm_instances SET host_uuid = $2, cluster_uuid = $3, zone_uuid = $4, hypervisor_type = $5
        WHERE uuid = $1
        """,
        uuid,
        host["host_uuid"],
        host["cluster_uuid"],
        host["zone_uuid"],
        host["hypervisor_type"],
    )


async def update_vm(
    conn: Connection,
    uuid: str,
    name: str | None,
    description: str | None,
    platform: str | None,
    default_l3_uuid: str | None,
) -> None:
    """Set what is not None."""
    await conn.execute(
        """
        UPDATE vm_instances SET name = coalesce($2, name), description = coalesce($3, description),
               platform = coalesce($4, platform),
               default_l3_network_uuid = coalesce($5, default_l3_network_uuid),
               last_op_date = now()
        WHERE uuid = $1
        """,
        uuid,
        name,
        description,
        platform,
        default_l3_uuid,
    )


async def resize_vm(conn: Connection, uuid: str, offering_uuid: str, cpu_num: int, memory_size: int) -> None:
    """Give the VM another size."""
    await conn.execute(
        """
        UPDATE vm_instances SET instance_offering_uuid = $2, cpu_num = $3, memory_size = $4,
        last_op_date = now()
        WHERE uuid = $1
        """,
        uuid,
        offering_uuid,
        cpu_num,
        memory_size,
    )


async def get_vm(conn: Connection, uuid: str) -> VmInstance:
    """The VM with its NICs and volumes, as clients see it."""
    row = await fetch_one(conn, "SELECT * FROM vm_instances WHERE uuid = $1", uuid)
    volumes = await conn.fetch(
        "SELECT * FROM volumes WHERE vm_instance_uuid = $1 ORDER BY device_id, uuid", uuid
    )
    return VmInstance.from_row(
        {**row, "vm_nics": await nics_of(conn, uuid), "all_volumes": [Volume.from_row(r) for r in volumes]}
    )


async def nics_of(conn: Connection, vm_uuid: str) -> list[VmNic]:
    """The NICs of a VM in the order of their devices."""
    rows = await conn.fetch("SELECT * FROM vm_nics WHERE vm_instance_uuid = $1 ORDER BY device_id", vm_uuid)
    return [VmNic.from_row(row) for row in rows]


async def get_nic(conn: Connection, uuid: str, account_uuid: str | None) -> VmNic | None:
    """The NIC of the account (None: of any); it cannot be deleted until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT n.* FROM vm_nics n JOIN resource_owners o ON o.resource_uuid = n.uuid
        WHERE n.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR KEY SHARE OF n
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else VmNic.from_row(row)


async def domain_of(conn: Connection, vm_uuid: str) -> Domain:
    """The VM as its hypervisor should run it."""
    vm = await get_vm(conn, vm_uuid)
    rows = await conn.fetch(
        """
        SELECT i.mac, i.device_id, 'br_' || l.physical_interface || coalesce('_' || l.vlan, '') AS bridge
        FROM vm_nics i JOIN l3_networks n ON n.uuid = i.l3_network_uuid
        JOIN l2_networks l ON l.uuid = n.l2_network_uuid
        WHERE i.vm_instance_uuid = $1 ORDER BY i.device_id
        """,
        vm_uuid,
    )
    return Domain(
        vm_uuid=vm.uuid,
        name=vm.name,
        cpu_num=vm.cpu_num,
        memory_size=vm.memory_size,
        disks=tuple(disk_of(volume) for volume in vm.all_volumes),
        nics=tuple(Nic(**dict(row)) for row in rows),
    )


async def delete_vm(conn: Connection, uuid: str) -> None:
    """Delete the row and its NICs. Its volumes must be gone or detached."""
    await conn.execute("DELETE FROM vm_nics WHERE vm_instance_uuid = $1", uuid)
    await conn.execute("DELETE FROM vm_instances WHERE uuid = $1", uuid)


async def vms_on(conn: Connection, host_uuid: str, states: Sequence[str] | None = None) -> list[str]:
    """The VMs on a host in one of the states (None: any)."""
    rows = await conn.fetch(
        """
        SELECT uuid FROM vm_instances WHERE host_uuid = $1 AND ($2::text[] IS NULL OR state = ANY ($2))
        ORDER BY uuid
        """,
        host_uuid,
        None if states is None else list(states),
    )
    return [row["uuid"] for row in rows]


async def is_on(conn: Connection, uuid: str, host_uuid: str) -> bool:
    """Whether the VM's place is on the host."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM vm_instances WHERE uuid = $1 AND host_uuid = $2", uuid, host_uuid
        )
    )


async def changed_there(
    conn: Connection, host_uuid: str, domains: Mapping[str, str], before: datetime
) -> list[str]:
    """The VMs on a host whose state is not what the host says, unless they changed after the time.

    Args:
        domains: power by VM; one that the host does not know is Stopped.
    """
    rows = await conn.fetch(
        """
        SELECT v.uuid FROM vm_instances v
        LEFT JOIN unnest($2::text[], $3::text[]) AS d (uuid, power) ON d.uuid = v.uuid
        WHERE v.host_uuid = $1 AND v.state IN ('Running', 'Paused', 'Unknown') AND v.last_op_date < $4
          AND v.state <> coalesce(d.power, 'Stopped')
        ORDER BY v.uuid
        """,
        host_uuid,
        list(domains.keys()),
        list(domains.values()),
        before,
    )
    return [row["uuid"] for row in rows]


async def vms_in_zone(conn: Connection, zone_uuid: str) -> list[str]:
    """The VMs of a zone."""
    rows = await conn.fetch("SELECT uuid FROM vm_instances WHERE zone_uuid = $1 ORDER BY uuid", zone_uuid)
    return [row["uuid"] for row in rows]


async def elsewhere(conn: Connection, host_uuid: str, uuids: Sequence[str], before: datetime) -> list[str]:
    """Those of the uuids that are VMs of ours with another place than this host, or none, since before the
    time.
    """
    rows = await conn.fetch(
        """
        SELECT uuid FROM vm_instances WHERE uuid = ANY ($2) AND host_uuid IS DISTINCT FROM $1
        AND last_op_date < $3
          AND state IN ('Created', 'Running', 'Paused', 'Stopped', 'Destroyed')
        """,
        host_uuid,
        list(uuids),
        before,
    )
    return [row["uuid"] for row in rows]


async def abandoned_vms(conn: Connection, limit: int) -> Sequence[Any]:
    """VMs between two states whose job has ended, or left no trace for a minute; `created`: the job was to
    create it.
    """
    return await conn.fetch(
        """
        SELECT v.uuid, coalesce(v.host_uuid, v.last_host_uuid) AS host_uuid, v.job_uuid,
               coalesce(j.api = 'CreateVmInstance', false) AS created
        FROM vm_instances v LEFT JOIN api_jobs j ON j.uuid = v.job_uuid
        WHERE v.state IN
              ('Starting', 'Stopping', 'Rebooting', 'Destroying', 'Pausing', 'Resuming', 'Expunging')
          AND (j.state NOT IN ('queued', 'running')
               OR (j.uuid IS NULL AND v.last_op_date < now() - interval '1 minute'))
        ORDER BY v.last_op_date LIMIT $1
        """,
        limit,
    )


async def eips_of(conn: Connection, vm_uuid: str) -> tuple[list[str], list[str]]:
    """The EIPs on the NICs of a VM, and their VIPs."""
    rows = await conn.fetch(
        """
        SELECT e.uuid, e.vip_uuid FROM eips e JOIN vm_nics n ON n.uuid = e.vm_nic_uuid
        WHERE n.vm_instance_uuid = $1 ORDER BY e.uuid
        """,
        vm_uuid,
    )
    return [row["uuid"] for row in rows], [row["vip_uuid"] for row in rows]


async def count_snapshots(conn: Connection, volume_uuids: Sequence[str]) -> int:
    """How many snapshots the volumes have."""
    return await conn.fetchval(
        "SELECT count(*) FROM volume_snapshots WHERE volume_uuid = ANY ($1)", list(volume_uuids)
    )
