"""The SQL of the hosts in a zone or cluster."""

from __future__ import annotations

from zstack_mgmt.db import Connection


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


async def lock_hosts_in(conn: Connection, place_uuid: str) -> list[str]:
    """The hosts of a cluster or zone, disabled so that no VM starts on them until the transaction ends."""
    rows = await conn.fetch(
        """
        UPDATE hosts SET state = 'Disabled' WHERE cluster_uuid = $1 OR zone_uuid = $1 RETURNING uuid
        """,
        place_uuid,
    )
    return sorted(row["uuid"] for row in rows)
