"""The SQL of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zstack_mgmt.compute.images.model import Image
from zstack_mgmt.db import Connection, fetch_one
from zstack_mgmt.identity.quotas.usage import counts
from zstack_mgmt.resources import rows


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


async def get_image(conn: Connection, uuid: str) -> Image | None:
    """The image, which cannot be deleted until the transaction ends."""
    return await rows.find(conn, Image, uuid)


@counts("image.num", "image.size")
async def count_images(conn: Connection, account_uuid: str) -> Mapping[str, int]:
    """Images of the account and the bytes they take."""
    row = await fetch_one(
        conn,
        """
        SELECT count(*) AS num, coalesce(sum(i.actual_size), 0)::bigint AS size
        FROM resource_owners o JOIN images i ON i.uuid = o.resource_uuid
        WHERE o.account_uuid = $1 AND o.resource_type = 'ImageVO'
        """,
        account_uuid,
    )
    return {"image.num": row["num"], "image.size": row["size"]}
