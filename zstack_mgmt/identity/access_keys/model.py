"""The access key as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

JAVA = "org.zstack.accessKey"
State = Literal["Enabled", "Disabled"]


@inventory(
    f"{JAVA}.AccessKeyInventory",
    table="access_keys",
    hidden=("sealed",),
    owned=True,
    links=(
        Link("account", "Account", "account_uuid", "uuid"),
        Link("user", "User", "user_uuid", "uuid"),
    ),
)
class AccessKey(Inventory):
    """A key of an account or a user. Source: ZStack's access keys, which came after the manual."""

    uuid: str
    account_uuid: str
    user_uuid: Annotated[str, Doc("whom it acts for; of an account itself the account's uuid")]
    access_key_id: Annotated[str, Doc("which requests name")]
    state: Annotated[State, Doc("a Disabled one opens nothing")]
    description: str | None
    create_date: datetime
    last_op_date: datetime


@inventory(f"{JAVA}.AccessKeyInventory", table="", name="NewAccessKey")
class NewAccessKey(Inventory):
    """A key as its creation shows it, once, with its secret."""

    uuid: str
    account_uuid: str
    user_uuid: Annotated[str, Doc("whom it acts for; of an account itself the account's uuid")]
    access_key_id: Annotated[str, Doc("which requests name")]
    access_key_secret: Annotated[str, Doc("which signs; kept sealed, and never shown again")]
    state: Annotated[State, Doc("a Disabled one opens nothing")]
    description: str | None
    create_date: datetime
    last_op_date: datetime
