"""ZStack's query sentences: `query zone where name = 'a' or (state = 'Enabled' and description is null)`.

A sentence becomes the same Query that the parameters of a Query API make; nothing here knows tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.query.parser import MAX_CONDITIONS, Direction, Query, Sort
from zstack_mgmt.query.tree import ALL, Condition, Op, Tree, grow

MAX_SENTENCES: Annotated[int, Doc("sentences of a ZQL query"), Bound("BadRequest")] = 10
MAX_LEVELS: Annotated[int, Doc("parentheses within each other in a ZQL query"), Bound("BadRequest")] = 16
MAX_ROWS: Annotated[
    int, Doc("rows of one sentence of a ZQL query; a larger `limit` means this one"), Bound()
] = 1000
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<number>[+-]?\d+(?:\.\d+)?)(?![\w.])
    | (?P<word>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)
    | (?P<sign>!=|>=|<=|[=><(),;])
    )""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = {op.value: op for op in (Op.EQ, Op.NE, Op.GT, Op.LT, Op.GE, Op.LE)}
_NEGATED = {"in": Op.NOT_IN, "like": Op.NOT_LIKE}
_PLAIN = {"in": Op.IN, "like": Op.LIKE}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One parsed sentence. `inventory` of the query is still the client's word."""

    query: Query
    name: str | None  # `named as`


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, number, word, sign, end
    value: str

    @property
    def word(self) -> str:
        """The keyword that it may be."""
        return self.value.lower() if self.kind in ("word", "sign") else ""


@dataclass(frozen=True, slots=True)
class _All:
    """Conditions and alternatives that must all hold."""

    conditions: tuple[Condition, ...]
    groups: tuple[tuple[_All, ...], ...]


def parse_zql(text: str) -> list[Sentence]:
    """The sentences of a text, which semicolons part.

    >>> (one,) = parse_zql("query zone.uuid where name like 'a%' or uuid in ('1', '2') limit 5")
    >>> one.query.fields, one.query.limit, [str(t.conditions[0]) for t in one.query.where.groups[0]]
    (('uuid',), 5, ['name~=a%', 'uuid?=1,2'])

    Raises:
        BadRequest: the text is no such sentence, or is larger than we are ready to plan.
    """
    parser = _Parser(text)
    sentences = [parser.sentence()]
    while parser.accept(";"):
        if parser.ended:
            break
        sentences.append(parser.sentence())
        if len(sentences) > MAX_SENTENCES:
            raise BadRequest(f"a ZQL query has at most {MAX_SENTENCES} sentences")
    if not parser.ended:
        raise parser.expected("the end")
    return sentences


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadRequest(f"zql: {text[at:].strip()[:64]!r} is not understood")
        kind = found.lastgroup or ""
        value = found[kind]
        if kind == "text":
            value = re.sub(r"\\(['\"])", r"\1", value[1:-1])
        yield _Token(kind, value)
        at = found.end()
    yield _Token("end", "")


class _Parser:
    """Recursive descent; each method reads what it is named after."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._conditions = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    @property
    def ended(self) -> bool:
        return self._next.kind == "end"

    def accept(self, *words: str) -> bool:
        """Read these keywords if they come next."""
        coming = self._tokens[self._at : self._at + len(words)]
        if [token.word for token in coming] != list(words):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.expected(repr(" ".join(words)))

    def expected(self, wanted: str) -> BadRequest:
        found = repr(self._next.value[:64]) if not self.ended else "the end"
        return BadRequest(f"zql: {wanted} is expected where {found} is")

    def take(self, *kinds: str) -> str:
        token = self._next
        if token.kind not in kinds:
            raise self.expected(f"a {' or '.join(kinds)}")
        self._at += 1
        return token.value

    def sentence(self) -> Sentence:
        count = self.accept("count")
        if not count:
            self.expect("query")
        inventory, *fields = self.take("word").split(".")
        while self.accept(","):
            fields.append(self.take("word"))
        where = _tree(self._any(0)) if self.accept("where") else ALL
        with_total, group_by, sort, limit, start, name = False, None, None, MAX_ROWS, 0, None
        while not self.ended and self._next.word != ";":
            if self.accept("return", "with", "(", "total", ")"):
                with_total = True
            elif self.accept("group", "by"):
                group_by = self.take("word")
            elif self.accept("order", "by"):
                sort = self._order()
            elif self.accept("limit"):
                limit = min(MAX_ROWS, self._count())
            elif self.accept("offset"):
                start = self._count()
            elif self.accept("named", "as"):
                name = self.take("text", "word")
            else:
                raise self.expected("return with (total), group by, order by, limit, offset, named as or ;")
        return Sentence(
            Query(
                inventory,
                where,
                limit=limit,
                start=start,
                count=count,
                with_total=with_total,
                group_by=group_by,
                sort=sort,
                fields=tuple(dict.fromkeys(fields)),
            ),
            name,
        )

    def _order(self) -> Sort:
        field = self.take("word")
        if self.accept("desc"):
            return Sort(field, Direction.DESC)
        self.accept("asc")
        return Sort(field)

    def _count(self) -> int:
        text = self.take("number")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise BadRequest(f"zql: {text[:64]!r} is no number of rows")
        return int(text)

    def _any(self, level: int) -> _All:
        if level > MAX_LEVELS:
            raise BadRequest(f"zql: parentheses are at most {MAX_LEVELS} deep")
        alternatives = [self._all(level)]
        while self.accept("or"):
            alternatives.append(self._all(level))
        return alternatives[0] if len(alternatives) == 1 else _All((), (tuple(alternatives),))

    def _all(self, level: int) -> _All:
        conditions: list[Condition] = []
        groups: list[tuple[_All, ...]] = []
        while True:
            if self.accept("("):
                inner = self._any(level + 1)
                self.expect(")")
                conditions += inner.conditions
                groups += inner.groups
            else:
                conditions.append(self._condition())
            if not self.accept("and"):
                return _All(tuple(conditions), tuple(groups))

    def _condition(self) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise BadRequest(f"a query takes at most {MAX_CONDITIONS} conditions")
        path = tuple(self.take("word").split("."))
        if self.accept("is", "null"):
            return Condition(path, Op.IS_NULL)
        if self.accept("is", "not", "null"):
            return Condition(path, Op.NOT_NULL)
        known = _NEGATED if self.accept("not") else _PLAIN
        sign = self._next.word
        self._at += 1
        if sign == "in" and sign in known:
            return Condition(path, known[sign], self._list())
        if sign in known:
            return Condition(path, known[sign], self._value())
        if known is _PLAIN and sign in _SIGNS:
            return Condition(path, _SIGNS[sign], self._value())
        self._at -= 1
        raise self.expected("an operator")

    def _value(self) -> str:
        if self._next.kind == "word" and self._next.word not in ("true", "false"):
            raise self.expected("a value")
        return self.take("text", "number", "word")

    def _list(self) -> str:
        self.expect("(")
        values = [self._value()]
        while self.accept(","):
            values.append(self._value())
        self.expect(")")
        if any("," in value for value in values):
            raise BadRequest("zql: a value in a list must not have a comma")
        return ",".join(values)


def _tree(found: _All) -> Tree:
    tree = grow(found.conditions)
    return Tree(tree.conditions, tree.links, tuple(tuple(map(_tree, group)) for group in found.groups))
