"""Answers that go on: large pages and events. What goes wrong in one cuts the connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

from aiohttp import web

from zstack_mgmt import db
from zstack_mgmt.core.answer import JsonText
from zstack_mgmt.doors.trace import TRACE
from zstack_mgmt.jobs.reading import JobEvent

_PIECE_S = 5.0  # the longest that a reader may take none of a piece
_PAGE_S = 60.0  # and the longest that it may take for a whole page
_HEARTBEAT_S = 15.0


@asynccontextmanager
async def _body(request: web.Request, headers: dict[str, str]) -> AsyncGenerator[web.StreamResponse]:
    """A body that the block writes; an error in it cuts the connection: no part passes for a whole."""
    reply = web.StreamResponse(headers=headers | {"X-Request-ID": request[TRACE].request_id})
    await reply.prepare(request)
    request[TRACE].open_body = reply
    yield reply
    await reply.write_eof()
    request[TRACE].open_body = None


async def send_text(request: web.Request, text: JsonText) -> web.StreamResponse:
    """A page in pieces. No connection to the database waits for the reader."""
    async with (
        aclosing(text.rest),
        asyncio.timeout(_PAGE_S),
        _body(request, {"Content-Type": "application/json"}) as reply,
    ):
        await _write(reply, text.first)
        async for piece in text.rest:
            await _write(reply, piece)
    return reply


async def send_events(
    request: web.Request, events: AsyncIterator[JobEvent | None], still_open: Callable[[], Awaitable[object]]
) -> web.StreamResponse:
    """Server-sent events until the job has ended; `still_open` raises when the session has."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    async with _body(request, headers) as reply:
        beat = time.monotonic()
        async for event in events:
            if event is not None:
                await _write(reply, f"id: {event.id}\nevent: {event.name}\ndata: {event.data}\n\n".encode())
            elif time.monotonic() - beat >= _HEARTBEAT_S:
                await _write(reply, b": heartbeat\n\n")
            else:
                with suppress(*db.UNAVAILABLE):  # the stream outlives an absence of the database
                    await still_open()
                continue
            beat = time.monotonic()
    return reply


async def _write(reply: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(_PIECE_S):
        await reply.write(piece)
