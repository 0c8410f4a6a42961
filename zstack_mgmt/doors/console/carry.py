"""Carrying the bytes of one console between a browser's WebSocket and the console.

Each direction reads no more than it can pass on: a fast guest and a slow browser hold a few buffers, no more.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from aiohttp import WSMsgType, web

from zstack_mgmt import tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.console.agent import Visit
from zstack_mgmt.doc import Bound, Doc
from zstack_mgmt.drivers.protocol import Console

MAX_MESSAGE_BYTES: Annotated[
    int, Doc("bytes of one WebSocket message to a console; a longer one closes it (1009)"), Bound()
] = 256 * 1024
_CHUNK_BYTES = 64 * 1024
_HANG_UP_S = 2.0
GONE = 1000
REFUSED = 4001
ENDED = 4002
_MAX_REASON_BYTES = 123


class Meter:
    """How much one console has carried, and when it last did."""

    def __init__(self, settings: Settings, visit: Visit) -> None:
        self._idle_s = settings.console_idle_s
        self._most = settings.console_max_bytes
        self._visit = visit
        self._moved_at = time.monotonic()
        self.bytes = 0

    def count(self, number: int) -> None:
        """Note bytes that were carried, either way."""
        self._moved_at = time.monotonic()
        self.bytes += number
        if self.bytes > self._most:
            self._visit.end(f"it has carried {self._most} bytes, which is the limit")

    async def idle(self) -> None:
        """End the visit when nothing has moved for long enough."""
        left = self._idle_s
        while left > 0:
            await asyncio.sleep(left)
            left = self._moved_at + self._idle_s - time.monotonic()
        self._visit.end(f"nothing has moved for {self._idle_s:g} s")


async def carry(ws: web.WebSocketResponse, console: Console, visit: Visit, settings: Settings) -> int:
    """Carry until either side goes or the visit ends, then close with the reason; returns how many bytes."""
    meter = Meter(settings, visit)
    carrying = (
        asyncio.create_task(_to_guest(ws, console, meter)),
        asyncio.create_task(_to_browser(ws, console, meter)),
    )
    idle, told = asyncio.create_task(meter.idle()), asyncio.create_task(visit.ended.wait())
    try:
        await asyncio.wait((*carrying, idle, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.end(*carrying, idle, told)
    await hang_up(ws, ENDED if visit.reason else GONE, visit.reason or "the console has closed")
    return meter.bytes


async def hang_up(ws: web.WebSocketResponse, code: int, reason: str) -> None:
    """Close the WebSocket, and the connection under it even if nobody reads."""
    message = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore").encode()
    try:
        async with asyncio.timeout(_HANG_UP_S):
            await ws.close(code=code, message=message)
    except (TimeoutError, ConnectionError):
        pass


async def _to_guest(ws: web.WebSocketResponse, console: Console, meter: Meter) -> None:
    async for message in ws:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            return
        data: bytes = message.data if message.type is WSMsgType.BINARY else message.data.encode()
        try:
            console.writer.write(data)
            await console.writer.drain()
        except OSError:
            return
        meter.count(len(data))


async def _to_browser(ws: web.WebSocketResponse, console: Console, meter: Meter) -> None:
    try:
        while data := await console.reader.read(_CHUNK_BYTES):
            await ws.send_bytes(data)
            meter.count(len(data))
    except OSError:  # either side is gone
        return
