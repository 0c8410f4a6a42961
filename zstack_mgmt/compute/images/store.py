"""The SQL of images."""

from __future__ import annotations

from collections.abc import Sequence

from zstack_mgmt.db import Connection


async def insert_copies(conn: Connection, uuid: str, backup_storage_uuids: Sequence[str]) -> None:
    """Note the storages that are said to keep the image."""
    await conn.execute(
        """
        INSERT INTO image_backup_storages (image_uuid, backup_storage_uuid, install_path)
        SELECT $1, s, 's3://' || $1 || '/' || s FROM unnest($2::text[]) AS s ON CONFLICT DO NOTHING
        """,
        uuid,
        list(backup_storage_uuids),
    )
