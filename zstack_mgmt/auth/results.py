"""Secrets in the results of jobs: sealed where results are kept, clear where those who asked read them.

A sealed one opens in the result of its own job only, so a text that merely looks like one stays what it is.
"""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

from zstack_mgmt.auth.secrets import SealError
from zstack_mgmt.core.registry import Sealer

_MARK = "sealed:"
_SEALED = re.compile(rf'"{_MARK}([^"\\]+)"')


def kept(sealer: Sealer, job_uuid: str, clear: str) -> str:
    """What a handler puts into its result in place of the secret."""
    return _MARK + sealer.seal(clear, _context(job_uuid))


def shown(sealer: Sealer, job_uuid: str, result: str) -> str:
    """The result, a JSON text, with its secrets in clear."""

    def opened(found: re.Match[str]) -> str:
        try:
            return orjson.dumps(sealer.open(found[1], _context(job_uuid))).decode()
        except SealError:
            return found[0]

    return _SEALED.sub(opened, result) if _MARK in result else result


def renewed(sealer: Sealer, job_uuid: str, result: str) -> str | None:
    """The result with its secrets under the key that seals now; None: they are already."""

    def anew(found: re.Match[str]) -> str:
        try:
            text = sealer.renewed(found[1], _context(job_uuid))
        except SealError:
            return found[0]
        return found[0] if text is None else f'"{_MARK}{text}"'

    changed = _SEALED.sub(anew, result)
    return None if changed == result else changed


def withheld(result: str) -> str:
    """The result, a JSON text, without the fields that hold secrets."""
    return orjson.dumps(_without(orjson.loads(result))).decode() if _SEALED.search(result) else result


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value).items()
    return {k: _without(item) for k, item in fields if not (isinstance(item, str) and item.startswith(_MARK))}


def _context(job_uuid: str) -> str:
    return f"result:{job_uuid}"
