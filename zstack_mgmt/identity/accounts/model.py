"""The account as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

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
    name: Annotated[str, Doc("by which it logs in; no two accounts have the same")]
    description: str | None
    type: Annotated[AccountType, Doc("SystemAdmin accounts administrate the cloud")]
    create_date: datetime
    last_op_date: datetime
