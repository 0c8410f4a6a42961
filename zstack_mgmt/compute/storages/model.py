"""Primary and backup storages as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, ListColumn, inventory
from zstack_mgmt.doc import Doc

TotalCapacity = Annotated[
    int | None, Doc("bytes, as an administrator has said; nothing here measures storages")
]
AvailableCapacity = Annotated[
    int | None, Doc("bytes: what is left of the total when all of it is written; without a total unknown")
]
UsedCapacity = Annotated[int, Doc("bytes that it would take if all were written")]

VOLUMES = "SELECT coalesce(sum(v.size), 0)::bigint FROM volumes v WHERE v.primary_storage_uuid = {row}.uuid"
IMAGES = (
    "SELECT coalesce(sum(i.actual_size), 0)::bigint FROM image_backup_storages b"
    " JOIN images i ON i.uuid = b.image_uuid WHERE b.backup_storage_uuid = {row}.uuid"
)
LEFT = "CASE WHEN {row}.total_capacity IS NOT NULL THEN greatest(0, {row}.total_capacity - ("


@inventory(
    "org.zstack.header.storage.primary.PrimaryStorageInventory",
    table="primary_storages",
    links=(
        Link("volume", "Volume", "uuid", "primary_storage_uuid"),
        Link("volumeSnapshot", "VolumeSnapshot", "uuid", "primary_storage_uuid"),
        Link(
            "cluster",
            "Cluster",
            "uuid",
            "uuid",
            through=("primary_storage_clusters", "primary_storage_uuid", "cluster_uuid"),
        ),
    ),
    lists=(
        ListColumn(
            "attachedClusterUuids", "primary_storage_clusters", "primary_storage_uuid", "cluster_uuid"
        ),
    ),
    computed={"used_capacity": f"({VOLUMES})", "available_capacity": f"{LEFT}{VOLUMES})) END"},
)
class PrimaryStorage(Inventory):
    """Where volumes are: a directory on each host, in every zone. Source: ZStack's storage API."""

    uuid: str
    name: str
    description: str | None
    url: str
    type: str
    state: Literal["Enabled", "Disabled"]
    status: Annotated[Literal["Connected"], Doc("always Connected")]
    mount_path: Annotated[str, Doc("the directory on each host")]
    total_capacity: TotalCapacity
    available_capacity: AvailableCapacity
    used_capacity: UsedCapacity
    create_date: datetime
    last_op_date: datetime
    attached_cluster_uuids: Annotated[list[str], Doc("all clusters")]


@inventory(
    "org.zstack.header.storage.backup.BackupStorageInventory",
    table="backup_storages",
    links=(
        Link(
            "image",
            "Image",
            "uuid",
            "uuid",
            through=("image_backup_storages", "backup_storage_uuid", "image_uuid"),
        ),
        Link(
            "zone",
            "Zone",
            "uuid",
            "uuid",
            through=("backup_storage_zones", "backup_storage_uuid", "zone_uuid"),
        ),
    ),
    lists=(ListColumn("attachedZoneUuids", "backup_storage_zones", "backup_storage_uuid", "zone_uuid"),),
    computed={"used_capacity": f"({IMAGES})", "available_capacity": f"{LEFT}{IMAGES})) END"},
)
class BackupStorage(Inventory):
    """Where images are said to be; their data stays where their urls say. Source: ZStack's storage API."""

    uuid: str
    name: str
    description: str | None
    url: str
    type: str
    state: Literal["Enabled", "Disabled"]
    status: Annotated[Literal["Connected"], Doc("always Connected")]
    total_capacity: TotalCapacity
    available_capacity: AvailableCapacity
    used_capacity: UsedCapacity
    create_date: datetime
    last_op_date: datetime
    attached_zone_uuids: Annotated[list[str], Doc("all zones")]
