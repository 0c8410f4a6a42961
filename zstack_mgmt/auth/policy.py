"""Policies: what a statement may say, and how a set of policies decides.

A rule is a regular expression that must match the whole of an offered string, such as `identity:APIQueryUserMsg`. Rules come
from tenants, so only a linear-time engine runs them. Any Deny wins over any Allow; the order of policies never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import re2

from zstack_mgmt.errors import InvalidArgument

MAX_RULE = 1024  # characters of one rule
MAX_RULES = 1000  # of one policy
_MEMORY = 1 << 20  # bytes that one compiled set may take


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY * 64  # of a whole set: too little would make it miss a Deny
    options.log_errors = False
    return options


def check_rule(rule: str) -> None:
    """Raise InvalidArgument when the rule is too long, no regular expression, or needs more than linear time."""
    if len(rule) > MAX_RULE:
        raise InvalidArgument(f"a rule is longer than {MAX_RULE} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        re2.compile(rule, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise InvalidArgument(
            f"the rule {rule[:100]!r} cannot be used: {reason}; back-references and look-around are not available"
        ) from None


class PolicySet:
    """The compiled policies of one user, its own and its groups'."""

    def __init__(self, statements: Iterable[Mapping[str, Any]]) -> None:
        allow: list[str] = []
        deny: list[str] = []
        for statement in statements:
            (deny if statement["effect"] == "Deny" else allow).extend(statement["actions"])
        self._allow = _compile(allow)
        self._deny = _compile(deny)
        self._decided: dict[tuple[str, ...], bool] = {}

    def allows(self, offered: tuple[str, ...]) -> bool:
        """Whether one of the strings is allowed and none denied. An API that offers nothing is never allowed."""
        decided = self._decided.get(offered)
        if decided is None:
            decided = not _any(self._deny, offered) and _any(self._allow, offered)
            self._decided[offered] = decided
        return decided


def _compile(rules: list[str]) -> Any:
    if not rules:
        return None
    matcher = re2.Set.FullMatchSet(_options())
    for rule in dict.fromkeys(rules):
        matcher.Add(rule)
    matcher.Compile()
    return matcher


def _any(matcher: Any, offered: tuple[str, ...]) -> bool:
    return matcher is not None and any(matcher.Match(text) for text in offered)


NO_POLICIES = PolicySet(())


@lru_cache(4096)
def policy_set(key: tuple[tuple[str, str], ...]) -> PolicySet:
    """The compiled set for (policy uuid, statements as JSON) pairs; policies never change, so it is kept."""
    import orjson

    return PolicySet(statement for _, text in key for statement in orjson.loads(text))
