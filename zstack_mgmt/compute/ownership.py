"""What follows a resource to another owner, and what that one must have room for."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.images.model import Image
from zstack_mgmt.compute.networks.model import L3Network
from zstack_mgmt.compute.snapshots.events import tell_snapshot
from zstack_mgmt.compute.snapshots.store import snapshots_of
from zstack_mgmt.compute.vips.model import Eip
from zstack_mgmt.compute.vms import store as vms
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.events import tell_volume
from zstack_mgmt.compute.volumes.model import OwnedVolume
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.ownership import on_new_owner
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import owners_of


@on_new_owner("VmInstanceVO")
async def move_vm(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its NICs, their EIPs with their VIPs, and its volumes with their snapshots follow.

    Raises:
        VmStateRefused: VM.1010; the VM is neither Created, Stopped, Running nor Starting.
        QuotaExceeded: ID.1003; the new owner may not have so much.
    """
    vm = await vms.get_vm(conn, uuid)
    vm.check_state("change-owner")
    size = vm.inventory
    nics = [nic.uuid for nic in size.vm_nics]
    await owners_of(conn, nics)  # locked, so that no EIP is attached to them until they have moved
    eips, vips = await vms.services_of(conn, uuid)
    kept = [len(await snapshots_of(conn, volume.uuid)) for volume in size.all_volumes]
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": sum(volume.type == "Data" for volume in size.all_volumes),
        "volume.capacity": sum(volume.size for volume in size.all_volumes),
        "snapshot.volume.num": sum(kept),
        "eip.num": len(eips),
        "vip.num": len(vips),
    }
    if vm.state in ("Running", "Starting"):
        wanted |= {"vm.num": 1, "vm.cpuNum": size.cpu_num, "vm.memorySize": size.memory_size}
    await reserve(conn, account_uuid, wanted, is_admin=False)
    moved = [*nics, *eips, *vips]
    for owned in vm.volumes():
        moved += [owned.volume.uuid, *await _follow_volume(conn, owned, account_uuid)]
    change = replace(vm, account_uuid=account_uuid).change(vm.state, "owner-changed", vm.account_uuid)
    await tell(conn, change)
    return moved


@on_new_owner("VolumeVO")
async def move_volume(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """A free data volume moves with its snapshots; others move with their VM only."""
    owned = await volumes.get_volume(conn, uuid)
    if owned.volume.type == "Root":
        raise OperationError("a root volume belongs to the owner of its VM; change that one's owner")
    if owned.volume.vm_instance_uuid is not None:
        raise OperationError("the volume is attached to a VM; detach it first, or change the VM's owner")
    wanted = {
        "volume.data.num": 1,
        "volume.capacity": owned.volume.size,
        "snapshot.volume.num": len(await snapshots_of(conn, uuid)),
    }
    await reserve(conn, account_uuid, wanted, is_admin=False)
    return await _follow_volume(conn, owned, account_uuid)


async def _follow_volume(conn: Connection, owned: OwnedVolume, account_uuid: str) -> list[str]:
    """Tell of the volume's new owner and of its snapshots'; returns the snapshots."""
    change = owned.change("owner-changed")
    await tell_volume(
        conn, replace(change, account_uuid=account_uuid, previous_account_uuid=owned.account_uuid)
    )
    kept = await snapshots_of(conn, owned.volume.uuid)
    for snapshot in kept:
        moved = replace(snapshot, account_uuid=account_uuid).change("owner-changed")
        await tell_snapshot(conn, replace(moved, previous_account_uuid=snapshot.account_uuid))
    return [snapshot.uuid for snapshot in kept]


@on_new_owner("EipVO")
async def move_eip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its VIP follows; it leads nowhere any more, since the NIC stays."""
    await reserve(conn, account_uuid, {"eip.num": 1, "vip.num": 1}, is_admin=False)
    return [(await rows.update(conn, Eip, uuid, {"vm_nic_uuid": None})).vip_uuid]


@on_new_owner("VipVO")
async def move_vip(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its EIP follows."""
    eip = await rows.find(conn, Eip, uuid, by="vip_uuid", lock="NO KEY UPDATE")
    if eip is None:
        await reserve(conn, account_uuid, {"vip.num": 1}, is_admin=False)
        return []
    await move_eip(conn, eip.uuid, account_uuid)
    return [eip.uuid]


@on_new_owner("L3NetworkVO")
async def move_l3(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its ranges follow; the NICs and VIPs on it stay with their owners."""
    await reserve(conn, account_uuid, {"l3.num": 1}, is_admin=False)
    return [ip_range.uuid for ip_range in (await rows.get(conn, L3Network, uuid)).ip_ranges]


@on_new_owner("ImageVO")
async def move_image(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """It moves alone; the VMs and volumes made from it stay with their owners."""
    image = await rows.get(conn, Image, uuid)
    await reserve(conn, account_uuid, {"image.num": 1, "image.size": image.actual_size}, is_admin=False)
    return []


for kind, noun, other in (
    ("VmNicVO", "NIC", "VM"),
    ("VolumeSnapshotVO", "snapshot", "volume"),
    ("IpRangeVO", "range", "L3 network"),
):

    @on_new_owner(kind)
    async def refuse(
        _conn: Connection, _uuid: str, _account_uuid: str, noun: str = noun, other: str = other
    ) -> list[str]:
        """It moves with another resource only."""
        raise OperationError(f"a {noun} belongs to the owner of its {other}; change that one's owner")
