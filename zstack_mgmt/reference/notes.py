"""What the source says beside a field: its docstring, the comment on its line, or the docstring of its type.

A field is described once, where it is declared; documents quote that sentence.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from functools import cache
from itertools import pairwise
from pathlib import Path

from zstack_mgmt.core import values

_PRAGMAS = ("noqa", "pyright:", "type:")


@cache
def field_notes(kind: type) -> dict[str, str]:
    """Attribute -> the sentence beside it, in the class and in those it inherits from.

    >>> from zstack_mgmt.config import Settings
    >>> field_notes(Settings)["time_zone"]
    'zone of the dates in zstack/v1 replies'
    """
    notes: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("zstack_mgmt."):
            notes.update(_own_notes(base))
    return notes


def _own_notes(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # made at run time, as the requests of the Query APIs are
        return {}
    body = ast.parse(source).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    comments = _comments(source)
    notes: dict[str, str] = {}
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            docstring = _text_of(after)
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            beside = " ".join(comments[line] for line in lines if line in comments)
            note = docstring or beside or _of_type(node.annotation)
            if note:
                notes[node.target.id] = note
    return notes


def _of_type(annotation: ast.expr) -> str:
    names = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)]
    return next((_type_notes()[name] for name in names if name in _type_notes()), "")


@cache
def _type_notes() -> dict[str, str]:
    """What stands below the field types that requests share."""
    body = ast.parse(Path(values.__file__).read_text("utf-8")).body
    return {
        node.targets[0].id: _text_of(after)
        for node, after in pairwise(body)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _text_of(after)
    }


def _text_of(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""


def _comments(source: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string.lstrip("# ").rstrip()
        if token.type == tokenize.COMMENT and not text.startswith(_PRAGMAS):
            found[token.start[0]] = text
    return found
