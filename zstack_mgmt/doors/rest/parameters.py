"""Where parameters come from: path, query string and body, in the forms that old clients send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_origin

from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.core.registry import Api
from zstack_mgmt.core.values import wire_name

_TAGS = ("systemTags", "userTags")


def choose_api(
    served: list[tuple[Api, tuple[str, ...]]], body: Mapping[str, Any]
) -> tuple[Api, tuple[str, ...]]:
    """The API of a path and method; where several share them, the one whose action the body names."""
    if len(served) == 1 and (served[0][0].method != "PUT" or _names_action(served[0][0], body)):
        return served[0]
    for declared, names in served:
        if declared.body_key in body:
            return declared, names
    shapes = sorted(shape(declared) for declared, _ in served)
    one_of = "" if len(shapes) == 1 else "one of the actions "
    raise BadRequest(f"the body lacks the object of its action: send {one_of}{', '.join(shapes)}")


def _names_action(declared: Api, body: Mapping[str, Any]) -> bool:
    return (
        declared.body_key in body
        or "params" in body
        or (declared.bare and "" in body)
        or not set(body) - set(_TAGS)
    )


def shape(declared: Api) -> str:
    """The body of a POST or PUT with the parameters that it must have, as an error shows it.

    The dots stand for values, and at the end for whatever may be added.
    """
    needed = [f'"{wire_name(name)}": ...' for name in _needed(declared)]
    return f'{{"{declared.body_key}": {{{", ".join(needed) or "..."}}}}}'


def _needed(declared: Api) -> list[str]:
    fields = declared.request.model_fields.items()
    return [name for name, info in fields if info.is_required() and wire_name(name) not in declared.in_path]


def lacks_wrapper(declared: Api, body: Mapping[str, Any]) -> str:
    """The sentence for a body whose parameters are in no object of their own; empty: nothing is amiss."""
    if declared.method not in ("POST", "PUT") or declared.bare or _wrapper(declared, body) is not None:
        return ""
    beside = sorted(body.keys() - {declared.body_key, *_TAGS})
    if not beside and not _needed(declared):
        return ""
    said = "" if not beside else f", and what is beside it ({', '.join(beside)[:200]}) is not read"
    return f"the body lacks the object {declared.body_key!r}{said}: send {shape(declared)}"


def beside_wrapper(declared: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
    """What is in the body of a POST or PUT beside the object of its parameters, where nothing looks at it."""
    wrapper = _wrapper(declared, body)
    if len(body) < 2 and wrapper is not None:
        return ()
    return () if wrapper is None and declared.bare else tuple(sorted(body.keys() - {wrapper, *_TAGS}))


def _wrapper(declared: Api, body: Mapping[str, Any]) -> str | None:
    """The key of the object that holds the parameters."""
    if body.get(declared.body_key) is not None:
        return declared.body_key
    if declared.method == "PUT" and body.get("params") is not None:
        return "params"
    return "" if declared.bare and body.get("") is not None else None


def from_body(declared: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the body of a POST or PUT, with the tags beside them."""
    wrapper = _wrapper(declared, body)
    wrapped = None if wrapper is None else body[wrapper]
    if wrapper is None and declared.bare:
        wrapped = {k: v for k, v in body.items() if k not in _TAGS}
    if wrapped is None:
        wrapped = {}
    if not isinstance(wrapped, dict):
        raise BadRequest(f"{declared.body_key!r} must be a JSON object")
    values: dict[str, Any] = {k: v for k, v in wrapped.items() if v is not None}  # pyright: ignore[reportUnknownVariableType]
    for tag in _TAGS:
        if body.get(tag) is not None:
            values[tag] = body[tag]
    return values


def from_query(declared: Api, pairs: list[tuple[str, str]], body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the query string of a GET or DELETE; lists as `k=a&k=b` or `k.0=a`.

    A body may add to them.
    """
    lists = {
        wire_name(name)
        for name, info in declared.request.model_fields.items()
        if get_origin(info.annotation) is list or "list[" in str(info.annotation)
    }
    values: dict[str, Any] = {}
    inner = body.get("params", body)
    if isinstance(inner, dict):
        values.update({k: v for k, v in inner.items() if v is not None})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    seen: set[str] = set()
    for key, text in pairs:
        name, dot, index = key.partition(".")
        name = name if dot and index.isdigit() else key
        if name in lists:
            if name not in seen:
                values[name] = []
                seen.add(name)
            values[name].append(text)
        else:
            values[name] = text
    return values
