"""Which rule of a policy decides about what is offered, for who wants to know why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from zstack_mgmt.auth.policy import matches

_AT_ONCE = 10  # rules that are compiled together: some milliseconds, in which no other thread runs


class Rule(NamedTuple):
    """A rule with the place of its statement in the policy, from 0."""

    statement: int
    effect: Literal["Allow", "Deny"]
    action: str


def deciding_rules(rules: Sequence[Rule], offers: Mapping[str, tuple[str, ...]]) -> dict[str, Rule]:
    """For each name the first Deny that fits what it offers, else the first Allow; names that none fits lack.

    It may take half a second, so it belongs into a thread.

    Args:
        rules: that `check_rules` has let pass.
        offers: the permission names of each name.
    """
    offering: dict[str, list[str]] = {}
    for name, offered in offers.items():
        for text in offered:
            offering.setdefault(text, []).append(name)
    found: dict[str, Rule] = {}
    for start in range(0, len(rules), _AT_ONCE):
        together = rules[start : start + _AT_ONCE]
        for at, text in sorted(matches([rule.action for rule in together], offering)):
            for name in offering[text]:
                known = found.get(name)
                if known is None or (known.effect == "Allow" and together[at].effect == "Deny"):
                    found[name] = together[at]
    return found
