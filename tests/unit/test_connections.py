"""Connections have a type: one that is Any would take any text as a statement."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("conn", "_conn")


def untyped(source: str) -> list[int]:
    """The lines on which a connection is declared Any."""
    lines: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        else:
            continue
        kind = node.annotation
        if name in NAMES and kind and any(getattr(part, "id", "") == "Any" for part in ast.walk(kind)):
            lines.append(node.lineno)
    return lines


def test_no_connection_is_any() -> None:
    files = [path for folder in ("zstack_mgmt", "workers") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): untyped(path.read_text()) for path in files}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_what_is_refused() -> None:
    assert untyped("def f(conn: Any): ...") == [1]
    assert untyped("async def f(conn: Any | None): ...") == [1]
    assert untyped("conn: Any = g()") == [1]
    assert untyped("def f(conn: Connection, other: Any): ...") == []
