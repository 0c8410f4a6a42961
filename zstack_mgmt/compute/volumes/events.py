"""What others learn of volumes, in the transaction that changes them. Rules as in `vms.events`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from zstack_mgmt.db import Connection

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


VolumeHandler = Callable[[Any, VolumeChange], Awaitable[None]]

VOLUME_HANDLERS: list[VolumeHandler] = []


def on_volume_event(handler: VolumeHandler) -> VolumeHandler:
    """Register a handler of volume changes: `async def f(conn, change) -> None`."""
    VOLUME_HANDLERS.append(handler)
    return handler


async def tell_volume(conn: Connection, change: VolumeChange) -> None:
    """Run the volume handlers inside the caller's transaction."""
    for handler in VOLUME_HANDLERS:
        await handler(conn, change)
