"""What the service answers with: JSON objects whose fields are attributes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

T = TypeVar("T")


class Record:
    """A JSON object. Fields are attributes; one that the answer lacks is None, or an empty list.

    `to_dict` gives the JSON values. Fields that this release of the SDK does not know are attributes too.
    """

    _parts: ClassVar[Mapping[str, str]] = {}  # field -> class of what it holds
    _others: ClassVar[str | None] = None  # the class of objects in other fields; None: they stay dicts

    def __init__(
        self, values: Mapping[str, Any] | None = None, parts: Mapping[str, str] | None = None
    ) -> None:
        self.__dict__["_values"] = values or {}
        self.__dict__["_of"] = self._parts if parts is None else parts

    def to_dict(self) -> dict[str, Any]:
        """The JSON object itself."""
        return dict(self.__dict__["_values"])

    if not TYPE_CHECKING:  # a type checker is to see the declared fields alone

        def __getattr__(self, name: str) -> Any:
            return self._get(name)

    def _get(self, name: str) -> Any:
        values: Mapping[str, Any] = self.__dict__["_values"]
        if name in values:
            wrapped = _wrap(values[name], self.__dict__["_of"].get(name, self._others))
            self.__dict__[name] = wrapped
            return wrapped
        hint = _fields(type(self)).get(name)
        if hint is not None:
            return [] if str(hint).startswith("list[") else None
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.to_dict() == other.to_dict()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.__dict__["_values"].items())
        return f"{type(self).__name__}({inner})"


class AnyValue(Record):
    """An answer whose fields are not declared."""

    _others = "AnyValue"

    def __getattr__(self, name: str) -> Any:
        return self._get(name)


class Empty(Record):
    """The answer of an API that answers with nothing."""


class InventoryValue(Record, Generic[T]):
    """`inventory`: the resource after the call."""

    inventory: T


class ListValue(Record, Generic[T]):
    """`inventories`: the resources that were asked for."""

    inventories: list[T]


class QueryValue(ListValue[T], Generic[T]):
    """`inventories`, and with `replyWithCount` or `count` also `total`."""

    total: int | None


_KINDS: tuple[type[Record], ...] = (AnyValue, Empty, InventoryValue, ListValue, QueryValue)
_OWN = {kind.__name__: kind for kind in _KINDS}


@cache
def _fields(kind: type[Record]) -> dict[str, object]:
    found: dict[str, object] = {}
    for base in kind.__mro__:
        found |= getattr(base, "__annotations__", {})
    return {name: hint for name, hint in found.items() if not name.startswith("_")}


def class_of(name: str) -> type[Record]:
    """A class of records by its name."""
    return _OWN.get(name) or cast("type[Record]", getattr(import_module("zstack_sdk.inventories"), name))


def _wrap(value: Any, name: str | None) -> Any:
    if isinstance(value, list):
        return [_wrap(part, name) for part in cast("list[Any]", value)]
    if isinstance(value, dict) and name is not None:
        return class_of(name)(cast("dict[str, Any]", value))
    return cast("Any", value)
