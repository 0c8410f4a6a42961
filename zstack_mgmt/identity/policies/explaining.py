"""What a policy that need not exist would allow, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from zstack_mgmt.auth.deciding import Rule, deciding_rules
from zstack_mgmt.auth.permissions import settled_for_users
from zstack_mgmt.core.registry import Api
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.identity.policies.model import PolicyExplanation
from zstack_mgmt.identity.policies.statements import StatementRequest, checked

MAX_EXPLANATIONS: Annotated[
    int, Doc("explanations of policies that one account waits for, in one process"), Bound("TooBusy")
] = 20


def explained(
    statements: Sequence[StatementRequest], asked: Mapping[str, Api], *, is_admin: bool
) -> list[PolicyExplanation]:
    """The decision about each API, for a user of an account who has only this policy.

    Raises InvalidArgument for statements that CreatePolicy would refuse.
    """
    checked(statements)
    settled = {name: settled_for_users(declared, is_admin=is_admin) for name, declared in asked.items()}
    rules = [
        Rule(at, statement.effect, action)
        for at, statement in enumerate(statements)
        for action in statement.actions
    ]
    found = deciding_rules(rules, {name: asked[name].permissions for name in asked if settled[name] is None})
    return [_explanation(name, settled[name], found.get(name)) for name in asked]


def _explanation(name: str, settled: bool | None, rule: Rule | None) -> PolicyExplanation:
    if rule is not None:
        return PolicyExplanation(
            api_name=name,
            decision=rule.effect,
            decided_by="statement",
            statement=rule.statement,
            action=rule.action,
        )
    return PolicyExplanation(
        api_name=name,
        decision="Allow" if settled else "Deny",
        decided_by="nothing" if settled is None else "api",
        statement=None,
        action=None,
    )
