"""Virtual machines and NICs as clients see them, and the states a VM can be in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from zstack_mgmt.compute.vms.events import VmChange, VmReason
from zstack_mgmt.compute.volumes.model import OwnedVolume, Volume, disk_of
from zstack_mgmt.core.errors import VmError, VmStateRefused
from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc
from zstack_mgmt.drivers.protocol import Domain, Nic

VmState = Literal[
    "Created",
    "Starting",
    "Running",
    "Stopping",
    "Stopped",
    "Rebooting",
    "Destroying",
    "Destroyed",
    "Migrating",
    "Expunging",
    "Pausing",
    "Paused",
    "Resuming",
    "VolumeMigrating",
    "Unknown",
]

ALLOWED: Mapping[str, frozenset[str]] = {
    "start": frozenset({"Created", "Stopped"}),
    "stop": frozenset({"Running", "Stopped", "Unknown", "Paused"}),
    "reboot": frozenset({"Running"}),
    "pause": frozenset({"Running"}),
    "resume": frozenset({"Paused"}),
    "destroy": frozenset(VmState.__args__) - {"Destroyed", "Expunging"},  # type: ignore[attr-defined]
    "recover": frozenset({"Destroyed"}),
    "expunge": frozenset({"Destroyed"}),
    "change-owner": frozenset({"Created", "Stopped", "Running", "Starting"}),
    "resize": frozenset({"Created", "Stopped"}),
    "change size": frozenset({"Created", "Stopped", "Running", "Paused"}),
    "attach": frozenset({"Created", "Stopped", "Running", "Paused"}),
    "snapshot": frozenset({"Running", "Stopped", "Paused", "Created"}),
}
"""What may be done to a VM in which states."""

TRANSIT: Mapping[str, str] = {
    "start": "Starting",
    "stop": "Stopping",
    "reboot": "Rebooting",
    "pause": "Pausing",
    "resume": "Resuming",
    "destroy": "Destroying",
}
"""The state of a VM while an action on it is under way."""


@inventory(
    "org.zstack.header.vm.VmNicInventory",
    table="vm_nics",
    noun="NIC",
    owned=True,
    links=(
        Link("vmInstance", "VmInstance", "vm_instance_uuid", "uuid"),
        Link("l3Network", "L3Network", "l3_network_uuid", "uuid"),
        Link("eip", "Eip", "uuid", "vm_nic_uuid"),
    ),
    computed={
        "driver_type": "coalesce('virtio'::text)",
        "ip_version": "coalesce(4)",
        "state": "coalesce('enable'::text)",
        "type": "coalesce('VNIC'::text)",
    },
)
class VmNic(Inventory):
    """A NIC of a VM. Source: manual, "Overview > queries across tables"."""

    uuid: str
    vm_instance_uuid: Annotated[str, Doc("the VM that has it")]
    l3_network_uuid: str
    ip: str
    mac: Annotated[str, Doc("hardware address")]
    netmask: str
    gateway: str
    meta_data: Annotated[str | None, Doc("kept for clients")]
    device_id: Annotated[int, Doc("its place among the VM's NICs, from 0")]
    driver_type: Annotated[str, Doc("always virtio")] = "virtio"
    ip_version: int = 4
    state: Annotated[str, Doc("always enable")] = "enable"
    type: str = "VNIC"
    create_date: datetime
    last_op_date: datetime


@dataclass(frozen=True, slots=True)
class NewNic:
    """A NIC that is about to be made, with the wanted address or the lowest that is free."""

    uuid: str
    l3_network_uuid: str
    device_id: int
    ip: IPv4Address | None = None


@inventory(
    "org.zstack.header.vm.VmInstanceInventory",
    table="vm_instances",
    noun="VM",
    owned=True,
    links=(
        Link("zone", "Zone", "zone_uuid", "uuid"),
        Link("cluster", "Cluster", "cluster_uuid", "uuid"),
        Link("host", "Host", "host_uuid", "uuid"),
        Link("image", "Image", "image_uuid", "uuid"),
        Link("instanceOffering", "InstanceOffering", "instance_offering_uuid", "uuid"),
        Link("rootVolume", "Volume", "root_volume_uuid", "uuid"),
        Link("vmNics", "VmNic", "uuid", "vm_instance_uuid", order_by="device_id"),
        Link("allVolumes", "Volume", "uuid", "vm_instance_uuid", order_by="device_id"),
    ),
    nested={"vmNics": "vmNics", "allVolumes": "allVolumes"},
    computed={"vm_cd_roms": "'[]'::jsonb"},
)
class VmInstance(Inventory):
    """A virtual machine. Memory in bytes. Source: manual, "Overview > API operations"."""

    uuid: str
    name: str
    description: str | None
    zone_uuid: str | None
    cluster_uuid: str | None
    image_uuid: Annotated[str | None, Doc("the image that it was made from")]
    host_uuid: Annotated[str | None, Doc("the host that it runs on")]
    last_host_uuid: Annotated[str | None, Doc("the host that it ran on last")]
    instance_offering_uuid: Annotated[str | None, Doc("the instance offering that it was made from")]
    root_volume_uuid: Annotated[str | None, Doc("the volume that it starts from")]
    platform: str
    default_l3_network_uuid: Annotated[str | None, Doc("the network whose gateway it uses")]
    type: str
    hypervisor_type: str | None
    memory_size: int
    reserved_memory_size: int
    cpu_num: int
    cpu_speed: int
    allocator_strategy: str | None
    guest_os_type: str | None
    architecture: str | None
    state: Annotated[VmState, Doc("what it does; Unknown: its host does not answer")]
    create_date: datetime
    last_op_date: datetime
    vm_cd_roms: Annotated[list[Any], Doc("always empty")] = field(default_factory=list[Any])
    vm_nics: Annotated[list[VmNic], Doc("its NICs")]
    all_volumes: Annotated[list[Volume], Doc("its root volume and the data volumes that are attached")]


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM whose row this transaction has locked, with all that hangs on it."""

    inventory: VmInstance
    account_uuid: str
    job_uuid: str | None  # that changed its state last
    bridges: tuple[str, ...]  # of its NICs
    host: Mapping[str, Any] | None  # the row of the host that it is on, or was last

    @property
    def uuid(self) -> str:
        return self.inventory.uuid

    @property
    def state(self) -> str:
        return self.inventory.state

    @property
    def host_uuid(self) -> str | None:
        """The host that it has its place on."""
        return self.inventory.host_uuid

    def check_state(self, action: str, wrap: type[VmError] = VmStateRefused) -> None:
        """Refuse what the state does not allow: VM.1010, as the cause of the action's own error."""
        if self.state in ALLOWED[action]:
            return
        states = ", ".join(sorted(ALLOWED[action]))
        refused = VmStateRefused(f"the VM {self.uuid} is {self.state}; {action} needs one of {states}")
        raise refused if wrap is VmStateRefused else wrap(refused.details, refused)

    def domain(self) -> Domain:
        """The VM as its hypervisor should run it."""
        vm = self.inventory
        pairs = zip(vm.vm_nics, self.bridges, strict=True)
        return Domain(
            vm_uuid=vm.uuid,
            name=vm.name,
            cpu_num=vm.cpu_num,
            memory_size=vm.memory_size,
            disks=tuple(disk_of(volume) for volume in vm.all_volumes),
            nics=tuple(Nic(mac=nic.mac, bridge=bridge, device_id=nic.device_id) for nic, bridge in pairs),
        )

    def volumes(self) -> list[OwnedVolume]:
        """Its volumes, the root volume first; their owner is the VM's."""
        return [OwnedVolume(volume, self.account_uuid, None) for volume in self.inventory.all_volumes]

    def change(self, before: str | None, reason: VmReason, previous: str | None = None) -> VmChange:
        """What subscribers are told of it."""
        vm = self.inventory
        roots = [volume.size for volume in vm.all_volumes if volume.uuid == vm.root_volume_uuid]
        return VmChange(
            vm_uuid=vm.uuid,
            vm_name=vm.name,
            account_uuid=self.account_uuid,
            cpu_num=vm.cpu_num,
            memory_size=vm.memory_size,
            root_volume_uuid=vm.root_volume_uuid,
            root_volume_size=sum(roots),
            state_before=before,
            state_after=vm.state,
            reason=reason,
            previous_account_uuid=previous,
        )
