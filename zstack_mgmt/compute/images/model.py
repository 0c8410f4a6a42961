"""Images as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import StringConstraints

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

MediaType = Literal["RootVolumeTemplate", "DataVolumeTemplate", "ISO"]
Platform = Literal["Linux", "Windows", "Paravirtualization", "WindowsVirtio", "Other"]

Architecture = Literal["x86_64", "aarch64", "mips64el", "loongarch64"]
GuestOs = Annotated[str, StringConstraints(max_length=255)]


@inventory(
    "org.zstack.header.image.ImageBackupStorageRefInventory",
    table="image_backup_storages",
    primary_key="id",
    name="ImageBackupStorageRef",
    links=(Link("backupStorage", "BackupStorage", "backup_storage_uuid", "uuid"),),
)
class ImageBackupStorageRef(Inventory):
    """Where a copy of an image is kept. Source: ZStack's image API."""

    image_uuid: Annotated[str, Doc("the image")]
    backup_storage_uuid: Annotated[str, Doc("the backup storage")]
    install_path: str
    status: Annotated[str, Doc("of the copy: Ready, or Deleted")]
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
        Link(
            "backupStorage",
            "BackupStorage",
            "uuid",
            "uuid",
            through=("image_backup_storages", "image_uuid", "backup_storage_uuid"),
        ),
    ),
    nested={"backupStorageRefs": "backupStorageRefs"},
    computed={"virtio": "coalesce(true)"},
)
class Image(Inventory):
    """What a volume starts from. Sizes in bytes. Source: ZStack's image API."""

    uuid: str
    name: str
    description: str | None
    state: Literal["Enabled", "Disabled"]
    status: Annotated[
        Literal["Creating", "Downloading", "Ready", "Error", "Deleted", "Migrating"],
        Doc("a Deleted one can be recovered"),
    ]
    size: int
    actual_size: int
    md5_sum: Annotated[str | None, Doc("of its data, if it is known")]
    url: str
    media_type: Annotated[MediaType, Doc("what it is for: a root volume, a data volume, or a CD")]
    guest_os_type: str | None
    type: str
    platform: str
    format: str
    system: Annotated[bool, Doc("kept for clients; it has no effect")]
    architecture: str | None
    virtio: Annotated[bool, Doc("always true")] = True
    export_url: Annotated[str | None, Doc("always absent: nothing is exported")]
    export_md5_sum: Annotated[str | None, Doc("always absent: nothing is exported")]
    create_date: datetime
    last_op_date: datetime
    backup_storage_refs: Annotated[list[ImageBackupStorageRef], Doc("its copies")]
