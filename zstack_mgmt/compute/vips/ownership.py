"""What follows network services to another owner: a VIP and its EIP move together."""

from __future__ import annotations

from zstack_mgmt.compute.vips import store
from zstack_mgmt.compute.vips.store import EIPS
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover


@mover("EipVO")
async def move_eip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its VIP follows; it leads nowhere any more, since the NIC stays."""
    eip, _ = await EIPS.lock(conn, uuid)
    await reserve(conn, account_uuid, {"eip.num": 1, "vip.num": 1}, is_admin=False)
    await store.set_nic(conn, uuid, None)
    return [eip.vip_uuid]


@mover("VipVO")
async def move_vip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its EIP follows."""
    eip_uuid = await store.eip_of_vip(conn, uuid)
    if eip_uuid is None:
        await reserve(conn, account_uuid, {"vip.num": 1}, is_admin=False)
        return []
    await move_eip(conn, eip_uuid, account_uuid)
    return [eip_uuid]
