"""Volume snapshots as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.compute.snapshots.events import SnapshotChange, SnapshotKind
from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc


@inventory(
    "org.zstack.header.storage.snapshot.VolumeSnapshotInventory",
    table="volume_snapshots",
    noun="snapshot",
    owned=True,
    links=(
        Link("volume", "Volume", "volume_uuid", "uuid"),
        Link("parent", "VolumeSnapshot", "parent_uuid", "uuid"),
    ),
)
class VolumeSnapshot(Inventory):
    """The kept content of a volume. Source: ZStack's volume snapshot API."""

    uuid: str
    name: str
    description: str | None
    type: str
    volume_uuid: Annotated[str | None, Doc("the volume whose content it keeps")]
    tree_uuid: Annotated[str, Doc("the same for all snapshots that stand on one another")]
    parent_uuid: Annotated[str | None, Doc("the snapshot that it stands on")]
    primary_storage_uuid: str | None
    primary_storage_install_path: Annotated[str | None, Doc("where its data is")]
    volume_type: Annotated[str, Doc("Root or Data")]
    format: str | None
    latest: Annotated[bool, Doc("whether it is the volume's newest")]
    size: int
    state: Annotated[Literal["Enabled", "Disabled"], Doc("always Enabled")]
    status: Annotated[
        Literal["Creating", "Ready", "Deleting"], Doc("whether it is being made, there, or being deleted")
    ]
    create_date: datetime
    last_op_date: datetime


@dataclass(frozen=True, slots=True)
class OwnedSnapshot:
    """A snapshot, its owner, and the job that changed its status last."""

    snapshot: VolumeSnapshot
    account_uuid: str
    job_uuid: str | None

    @property
    def uuid(self) -> str:
        return self.snapshot.uuid

    def change(self, kind: SnapshotKind) -> SnapshotChange:
        """What subscribers are told of it."""
        return SnapshotChange(
            snapshot_uuid=self.snapshot.uuid,
            name=self.snapshot.name,
            account_uuid=self.account_uuid,
            volume_uuid=self.snapshot.volume_uuid,
            size=self.snapshot.size,
            kind=kind,
        )
