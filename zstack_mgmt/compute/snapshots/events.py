"""What others learn of a volume snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zstack_mgmt.resources.changes import Topic

SnapshotKind = Literal["created", "deleted", "owner-changed"]


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """One change of a volume snapshot."""

    snapshot_uuid: str
    name: str
    account_uuid: str
    volume_uuid: str | None
    size: int  # bytes
    kind: SnapshotKind
    previous_account_uuid: str | None = None


SNAPSHOT_CHANGES = Topic[SnapshotChange]()
on_snapshot_event = SNAPSHOT_CHANGES.subscribe
tell_snapshot = SNAPSHOT_CHANGES.tell
