"""The account as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory

AccountType = Literal["SystemAdmin", "Normal"]


@inventory(
    "org.zstack.header.identity.AccountInventory",
    table="accounts",
    hidden=("password_hash",),
    link_account_column="uuid",  # the receiver of a share must not guess its owner's name through `account.`
    links=(
        Link("user", "User", "uuid", "account_uuid"),
        Link("group", "UserGroup", "uuid", "account_uuid"),
        Link("policy", "Policy", "uuid", "account_uuid"),
        Link("quota", "Quota", "uuid", "identity_uuid"),
    ),
)
class Account(Inventory):
    """A tenant, and the login of its owner. Source: manual, "Identity > CreateAccount"."""

    uuid: str
    name: str
    description: str | None
    type: AccountType
    create_date: datetime
    last_op_date: datetime
