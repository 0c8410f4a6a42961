"""The SQL of clusters and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zstack_mgmt.compute.hosts.model import Cluster, Host
from zstack_mgmt.db import Connection, fetch_one


async def get_cluster(conn: Connection, uuid: str) -> Cluster | None:
    """The cluster, which cannot be deleted until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM clusters WHERE uuid = $1 FOR KEY SHARE", uuid)
    return None if row is None else Cluster.from_row(row)


async def insert_host(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    cluster: Cluster,
    management_ip: str,
    login: tuple[str | None, str | None, int | None],
    job_uuid: str,
) -> Host:
    """Insert an enabled host that is being connected; its capacity is not known yet.

    Args:
        login: user name, sealed password and port.
    """
    row = await fetch_one(
        conn,
        """
        INSERT INTO hosts (uuid, name, description, zone_uuid, cluster_uuid, hypervisor_type, management_ip,
                           username, password, ssh_port, made_by, status, total_cpu_capacity,
                           available_cpu_capacity, total_memory_capacity, available_memory_capacity)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'Connecting', 0, 0, 0, 0) RETURNING *
        """,
        uuid,
        name,
        description,
        cluster.zone_uuid,
        cluster.uuid,
        cluster.hypervisor_type,
        management_ip,
        *login,
        job_uuid,
    )
    return Host.from_row(row)


async def host_of_job(conn: Connection, uuid: str, job_uuid: str) -> Host | None:
    """The host, if the job has made it."""
    row = await conn.fetchrow("SELECT * FROM hosts WHERE uuid = $1 AND made_by = $2", uuid, job_uuid)
    return None if row is None else Host.from_row(row)


async def set_capacity(
    conn: Connection, uuid: str, sockets: int, cpu_num: int, cpu_capacity: int, memory_capacity: int
) -> Host | None:
    """The host answers: it is Connected and has so much, or what its VMs have if that is more."""
    row = await conn.fetchrow(
        """
        UPDATE hosts SET status = 'Connected', cpu_sockets = $2, cpu_num = $3,
               total_cpu_capacity = greatest($4, total_cpu_capacity - available_cpu_capacity),
               available_cpu_capacity = greatest($4 - total_cpu_capacity + available_cpu_capacity, 0),
               total_memory_capacity = greatest($5, total_memory_capacity - available_memory_capacity),
               available_memory_capacity = greatest($5 - total_memory_capacity + available_memory_capacity,
               0),
               last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        sockets,
        cpu_num,
        cpu_capacity,
        memory_capacity,
    )
    return None if row is None else Host.from_row(row)


async def update_host(
    conn: Connection,
    uuid: str,
    name: str | None = None,
    description: str | None = None,
    state: str | None = None,
    status: str | None = None,
    management_ip: str | None = None,
) -> Host | None:
    """Set what is not None; None when there is no such host."""
    row = await conn.fetchrow(
        """
        UPDATE hosts SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), status = coalesce($5, status),
               management_ip = coalesce($6, management_ip), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
        status,
        management_ip,
    )
    return None if row is None else Host.from_row(row)


async def set_states_in(
    conn: Connection, *, zone_uuid: str | None, cluster_uuid: str | None, state: str
) -> None:
    """Enable or disable the clusters of a zone, and the hosts of the zone or cluster that are Enabled or
    Disabled.
    """
    await conn.execute(
        """
        UPDATE clusters SET state = $2, last_op_date = now()
        WHERE zone_uuid = $1 AND state <> $2
        """,
        zone_uuid,
        state,
    )
    await conn.execute(
        """
        UPDATE hosts SET state = $3, last_op_date = now()
        WHERE (zone_uuid = $1 OR cluster_uuid = $2) AND state IN ('Enabled', 'Disabled') AND state <> $3
        """,
        zone_uuid,
        cluster_uuid,
        state,
    )


async def delete_host(conn: Connection, uuid: str) -> None:
    """Delete the host. No VM may be on it."""
    await conn.execute("DELETE FROM hosts WHERE uuid = $1", uuid)


async def login_of(conn: Connection, uuid: str) -> Any:
    """What `drivers.registry.host_of` needs, with `status`; None when there is no such host."""
    return await conn.fetchrow(
        """
        SELECT uuid AS host_uuid, hypervisor_type, management_ip, username, password, ssh_port, status,
        now() AS asked_at
        FROM hosts WHERE uuid = $1
        """,
        uuid,
    )


async def due_hosts(conn: Connection, interval_s: float, limit: int) -> Sequence[Any]:
    """The same of hosts that were last asked for a sign of life before the interval, each noted as asked now.

    `asked_at` is the time before the question: what changed after it, the answer does not know.
    """
    return await conn.fetch(
        """
        UPDATE hosts h SET asked_at = now()
        FROM (SELECT uuid FROM hosts WHERE asked_at <= now() - make_interval(secs => $1)
        AND status <> 'Connecting'
              ORDER BY asked_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) due
        WHERE h.uuid = due.uuid
        RETURNING h.uuid AS host_uuid, h.hypervisor_type, h.management_ip, h.username, h.password,
        h.ssh_port, h.status,
                  h.asked_at
        """,
        interval_s,
        limit,
    )


async def candidates(
    conn: Connection,
    *,
    vm_uuid: str,
    host_uuid: str | None,
    cluster_uuid: str | None,
    zone_uuid: str | None,
    hypervisor_type: str | None,
    l3_uuids: Sequence[str],
    cpu_num: int,
    memory_size: int,
) -> list[str]:
    """Hosts where a VM may run that have so much free at this moment, the emptiest first.

    All is enabled and connected, and every L2 network attached to the cluster.
    """
    rows = await conn.fetch(
        """
        SELECT h.uuid FROM hosts h
        JOIN clusters c ON c.uuid = h.cluster_uuid AND c.state = 'Enabled'
        JOIN zones z ON z.uuid = h.zone_uuid AND z.state = 'Enabled'
        WHERE h.state = 'Enabled' AND h.status = 'Connected' AND ($1::text IS NULL OR h.uuid = $1)
          AND ($2::text IS NULL OR h.cluster_uuid = $2) AND ($3::text IS NULL OR h.zone_uuid = $3)
          AND ($4::text IS NULL OR h.hypervisor_type = $4)
          AND h.available_cpu_capacity >= $7 AND h.available_memory_capacity >= $8
          AND NOT EXISTS (
              SELECT FROM l3_networks n WHERE n.uuid = ANY ($5) AND NOT EXISTS (
                  SELECT FROM l2_network_clusters a
                  WHERE a.l2_network_uuid = n.l2_network_uuid AND a.cluster_uuid = h.cluster_uuid))
          AND NOT EXISTS (SELECT FROM stray_domains s WHERE s.vm_uuid = $6 AND s.host_uuid = h.uuid)
        ORDER BY h.available_memory_capacity DESC, h.uuid
        """,
        host_uuid,
        cluster_uuid,
        zone_uuid,
        hypervisor_type,
        list(l3_uuids),
        vm_uuid,
        cpu_num,
        memory_size,
    )
    return [row["uuid"] for row in rows]


async def exists(conn: Connection, kind: str, uuid: str) -> bool:
    """Whether there is such a host, cluster or zone."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM resources WHERE uuid = $1 AND resource_type = $2", uuid, f"{kind.title()}VO"
        )
    )


async def lock_if_room(conn: Connection, uuids: Sequence[str], cpu_num: int, memory_size: int) -> Any:
    """Lock the first of the hosts that is still fit and has room; None when none has.

    The row stays locked until the transaction ends, so that two VMs cannot both take the last room.
    """
    for uuid in uuids:
        row = await conn.fetchrow(
            """
            SELECT uuid AS host_uuid, zone_uuid, cluster_uuid, hypervisor_type, management_ip, username,
                   password, ssh_port
            FROM hosts
            WHERE uuid = $1 AND state = 'Enabled' AND status = 'Connected' AND available_cpu_capacity >= $2
              AND available_memory_capacity >= $3
            FOR NO KEY UPDATE
            """,
            uuid,
            cpu_num,
            memory_size,
        )
        if row is not None:
            return row
    return None


async def note_stray(conn: Connection, vm_uuid: str, host_uuid: str) -> None:
    """The host may still run the VM; have it destroyed there as soon as the host answers."""
    await conn.execute(
        """
        INSERT INTO stray_domains (vm_uuid, host_uuid, hypervisor_type, management_ip, username, password,
        ssh_port)
        SELECT $1, uuid, hypervisor_type, management_ip, username, password, ssh_port FROM hosts
        WHERE uuid = $2
        ON CONFLICT DO NOTHING
        """,
        vm_uuid,
        host_uuid,
    )


async def due_strays(conn: Connection, limit: int) -> Sequence[Any]:
    """Strays whose time has come, each put off in case the attempt fails: 10 s, then longer, at most ten
    minutes.
    """
    return await conn.fetch(
        """
        UPDATE stray_domains s SET attempts = s.attempts + 1,
               next_at = now() + make_interval(secs => least(600, 10 * 2 ^ least(s.attempts, 6)))
        FROM (SELECT vm_uuid, host_uuid FROM stray_domains WHERE next_at <= now()
              ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
        WHERE s.vm_uuid = due.vm_uuid AND s.host_uuid = due.host_uuid
        RETURNING s.vm_uuid, s.host_uuid, s.hypervisor_type, s.management_ip, s.username, s.password,
        s.ssh_port
        """,
        limit,
    )


async def forget_stray(conn: Connection, vm_uuid: str, host_uuid: str) -> None:
    """The host does not run the VM any more."""
    await conn.execute("DELETE FROM stray_domains WHERE vm_uuid = $1 AND host_uuid = $2", vm_uuid, host_uuid)


async def lock_hosts_in(conn: Connection, place_uuid: str) -> list[str]:
    """The hosts of a cluster or zone, disabled so that no VM starts on them until the transaction ends."""
    rows = await conn.fetch(
        """
        UPDATE hosts SET state = 'Disabled' WHERE cluster_uuid = $1 OR zone_uuid = $1 RETURNING uuid
        """,
        place_uuid,
    )
    return sorted(row["uuid"] for row in rows)
