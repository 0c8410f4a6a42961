"""The examples of the documentation: per feature a short story of calls, kept in its `examples.json`.

tests/docs plays each story against a running service and compares the answers with the recorded ones, in
which uuids, dates and other values of the moment are replaced. docs/contributing.md says how to add one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from zstack_mgmt.features import FOLDERS

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
ORIGIN = "http://127.0.0.1:8080"
FIXED = {
    "origin": ORIGIN,
    "receiver": "http://127.0.0.1:8989",
    "directory": "ldap://ldap.example.com",
    "admin": "36c27e8ff05c4780bf6d2fa65700f22e",
}
"""Variables that every story may use, as the pages show them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a story. `{name}` in path, headers and body stands for a variable.

    Args:
        api: what the call is the example of; empty for one that prepares another.
        call: method and path below `/zstack/v1`.
        session: the variable with the session's uuid, `root` for the administrator's; empty: none is sent.
        keep: variable -> where its value is in the answer, `inventory.uuid`; `@job` is the job's uuid.
        accepted: the example ends with the 202; its job is not polled.
        until: place in the answer -> value; the call is repeated until they agree.
        trim: longer lists of the answer are cut after two items.
        hold: lock this table until the story's next `hold`, so that jobs stay unfinished; empty text: let go.
    """

    call: str
    api: str = ""
    session: str = "root"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    keep: dict[str, str] = field(default_factory=dict[str, str])
    accepted: bool = False
    until: dict[str, Any] = field(default_factory=dict[str, Any])
    trim: bool = False
    hold: str | None = None
    status: int = 0
    answer: Any = None

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.call.partition(" ")[2]


def load_story(feature: str) -> list[Step]:
    """The steps of a feature's story; none if it has no examples."""
    source = files("zstack_mgmt").joinpath(FOLDERS[feature], "examples.json")
    return [Step(**step) for step in json.loads(source.read_text("utf-8"))] if source.is_file() else []


def shown_uuid(name: str) -> str:
    """The uuid that stands for a variable, always the same.

    >>> shown_uuid("zone")
    '543e33c48b3c43d3a3ef151358533bc2'
    """
    digits = hashlib.sha256(name.encode()).hexdigest()
    return f"{digits[:12]}4{digits[13:16]}a{digits[17:32]}"


def shown(value: Any) -> Any:
    """The text or JSON value as the pages show it: each variable replaced by a fixed value."""

    def of(name: str) -> str:
        return FIXED.get(name) or shown_uuid(name)

    return fill(value, of)


def fill(value: Any, of: Callable[[str], str]) -> Any:
    """The value with each `{name}` in its texts replaced by `of(name)`."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: of(match[1]), value)
    if isinstance(value, list):
        return [fill(item, of) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: fill(item, of) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
