"""Attributes that only clients give a meaning to: kept beside resources, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson

from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.db import Connection
from zstack_mgmt.doc import Bound, Doc

MAX_EXTRAS: Annotated[
    int,
    Doc("attributes of a resource on `/v3` that this service does not know"),
    Bound("BadRequest"),
] = 64
MAX_EXTRA_BYTES: Annotated[int, Doc("bytes of these together, as JSON"), Bound("BadRequest")] = 16 * 1024


def excess_of(extra: Mapping[str, Any]) -> str:
    """What is too much about the attributes; empty: nothing."""
    if len(extra) > MAX_EXTRAS:
        return f"at most {MAX_EXTRAS} unknown attributes are kept"
    if len(orjson.dumps(extra)) > MAX_EXTRA_BYTES:
        return f"unknown attributes may have {MAX_EXTRA_BYTES} bytes together"
    return ""


def extended(stored: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The stored attributes with those given in a change. Raises OperationError when they are too much."""
    extra = {**orjson.loads(stored), **given}
    if excess := excess_of(extra):
        raise OperationError(excess)
    return extra


async def keep_extras(
    conn: Connection, uuid: str, extra: Mapping[str, Any], tags: Sequence[str] = ()
) -> None:
    """Set those of a domain or a group, which have no columns of their own for them."""
    await conn.execute(
        """
        INSERT INTO resource_extras (resource_uuid, extra, tags) VALUES ($1, $2::text::jsonb, $3)
        ON CONFLICT (resource_uuid) DO UPDATE SET extra = EXCLUDED.extra, tags = EXCLUDED.tags
        """,
        uuid,
        orjson.dumps(extra).decode(),
        tags,
    )
