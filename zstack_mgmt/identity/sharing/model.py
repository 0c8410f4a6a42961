"""Ownership rows, shares and names as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc


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

    id: Annotated[int, Doc("ascending")]
    account_uuid: Annotated[str, Doc("the account that owns the resource")]
    owner_account_uuid: str
    resource_uuid: str
    resource_type: str
    permission: Annotated[int, Doc("always 2: the owner may do anything")]
    is_shared: Annotated[bool, Doc("always false: shares are in SharedResource")]
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.identity.SharedResourceInventory", table="resource_shares", primary_key="id")
class SharedResource(Inventory):
    """A share of a resource with an account or with the public.

    Source: manual, "Identity > QuerySharedResource".
    """

    owner_account_uuid: str
    receiver_account_uuid: Annotated[str | None, Doc("whom it is shared with; none if with everybody")]
    to_public: Annotated[bool, Doc("whether it is shared with everybody")]
    resource_type: str
    resource_uuid: str
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.vo.ResourceInventory", table="", name="ResourceName")
class ResourceNameEntry(Inventory):
    """Uuid, name and type of a resource. Source: manual, "Identity > GetResourceNames"."""

    uuid: str
    resource_name: Annotated[str | None, Doc("what its owner calls it")]
    resource_type: str
