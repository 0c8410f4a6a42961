"""The policy as clients see it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.doc import Doc

DEFAULT_READ = "DEFAULT-READ"
USER_RESET_PASSWORD = "USER-RESET-PASSWORD"  # noqa: S105 (a policy's name)
DEFAULT_POLICIES = (DEFAULT_READ, USER_RESET_PASSWORD)
"""Made with each account and bound to each of its new users."""


@inventory(
    "org.zstack.header.identity.AccountConstant$StatementEffect",
    table="",
    name="StatementEffect",
)
class StatementEffect(Inventory):
    """The class that SDKs expect behind a statement's effect; on the wire it is a word."""


@inventory(
    "org.zstack.header.identity.PolicyInventory$Statement",
    table="",
    java_fields={"effect": "org.zstack.header.identity.AccountConstant$StatementEffect"},
)
class Statement(Inventory):
    """One rule list of a policy. Source: manual, "Identity > CreatePolicy"."""

    name: Annotated[str | None, Doc("free text")]
    effect: Annotated[str, Doc("Allow or Deny; any Deny wins")]
    actions: Annotated[list[str], Doc("permission names: patterns of class names, or regular expressions")]
    principals: Annotated[list[str] | None, Doc("as it was sent; it has no effect")]
    resources: Annotated[list[str] | None, Doc("as it was sent; it has no effect")]


@inventory(
    "org.zstack.header.identity.PolicyInventory",
    table="policies",
    owned=True,
    links=(
        Link("account", "Account", "account_uuid", "uuid"),
        Link("user", "User", "uuid", "uuid", through=("user_policies", "policy_uuid", "user_uuid")),
        Link("group", "UserGroup", "uuid", "uuid", through=("group_policies", "policy_uuid", "group_uuid")),
    ),
    not_queryable=("description",),
)
class Policy(Inventory):
    """A policy; it never changes after its creation. Source: manual, "Identity > CreatePolicy"."""

    uuid: str
    name: str
    description: str | None
    account_uuid: str
    statements: list[Statement]


@inventory("org.zstack.identity.PolicyExplanationInventory", table="")
class PolicyExplanation(Inventory):
    """Whether a user who has only this policy may call an API, and why."""

    api_name: Annotated[str, Doc("of the API, `CreateZone`")]
    decision: Annotated[Literal["Allow", "Deny"], Doc("whether it may be called")]
    decided_by: Annotated[
        Literal["statement", "nothing", "api"],
        Doc("nothing: no statement fits, which is a Deny; api: it is open to all users, or to none"),
    ]
    statement: Annotated[int | None, Doc("place in `statements` of the one that decides, from 0")]
    action: Annotated[str | None, Doc("the rule of it that fits")]


def default_statements(account_uuid: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Name and statements of the two policies of a new account."""
    return [
        (
            DEFAULT_READ,
            [
                {
                    "name": f"read-permission-for-account-{account_uuid}",
                    "effect": "Allow",
                    "actions": [".*:read"],
                }
            ],
        ),
        (
            USER_RESET_PASSWORD,
            [
                {
                    "name": f"user-reset-password-{account_uuid}",
                    "effect": "Allow",
                    "actions": ["identity:APIUpdateUserMsg"],
                }
            ],
        ),
    ]
