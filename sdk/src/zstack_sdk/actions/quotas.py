"""The APIs of quotas."""

# Written by `make docs` from the declarations of the service; changes here are lost.

from __future__ import annotations

from typing import TYPE_CHECKING

from zstack_sdk.action import Action, QueryAction

if TYPE_CHECKING:
    from zstack_sdk.inventories import GetAccountQuotaUsageValue
    from zstack_sdk.inventories import QuotaInventory
    from zstack_sdk.record import InventoryValue


class UpdateQuotaAction(Action["InventoryValue[QuotaInventory]"]):
    """Set an account's quota. A value below the present use is refused.

    So is one below what the limits of its projects need (docs/keystone.md).

    `PUT /accounts/quotas/actions`, a job. Who may call: system administrators.

    Errors: SYS.1003 (ResourceNotFound), SYS.1007 (InvalidArgument), SYS.1006 (OperationError).
    """

    identityUuid: str
    """The uuid of a resource."""

    name: str
    """At most 255 characters; the empty string is a name. At most 255 characters."""

    value: int
    """0 or more, at most 9223372036854775807."""


class GetAccountQuotaUsageAction(Action["GetAccountQuotaUsageValue"]):
    """Limit and use of each quota of an account; other accounts' are for system administrators.

    `GET /accounts/quota/{uuid}/usages`. Who may call: account sessions, and users whose policies allow
    it.

    Errors: SYS.1003 (ResourceNotFound).
    """

    uuid: str
    """The uuid of a resource."""


class QueryQuotaAction(QueryAction["QuotaInventory"]):
    """Find Quotas by conditions on their fields, tags and links.

    `GET /accounts/quotas`. Who may call: account sessions, and users whose policies allow it.

    Fields for conditions: uuid, name, identityUuid, identityType, value, createDate, lastOpDate.

    Links: account.

    Errors: SYS.1007 (InvalidArgument), SYS.1000 (InternalError).
    """
