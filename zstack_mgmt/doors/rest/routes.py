"""From method and path to the declared API. Exact segments win over variables; APIs may share a PUT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from zstack_mgmt.core.registry import Api

_OTHER = {"POST": "PUT", "PUT": "POST"}


@dataclass(slots=True)
class Leaf:
    """What a path serves: per method, its APIs with the names of the path's variables."""

    methods: dict[str, list[tuple[Api, tuple[str, ...]]]] = field(
        default_factory=dict[str, list[tuple[Api, tuple[str, ...]]]]
    )

    @property
    def allow(self) -> str:
        return ", ".join(sorted(self.methods))

    def serving(self, method: str) -> list[tuple[Api, tuple[str, ...]]] | None:
        """The APIs that a method calls.

        An API that has its path for itself is called by POST and PUT alike: clients confuse the two, and
        there is nothing else that they could mean.
        """
        served = self.methods.get("GET" if method == "HEAD" else method)
        if served is None and len(self.methods) == 1 and method in _OTHER:
            alone = self.methods.get(_OTHER[method], [])
            return alone if len(alone) == 1 else None
        return served


@dataclass(slots=True)
class _Node:
    exact: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    variable: _Node | None = None
    leaf: Leaf | None = None


class Routes:
    """A tree of path segments below `/zstack` or the root."""

    def __init__(self, apis: Iterable[Api]) -> None:
        self._root = _Node()
        for declared in apis:
            for path in declared.paths:
                self._add(declared, path)

    def _add(self, declared: Api, path: str) -> None:
        node = self._root
        names: list[str] = []
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.exact.setdefault(segment, _Node())
        node.leaf = node.leaf or Leaf()
        served = node.leaf.methods.setdefault(declared.method, [])
        if any(other.body_key == declared.body_key for other, _ in served):
            raise TypeError(f"{declared.name}: {declared.method} {path} is declared twice")
        served.append((declared, tuple(names)))

    def find(self, path: str) -> tuple[Leaf, list[str]] | None:
        """The leaf of a path such as `/v1/zones/…`, and the values of its variables in order.

        Several slashes count as one, as in ZStack's server: its Go SDK asks for `/v1/zones//<uuid>`.
        """
        return _find(self._root, [segment for segment in path.split("/") if segment], 0, [])


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> tuple[Leaf, list[str]] | None:
    if at == len(segments):
        return None if node.leaf is None else (node.leaf, values)
    child = node.exact.get(segments[at])
    if child is not None:
        found = _find(child, segments, at + 1, values)
        if found is not None:
            return found
    if node.variable is not None:
        return _find(node.variable, segments, at + 1, [*values, segments[at]])
    return None
