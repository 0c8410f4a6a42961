"""What others learn of a VM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zstack_mgmt.resources.changes import Topic

VmReason = Literal[
    "created",  # the row is new: Starting, or Created for strategy JustCreate
    "start",
    "stop",
    "reboot",
    "pause",
    "resume",
    "destroy",
    "recover",
    "expunge",  # the last change: `state_after` is Expunging, the row is deleted in this transaction
    "undone",  # a creation failed; the row is deleted in this transaction
    "owner-changed",  # states are equal; `account_uuid` is the new owner, `previous_account_uuid` the old one
    "resized",  # states are equal; cpu or memory changed
    "host-lost",  # the host does not answer: the state becomes Unknown
    "host-found",  # the host answers again: Unknown becomes Running or Stopped
    "settled",  # a job died or was canceled half-way; the state is what the hypervisor says
]
LAST: frozenset[str] = frozenset({"expunge", "undone"})
"""After these there is no row any more."""


@dataclass(frozen=True, slots=True)
class VmChange:
    """One change of a VM's state, size or owner; the other fields are those after the change."""

    vm_uuid: str
    vm_name: str
    account_uuid: str
    cpu_num: int
    memory_size: int  # bytes
    root_volume_uuid: str | None
    root_volume_size: int  # bytes
    state_before: str | None  # None: the VM is new
    state_after: str
    reason: VmReason
    previous_account_uuid: str | None = None


VM_CHANGES = Topic[VmChange]()
on_vm_state = VM_CHANGES.subscribe
tell = VM_CHANGES.tell
