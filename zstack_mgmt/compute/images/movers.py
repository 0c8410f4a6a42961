"""What an image's new owner must have room for."""

from __future__ import annotations

from zstack_mgmt.compute.images.model import Image
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover
from zstack_mgmt.resources import rows


@mover("ImageVO")
async def move_image(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """It moves alone; the VMs and volumes made from it stay with their owners."""
    image = await rows.get(conn, Image, uuid)
    await reserve(conn, account_uuid, {"image.num": 1, "image.size": image.actual_size}, is_admin=False)
    return []
