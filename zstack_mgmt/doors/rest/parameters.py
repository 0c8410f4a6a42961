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
    actions = ", ".join(sorted(declared.body_key for declared, _ in served))
    raise BadRequest(f"the body must name one of the actions {actions}")


def _names_action(declared: Api, body: Mapping[str, Any]) -> bool:
    return (
        declared.body_key in body
        or "params" in body
        or (declared.bare and "" in body)
        or not set(body) - set(_TAGS)
    )


def from_body(declared: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the body of a POST or PUT, with the tags beside them."""
    wrapped = body.get(declared.body_key)
    if wrapped is None and declared.method == "PUT":
        wrapped = body.get("params")
    if wrapped is None and declared.bare:
        wrapped = body.get("", {k: v for k, v in body.items() if k not in _TAGS})
    if wrapped is None:
        wrapped = {}
    if not isinstance(wrapped, dict):
        raise BadRequest(f"{declared.body_key!r} must be a JSON object")
    values: dict[str, Any] = {k: v for k, v in wrapped.items() if v is not None}  # pyright: ignore[reportUnknownVariableType]
    values.update({tag: body[tag] for tag in _TAGS if body.get(tag) is not None})
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
