"""What the scheduler does by itself when a VM or volume changes, in the transaction that changes it."""

from __future__ import annotations

from zstack_mgmt.compute.vms.events import LAST, VmChange, on_vm_state
from zstack_mgmt.compute.volumes.events import VolumeChange, on_volume_event
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.accounts.events import account_deletions
from zstack_mgmt.scheduler import store


@on_vm_state
async def follow_vm(conn: Connection, change: VmChange) -> None:
    """Jobs of a destroyed VM, or one with a new owner, are disabled until somebody enables them.

    A lost host disables them until it is found again. Source: the product's scheduler.
    """
    if change.reason in LAST:
        await store.detach_for(conn, change.vm_uuid)
    elif change.reason in ("destroy", "owner-changed"):
        await store.disable_for(conn, change.vm_uuid)
    elif change.state_after == "Unknown" and change.state_before != "Unknown":
        await store.disable_for(conn, change.vm_uuid, host_lost=True)
    elif change.state_before == "Unknown" and change.state_after in ("Running", "Stopped"):
        await store.enable_found(conn, change.vm_uuid)


@on_volume_event
async def follow_volume(conn: Connection, change: VolumeChange) -> None:
    """No snapshots of a deleted volume, nor after a recovery or a new owner, until somebody enables them."""
    if change.kind == "expunged":
        await store.detach_for(conn, change.volume_uuid)
    elif change.kind in ("deleted", "owner-changed"):
        await store.disable_for(conn, change.volume_uuid)


@account_deletions.subscribe
async def follow_account(conn: Connection, account_uuid: str) -> None:
    """The jobs of a deleted account are disabled, or they would act as the admin, who owns them now."""
    await store.disable_all_of(conn, account_uuid)
