"""Quotas and their use, as clients see them."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.core.inventory import Inventory, Link, inventory


@inventory(
    "org.zstack.header.identity.QuotaInventory",
    table="quotas",
    owned=True,
    links=(Link("account", "Account", "identity_uuid", "uuid"),),
)
class Quota(Inventory):
    """The limit of one account for one kind of resource, in that kind's unit.

    Source: manual, "Identity > UpdateQuota".
    """

    uuid: str
    name: str
    identity_uuid: str
    identity_type: str
    value: int
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.identity.Quota$QuotaUsage", table="", name="QuotaUsage")
class QuotaUsage(Inventory):
    """Limit and use of one quota. Source: manual, "Identity > GetAccountQuotaUsage"."""

    name: str
    total: int
    used: int
