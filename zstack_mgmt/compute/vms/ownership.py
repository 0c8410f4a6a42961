"""What follows a VM to another owner."""

from __future__ import annotations

from dataclasses import replace

from zstack_mgmt.compute.vms import store
from zstack_mgmt.compute.vms.events import tell
from zstack_mgmt.compute.volumes.ownership import follow_volume
from zstack_mgmt.compute.volumes.snapshots import snapshots_of
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.quotas.usage import reserve
from zstack_mgmt.identity.sharing.movers import mover
from zstack_mgmt.identity.sharing.owners import owners_of


@mover("VmInstanceVO")
async def move_vm(conn: Connection, uuid: str, account_uuid: str) -> list[str]:
    """Its NICs, their EIPs with their VIPs, and its volumes with their snapshots follow.

    Raises:
        VmStateRefused: VM.1010; the VM is neither Created, Stopped, Running nor Starting.
        QuotaExceeded: ID.1003; the new owner may not have so much.
    """
    vm = await store.get_vm(conn, uuid)
    vm.check_state("change-owner")
    size, owned = vm.inventory, vm.volumes()
    nics = [nic.uuid for nic in size.vm_nics]
    await owners_of(conn, nics)  # locked, so that no EIP is attached to them until they have moved
    services = await store.followers(conn, uuid)
    kept = [len(await snapshots_of(conn, volume.uuid)) for volume in size.all_volumes]
    wanted = {
        "vm.totalNum": 1,
        "volume.data.num": sum(volume.type == "Data" for volume in size.all_volumes),
        "volume.capacity": sum(volume.size for volume in size.all_volumes),
        "snapshot.volume.num": sum(kept),
        **{name: len(uuids) for name, uuids in services.items()},
    }
    if vm.state in ("Running", "Starting"):
        wanted |= {"vm.num": 1, "vm.cpuNum": size.cpu_num, "vm.memorySize": size.memory_size}
    await reserve(conn, account_uuid, wanted, is_admin=False)
    moved = [*nics, *(each for uuids in services.values() for each in uuids)]
    for each in owned:
        moved += [each.volume.uuid, *await follow_volume(conn, each, account_uuid)]
    change = replace(vm, account_uuid=account_uuid).change(vm.state, "owner-changed", vm.account_uuid)
    await tell(conn, change)
    return moved


@mover("VmNicVO")
async def refuse_nic(_conn: Connection, _uuid: str, _account_uuid: str) -> list[str]:
    """A NIC moves with its VM only."""
    raise OperationError("a NIC belongs to the owner of its VM; change that one's owner")
