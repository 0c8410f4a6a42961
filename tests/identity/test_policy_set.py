"""The compiled policies against a naive evaluation: every statement, every rule, `re.fullmatch`."""

import asyncio
import re
import time
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
from zstack_mgmt.auth.policy import NO_POLICIES, PolicySet, Rules, check_rules, policy_set, rules_of
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


def together(policies: list[list[dict[str, Any]]]) -> PolicySet:
    return PolicySet([rules_of(orjson.dumps(statements).decode()) for statements in policies])


@given(POLICIES)
def test_sets_decide_as_a_naive_evaluation_does(policies: list[list[dict[str, Any]]]) -> None:
    rights = together(policies)
    for offered in OFFERED:
        expected = naive(policies, offered)
        assert rights.allows(offered) is expected
        assert rights.allows(offered) is expected, "and so from its memory"


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=2), min_size=2, max_size=3))
def test_order_never_matters(policies: list[list[dict[str, Any]]]) -> None:
    compiled = [rules_of(orjson.dumps(list(reversed(policy))).decode()) for policy in policies]
    decisions = {
        tuple(PolicySet(order).allows(offered) for offered in OFFERED) for order in permutations(compiled)
    }
    decisions.add(tuple(together(policies).allows(offered) for offered in OFFERED))
    assert len(decisions) == 1


@given(PATTERNS)
def test_what_the_oracle_can_run_is_taken(rule: str) -> None:
    check_rules([rule])


def test_nothing_is_allowed_without_policies() -> None:
    assert not any(NO_POLICIES.allows(offered) for offered in OFFERED)
    assert not PolicySet([Rules([".*"], [])]).allows(())


def test_a_policy_that_cannot_be_compiled_denies_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "_SET_MEMORY", 20_000)
    large = [f"{'[a-f]?' * 50}{i}" for i in range(50)]
    for allow, deny in (([".*"], large), ([".*", *large], [])):
        made = PolicySet([Rules([".*"], []), Rules(allow, deny)])
        assert not made.allows(("identity:read",))


async def test_policies_too_large_together_allow_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = orjson.dumps([{"effect": "Allow", "actions": [".*"]}]).decode()
    assert (await policy_set([text, text], "a")).allows(("identity:read",))
    monkeypatch.setattr(policy, "MAX_USER_BYTES", len(text) - 1)
    assert not (await policy_set([text], "a")).allows(("identity:read",))


async def test_others_have_their_turn_while_policies_are_compiled() -> None:
    """Eight users with eight large policies each: no stretch of computing is longer than one policy takes."""
    texts = [
        orjson.dumps([{"effect": "Allow", "actions": [f"{n}-{i}(.{{0,90}})x" for i in range(50)]}]).decode()
        for n in range(64)
    ]
    began = time.thread_time()
    Rules([f"alone-{i}(.{{0,90}})x" for i in range(50)], [])
    one_s = time.thread_time() - began
    users = asyncio.gather(*(policy_set(texts[n : n + 8], "a") for n in range(0, 64, 8)))
    steps: list[float] = []
    while not users.done():
        began = time.thread_time()
        await asyncio.sleep(0)
        steps.append(time.thread_time() - began)
    assert all(made.allows(("3-1aax",)) is (n == 0) for n, made in enumerate(await users))
    assert len(steps) > 64
    assert max(steps) < 8 * one_s, "and not the 64 of them"


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
    made = PolicySet([Rules([rule], [])])
    for offered in OFFERED:
        full = next((name for name in offered if "." in name), "").rpartition(":")[2]
        assert made.allows(offered) is (bool(full) and naive_pattern(pattern, full.split("."))), full


@given(PATTERNS)
def test_regular_expressions_keep_their_meaning(rule: str) -> None:
    """What is read as a pattern was no regular expression, or one that matched nothing."""
    if is_pattern(rule):
        assert not any(re.fullmatch(rule, text) for names in OFFERED for text in names)


async def test_equal_policies_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = orjson.dumps([{"name": "one", "effect": "Allow", "actions": [".*:once"]}]).decode()
    await policy_set([text], "a")
    monkeypatch.delattr(policy, "rules_of")
    assert (await policy_set([text], "a")).allows(("identity:once",))


def test_rule_is_never_text_of_another() -> None:
    made = PolicySet([Rules([".*"], [r"\Qidentity:read", "resource:read"])])
    assert not made.allows(("identity:read",))
    assert not made.allows(("resource:read",))
    assert made.allows(("zone:read",))


@pytest.mark.parametrize("access", ["public", "session", "user", "account", "admin"])
def test_callers_by_access(access: str) -> None:
    declared = next(d for d in APIS.values() if d.access == access)
    everything = PolicySet([Rules([".*"], [])])
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
