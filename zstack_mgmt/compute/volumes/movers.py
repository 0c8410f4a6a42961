"""What follows a volume to another owner: its snapshots."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.volumes import snapshots, store
from zstack_mgmt.compute.volumes.events import SnapshotChange, tell_snapshot, tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover
from zstack_mgmt.identity.sharing.owners import found


async def follow_volume(conn: Connection, owned: OwnedVolume, account_uuid: str) -> list[str]:
    """Tell of the volume's new owner and of its snapshots'; returns the snapshots."""
    before = owned.change("owner-changed")
    await tell_volume(
        conn, replace(before, account_uuid=account_uuid, previous_account_uuid=owned.account_uuid)
    )
    found_ones = await snapshots.snapshots_of(conn, owned.volume.uuid)
    for row in found_ones:
        change = SnapshotChange(
            snapshot_uuid=row["uuid"],
            name=row["name"],
            account_uuid=account_uuid,
            volume_uuid=owned.volume.uuid,
            size=row["size"],
            kind="owner-changed",
            previous_account_uuid=row["account_uuid"],
        )
        await tell_snapshot(conn, change)
    return [row["uuid"] for row in found_ones]


@mover("VolumeVO")
async def move_volume(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """A free data volume moves with its snapshots; others move with their VM only."""
    owned = found(await store.lock_volume(conn, uuid, None), "volume", uuid)
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
