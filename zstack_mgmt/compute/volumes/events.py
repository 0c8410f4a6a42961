"""What others learn of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zstack_mgmt.resources.changes import Topic

VolumeKind = Literal[
    "created",  # root volumes too, together with their VM
    "attached",  # a data volume; the first one instantiates it
    "detached",
    "undone",  # its first attachment failed: it has not come into being after all
    "deleted",  # it is kept, and can be recovered
    "recovered",
    "expunged",  # the row is deleted in this transaction; also when the creation of its VM is undone
    "resized",
    "owner-changed",  # `account_uuid` is the new owner, `previous_account_uuid` the old one
]


@dataclass(frozen=True, slots=True)
class VolumeChange:
    """One change of a volume; the fields are those after it."""

    volume_uuid: str
    name: str
    account_uuid: str
    type: Literal["Root", "Data"]
    size: int  # bytes
    kind: VolumeKind
    vm_uuid: str | None  # of "detached": the VM that it was attached to
    previous_account_uuid: str | None = None


VOLUME_CHANGES = Topic[VolumeChange]()
on_volume_event = VOLUME_CHANGES.subscribe
tell_volume = VOLUME_CHANGES.tell
