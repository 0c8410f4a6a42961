"""Images as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory

MediaType = Literal["RootVolumeTemplate", "DataVolumeTemplate", "ISO"]
Platform = Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"]


@inventory(
    "org.zstack.header.image.ImageBackupStorageRefInventory",
    table="image_backup_storages",
    primary_key="id",
    name="ImageBackupStorageRef",
)
class ImageBackupStorageRef(Inventory):
    """Where a copy of an image is kept. Source: ZStack's image API."""

    image_uuid: str
    backup_storage_uuid: str
    install_path: str
    status: str
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.image.ImageInventory",
    table="images",
    owned=True,
    links=(
        Link("volume", "Volume", "uuid", "root_image_uuid"),
        Link("vmInstance", "VmInstance", "uuid", "image_uuid"),
        Link("backupStorageRefs", "ImageBackupStorageRef", "uuid", "image_uuid"),
    ),
    nested={"backupStorageRefs": "backupStorageRefs"},
)
class Image(Inventory):
    """What a volume starts from. Sizes in bytes. Source: ZStack's image API."""

    uuid: str
    name: str
    description: str | None
    state: Literal["Enabled", "Disabled"]
    status: Literal["Creating", "Downloading", "Ready", "Error", "Deleted", "Migrating"]
    size: int
    actual_size: int
    md5_sum: str | None
    url: str
    media_type: MediaType
    guest_os_type: str | None
    type: str
    platform: str
    format: str
    system: bool
    export_url: str | None
    export_md5_sum: str | None
    create_date: datetime
    last_op_date: datetime
    backup_storage_refs: list[ImageBackupStorageRef]
