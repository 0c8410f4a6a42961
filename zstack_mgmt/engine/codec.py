"""The serialiser of everything that passes through arq: JSON, because whoever can write to Redis could run
code with pickle.
"""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, default=repr)


def loads(data: bytes) -> dict[str, Any]:
    return orjson.loads(data)
