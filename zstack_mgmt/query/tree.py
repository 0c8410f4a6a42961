"""Conditions as a tree: those whose paths begin with the same links share the branch, and so the same row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doc import Bound, Doc

MAX_HOPS: Annotated[int, Doc("links that the path of a condition follows"), Bound("BadRequest")] = 8
MAX_LINKS: Annotated[
    int, Doc("links that a query follows, shared ones counted once"), Bound("BadRequest")
] = 64


class Op(StrEnum):
    """The 12 operators."""

    EQ = "="
    NE = "!="
    GT = ">"
    LT = "<"
    GE = ">="
    LE = "<="
    IN = "?="
    NOT_IN = "!?="
    LIKE = "~="
    NOT_LIKE = "!~="
    IS_NULL = "is null"
    NOT_NULL = "not null"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: a path of links that ends in a field, an operator, and the value as it was written."""

    path: tuple[str, ...]
    op: Op
    value: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]

    def __str__(self) -> str:
        gap = " " if self.op in (Op.IS_NULL, Op.NOT_NULL) else ""
        return f"{'.'.join(self.path)}{gap}{self.op.value}{self.value}"


@dataclass(frozen=True, slots=True)
class Tree:
    """The conditions on one row, and the trees of the rows that it must be linked to.

    Of each group one tree must hold, of this same row.
    """

    conditions: tuple[Condition, ...] = ()
    links: tuple[tuple[str, Tree], ...] = ()
    groups: tuple[tuple[Tree, ...], ...] = ()


ALL = Tree()
"""No condition: every row."""


def grow(conditions: Iterable[Condition]) -> Tree:
    """Merge the conditions by the links that their paths share.

    >>> nic = grow([Condition(("vmNics", "ip"), Op.EQ, "A"), Condition(("vmNics", "mac"), Op.EQ, "B")])
    >>> [(name, [str(c) for c in tree.conditions]) for name, tree in nic.links]
    [('vmNics', ['vmNics.ip=A', 'vmNics.mac=B'])]

    Raises:
        BadRequest: a path, or the whole query, follows more links than we are ready to join.
    """
    root = _Branch()
    links = 0
    for condition in conditions:
        if len(condition.path) > MAX_HOPS + 1:
            raise BadRequest(f"the condition on {condition.name[:128]!r} follows more than {MAX_HOPS} links")
        branch = root
        for name in condition.path[:-1]:
            if name not in branch.links:
                branch.links[name] = _Branch()
                links += 1
            branch = branch.links[name]
        branch.conditions.append(condition)
    if links > MAX_LINKS:
        raise BadRequest(f"the query follows more than {MAX_LINKS} links")
    return root.freeze()


class _Branch:
    __slots__ = ("conditions", "links")

    def __init__(self) -> None:
        self.conditions: list[Condition] = []
        self.links: dict[str, _Branch] = {}

    def freeze(self) -> Tree:
        links = tuple((name, branch.freeze()) for name, branch in self.links.items())
        return Tree(tuple(self.conditions), links)
