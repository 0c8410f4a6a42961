"""What is known of each API: read once from `apis.json`, which `make docs` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an API.

    Attributes:
        place: path, query or body.
        kind: string, integer, number, boolean, array, object.
        values: all it can be, of an enumeration.
        doc: its limits and meaning.
    """

    name: str
    place: str
    kind: str
    required: bool
    values: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """One API. Paths follow `/zstack/v1`."""

    name: str
    feature: str
    method: str
    path: str
    mode: str  # job, sync, cancel, poll, stream
    access: str  # public, admin, account, user, session
    body_key: str
    summary: str
    parameters: tuple[Parameter, ...]
    value: str  # the class of the answer
    parts: dict[str, str] | None = (
        None  # field of the answer -> class of what it holds, if the class knows none
    )
    query: str = ""  # the inventory that a Query API answers with

    @property
    def is_repeatable(self) -> bool:
        """Whether a call whose answer was lost can be sent again: jobs have their uuids, other POSTs none."""
        return self.mode == "job" or self.method != "POST"


@cache
def data() -> dict[str, Any]:
    """The whole file: `apis`, `inventories` with their fields and links, `queryParameters`, `codes`."""
    return json.loads(Path(__file__).with_name("apis.json").read_bytes())


@cache
def api_of(name: str) -> Api:
    """An API by its name, `CreateZone`. Raises KeyError for an unknown one."""
    entry: dict[str, Any] = data()["apis"][name]
    parameters = entry.get("params", []) if "query" not in entry else data()["queryParameters"]
    return Api(
        name=name,
        feature=entry["feature"],
        method=entry["method"],
        path=entry["path"],
        mode=entry["mode"],
        access=entry["access"],
        body_key=entry.get("body", ""),
        summary=entry["summary"],
        parameters=tuple(
            Parameter(
                p["name"],
                p["in"],
                p["type"],
                p.get("required", False),
                tuple(p.get("values", ())),
                p.get("doc", ""),
            )
            for p in parameters
        ),
        value=entry["value"],
        parts=entry.get("parts"),
        query=entry.get("query", ""),
    )


def names() -> list[str]:
    """The names of all APIs."""
    return list(data()["apis"])
