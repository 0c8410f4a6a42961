"""The user as clients see it."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.core.inventory import Inventory, Link, inventory


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
    name: str
    description: str | None
    create_date: datetime
    last_op_date: datetime
