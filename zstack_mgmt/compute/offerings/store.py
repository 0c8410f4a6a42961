"""Looking up offerings; for callers that do not use `resources.rows` yet."""

from __future__ import annotations

from zstack_mgmt.compute.offerings.model import DiskOffering, InstanceOffering
from zstack_mgmt.db import Connection
from zstack_mgmt.resources import rows


async def get_instance_offering(conn: Connection, uuid: str) -> InstanceOffering | None:
    """The offering, which cannot be deleted until the transaction ends."""
    return await rows.find(conn, InstanceOffering, uuid)


async def get_disk_offering(conn: Connection, uuid: str) -> DiskOffering | None:
    """The offering, which cannot be deleted until the transaction ends."""
    return await rows.find(conn, DiskOffering, uuid)
