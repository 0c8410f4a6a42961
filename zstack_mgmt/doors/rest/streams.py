"""Answers that go on: large pages and events. What goes wrong in one cuts the connection."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress

from aiohttp import web

from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.core.answer import JsonText
from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.doors.trace import SERVICE, TRACE
from zstack_mgmt.jobs.reading import JobEvent

_PIECE_S = 5.0  # the longest that a reader may take none of a piece
_PAGE_S = 60.0  # and the longest that it may take for a whole page
_HEARTBEAT_S = 15.0
_RETRY_S = 5


class Streams:
    """Counts the event streams of each account and of each address in one process."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.max_account_streams, settings.max_streams_per_address
        self._open: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one(self, account_uuid: str, address: str) -> Generator[None]:
        """Be one of them for the time of a block. Raises TooBusy when there are too many."""
        mine = ("account", account_uuid), ("address", address)
        for who, limit in zip(mine, self._limits, strict=True):
            if self._open[who] >= limit:
                raise TooBusy(f"the {who[0]} follows {limit} jobs already", retry_after_s=_RETRY_S)
        self._open.update(mine)
        try:
            yield
        finally:
            self._open -= Counter(mine)  # keeps none that are at 0


STREAMS = web.AppKey("streams", Streams)


@asynccontextmanager
async def _body(request: web.Request, headers: dict[str, str]) -> AsyncGenerator[web.StreamResponse]:
    """A body that the block writes; an error in it cuts the connection: no part passes for a whole."""
    reply = web.StreamResponse(headers=headers | request[TRACE].headers())
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
    """Server-sent events until the job has ended; `still_open` raises when its session or key has.

    They end sooner when the process stops: a reader connects again, after the last event that it has seen.
    """
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    async with _body(request, headers) as reply:
        beat = time.monotonic()
        async for event in events:
            if request.transport is None:
                raise ConnectionResetError("the reader has left")
            if request.app[SERVICE].watcher.leaving:
                break  # whole, so that the reader comes again, to another process
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
