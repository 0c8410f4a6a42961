"""Ownership rows, shares and names as clients see them."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.core.inventory import Inventory, inventory


@inventory(
    "org.zstack.header.identity.AccountResourceRefInventory",
    table="resource_owners",
    primary_key="id",
    account_column="account_uuid",
    computed={"owner_account_uuid": "account_uuid", "permission": "2", "is_shared": "false"},
    not_queryable=("permission", "is_shared"),
)
class AccountResourceRef(Inventory):
    """The owner of a resource. Source: manual, "Identity > QueryAccountResourceRef"."""

    id: int
    account_uuid: str
    owner_account_uuid: str
    resource_uuid: str
    resource_type: str
    permission: int
    is_shared: bool
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.identity.SharedResourceInventory", table="resource_shares", primary_key="id")
class SharedResource(Inventory):
    """A share of a resource with an account or with the public.

    Source: manual, "Identity > QuerySharedResource".
    """

    owner_account_uuid: str
    receiver_account_uuid: str | None
    to_public: bool
    resource_type: str
    resource_uuid: str
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.vo.ResourceInventory", table="", name="ResourceName")
class ResourceNameEntry(Inventory):
    """Uuid, name and type of a resource. Source: manual, "Identity > GetResourceNames"."""

    uuid: str
    resource_name: str | None
    resource_type: str
