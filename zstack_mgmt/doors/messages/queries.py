"""Query messages: their conditions as lists of objects become the pairs of a query string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import MAX_ITEMS

_OPERATORS = {
    **{op: op for op in ("=", "!=", ">", ">=", "<", "<=")},
    "in": "?=",
    "not in": "!?=",
    "like": "~=",
    "not like": "!~=",
    "is null": " is null",
    "is not null": " not null",
}
_NAMES = frozenset(
    [
        "conditions",
        "limit",
        "start",
        "groupBy",
        "count",
        "replyWithCount",
        "fields",
        "sortBy",
        "sortDirection",
    ]
)


def query_pairs(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a query, those that nobody knows too. Raises BadRequest."""
    pairs = [("q", _condition(each)) for each in _items(message, "conditions")]
    pairs += [(name, str(message[name])) for name in ("limit", "start", "groupBy") if name in message]
    pairs += [(name, "true") for name in ("count", "replyWithCount") if message.get(name) is True]
    if message.get("fields"):
        pairs.append(("fields", ",".join(str(each) for each in _items(message, "fields"))))
    if message.get("sortBy"):
        down = str(message.get("sortDirection", "asc")).lower() == "desc"
        pairs.append(("sort", f"{'-' if down else '+'}{message['sortBy']}"))
    return [*pairs, *((name, str(message[name])) for name in message.keys() - _NAMES)]


def _items(message: Mapping[str, Any], name: str) -> list[Any]:
    items = message.get(name, [])
    if not isinstance(items, list) or len(cast("list[Any]", items)) > MAX_ITEMS:
        raise BadRequest(f"{name} must be a list of at most {MAX_ITEMS} items")
    return cast("list[Any]", items)


def _condition(item: Any) -> str:
    if not isinstance(item, dict):
        raise BadRequest("a condition must be an object with name, op and value")
    condition = cast("dict[str, Any]", item)
    name, op, value = (condition.get(key) for key in ("name", "op", "value"))
    operator = _OPERATORS.get(str(op).lower())
    if not isinstance(name, str) or operator is None:
        raise BadRequest(f"a condition needs a name, and an op out of {', '.join(_OPERATORS)}")
    return f"{name}{operator}{'' if value is None or 'null' in operator else value}"
