"""What others learn of volume snapshots, in the transaction that changes them. Rules as in `vms.events`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from zstack_mgmt.db import Connection

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


SnapshotHandler = Callable[[Any, SnapshotChange], Awaitable[None]]

SNAPSHOT_HANDLERS: list[SnapshotHandler] = []


def on_snapshot_event(handler: SnapshotHandler) -> SnapshotHandler:
    """Register a handler of snapshot changes."""
    SNAPSHOT_HANDLERS.append(handler)
    return handler


async def tell_snapshot(conn: Connection, change: SnapshotChange) -> None:
    """Run the snapshot handlers inside the caller's transaction."""
    for handler in SNAPSHOT_HANDLERS:
        await handler(conn, change)
