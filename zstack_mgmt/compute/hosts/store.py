"""The SQL of clusters and hosts."""

from __future__ import annotations

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


async def get_host(conn: Connection, uuid: str) -> Host | None:
    """The host."""
    row = await conn.fetchrow("SELECT * FROM hosts WHERE uuid = $1", uuid)
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
    management_ip: str | None = None,
) -> Host | None:
    """Set what is not None; None when there is no such host."""
    row = await conn.fetchrow(
        """
        UPDATE hosts SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), management_ip = coalesce($5, management_ip),
               last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
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


async def exists(conn: Connection, kind: str, uuid: str) -> bool:
    """Whether there is such a host, cluster or zone."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM resources WHERE uuid = $1 AND resource_type = $2", uuid, f"{kind.title()}VO"
        )
    )


async def lock_hosts_in(conn: Connection, place_uuid: str) -> list[str]:
    """The hosts of a cluster or zone, disabled so that no VM starts on them until the transaction ends."""
    rows = await conn.fetch(
        """
        UPDATE hosts SET state = 'Disabled' WHERE cluster_uuid = $1 OR zone_uuid = $1 RETURNING uuid
        """,
        place_uuid,
    )
    return sorted(row["uuid"] for row in rows)
