"""What follows network services to another owner: a VIP and its EIP move together."""

from __future__ import annotations

from zstack_mgmt.compute.networks import vips
from zstack_mgmt.compute.networks.store import get_l3
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover
from zstack_mgmt.identity.sharing.owners import found


@mover("EipVO")
async def move_eip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its VIP follows; it leads nowhere any more, since the NIC stays."""
    eip = found(await vips.lock_eip(conn, uuid, None), "EIP", uuid)
    await reserve(conn, account_uuid, {"eip.num": 1, "vip.num": 1}, is_admin=False)
    await vips.set_nic(conn, uuid, None)
    return [eip.vip_uuid]


@mover("VipVO")
async def move_vip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its EIP follows."""
    eip_uuid = await vips.eip_of_vip(conn, uuid)
    if eip_uuid is None:
        await reserve(conn, account_uuid, {"vip.num": 1}, is_admin=False)
        return []
    await move_eip(conn, eip_uuid, account_uuid)
    return [eip_uuid]


@mover("L3NetworkVO")
async def move_l3(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its ranges follow; the NICs and VIPs on it stay with their owners."""
    await reserve(conn, account_uuid, {"l3.num": 1}, is_admin=False)
    return [ip_range.uuid for ip_range in found(await get_l3(conn, uuid), "L3 network", uuid).ip_ranges]


@mover("IpRangeVO")
async def refuse_range(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A range moves with its network only."""
    raise OperationError("a range belongs to the owner of its L3 network; change that one's owner")
