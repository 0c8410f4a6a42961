"""The role as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc
from zstack_mgmt.identity.policies.model import Statement


@inventory("org.zstack.header.identity.role.RolePolicyStatementInventory", table="", name="RoleStatement")
class RoleStatement(Inventory):
    """A statement of a role, by its uuid. Source: ZStack's API of roles."""

    uuid: str
    statement: Annotated[Statement, Doc("what is allowed or denied")]


@inventory(
    "org.zstack.header.identity.role.RoleInventory",
    table="policy_roles",
    owned=True,
    links=(
        Link("account", "Account", "account_uuid", "uuid"),
        Link("user", "User", "uuid", "uuid", through=("policy_role_users", "role_uuid", "user_uuid")),
    ),
    computed={"type": "coalesce('Customized')"},
    not_queryable=("description", "type"),
)
class Role(Inventory):
    """A named set of statements. Source: ZStack's API of roles.

    The link `user` leads to those to whom the role was attached themselves.
    """

    uuid: str
    name: str
    description: str | None
    account_uuid: Annotated[str, Doc("the owner")]
    type: Literal["Customized"]
    state: Annotated[Literal["Enabled", "Disabled"], Doc("a Disabled one allows and denies nothing")]
    statements: list[RoleStatement]
    create_date: datetime
    last_op_date: datetime
