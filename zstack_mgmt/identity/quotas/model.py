"""Quotas and their use, as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc


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
    name: Annotated[str, Doc("what is limited, such as vm.num")]
    identity_uuid: Annotated[str, Doc("the account")]
    identity_type: Annotated[str, Doc("always AccountVO")]
    value: Annotated[int, Doc("the limit: pieces, or bytes where the name ends in Size")]
    create_date: datetime
    last_op_date: datetime


@inventory("org.zstack.header.identity.Quota$QuotaUsage", table="", name="QuotaUsage")
class QuotaUsage(Inventory):
    """Limit and use of one quota. Source: manual, "Identity > GetAccountQuotaUsage"."""

    name: Annotated[str, Doc("what is limited, such as vm.num")]
    total: Annotated[int, Doc("the limit, in the unit of the name")]
    used: Annotated[int, Doc("what is in use, in the unit of the name")]
