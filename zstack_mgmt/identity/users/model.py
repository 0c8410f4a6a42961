"""The user as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc


@inventory(
    "org.zstack.header.identity.UserInventory",
    table="users",
    hidden=("password_hash",),
    owned=True,
    links=(
        Link("account", "Account", "account_uuid", "uuid"),
        Link("group", "UserGroup", "uuid", "uuid", through=("group_members", "user_uuid", "group_uuid")),
        Link("policy", "Policy", "uuid", "uuid", through=("user_policies", "user_uuid", "policy_uuid")),
    ),
)
class User(Inventory):
    """A user of an account. Source: manual, "Identity > CreateUser"."""

    uuid: str
    account_uuid: str
    name: Annotated[str, Doc("by which it logs in; unique in its account")]
    description: str | None
    create_date: datetime
    last_op_date: datetime
