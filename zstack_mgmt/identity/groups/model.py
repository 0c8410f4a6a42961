"""The user group as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc


@inventory(
    "org.zstack.header.identity.UserGroupInventory",
    table="user_groups",
    owned=True,
    links=(
        Link("account", "Account", "account_uuid", "uuid"),
        Link("user", "User", "uuid", "uuid", through=("group_members", "group_uuid", "user_uuid")),
        Link("policy", "Policy", "uuid", "uuid", through=("group_policies", "group_uuid", "policy_uuid")),
    ),
)
class UserGroup(Inventory):
    """A group of users of one account. Source: manual, "Identity > CreateUserGroup"."""

    uuid: str
    account_uuid: str
    name: Annotated[str, Doc("unique in its account")]
    description: str | None
    create_date: datetime
    last_op_date: datetime
