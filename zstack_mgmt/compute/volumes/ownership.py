"""What follows a volume to another owner: its snapshots."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.volumes import snapshots, store
from zstack_mgmt.compute.volumes.events import tell_snapshot, tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover


async def follow_volume(conn: Connection, owned: OwnedVolume, account_uuid: str) -> list[str]:
    """Tell of the volume's new owner and of its snapshots'; returns the snapshots."""
    change = owned.change("owner-changed")
    await tell_volume(
        conn, replace(change, account_uuid=account_uuid, previous_account_uuid=owned.account_uuid)
    )
    kept = await snapshots.snapshots_of(conn, owned.volume.uuid)
    for snapshot in kept:
        change = snapshot.change("owner-changed")
        await tell_snapshot(
            conn, replace(change, account_uuid=account_uuid, previous_account_uuid=snapshot.account_uuid)
        )
    return [snapshot.uuid for snapshot in kept]


@mover("VolumeVO")
async def move_volume(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """A free data volume moves with its snapshots; others move with their VM only."""
    owned = await store.get_volume(conn, uuid)
    if owned.volume.type == "Root":
        raise OperationError("a root volume belongs to the owner of its VM; change that one's owner")
    if owned.volume.vm_instance_uuid is not None:
        raise OperationError("the volume is attached to a VM; detach it first, or change the VM's owner")
    wanted = {
        "volume.data.num": 1,
        "volume.capacity": owned.volume.size,
        "snapshot.volume.num": len(await snapshots.snapshots_of(conn, uuid)),
    }
    await reserve(conn, account_uuid, wanted, is_admin=False)
    return await follow_volume(conn, owned, account_uuid)


@mover("VolumeSnapshotVO")
async def refuse_snapshot(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A snapshot moves with its volume only."""
    raise OperationError("a snapshot belongs to the owner of its volume; change that one's owner")
