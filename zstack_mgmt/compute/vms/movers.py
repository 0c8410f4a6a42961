"""What follows a VM, a NIC or a network service to another owner."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.vms.power import check_state
from zstack_mgmt.compute.volumes import store as volumes
from zstack_mgmt.compute.volumes.movers import follow_volume
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover
from zstack_mgmt.identity.sharing.owners import found, owners_of


@mover("VmInstanceVO")
async def move_vm(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its NICs, their EIPs with their VIPs, and its volumes with their snapshots follow.

    Raises:
        VmStateRefused: VM.1010; the VM is neither Created, Stopped, Running nor Starting.
        QuotaExceeded: ID.1003; the new owner may not have so much.
    """
    vm = found(await store.lock_vm(conn, uuid, None), "VM", uuid)
    check_state(vm, "change-owner")
    owned = await volumes.volumes_of(conn, uuid)
    nics = [nic.uuid for nic in await store.nics_of(conn, uuid)]
    await owners_of(conn, nics)  # locked, so that no EIP is attached to them until they have moved
    eips, vips = await store.eips_of(conn, uuid)
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": sum(v.volume.type == "Data" for v in owned),
        "volume.capacity": sum(v.volume.size for v in owned),
        "snapshot.volume.num": await store.count_snapshots(conn, [v.volume.uuid for v in owned]),
        "eip.num": len(eips),
        "vip.num": len(vips),
    }
    if vm.state in ("Running", "Starting"):
        wanted |= {"vm.num": 1, "vm.cpuNum": vm.cpu_num, "vm.memorySize": vm.memory_size}
    await reserve(conn, account_uuid, wanted, is_admin=False)
    moved = nics + eips + vips
    for each in owned:
        moved.append(each.volume.uuid)
        moved += await follow_volume(conn, each, account_uuid)
    change = replace(vm, account_uuid=account_uuid).change(vm.state, "owner-changed", vm.account_uuid)
    await tell(conn, change)
    return moved


@mover("VmNicVO")
async def refuse_nic(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A NIC moves with its VM only."""
    raise OperationError("a NIC belongs to the owner of its VM; change that one's owner")
