"""The SQL of images."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.compute.images.model import Image, ImageBackupStorageRef
from zstack_mgmt.db import Connection


async def insert_image(
    conn: Connection,
    uuid: str,
    name: str,
    description: str | None,
    url: str,
    media_type: str,
    guest_os_type: str | None,
    platform: str,
    format_: str,
    size_bytes: int,
    *,
    system: bool,
    backup_storage_uuids: Sequence[str],
) -> Image:
    """Insert an enabled image that is ready, with the storages that are said to keep it."""
    await conn.execute(
        """
        INSERT INTO images (uuid, name, description, url, media_type, guest_os_type, platform, format, size,
                            actual_size, system)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
        """,
        uuid,
        name,
        description,
        url,
        media_type,
        guest_os_type,
        platform,
        format_,
        size_bytes,
        system,
    )
    await conn.execute(
        """
        INSERT INTO image_backup_storages (image_uuid, backup_storage_uuid, install_path)
        SELECT $1, s, 's3://' || $1 || '/' || s FROM unnest($2::text[]) AS s ON CONFLICT DO NOTHING
        """,
        uuid,
        list(backup_storage_uuids),
    )
    image = await get_image(conn, uuid)
    assert image is not None  # noqa: S101 (inserted above)
    return image


async def get_image(conn: Connection, uuid: str) -> Image | None:
    """The image, which cannot be deleted until the transaction ends."""
    row = await conn.fetchrow("SELECT * FROM images WHERE uuid = $1 FOR KEY SHARE", uuid)
    if row is None:
        return None
    refs = await conn.fetch("SELECT * FROM image_backup_storages WHERE image_uuid = $1 ORDER BY id", uuid)
    return Image.from_row({**row, "backup_storage_refs": [ImageBackupStorageRef.from_row(r) for r in refs]})


async def update_image(
    conn: Connection,
    uuid: str,
    account_uuid: str | None,
    name: str | None,
    description: str | None,
    state: str | None,
    guest_os_type: str | None,
    platform: str | None,
) -> Image | None:
    """Set what is not None; None when the account (None: any) owns no such image."""
    done = await conn.fetchval(
        """
        UPDATE images i SET name = coalesce($3, name), description = coalesce($4, description),
               state = coalesce($5, state), guest_os_type = coalesce($6, guest_os_type),
               platform = coalesce($7, platform), last_op_date = now()
        FROM resource_owners o
        WHERE i.uuid = $1 AND o.resource_uuid = i.uuid AND ($2::text IS NULL OR o.account_uuid = $2)
        RETURNING true
        """,
        uuid,
        account_uuid,
        name,
        description,
        state,
        guest_os_type,
        platform,
    )
    return await get_image(conn, uuid) if done else None


async def delete_image(conn: Connection, uuid: str) -> None:
    """Delete the image. VMs and volumes made from it stay, and forget it."""
    await conn.execute("DELETE FROM images WHERE uuid = $1", uuid)
