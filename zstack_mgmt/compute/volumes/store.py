"""The SQL of volumes. Snapshots are in `snapshots`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import NewVolume, OwnedVolume, Volume, install_path
from zstack_mgmt.core.errors import OperationError, ResourceNotFound
from zstack_mgmt.db import Connection, fetch_one


async def insert_volumes(
    conn: Connection, account_uuid: str, new: Sequence[NewVolume], *, vm_uuid: str | None = None
) -> list[Volume]:
    """Insert volumes whose owner the caller notes, and tell of them.

    With a VM they are Ready, and its devices in their order; without one NotInstantiated.
    """
    rows = await conn.fetch(
        """
        INSERT INTO volumes (uuid, name, description, type, size, disk_offering_uuid, root_image_uuid,
                             primary_storage_uuid, format, install_path, status, vm_instance_uuid, device_id,
                             last_attach_date)
        SELECT uuid, name, description, type, size, offering, image,
               coalesce(storage, (SELECT s.uuid FROM primary_storages s ORDER BY s.uuid LIMIT 1)), format,
               CASE WHEN $11::text IS NOT NULL THEN path END,
               CASE WHEN $11::text IS NULL THEN 'NotInstantiated' ELSE 'Ready' END,
               $11, CASE WHEN $11::text IS NOT NULL THEN position - 1 END,
               CASE WHEN $11::text IS NOT NULL AND type = 'Data' THEN now() END
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                    $8::text[], $9::text[], $10::text[])
             WITH ORDINALITY AS n (uuid, name, description, type, size, offering, image, storage, format,
                                   path, position)
        RETURNING *
        """,
        [n.uuid for n in new],
        [n.name for n in new],
        [n.description for n in new],
        [n.type for n in new],
        [n.size for n in new],
        [n.disk_offering_uuid for n in new],
        [n.image_uuid for n in new],
        [n.primary_storage_uuid for n in new],
        [n.format for n in new],
        [install_path(n.uuid, n.format) for n in new],
        vm_uuid,
    )
    volumes = [Volume.from_row(row) for row in rows]
    for volume in volumes:
        owned = OwnedVolume(volume, account_uuid, None)
        await tell_volume(conn, owned.change("created"))
        if vm_uuid is not None and volume.type == "Data":
            await tell_volume(conn, owned.change("attached"))
    return volumes


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


async def vm_of(conn: Connection, uuid: str) -> str | None:
    """The VM that the volume is attached to at this moment."""
    return await conn.fetchval("SELECT vm_instance_uuid FROM volumes WHERE uuid = $1", uuid)


async def get_volume(conn: Connection, uuid: str, account_uuid: str | None = None) -> OwnedVolume:
    """The same as `lock_volume` of a volume that must be there; raises ResourceNotFound."""
    owned = await lock_volume(conn, uuid, account_uuid)
    if owned is None:
        raise ResourceNotFound(f"no volume has the uuid {uuid}")
    return owned


async def get_volume_of(
    conn: Connection, uuid: str, account_uuid: str | None, vm_uuid: str | None
) -> OwnedVolume:
    """The volume of a VM that the caller has locked before, as `vm_of` named it.

    Raises:
        ResourceNotFound: the account owns no such volume.
        OperationError: it was attached or detached at this moment.
    """
    owned = await get_volume(conn, uuid, account_uuid)
    if owned.volume.vm_instance_uuid != vm_uuid:
        raise OperationError(f"the volume {uuid} is being attached or detached; try again")
    return owned


async def attach(conn: Connection, owned: OwnedVolume, vm_uuid: str, job_uuid: str) -> None:
    """Give a data volume to a VM as the lowest device that is free, and tell of it."""
    row = await fetch_one(
        conn,
        """
        UPDATE volumes SET vm_instance_uuid = $2, status = 'Ready', job_uuid = $3, last_op_date = now(),
               last_attach_date = now(), device_id = (
                   SELECT min(n) FROM generate_series(1, (
                       SELECT count(*) + 1 FROM volumes WHERE vm_instance_uuid = $2)) AS n
                   WHERE NOT EXISTS (SELECT FROM volumes o WHERE o.vm_instance_uuid = $2 AND o.device_id = n))
        WHERE uuid = $1 RETURNING *
        """,
        owned.volume.uuid,
        vm_uuid,
        job_uuid,
    )
    await tell_volume(conn, replace(owned, volume=Volume.from_row(row)).change("attached"))


async def instantiate(conn: Connection, uuid: str) -> Volume:
    """Its VM has the volume: from its first time on it has a place on the storage."""
    row = await fetch_one(
        conn,
        "UPDATE volumes SET install_path = coalesce(install_path, $2) WHERE uuid = $1 RETURNING *",
        uuid,
        install_path(uuid, "qcow2"),
    )
    return Volume.from_row(row)


async def detach(conn: Connection, owned: OwnedVolume, job_uuid: str | None, *, undo: bool = False) -> Volume:
    """Take a data volume from its VM, and tell of it. It stays on the storage.

    Args:
        undo: the hypervisor refused it. If it was its first attachment, it has not come into being after all.
    """
    fresh = undo and owned.volume.install_path is None
    row = await fetch_one(
        conn,
        """
        UPDATE volumes SET vm_instance_uuid = NULL, device_id = NULL, job_uuid = $2, last_op_date = now(),
               install_path = CASE WHEN NOT $4 THEN coalesce(install_path, $3) END,
               status = CASE WHEN $4 THEN 'NotInstantiated' ELSE status END,
               last_attach_date = CASE WHEN NOT $4 THEN last_attach_date END,
               last_detach_date = CASE WHEN $4 THEN last_detach_date ELSE now() END,
               last_vm_instance_uuid = CASE WHEN $4 THEN last_vm_instance_uuid ELSE vm_instance_uuid END
        WHERE uuid = $1 RETURNING *
        """,
        owned.volume.uuid,
        job_uuid,
        install_path(owned.volume.uuid, "qcow2"),
        fresh,
    )
    await tell_volume(conn, owned.change("undone" if fresh else "detached"))
    return Volume.from_row(row)


async def delete_volume(conn: Connection, owned: OwnedVolume) -> None:
    """Delete the row for good, after telling of it. Its snapshots stay, without a volume."""
    await tell_volume(conn, owned.change("expunged"))
    await conn.execute("DELETE FROM volumes WHERE uuid = $1", owned.volume.uuid)
