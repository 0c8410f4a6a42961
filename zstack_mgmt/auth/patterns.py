"""Patterns of class names, as the policies of ZStack 3 and later have them: `org.zstack.header.vm.**`.

`*` stands for any part of one segment between two dots, `**` as a whole segment for any number of segments. A
pattern matches an API by the full name of its message class, whatever its category; the result is a regular
expression for the same engine and the same strings as every other rule.
"""

from __future__ import annotations

import re
from itertools import pairwise

from zstack_mgmt.core.errors import InvalidArgument

_NAMES = re.compile(r"[\w.*]+", re.ASCII)
_FIELDS = re.compile(r"(org\.zstack\.|\.header\.)[\w.*]*:|[\w.]*\*\*[\w.*]*:", re.ASCII)
_ROOT = "org.zstack"
_CATEGORY = "[^:]*:"
_SEGMENT = "[^.:]"


def is_pattern(rule: str) -> bool:
    """Whether the rule is a pattern of class names; all others are regular expressions.

    A pattern has letters, digits, `_`, `.` and `*` only, and begins with `*`, `org.zstack.` or `.header.`, or
    has `**` in it: none of these could be, or could match anything as, a regular expression.
    """
    return bool(_NAMES.fullmatch(rule)) and (rule.startswith(("*", f"{_ROOT}.", ".header.")) or "**" in rule)


def regex_of(rule: str) -> str:
    """The regular expression that a rule stands for: of a pattern its translation, else itself."""
    segments = _segments(rule)
    if not is_pattern(rule) or (len(segments) == 1 and segments != ["**"]):
        return rule
    if set(segments) == {"**"}:
        return f"{_CATEGORY}.*"
    return f"{_CATEGORY}{_names(segments)}"


def _names(segments: list[str]) -> str:
    """What matches full names only, not `identity:read`: each form asks for a dot."""
    named = [number for number, part in enumerate(segments) if part != "**"]
    before, after = f"(?:{_SEGMENT}+\\.)", f"(?:\\.{_SEGMENT}+)"
    core = _literal(segments[named[0]])
    for last, number in pairwise(named):
        core += "\\." + (f"{before}*" if number > last + 1 else "") + _literal(segments[number])
    leads, trails = named[0] > 0, named[-1] < len(segments) - 1
    if len(named) > 1:
        return f"{before}*" * leads + core + f"{after}*" * trails
    if leads and trails:
        return f"(?:{before}+{core}{after}*|{core}{after}+)"
    return f"{before}+{core}" if leads else f"{core}{after}+"


def check_form(rule: str) -> None:
    """Refuse a pattern that would silently match nothing. Raises InvalidArgument."""
    if _FIELDS.match(rule):
        raise _refusal(rule, "fields after a class (`:name`) are not available")
    if not is_pattern(rule):
        return
    segments = _segments(rule)
    if "" in segments:
        raise _refusal(rule, "it has an empty name between two dots")
    if len(segments) == 1 and segments != ["**"]:
        raise _refusal(
            rule, "it stands for one segment, and no class is named by one; `**` matches every API"
        )


def _segments(rule: str) -> list[str]:
    """The names between the dots; later releases write a dot for the root at the beginning."""
    return (_ROOT + rule if rule.startswith(".") else rule).split(".")


def _refusal(rule: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"the rule {rule[:100]!r} cannot be used: {reason}")


def _literal(segment: str) -> str:
    return re.sub(r"\*+", lambda _: f"{_SEGMENT}*", segment)
