"""The body of an answer: the handler's value under its key, and the `schema` map that ZStack's SDKs need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from zstack_mgmt.core.inventory import INVENTORIES, Inventory
from zstack_mgmt.core.registry import Api


@dataclass(frozen=True, slots=True)
class JsonText:
    """A whole body that is JSON text already, in pieces, so that it never is in memory as a whole."""

    first: bytes
    rest: AsyncGenerator[bytes]


def body_of(declared: Api, value: Any, zone: ZoneInfo) -> dict[str, Any]:
    """What the client gets for the handler's value; `{}` for None."""
    if value is None:
        return {}
    plain = plain_value(value, zone)
    return plain if declared.response_key == "" else {declared.response_key: plain}


def plain_value(value: Any, zone: ZoneInfo) -> Any:
    """Inventories, alone, in lists or as values of a map, in their wire form."""
    if isinstance(value, Inventory):
        return value.to_json(zone)
    if isinstance(value, Mapping):
        return {key: plain_value(item, zone) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain_value(item, zone) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def schema_of(declared: Api, body: Mapping[str, Any]) -> dict[str, str]:
    """The map from path to server class, parents before children, of the paths that the body has."""
    if declared.describe is not None:
        return declared.describe(body)
    if declared.returns is None or declared.response_key not in body:
        return {}
    found: dict[str, str] = {}
    _walk(declared.response_key, body[declared.response_key], declared.returns, found)
    return found


def _walk(path: str, value: Any, kind: type[Inventory], found: dict[str, str]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            _walk(f"{path}[{index}]", item, kind, found)
        return
    if not isinstance(value, dict):
        return
    found[path] = kind.meta.java_class
    for field_name, link_name in kind.meta.nested.items():
        child = kind.meta.links.get(link_name)
        if child is not None and value.get(field_name):  # pyright: ignore[reportUnknownMemberType]
            _walk(f"{path}.{field_name}", value[field_name], INVENTORIES[child.target], found)
    for field in kind.meta.fields:
        # What is stored inside the row, such as the statements of a policy.
        if field.item is not None and field.name not in kind.meta.nested and field.name in value:
            _walk(f"{path}.{field.name}", value[field.name], field.item, found)
    for field_name, java_class in kind.meta.java_fields.items():
        if field_name in value:
            found[f"{path}.{field_name}"] = java_class
