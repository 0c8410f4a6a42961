"""The zone as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc


@inventory(
    "org.zstack.header.zone.ZoneInventory",
    table="zones",
    links=(
        Link("cluster", "Cluster", "uuid", "zone_uuid"),
        Link("host", "Host", "uuid", "zone_uuid"),
        Link("vmInstance", "VmInstance", "uuid", "zone_uuid"),
        Link("l2Network", "L2Network", "uuid", "zone_uuid"),
        Link("l3Network", "L3Network", "uuid", "zone_uuid"),
    ),
)
class Zone(Inventory):
    """A data centre: the outermost part of the inventory. Source: manual, "Overview > basic workflow"."""

    uuid: str
    name: str
    description: str | None
    state: Literal["Enabled", "Disabled"]
    type: str
    is_default: Annotated[bool, Doc("whether clients should offer it first")]
    create_date: datetime
    last_op_date: datetime
