"""The compiled policies against a naive evaluation: every statement, every rule, `re.fullmatch`."""

import re
from fnmatch import fnmatchcase
from itertools import permutations
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zstack_mgmt.auth import policy
from zstack_mgmt.auth.patterns import is_pattern
from zstack_mgmt.auth.permissions import may_call
from zstack_mgmt.auth.policy import NO_POLICIES, PolicySet, check_rules, policy_set
from zstack_mgmt.core.callers import ANONYMOUS, AccountCaller, UserCaller
from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.features import load

load()
OFFERED = sorted({declared.permissions for declared in APIS.values()})
WORDS = (
    "identity",
    "resource",
    "read",
    "API",
    "Query",
    "Create",
    "User",
    "Policy",
    "Msg",
    ":",
    r"\.",
    "org",
    "zstack",
)
WILD = (
    ".*",
    ".+",
    ".?",
    "[A-Z]",
    "[a-z]+",
    r"\w*",
    "(API|org)",
    "(read)?",
    "[^:]*",
    "a{0,3}",
    "(?:Msg|read)",
    "|",
)
PATTERNS = st.one_of(
    st.sampled_from([name for names in OFFERED for name in names]),
    st.sampled_from((".*", ".*:read", "identity:.*", "identity:API.*", "")),
    st.lists(st.sampled_from(WORDS + WILD), max_size=6).map("".join),
)
STATEMENTS = st.fixed_dictionaries(
    {
        "effect": st.sampled_from(("Allow", "Allow", "Deny")),
        "actions": st.lists(PATTERNS, min_size=1, max_size=4),
    }
)
POLICIES = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3), max_size=4)


def naive(policies: list[list[dict[str, Any]]], offered: tuple[str, ...]) -> bool:
    def matches(effect: str) -> bool:
        return any(
            re.fullmatch(rule, text)
            for statements in policies
            for statement in statements
            if statement["effect"] == effect
            for rule in statement["actions"]
            for text in offered
        )

    return matches("Allow") and not matches("Deny")


def compiled(policies: list[list[dict[str, Any]]]) -> PolicySet:
    return policy_set(orjson.dumps(statements).decode() for statements in policies)


@given(POLICIES)
def test_sets_decide_as_a_naive_evaluation_does(policies: list[list[dict[str, Any]]]) -> None:
    made = compiled(policies)
    for offered in OFFERED:
        expected = naive(policies, offered)
        assert made.allows(offered) is expected
        assert made.allows(offered) is expected, "and so from its memory"


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=2), min_size=2, max_size=3))
def test_order_never_matters(policies: list[list[dict[str, Any]]]) -> None:
    decisions = {
        tuple(compiled([list(reversed(p)) for p in order]).allows(offered) for offered in OFFERED)
        for order in permutations(policies)
    }
    assert len(decisions) == 1


@given(PATTERNS)
def test_what_the_oracle_can_run_is_taken(rule: str) -> None:
    check_rules([rule])


def test_nothing_is_allowed_without_policies() -> None:
    assert not any(NO_POLICIES.allows(offered) for offered in OFFERED)
    assert not PolicySet([".*"], []).allows(())


def test_rules_too_large_together_allow_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_SET_MEMORY", 20_000)
    large = [f"{'[a-f]?' * 50}{i}" for i in range(50)]
    for made in (PolicySet([".*"], large), PolicySet([".*", *large], [])):
        assert not made.allows(("identity:read",))


SEGMENTS = st.sampled_from(
    (
        "org",
        "zstack",
        "header",
        "identity",
        "vm",
        "read",
        "*",
        "**",
        "API*",
        "*Msg",
        "API**Msg",
        "APIQueryUserMsg",
    )
)


def naive_pattern(pattern: list[str], names: list[str]) -> bool:
    """Segment by segment; `**` takes any number of them."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(naive_pattern(pattern[1:], names[i:]) for i in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and naive_pattern(pattern[1:], names[1:])


@given(st.lists(SEGMENTS, min_size=2, max_size=5), st.booleans())
@example(pattern=["**", "org", "**"], of_zstack=False)
@example(pattern=["**", "*Msg", "**"], of_zstack=False)
def test_patterns_match_full_class_names(pattern: list[str], of_zstack: bool) -> None:
    pattern = ["org", "zstack", *pattern] if of_zstack else pattern
    rule = ".".join(pattern)
    if not is_pattern(rule):
        return
    check_rules([rule])
    made = PolicySet([rule], [])
    for offered in OFFERED:
        full = next((name for name in offered if "." in name), "").rpartition(":")[2]
        assert made.allows(offered) is (bool(full) and naive_pattern(pattern, full.split("."))), full


@given(PATTERNS)
def test_regular_expressions_keep_their_meaning(rule: str) -> None:
    """What is read as a pattern was no regular expression, or one that matched nothing."""
    if is_pattern(rule):
        assert not any(re.fullmatch(rule, text) for names in OFFERED for text in names)


def test_users_with_equal_rules_share_one_set() -> None:
    first = orjson.dumps([{"name": "one", "effect": "Allow", "actions": [".*:read"]}]).decode()
    second = orjson.dumps([{"name": "two", "effect": "Allow", "actions": [".*:read"]}]).decode()
    assert policy_set([first]) is policy_set([second])


def test_rule_is_never_text_of_another() -> None:
    made = PolicySet([".*"], [r"\Qidentity:read", "resource:read"])
    assert not made.allows(("identity:read",))
    assert not made.allows(("resource:read",))
    assert made.allows(("zone:read",))


@pytest.mark.parametrize("access", ["public", "session", "user", "account", "admin"])
def test_callers_by_access(access: str) -> None:
    declared = next(d for d in APIS.values() if d.access == access)
    everything = PolicySet([".*"], [])
    callers = {
        "nobody": ANONYMOUS,
        "admin": AccountCaller("a", is_admin=True),
        "account": AccountCaller("a", is_admin=False),
        "admin's user": UserCaller("a", "u", is_admin=True, policies=everything),
        "user": UserCaller("a", "u", is_admin=False, policies=everything),
        "user without policies": UserCaller("a", "u", is_admin=True, policies=NO_POLICIES),
    }
    with_session = set(callers) - {"nobody"}
    assert {name for name, caller in callers.items() if may_call(declared, caller)} == {
        "public": set(callers),
        "session": with_session,
        "user": with_session - {"user without policies"},
        "account": {"admin", "account"},
        "admin": {"admin", "admin's user"},
    }[access]


def test_refusals_name_the_rule() -> None:
    with pytest.raises(InvalidArgument, match="look-around"):
        check_rules(["fine", "(?=x)"])
    with pytest.raises(InvalidArgument, match="1024"):
        check_rules(["x" * 1025])
