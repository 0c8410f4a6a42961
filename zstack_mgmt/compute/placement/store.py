"""The SQL of hosts as places of VMs, and of the domains that a host must forget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zstack_mgmt.compute.places import require
from zstack_mgmt.core.errors import ApiError, OperationError
from zstack_mgmt.db import Connection


async def why_no_host(
    conn: Connection, vm_uuid: str, host_uuid: str | None, cluster_uuid: str | None
) -> ApiError:
    """What to say when `place_vm` found no host."""
    await require(conn, "host", host_uuid)
    await require(conn, "cluster", cluster_uuid)
    full = await conn.fetchrow(
        """
        SELECT cpu_num, memory_size FROM vm_instances
        WHERE uuid = $1 AND EXISTS (SELECT FROM fitting_hosts($1, $2, $3, false))
        """,
        vm_uuid,
        host_uuid,
        cluster_uuid,
    )
    if full is not None:
        return OperationError(
            f"no host has {full['cpu_num']} CPUs and {full['memory_size']} bytes of memory free"
        )
    return OperationError(
        "no host will do: it must be enabled and connected, in an enabled cluster and zone, "
        "of the VM's architecture, and the networks must be attached to its cluster"
    )


async def take_room(conn: Connection, uuid: str, cpus: int, memory: int) -> None:
    """Make sure that the host has so much more free, until the transaction ends; the VM's row takes it.

    Args:
        memory: bytes.

    Raises:
        OperationError: it has not.
    """
    free = await conn.fetchrow(
        """
        SELECT available_cpu_capacity AS cpus, available_memory_capacity AS memory FROM hosts
        WHERE uuid = $1 FOR NO KEY UPDATE
        """,
        uuid,
    )
    if free is None or cpus > free["cpus"] or memory > free["memory"]:
        raise OperationError(f"the host has no {max(0, cpus)} CPUs and {max(0, memory)} bytes of memory free")


async def host_row(conn: Connection, uuid: str) -> Any:
    """The host's row, with `asked_at` at this moment; None when there is none."""
    return await conn.fetchrow(
        """
        SELECT uuid, hypervisor_type, management_ip, username, password, ssh_port, now() AS asked_at
        FROM hosts WHERE uuid = $1
        """,
        uuid,
    )


async def due_hosts(conn: Connection, interval_s: float, limit: int) -> Sequence[Any]:
    """Rows of hosts that were last asked for a sign of life before the interval, each noted as asked now.

    `asked_at` is the time before the question: what changed after it, the answer does not know.
    """
    return await conn.fetch(
        """
        UPDATE hosts h SET asked_at = now() FROM (
            SELECT uuid FROM hosts
            WHERE asked_at <= now() - make_interval(secs => $1) AND status <> 'Connecting'
            ORDER BY asked_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) due
        WHERE h.uuid = due.uuid
        RETURNING h.uuid, h.hypervisor_type, h.management_ip, h.username, h.password, h.ssh_port, h.asked_at
        """,
        interval_s,
        limit,
    )


async def set_status(conn: Connection, uuid: str, status: str) -> None:
    """Note whether the host answers; a status that it has already changes nothing."""
    await conn.execute(
        "UPDATE hosts SET status = $2, last_op_date = now() WHERE uuid = $1 AND status <> $2", uuid, status
    )


async def note_stray(conn: Connection, vm_uuid: str, host_uuid: str | None) -> None:
    """The host may still run the VM; have it destroyed there as soon as the host answers."""
    await conn.execute(
        """
        INSERT INTO stray_domains
            (vm_uuid, host_uuid, hypervisor_type, management_ip, username, password, ssh_port)
        SELECT $1, uuid, hypervisor_type, management_ip, username, password, ssh_port FROM hosts
        WHERE uuid = $2 ON CONFLICT DO NOTHING
        """,
        vm_uuid,
        host_uuid,
    )


async def due_strays(conn: Connection, limit: int) -> Sequence[Any]:
    """Strays whose time has come, with the rows of their hosts.

    Each is put off in case the attempt fails: 10 s, then longer, ten minutes at most.
    """
    return await conn.fetch(
        """
        UPDATE stray_domains s SET attempts = s.attempts + 1,
               next_at = now() + make_interval(secs => least(600, 10 * 2 ^ least(s.attempts, 6)))
        FROM (SELECT vm_uuid, host_uuid FROM stray_domains WHERE next_at <= now()
              ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
        WHERE s.vm_uuid = due.vm_uuid AND s.host_uuid = due.host_uuid
        RETURNING s.vm_uuid, s.host_uuid AS uuid, s.hypervisor_type, s.management_ip, s.username, s.password,
                  s.ssh_port
        """,
        limit,
    )


async def forget_stray(conn: Connection, vm_uuid: str, host_uuid: str) -> None:
    """The host does not run the VM any more."""
    await conn.execute("DELETE FROM stray_domains WHERE vm_uuid = $1 AND host_uuid = $2", vm_uuid, host_uuid)
