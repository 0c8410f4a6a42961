"""Policies: what a statement may say, and how a set of policies decides.

A rule is a regular expression that must match the whole of an offered string, such as
`identity:APIQueryUserMsg`, or a pattern of class names (`patterns`), which is turned into one. Rules come
from tenants, so only a linear-time engine runs them, and their size is bounded. Any Deny wins over any Allow;
the order of policies never matters.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import orjson
import re2  # pyright: ignore[reportMissingTypeStubs]
import structlog

from zstack_mgmt.auth.patterns import check_form, regex_of
from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.turns import Turns

log = structlog.get_logger()

MAX_RULE: Annotated[int, Doc("characters of one rule of a policy"), Bound("InvalidArgument")] = 1024
MAX_RULES: Annotated[int, Doc("rules of a policy"), Bound("InvalidArgument")] = 1000
_MAX_PROGRAM = (
    50_000  # instructions of the compiled rules of one policy; a plain rule has one or two per character
)
_RULE_MEMORY = 128 << 10  # bytes that one compiled rule may take
_SET_MEMORY = 4 << 20  # bytes that the compiled rules of one policy may take, per effect
MAX_USER_BYTES: Annotated[
    int, Doc("bytes of the statements of all policies of one user; with more it may do nothing"), Bound()
] = 1 << 20
_MAX_KEPT = 512  # compiled policies
_REST = 2.0  # times as long as a policy took to compile, nothing else is compiled
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


class Rules:
    """The compiled rules of one policy."""

    __slots__ = ("_allow", "_deny", "_is_usable", "_verdicts")

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._verdicts: dict[tuple[str, ...], bool | None] = {}
        self._allow = self._deny = None
        try:
            self._allow, self._deny = _compile(sorted(allow)), _compile(sorted(deny))
            self._is_usable = True
        except _re2.error:
            log.warning("a policy is too complex; it denies everything", action="policy")
            self._is_usable = False

    def verdict(self, offered: tuple[str, ...]) -> bool | None:
        """False if one of the strings is denied, else True if one is allowed; None if no rule fits any."""
        if offered not in self._verdicts:
            denies = not self._is_usable or _any(self._deny, offered)
            self._verdicts[offered] = False if denies else _any(self._allow, offered) or None
        return self._verdicts[offered]


class PolicySet:
    """What one user may do, by its own policies, its groups' and its roles'."""

    __slots__ = ("_decided", "_policies")

    def __init__(self, policies: Sequence[Rules]) -> None:
        self._decided: dict[tuple[str, ...], bool] = {}
        self._policies = policies

    def allows(self, offered: tuple[str, ...]) -> bool:
        """Whether one of the strings is allowed and none denied.

        An API that offers nothing is never allowed.
        """
        decided = self._decided.get(offered)
        if decided is None:
            verdicts = {policy.verdict(offered) for policy in self._policies}
            decided = self._decided[offered] = True in verdicts and False not in verdicts
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


NO_POLICIES = PolicySet(())


class _Compiler:
    """Compiles policies one after the other, for accounts in turn, and keeps those that were asked for last.

    No thread helps: the engine lets none run beside it. A policy takes some 30 ms at most, and after each
    whatever else the process does has twice its time.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Rules] = OrderedDict()
        self._turns = Turns(1)

    def known(self, text: str) -> Rules | None:
        rules = self._kept.get(text)
        if rules is not None:
            self._kept.move_to_end(text)
        return rules

    async def rules(self, text: str, account_uuid: str) -> Rules:
        async with self._turns.turn(account_uuid):
            known = self.known(text)  # by somebody else meanwhile
            if known is not None:
                return known
            began = time.monotonic()
            rules = self._kept[text] = rules_of(text)
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
            await asyncio.sleep(_REST * (time.monotonic() - began))
            return rules


_COMPILERS: WeakKeyDictionary[asyncio.AbstractEventLoop, _Compiler] = WeakKeyDictionary()


async def policy_set(policies: Iterable[str], account_uuid: str) -> PolicySet:
    """What policies allow together, from the statements of each as JSON. Equal ones are compiled once.

    It may wait for its turn: call it without a connection where many may do so.
    """
    texts = sorted(set(policies))
    if sum(map(len, texts)) > MAX_USER_BYTES:
        log.warning("the policies of a user are too large together; it may do nothing", action="policy")
        return NO_POLICIES
    compiler = _COMPILERS.setdefault(asyncio.get_running_loop(), _Compiler())
    return PolicySet([compiler.known(text) or await compiler.rules(text, account_uuid) for text in texts])


def rules_of(text: str) -> Rules:
    """The compiled rules of a policy, from its statements as JSON; `policy_set` lets others have a turn."""
    statements: list[dict[str, Any]] = orjson.loads(text)
    by_effect: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in statements:
        by_effect[statement["effect"]].update(statement["actions"])
    return Rules(by_effect["Allow"], by_effect["Deny"])
