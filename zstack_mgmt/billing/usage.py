"""What starts and ends the use of a resource: changes of VMs, volumes, snapshots, in their transactions."""

from __future__ import annotations

from zstack_mgmt.billing.store import Use, hand_over, observe, was_used
from zstack_mgmt.compute.snapshots.events import SnapshotChange, on_snapshot_event
from zstack_mgmt.compute.vms.events import LAST, VmChange, on_vm_state
from zstack_mgmt.compute.volumes.events import VolumeChange, on_volume_event
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.events import account_deletions


@on_vm_state
async def follow_vm(conn: Connection, change: VmChange) -> None:
    """CPU, memory and root volume are paid for while the VM is Running, and by whom it belongs to then."""
    running = change.state_after == "Running" and change.reason not in LAST
    if not running and change.state_before != "Running":
        return  # nobody paid before, and nobody does now
    payer = change.account_uuid if running else None
    vm = Use("VM", change.vm_uuid, change.vm_name, change.cpu_num, change.memory_size)
    uses = [vm]
    if change.root_volume_uuid is not None:
        name = f"ROOT-for-{change.vm_name}"
        uses.append(Use("rootVolume", change.root_volume_uuid, name, 0, change.root_volume_size))
    await observe(conn, payer, *uses)


@on_volume_event
async def follow_volume(conn: Connection, change: VolumeChange) -> None:
    """A data volume is paid for from its first attachment, which instantiates it, until its deletion."""
    if change.type != "Data":
        return
    if change.kind in ("undone", "deleted", "expunged"):
        await _observe_volume(conn, change, None)
    elif change.kind == "attached" or await was_used(
        conn, change.volume_uuid, still=change.kind != "recovered"
    ):
        await _observe_volume(conn, change, change.account_uuid)


@on_snapshot_event
async def follow_snapshot(conn: Connection, change: SnapshotChange) -> None:
    """A snapshot is paid for while it exists; one that is still being made is not."""
    if change.kind == "owner-changed" and not await was_used(conn, change.snapshot_uuid, still=True):
        return
    payer = None if change.kind == "deleted" else change.account_uuid
    await observe(conn, payer, Use("snapShot", change.snapshot_uuid, change.name, 0, change.size))


async def _observe_volume(conn: Connection, change: VolumeChange, payer: str | None) -> None:
    await observe(conn, payer, Use("dataVolume", change.volume_uuid, change.name, 0, change.size))


@account_deletions.subscribe
async def follow_account(conn: Connection, account_uuid: str) -> None:
    """The admin, who owns the resources of a deleted account from then on, pays for them."""
    await hand_over(conn, account_uuid, ADMIN_UUID)
