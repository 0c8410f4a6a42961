"""The session as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc


@inventory("org.zstack.header.identity.SessionInventory", table="")
class Session(Inventory):
    """A login.

    `uuid` is the bearer token; only the login and the renewal show it, each to whoever made the call.

    Source: manual, "Identity > LogInByAccount".
    """

    uuid: Annotated[str, Doc("the token")]
    account_uuid: str
    user_uuid: str
    expired_date: Annotated[datetime, Doc("until which it is valid")]
    create_date: datetime


@inventory("org.zstack.header.identity.OpenSessionInventory", table="", name="OpenSession")
class OpenSession(Inventory):
    """A live session as its account sees it. Source: ours."""

    id: Annotated[str, Doc("by which the session can be ended; it opens nothing")]
    user_uuid: str
    name: Annotated[str | None, Doc("of the user")]
    origin: Annotated[str, Doc("which login opened it")]
    expired_date: Annotated[datetime, Doc("until which it is valid")]
    create_date: datetime
