"""Looking up offerings."""

from __future__ import annotations

from typing import TypeVar

from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.core.errors import OperationError, existing
from zstack_mgmt.core.registry import Call
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows
from zstack_mgmt.resources.owners import is_visible

T = TypeVar("T", InstanceOffering, DiskOffering)


async def usable(conn: Connection, call: Call, kind: type[T], uuid: str) -> T:
    """An offering that the caller may use, which cannot be deleted until the transaction ends.

    Raises:
        ResourceNotFound: there is none, or it is another account's.
        OperationError: it is disabled.
    """
    visible = call.is_admin or await is_visible(conn, uuid, call.account_uuid)
    offering = existing(await rows.find(conn, kind, uuid) if visible else None, kind.meta.noun, uuid)
    if offering.state != "Enabled":
        raise OperationError(f"the {kind.meta.noun} {uuid} is {offering.state}")
    return offering
