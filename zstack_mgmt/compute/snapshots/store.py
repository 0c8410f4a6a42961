"""The SQL of volume snapshots."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.compute.snapshots.model import OwnedSnapshot, VolumeSnapshot
from zstack_mgmt.compute.volumes.model import Volume, disk_of
from zstack_mgmt.db import Connection, fetch_one


async def insert_snapshot(
    conn: Connection, uuid: str, name: str, description: str | None, volume: Volume, job_uuid: str
) -> None:
    """Insert a snapshot that is being made; the caller notes its owner. Its parent is the latest one."""
    await conn.execute(
        """
        INSERT INTO volume_snapshots
            (uuid, name, description, volume_uuid, parent_uuid, tree_uuid, primary_storage_uuid,
             primary_storage_install_path, volume_type, format, latest, size, status, job_uuid)
        SELECT $1, $2, $3, $4, p.uuid, coalesce(p.tree_uuid, $1), $5, $6, $7, $8, false, $9, 'Creating', $10
        FROM (SELECT) one LEFT JOIN volume_snapshots p ON p.volume_uuid = $4 AND p.latest
        """,
        uuid,
        name,
        description,
        volume.uuid,
        volume.primary_storage_uuid,
        f"{disk_of(volume).path}@{uuid}",
        volume.type,
        volume.format,
        volume.size,
        job_uuid,
    )


async def finish_snapshot(conn: Connection, uuid: str) -> VolumeSnapshot:
    """The snapshot is made; it is the latest one of its volume."""
    await conn.execute(
        """
        UPDATE volume_snapshots o SET latest = false FROM volume_snapshots s
        WHERE s.uuid = $1 AND o.volume_uuid = s.volume_uuid AND o.latest
        """,
        uuid,
    )
    row = await fetch_one(
        conn,
        """
        UPDATE volume_snapshots SET status = 'Ready', latest = true, last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
    )
    return VolumeSnapshot.from_row(row)


async def lock_snapshot(conn: Connection, uuid: str, account_uuid: str | None = None) -> OwnedSnapshot | None:
    """The snapshot of the account (None: of any); row and owner are locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT s.*, o.account_uuid FROM volume_snapshots s JOIN resource_owners o ON o.resource_uuid = s.uuid
        WHERE s.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2)
        FOR NO KEY UPDATE OF s FOR SHARE OF o
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else _owned(row)


async def snapshots_of(conn: Connection, volume_uuid: str) -> list[OwnedSnapshot]:
    """The snapshots of a volume, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT s.*, o.account_uuid FROM volume_snapshots s JOIN resource_owners o ON o.resource_uuid = s.uuid
        WHERE s.volume_uuid = $1 ORDER BY s.create_date, s.uuid
        """,
        volume_uuid,
    )
    return [_owned(row) for row in rows]


def _owned(row: Any) -> OwnedSnapshot:
    return OwnedSnapshot(VolumeSnapshot.from_row(row), row["account_uuid"], row["job_uuid"])


async def volume_of(conn: Connection, uuid: str) -> str | None:
    """The volume that the snapshot is of, if both are there."""
    return await conn.fetchval("SELECT volume_uuid FROM volume_snapshots WHERE uuid = $1", uuid)


async def set_status(conn: Connection, uuid: str, status: str, job_uuid: str | None) -> None:
    """Note what happens to the snapshot, and the job that does it."""
    await conn.execute(
        "UPDATE volume_snapshots SET status = $2, job_uuid = $3, last_op_date = now() WHERE uuid = $1",
        uuid,
        status,
        job_uuid,
    )


async def delete_snapshot(conn: Connection, uuid: str) -> None:
    """Delete the row.

    The snapshots made after it follow its parent, which is the latest again if this one was.
    """
    await conn.execute(
        """
        UPDATE volume_snapshots c SET parent_uuid = s.parent_uuid FROM volume_snapshots s
        WHERE s.uuid = $1 AND c.parent_uuid = $1
        """,
        uuid,
    )
    row = await conn.fetchrow(
        "DELETE FROM volume_snapshots WHERE uuid = $1 RETURNING latest, parent_uuid", uuid
    )
    if row is not None and row["latest"]:
        await conn.execute("UPDATE volume_snapshots SET latest = true WHERE uuid = $1", row["parent_uuid"])


async def delete_abandoned(conn: Connection) -> None:
    """Delete the snapshots whose making was left behind by its job, and keep those whose deletion was."""
    await conn.execute(
        """
        WITH abandoned AS (
            SELECT uuid, status FROM volume_snapshots s
            WHERE s.status <> 'Ready' AND s.last_op_date < now() - interval '1 minute'
              AND NOT EXISTS (SELECT FROM api_jobs j
                              WHERE j.uuid = s.job_uuid AND j.state IN ('queued', 'running'))
        ), kept AS (
            UPDATE volume_snapshots s SET status = 'Ready' FROM abandoned a
            WHERE s.uuid = a.uuid AND a.status = 'Deleting'
        )
        DELETE FROM volume_snapshots s USING abandoned a WHERE s.uuid = a.uuid AND a.status = 'Creating'
        """
    )
