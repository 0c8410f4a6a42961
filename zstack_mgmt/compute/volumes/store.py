"""The SQL of volumes. Snapshots are in `snapshots`."""

from __future__ import annotations

from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume, Volume, install_path
from zstack_mgmt.db import Connection, fetch_one


async def insert_volume(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    account_uuid: str,
    type_: str,
    size: int,
    *,
    vm_uuid: str | None = None,
    device_id: int | None = None,
    disk_offering_uuid: str | None = None,
    image_uuid: str | None = None,
    primary_storage_uuid: str | None = None,
    format_: str = "qcow2",
) -> Volume:
    """Insert a volume and its owner, and tell of it. It is Ready with a VM, NotInstantiated without."""
    row = await fetch_one(
        conn,
        """
        INSERT INTO volumes (uuid, name, description, type, size, vm_instance_uuid, device_id,
        disk_offering_uuid,
                             root_image_uuid, primary_storage_uuid, format, install_path, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
                CASE WHEN $6::text IS NULL THEN 'NotInstantiated' ELSE 'Ready' END)
        RETURNING *
        """,
        uuid,
        name,
        description,
        type_,
        size,
        vm_uuid,
        device_id,
        disk_offering_uuid,
        image_uuid,
        primary_storage_uuid,
        format_,
        None if vm_uuid is None else install_path(uuid, format_),
    )
    await conn.execute(
        """
        INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, 'VolumeVO', $2)
        """,
        uuid,
        account_uuid,
    )
    volume = Volume.from_row(row)
    await tell_volume(conn, OwnedVolume(volume, account_uuid, None).change("created"))
    return volume


async def lock_volume(conn: Connection, uuid: str, account_uuid: str | None) -> OwnedVolume | None:
    """The volume of the account (None: of any); row and owner are locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT v.*, o.account_uuid AS owner_uuid FROM volumes v
        JOIN resource_owners o ON o.resource_uuid = v.uuid
        WHERE v.uuid = $1 AND ($2::text IS NULL OR o.account_uuid = $2) FOR NO KEY UPDATE OF v FOR SHARE OF o
        """,
        uuid,
        account_uuid,
    )
    return None if row is None else OwnedVolume(Volume.from_row(row), row["owner_uuid"], row["job_uuid"])


async def volumes_of(conn: Connection, vm_uuid: str) -> list[OwnedVolume]:
    """The volumes of a VM, the root volume first, locked until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT v.*, o.account_uuid AS owner_uuid FROM volumes v
        JOIN resource_owners o ON o.resource_uuid = v.uuid
        WHERE v.vm_instance_uuid = $1 ORDER BY v.device_id, v.uuid FOR NO KEY UPDATE OF v
        """,
        vm_uuid,
    )
    return [OwnedVolume(Volume.from_row(row), row["owner_uuid"], row["job_uuid"]) for row in rows]


async def update_volume(
    conn: Connection,
    uuid: str,
    name: str | None = None,
    description: str | None = None,
    state: str | None = None,
    status: str | None = None,
) -> Volume:
    """Set what is not None of a volume that exists."""
    row = await fetch_one(
        conn,
        """
        UPDATE volumes SET name = coalesce($2, name), description = coalesce($3, description),
               state = coalesce($4, state), status = coalesce($5, status), last_op_date = now()
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        name,
        description,
        state,
        status,
    )
    return Volume.from_row(row)


async def vm_of(conn: Connection, uuid: str) -> str | None:
    """The VM that the volume is attached to at this moment."""
    return await conn.fetchval("SELECT vm_instance_uuid FROM volumes WHERE uuid = $1", uuid)


async def attach(conn: Connection, uuid: str, vm_uuid: str, job_uuid: str) -> Volume:
    """Give a data volume to a VM as its next device."""
    row = await fetch_one(
        conn,
        """
        UPDATE volumes SET vm_instance_uuid = $2, status = 'Ready', job_uuid = $3, last_op_date = now(),
               device_id = (SELECT coalesce(max(o.device_id), 0) + 1 FROM volumes o
               WHERE o.vm_instance_uuid = $2)
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        vm_uuid,
        job_uuid,
    )
    return Volume.from_row(row)


async def instantiate(conn: Connection, uuid: str) -> Volume:
    """Its VM has the volume: from its first time on it has a place on the storage."""
    row = await fetch_one(
        conn,
        "UPDATE volumes SET install_path = coalesce(install_path, $2) WHERE uuid = $1 RETURNING *",
        uuid,
        install_path(uuid, "qcow2"),
    )
    return Volume.from_row(row)


async def detach(conn: Connection, uuid: str, job_uuid: str | None) -> Volume:
    """Take a data volume from its VM. It stays on the storage."""
    row = await fetch_one(
        conn,
        """
        UPDATE volumes SET vm_instance_uuid = NULL, device_id = NULL, job_uuid = $2, last_op_date = now(),
               install_path = coalesce(install_path, $3)
        WHERE uuid = $1 RETURNING *
        """,
        uuid,
        job_uuid,
        install_path(uuid, "qcow2"),
    )
    return Volume.from_row(row)


async def undo_attach(conn: Connection, uuid: str, job_uuid: str) -> None:
    """Take back an attachment that the hypervisor refused: the volume is as it was before."""
    await conn.execute(
        """
        UPDATE volumes SET vm_instance_uuid = NULL, device_id = NULL, job_uuid = $2, last_op_date = now(),
               status = CASE WHEN install_path IS NULL THEN 'NotInstantiated' ELSE status END
        WHERE uuid = $1
        """,
        uuid,
        job_uuid,
    )


async def delete_volume(conn: Connection, owned: OwnedVolume) -> None:
    """Delete the row for good, after telling of it. Its snapshots stay, without a volume."""
    await tell_volume(conn, owned.change("expunged"))
    await conn.execute("DELETE FROM volumes WHERE uuid = $1", owned.volume.uuid)
