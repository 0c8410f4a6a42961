"""The processes that answer calls, as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc


@inventory(
    "org.zstack.header.managementnode.ManagementNodeInventory",
    table="management_nodes",
    noun="management node",
)
class ManagementNode(Inventory):
    """One process that answers calls, and gave a sign of life lately. Source: ZStack's management API."""

    uuid: Annotated[str, Doc("new at each start of the process")]
    host_name: Annotated[str, Doc("address of the machine")]
    join_date: Annotated[datetime, Doc("when the process started")]
    heart_beat: Annotated[datetime, Doc("its newest sign of life")]
