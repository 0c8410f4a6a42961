"""Policies: what a statement may say, and how a set of policies decides.

A rule is a regular expression that must match the whole of an offered string, such as
`identity:APIQueryUserMsg`, or a pattern of class names (`patterns`), which is turned into one. Rules come
from tenants, so only a linear-time engine runs them, and their size is bounded. Any Deny wins over any Allow;
the order of policies never matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any

import orjson
import re2  # pyright: ignore[reportMissingTypeStubs]
import structlog

from zstack_mgmt.auth.patterns import check_form, regex_of
from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.doc import Bound, Doc

log = structlog.get_logger()

MAX_RULE: Annotated[int, Doc("characters of one rule of a policy"), Bound("InvalidArgument")] = 1024
MAX_RULES: Annotated[int, Doc("rules of a policy"), Bound("InvalidArgument")] = 1000
_MAX_PROGRAM = (
    50_000  # instructions of the compiled rules of one policy; a plain rule has one or two per character
)
_RULE_MEMORY = 128 << 10  # bytes that one compiled rule may take
_SET_MEMORY = 8 << 20  # bytes that the compiled rules of one user may take, per effect
# Classes of Unicode take milliseconds each to parse, whatever becomes of them; permission names are ASCII.
_UNICODE_CLASS = re.compile(r"\\[pP]")

_re2: Any = re2  # the engine comes without types


def _options(memory: int) -> Any:
    options = _re2.Options()
    options.max_mem = memory
    options.log_errors = False
    return options


def check_rules(rules: Sequence[str]) -> None:
    """Refuse the rules of a policy that cannot be run safely.

    Raises: InvalidArgument for too many or too long rules, and for one that is neither a pattern of class
    names nor a regular expression of a linear-time engine, or needs too much memory.
    """
    if len(rules) > MAX_RULES:
        raise InvalidArgument(f"a policy has at most {MAX_RULES} rules")
    size = 0
    for rule in rules:
        size += _size_of(rule)
        if size > _MAX_PROGRAM:
            raise InvalidArgument("the rules of the policy are too complex; use shorter or fewer ones")


def _size_of(rule: str) -> int:
    if len(rule) > MAX_RULE:
        raise InvalidArgument(f"a rule is longer than {MAX_RULE} characters")
    if _UNICODE_CLASS.search(rule):
        raise InvalidArgument(
            f"the rule {rule[:100]!r} cannot be used: \\p and \\P are not available in permission names"
        )
    check_form(rule)
    try:
        size: int = _re2.compile(regex_of(rule), _options(_RULE_MEMORY)).programsize
    except _re2.error as error:
        cause: Any = error.args[0]
        reason = cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause)
        raise InvalidArgument(
            f"the rule {rule[:100]!r} cannot be used: {reason}; "
            "back-references and look-around are not available"
        ) from None
    return size


class PolicySet:
    """The compiled rules of one user, from its own policies and its groups'."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._decided: dict[tuple[str, ...], bool] = {}
        try:
            self._allow, self._deny = _compile(sorted(allow)), _compile(sorted(deny))
        except _re2.error:
            # Together they are larger than anybody needs. A Deny must not be missed, so nothing is allowed.
            log.warning("the policies of a user are too complex; it may do nothing", action="policy")
            self._allow = self._deny = None

    def allows(self, offered: tuple[str, ...]) -> bool:
        """Whether one of the strings is allowed and none denied.

        An API that offers nothing is never allowed.
        """
        decided = self._decided.get(offered)
        if decided is None:
            decided = not _any(self._deny, offered) and _any(self._allow, offered)
            self._decided[offered] = decided
        return decided


def _compile(rules: Sequence[str]) -> Any:
    if not rules:
        return None
    matcher = _re2.Set.FullMatchSet(_options(_SET_MEMORY))
    for rule in rules:
        matcher.Add(regex_of(rule))
    matcher.Compile()
    return matcher


def _any(matcher: Any, offered: tuple[str, ...]) -> bool:
    return matcher is not None and any(matcher.Match(text) for text in offered)


def matches(rules: Sequence[str], texts: Iterable[str]) -> list[tuple[int, str]]:
    """All pairs of a rule, by its place, and a text that it fits; the rules are those of one policy."""
    matcher = _compile(rules)
    return [(at, text) for text in texts for at in (matcher and matcher.Match(text)) or ()]


NO_POLICIES = PolicySet((), ())


def policy_set(policies: Iterable[str]) -> PolicySet:
    """The compiled set for the policies' statements as JSON. Users with equal rules share one."""
    allow: set[str] = set()
    deny: set[str] = set()
    for text in policies:
        allows, denies = _rules_of(text)
        allow |= allows
        deny |= denies
    return _compiled(frozenset(allow), frozenset(deny))


@lru_cache(4096)
def _rules_of(text: str) -> tuple[frozenset[str], frozenset[str]]:
    statements: list[dict[str, Any]] = orjson.loads(text)
    by_effect: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in statements:
        by_effect[statement["effect"]].update(statement["actions"])
    return frozenset(by_effect["Allow"]), frozenset(by_effect["Deny"])


@lru_cache(512)
def _compiled(allow: frozenset[str], deny: frozenset[str]) -> PolicySet:
    return PolicySet(allow, deny)
