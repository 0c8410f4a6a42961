"""Volumes and snapshots as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from zstack_mgmt.compute.volumes.events import VolumeChange, VolumeKind
from zstack_mgmt.core.inventory import Inventory, Link, inventory
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
    ),
)
class Volume(Inventory):
    """A disk of a VM, or one that can become one. Sizes in bytes. Source: ZStack's volume API."""

    uuid: str
    name: str
    description: str | None
    primary_storage_uuid: str | None
    vm_instance_uuid: str | None
    disk_offering_uuid: str | None
    root_image_uuid: str | None
    install_path: str | None
    type: VolumeType
    format: str | None
    size: int
    actual_size: int
    device_id: int | None
    state: Literal["Enabled", "Disabled"]
    status: VolumeStatus
    is_shareable: bool
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
