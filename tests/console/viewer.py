"""A console proxy agent, and clients of the consoles at it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from world import World

from app import Answer, Client

WIDTH, HEIGHT = 640, 400


async def ask(world: World, vm: Any, client: Client | None = None, **params: Any) -> Answer:
    """The answer to RequestConsoleAccess."""
    body = {"params": {"vmInstanceUuid": vm["uuid"], **params}}
    return await (client or world.admin).job("POST", "/consoles", body)


def url_of(access: Any) -> str:
    """Where the browser's WebSocket goes."""
    return f"ws://{access['hostname']}:{access['port']}/?token={access['token']}"


@asynccontextmanager
async def opened(
    world: World, access: Any, *, http: aiohttp.ClientSession | None = None, **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The console that the answer to RequestConsoleAccess opens."""
    async with (http or world.service.http).ws_connect(
        url_of(access), protocols=("binary",), **options
    ) as ws:
        yield ws


async def closing_reason(
    ws: aiohttp.ClientWebSocketResponse, timeout_s: float = 20
) -> tuple[int | None, str]:
    """Read until the other side closes: the code and its words."""
    async with asyncio.timeout(timeout_s):
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra or ""
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return ws.close_code, ""


class Viewer:
    """A VNC client on a WebSocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._kept = b""
        self.name = ""
        self.pixels = bytearray(4 * WIDTH * HEIGHT)

    async def _read(self, count: int) -> bytes:
        while len(self._kept) < count:
            message = await self._ws.receive(timeout=20)
            assert message.type is aiohttp.WSMsgType.BINARY, (message, self._ws.close_code)
            self._kept += message.data
        data, self._kept = self._kept[:count], self._kept[count:]
        return data

    async def greet(self) -> None:
        """Shake hands as RFB 3.8 without a password."""
        assert await self._read(12) == b"RFB 003.008\n"
        await self._ws.send_bytes(b"RFB 003.008\n")
        assert await self._read(2) == b"\x01\x01"
        await self._ws.send_bytes(b"\x01")
        assert await self._read(4) == bytes(4)
        await self._ws.send_bytes(b"\x01")
        width, height, *_, length = struct.unpack(">HH16sI", await self._read(24))
        assert (width, height) == (WIDTH, HEIGHT)
        self.name = (await self._read(length)).decode()

    async def update(self, *, incremental: bool = True) -> int:
        """Ask for what is new on the screen, and wait for it: the number of rectangles."""
        await self._ws.send_bytes(struct.pack(">BBHHHH", 3, incremental, 0, 0, WIDTH, HEIGHT))
        kind, count = struct.unpack(">BxH", await self._read(4))
        assert kind == 0
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack(">HHHHi", await self._read(12))
            assert (x, width, encoding) == (0, WIDTH, 0)
            start = 4 * WIDTH * y
            self.pixels[start : start + 4 * width * height] = await self._read(4 * width * height)
        return count

    async def press(self, text: str) -> None:
        """Type."""
        for character in text:
            key = 0xFF0D if character == "\n" else ord(character)
            for down in (1, 0):
                await self._ws.send_bytes(struct.pack(">BBxxI", 4, down, key))
