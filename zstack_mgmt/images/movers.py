"""What an image's new owner must have room for."""

from __future__ import annotations

from typing import Any

from zstack_mgmt.images.store import get_image
from zstack_mgmt.quotas.usage import reserve
from zstack_mgmt.sharing.movers import mover
from zstack_mgmt.sharing.owners import found


@mover("ImageVO")
async def move_image(conn: Any, uuid: str, account_uuid: str) -> list[str]:
    """It moves alone; the VMs and volumes made from it stay with their owners."""
    image = found(await get_image(conn, uuid), "image", uuid)
    await reserve(conn, account_uuid, {"image.num": 1, "image.size": image.actual_size}, is_admin=False)
    return []
