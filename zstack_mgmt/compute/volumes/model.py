"""Volumes and snapshots as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.compute.volumes.events import VolumeChange, VolumeKind
from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc
from zstack_mgmt.drivers.protocol import Disk

VolumeType = Literal["Root", "Data"]
VolumeStatus = Literal["Creating", "Ready", "NotInstantiated", "Deleted", "Migrating"]


@inventory(
    "org.zstack.header.volume.VolumeInventory",
    table="volumes",
    owned=True,
    links=(
        Link("vmInstance", "VmInstance", "vm_instance_uuid", "uuid"),
        Link("diskOffering", "DiskOffering", "disk_offering_uuid", "uuid"),
        Link("image", "Image", "root_image_uuid", "uuid"),
        Link("snapshot", "VolumeSnapshot", "uuid", "volume_uuid"),
        Link("primaryStorage", "PrimaryStorage", "primary_storage_uuid", "uuid"),
    ),
)
class Volume(Inventory):
    """A disk of a VM, or one that can become one. Sizes in bytes. Source: ZStack's volume API."""

    uuid: str
    name: str
    description: str | None
    primary_storage_uuid: str | None
    vm_instance_uuid: Annotated[str | None, Doc("the VM that it is attached to")]
    disk_offering_uuid: Annotated[str | None, Doc("the disk offering that it was made from")]
    root_image_uuid: Annotated[str | None, Doc("the image that it was made from")]
    install_path: str | None
    type: Annotated[VolumeType, Doc("Root or Data")]
    format: str | None
    size: int
    actual_size: int
    device_id: Annotated[int | None, Doc("its place among the VM's disks; 0 is the root volume")]
    state: Literal["Enabled", "Disabled"]
    status: Annotated[VolumeStatus, Doc("NotInstantiated: it has no data yet, since it was never attached")]
    is_shareable: Annotated[bool, Doc("always false")]
    last_attach_date: Annotated[datetime | None, Doc("when it was attached last")]
    last_detach_date: Annotated[datetime | None, Doc("when it was detached last")]
    last_vm_instance_uuid: Annotated[str | None, Doc("the VM that it was attached to last")]
    create_date: datetime
    last_op_date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVolume:
    """A volume that is about to be made."""

    uuid: str
    name: str
    description: str | None
    type: VolumeType
    size: int  # bytes
    disk_offering_uuid: str | None = None
    image_uuid: str | None = None
    primary_storage_uuid: str | None = None
    format: str = "qcow2"


@dataclass(frozen=True, slots=True)
class OwnedVolume:
    """A volume whose row this transaction has locked, and its owner."""

    volume: Volume
    account_uuid: str
    job_uuid: str | None

    def change(self, kind: VolumeKind, vm_uuid: str | None = None) -> VolumeChange:
        """What subscribers are told of it."""
        return VolumeChange(
            volume_uuid=self.volume.uuid,
            name=self.volume.name,
            account_uuid=self.account_uuid,
            type=self.volume.type,
            size=self.volume.size,
            kind=kind,
            vm_uuid=vm_uuid or self.volume.vm_instance_uuid,
        )


def disk_of(volume: Volume) -> Disk:
    """The volume as a domain sees it."""
    return Disk(
        volume_uuid=volume.uuid,
        path=volume.install_path or install_path(volume.uuid, volume.format or "qcow2"),
        format=volume.format or "qcow2",
        size=volume.size,
        device_id=volume.device_id or 0,
    )


def install_path(uuid: str, format_: str) -> str:
    """Where a volume is kept, below the hypervisor's own storage directory."""
    return f"/zstack_ps/volumes/{uuid}/{uuid}.{format_}"
