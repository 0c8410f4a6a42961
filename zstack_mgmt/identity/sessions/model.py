"""The session as clients see it."""

from __future__ import annotations

from datetime import datetime

from zstack_mgmt.core.inventory import Inventory, inventory


@inventory("org.zstack.header.identity.SessionInventory", table="")
class Session(Inventory):
    """A login.

    `uuid` is the bearer token; only the login and the renewal show it, each to whoever made the call.

    Source: manual, "Identity > LogInByAccount".
    """

    uuid: str | None
    account_uuid: str
    user_uuid: str
    expired_date: datetime
    create_date: datetime
