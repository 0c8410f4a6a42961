"""Queries on one connection of the test: what `query.reader` does with a pool's."""

from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from zstack_mgmt.query import run
from zstack_mgmt.query.parser import Query
from zstack_mgmt.query.plan import Scope


def stream(conn: Any, query: Query, scope: Scope, zone: ZoneInfo) -> AsyncGenerator[bytes]:
    """The pieces of a large page."""
    return run.pieces(lambda: nullcontext(conn), query, scope, zone)


async def answer_bytes(conn: Any, query: Query, scope: Scope, zone: ZoneInfo) -> bytes:
    """The body of the answer."""
    if run.is_small(query):
        return orjson.dumps(await run.run(conn, query, scope, zone))
    return b"".join([piece async for piece in stream(conn, query, scope, zone)])
