"""One exchange over HTTP, as both transports know it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from zstack_sdk.errors import UnexpectedReply


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `target` is the path with its query, as it is sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None = None
    timeout_s: float = 60.0
    repeatable: bool = True  # whether it can be sent again when its answer was lost


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises UnexpectedReply when it is none."""
        try:
            value: Any = json.loads(self.body) if self.body.strip() else {}
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise UnexpectedReply(f"status {self.status} with no JSON object: {self.body[:200]!r}")
        return cast("dict[str, Any]", value)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long before going on."""

    seconds: float
