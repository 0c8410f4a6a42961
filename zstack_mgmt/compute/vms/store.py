"""The SQL of VMs and NICs. Every change of state passes `set_state`, which tells the subscribers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from zstack_mgmt.compute.networks.store import why_no_address
from zstack_mgmt.compute.placement.store import why_no_host
from zstack_mgmt.compute.vms.events import VmReason, tell
from zstack_mgmt.compute.vms.model import NewNic, Vm, VmInstance, VmNic
from zstack_mgmt.compute.volumes.model import Volume
from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.db import Connection, fetch_one


async def lock_vm(conn: Connection, uuid: str, account_uuid: str | None = None) -> Vm | None:
    """The VM of the account (None: of any) with all that hangs on it, locked until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM lock_vm($1, $2)", uuid, account_uuid)
    return None if row is None else _vm(row)


def _vm(row: Any) -> Vm:
    return Vm(
        inventory=VmInstance.from_row(
            {
                **row["vm"],
                "vm_nics": [VmNic.from_row(nic) for nic in row["nics"]],
                "all_volumes": [Volume.from_row(volume) for volume in row["volumes"]],
            }
        ),
        account_uuid=row["account_uuid"],
        job_uuid=row["vm"]["job_uuid"],
        bridges=tuple(row["bridges"]),
        host=row["host"],
    )


async def get_vm(conn: Connection, uuid: str, account_uuid: str | None = None) -> Vm:
    """The same of a VM that must be there; raises ResourceNotFound."""
    vm = await lock_vm(conn, uuid, account_uuid)
    if vm is None:
        raise ResourceNotFound(f"no VM has the uuid {uuid}")
    return vm


async def insert_vm(conn: Connection, values: Mapping[str, Any]) -> Any:
    """Insert a VM without a host, in the state Created, and return its row.

    Args:
        values: by column name.
    """
    return await fetch_one(
        conn,
        """
        INSERT INTO vm_instances
            (uuid, name, description, zone_uuid, cluster_uuid, image_uuid, instance_offering_uuid,
             root_volume_uuid, platform, default_l3_network_uuid, memory_size, cpu_num, cpu_speed,
             allocator_strategy, job_uuid, reserved_memory_size, guest_os_type, architecture, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'Created')
        RETURNING *
        """,
        *values.values(),
    )


async def insert_nics(conn: Connection, vm_uuid: str, nics: Sequence[NewNic]) -> list[VmNic]:
    """Give a VM NICs, each with a MAC of its own and the wanted or the lowest free address of its network.

    Addresses are taken in the order of the networks' uuids, since the last one of a network may be
    waited for.

    Raises:
        InvalidArgument: a wanted address is in no range of its network.
        OperationError: it is in use, or a network has no free address left.
    """
    rows = await conn.fetch(
        """
        WITH wanted AS (
            SELECT * FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[]) AS n (uuid, l3, device, ip)
            ORDER BY l3
        ), taken AS MATERIALIZED (
            SELECT * FROM wanted w CROSS JOIN LATERAL take_address(w.l3, w.ip)
        ), noted AS (
            INSERT INTO used_ips (l3_network_uuid, value, ip_range_uuid, vm_nic_uuid)
            SELECT l3, value, range_uuid, uuid FROM taken
        )
        INSERT INTO vm_nics (uuid, vm_instance_uuid, l3_network_uuid, ip, netmask, gateway, device_id, mac)
        SELECT uuid, $1, l3, host('0.0.0.0'::inet + value), netmask, gateway, device,
               'fa' || regexp_replace(lpad(to_hex(nextval('mac_numbers')), 10, '0'), '(..)', ':\\1', 'g')
        FROM taken RETURNING *
        """,
        vm_uuid,
        [nic.uuid for nic in nics],
        [nic.l3_network_uuid for nic in nics],
        [nic.device_id for nic in nics],
        [None if nic.ip is None else int(nic.ip) for nic in nics],
    )
    made = {row["uuid"]: VmNic.from_row(row) for row in rows}
    for nic in nics:
        if nic.uuid not in made:
            raise await why_no_address(conn, nic.l3_network_uuid, nic.ip)
    return [made[nic.uuid] for nic in nics]


async def delete_nic(conn: Connection, uuid: str) -> None:
    """Delete the NIC; its address is free again. The VM's default network stays one that it has a NIC on."""
    await conn.execute("DELETE FROM vm_nics WHERE uuid = $1", uuid)


async def vm_of_nic(conn: Connection, uuid: str, account_uuid: str | None) -> str | None:
    """The VM of a NIC of the account (None: of any)."""
    return await conn.fetchval(
        """
        SELECT n.vm_instance_uuid FROM vm_nics n JOIN resource_owners o ON o.resource_uuid = n.uuid
        WHERE n.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        """,
        uuid,
        account_uuid,
    )


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
    row = await fetch_one(
        conn,
        """
        UPDATE vm_instances SET state = $2, job_uuid = $3, last_op_date = now(),
               last_host_uuid = coalesce(host_uuid, last_host_uuid),
               host_uuid = CASE WHEN $2 NOT IN ('Stopped', 'Created', 'Destroyed') THEN host_uuid END
        WHERE uuid = $1 RETURNING *
        """,
        vm.uuid,
        state,
        job_uuid,
    )
    changed = replace(_with_row(vm, row), job_uuid=job_uuid)
    await tell(conn, changed.change(None if new else vm.state, reason))
    return changed


async def place(
    conn: Connection,
    vm: Vm,
    state: str,
    reason: VmReason,
    job_uuid: str,
    *,
    host_uuid: str | None = None,
    cluster_uuid: str | None = None,
    new: bool = False,
) -> Vm:
    """Change the state of a locked VM that thereby comes to the emptiest host that it may run on.

    The host stays locked until the transaction ends.

    Args:
        host_uuid, cluster_uuid: what the host must be, or be in; None: anything in the VM's zone.
        job_uuid, new: as above.

    Raises:
        ResourceNotFound: the host or cluster that was asked for does not exist.
        OperationError: no host will do.
    """
    row = await conn.fetchrow(
        "SELECT * FROM place_vm($1, $2, $3, $4, $5)", vm.uuid, host_uuid, cluster_uuid, state, job_uuid
    )
    if row is None:
        raise await why_no_host(conn, vm.uuid, host_uuid, cluster_uuid)
    changed = replace(_with_row(vm, row["vm"]), job_uuid=job_uuid, host=row["host"])
    await tell(conn, changed.change(None if new else vm.state, reason))
    return changed


async def pass_on(
    conn: Connection, uuid: str, job_uuid: str, before: str, after: str, reason: VmReason
) -> Vm:
    """The VM, in the state that the job has brought it to, and tell of that; it keeps its place.

    One that is not in the state before by this job any more stays as it is. Raises ResourceNotFound.
    """
    row = await conn.fetchrow("SELECT * FROM pass_vm($1, $2, $3, $4)", uuid, job_uuid, before, after)
    if row is None:
        raise ResourceNotFound(f"no VM has the uuid {uuid}")
    vm = _vm(row)
    if row["passed"]:
        await tell(conn, vm.change(before, reason))
    return vm


def _with_row(vm: Vm, row: Any) -> Vm:
    """The VM with a new row, and the NICs and volumes that it had."""
    parts = {"vm_nics": vm.inventory.vm_nics, "all_volumes": vm.inventory.all_volumes}
    return replace(vm, inventory=VmInstance.from_row({**row, **parts}))


async def update_vm(
    conn: Connection,
    vm: Vm,
    name: str | None = None,
    description: str | None = None,
    platform: str | None = None,
    default_l3_uuid: str | None = None,
    guest_os_type: str | None = None,
) -> Vm:
    """Set what is not None of a locked VM."""
    row = await fetch_one(
        conn,
        """
        UPDATE vm_instances SET name = coalesce($2, name), description = coalesce($3, description),
               platform = coalesce($4, platform),
               default_l3_network_uuid = coalesce($5, default_l3_network_uuid),
               guest_os_type = coalesce($6, guest_os_type), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        vm.uuid,
        name,
        description,
        platform,
        default_l3_uuid,
        guest_os_type,
    )
    return _with_row(vm, row)


async def resize_vm(
    conn: Connection, vm: Vm, offering_uuid: str | None, cpu_num: int, memory_size: int, reserved: int
) -> Vm:
    """Give a locked VM another size, and tell of it. Bytes of memory, and how many of them are reserved."""
    row = await fetch_one(
        conn,
        """
        UPDATE vm_instances SET instance_offering_uuid = $2, cpu_num = $3, memory_size = $4,
               reserved_memory_size = $5, last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        vm.uuid,
        offering_uuid,
        cpu_num,
        memory_size,
        reserved,
    )
    resized = _with_row(vm, row)
    await tell(conn, resized.change(vm.state, "resized"))
    return resized


async def delete_vm(conn: Connection, uuid: str) -> None:
    """Delete the row and its NICs. Its volumes must be gone or detached."""
    await conn.execute("DELETE FROM vm_nics WHERE vm_instance_uuid = $1", uuid)
    await conn.execute("DELETE FROM vm_instances WHERE uuid = $1", uuid)


async def vms_on(conn: Connection, host_uuid: str) -> list[str]:
    """The VMs on a host."""
    rows = await conn.fetch("SELECT uuid FROM vm_instances WHERE host_uuid = $1 ORDER BY uuid", host_uuid)
    return [row["uuid"] for row in rows]


async def vms_in_zone(conn: Connection, zone_uuid: str) -> list[str]:
    """The VMs of a zone."""
    rows = await conn.fetch("SELECT uuid FROM vm_instances WHERE zone_uuid = $1 ORDER BY uuid", zone_uuid)
    return [row["uuid"] for row in rows]


async def is_on(conn: Connection, uuid: str, host_uuid: str) -> bool:
    """Whether the VM's place is on the host."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM vm_instances WHERE uuid = $1 AND host_uuid = $2", uuid, host_uuid
        )
    )


async def differing_vms(
    conn: Connection, host_uuid: str, powers: Mapping[str, str] | None, before: datetime
) -> list[str]:
    """The VMs on a host in another state than it says, unless they changed after the time.

    Args:
        powers: by VM; one that the host does not know is Stopped. None: the host does not answer.
    """
    rows = await conn.fetch(
        """
        SELECT v.uuid FROM vm_instances v
        LEFT JOIN unnest($2::text[], $3::text[]) AS d (uuid, power) ON d.uuid = v.uuid
        WHERE v.host_uuid = $1 AND v.state IN ('Running', 'Paused', 'Unknown')
          AND ($4 OR v.last_op_date < $5)
          AND v.state <> CASE WHEN $4 THEN 'Unknown' ELSE coalesce(d.power, 'Stopped') END
        ORDER BY v.uuid
        """,
        host_uuid,
        list(powers or ()),
        list((powers or {}).values()),
        powers is None,
        before,
    )
    return [row["uuid"] for row in rows]


async def misplaced_vms(
    conn: Connection, host_uuid: str, uuids: Sequence[str], before: datetime
) -> list[str]:
    """Those of the uuids that are VMs with another place than this host, or none, since before the time."""
    rows = await conn.fetch(
        """
        SELECT uuid FROM vm_instances
        WHERE uuid = ANY ($2) AND host_uuid IS DISTINCT FROM $1 AND last_op_date < $3
          AND state IN ('Created', 'Running', 'Paused', 'Stopped', 'Destroyed')
        """,
        host_uuid,
        list(uuids),
        before,
    )
    return [row["uuid"] for row in rows]


async def abandoned_vms(conn: Connection, limit: int) -> Sequence[Any]:
    """VMs between two states whose job has ended, or left no trace for a minute.

    `uuid`: the host. `created`: the job was to create the VM.
    """
    return await conn.fetch(
        """
        SELECT v.uuid AS vm_uuid, coalesce(v.host_uuid, v.last_host_uuid) AS uuid, v.job_uuid,
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


async def services_of(conn: Connection, vm_uuid: str) -> tuple[list[str], list[str]]:
    """The EIPs on the NICs of a VM, and their VIPs."""
    rows = await conn.fetch(
        """
        SELECT e.uuid, e.vip_uuid FROM eips e JOIN vm_nics n ON n.uuid = e.vm_nic_uuid
        WHERE n.vm_instance_uuid = $1 ORDER BY e.uuid
        """,
        vm_uuid,
    )
    return [row["uuid"] for row in rows], [row["vip_uuid"] for row in rows]
