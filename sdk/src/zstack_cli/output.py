"""Answers on the terminal or in a pipe: JSON, table, CSV or YAML."""

from __future__ import annotations

import csv
import json
from typing import Any, TextIO, cast

FORMATS = ("json", "table", "csv", "yaml")
_LISTS = ("inventories", "usages", "candidates")
_LEAST_CELLS = 8  # of a column; with less for each, rows are shown one below the other


def show(body: dict[str, Any], form: str, out: TextIO, *, colour: bool) -> None:
    """Write an answer. Colour is for terminals only."""
    body = {name: value for name, value in body.items() if name != "schema"}
    match form:
        case "csv":
            _csv(_rows(body), out)
        case "table":
            _table(body, out, colour=colour)
        case "yaml":
            import yaml

            yaml.safe_dump(body, out, allow_unicode=True, sort_keys=False)
        case _:
            text = json.dumps(body, indent=2, ensure_ascii=False)
            if colour:
                from rich.console import Console

                Console(file=out).print_json(text)
            else:
                out.write(text + "\n")
    out.flush()


def _rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an answer: of a list its elements, else the one thing that it has."""
    for name in _LISTS:
        if isinstance(body.get(name), list):
            rows = cast("list[Any]", body[name])
            return [row if isinstance(row, dict) else {name: row} for row in rows]
    inventory = body.get("inventory")
    return [cast("dict[str, Any]", inventory) if isinstance(inventory, dict) else body] if body else []


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _csv(rows: list[dict[str, Any]], out: TextIO) -> None:
    columns = _columns(rows)
    writer = csv.writer(out, lineterminator="\n")
    if columns:
        writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])


def _table(body: dict[str, Any], out: TextIO, *, colour: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=out, no_color=not colour, highlight=False)
    rows = _rows(body)
    columns = _columns(rows)
    is_list = any(isinstance(body.get(name), list) for name in _LISTS)
    if is_list and len(columns) * (_LEAST_CELLS + 3) <= console.width:
        table = Table(*columns, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in table.columns:
            column.overflow = "fold"  # a uuid that is cut short is of no use
        for row in rows:
            table.add_row(*(_cell(row.get(name)) for name in columns))
        console.print(table)
    else:
        for i, row in enumerate(rows):
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(style="bold", overflow="fold")
            table.add_column(overflow="fold")
            for name, value in row.items():
                table.add_row(name, _cell(value))
            if i:
                console.print()
            console.print(table)
    if "total" in body:
        console.print(f"total {body['total']}")
