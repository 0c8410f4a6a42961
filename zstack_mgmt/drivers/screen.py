"""The consoles of simulated VMs: a screen for VNC clients, and a serial line.

Both tell the VM's name and state, and give back what is typed.

The screen speaks RFB 3.8 (RFC 6143) without a password, and sends raw pixels of the lines that have changed.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from zstack_mgmt import tasks
from zstack_mgmt.drivers import glyphs

Describe = Callable[[], Awaitable[Sequence[str] | None]]
"""What is to be read of the VM, line by line; None when it does not run any more."""

WIDTH, HEIGHT = 640, 400  # pixels
_CELL_WIDTH, _CELL_HEIGHT = 12, 20
_COLUMNS, _ROWS = WIDTH // _CELL_WIDTH, HEIGHT // _CELL_HEIGHT
_MARGIN = 1  # cells
_LOOK_S = 0.5
_MAX_TYPED = 256  # characters
_MAX_CLIPBOARD = 64 * 1024  # bytes
_RETURN, _BACKSPACE = (0xFF0D, 0xFF8D), 0xFF08
_UNICODE = 0x01000000


class Refused(Exception):
    """The client says what RFB does not know, or asks for what this screen cannot do."""


@dataclass(frozen=True)
class Pixels:
    """How the client wants pixels: of these two colours only, so each is made once."""

    background: bytes
    ink: bytes

    @classmethod
    def of(cls, form: bytes) -> Pixels:
        """Of the 16 bytes of a PIXEL_FORMAT. Raises Refused for one with a colour map."""
        bits, _, big, true, *channels = struct.unpack(">BBBBHHHBBB3x", form)
        if bits not in (8, 16, 32) or not true:
            raise Refused(f"pixels of {bits} bits, or colours by number")
        maxima, shifts = channels[:3], channels[3:]

        def pixel(*colour: int) -> bytes:
            value = sum(
                (part * most // 255) << shift
                for part, most, shift in zip(colour, maxima, shifts, strict=True)
            )
            return (value & (1 << bits) - 1).to_bytes(bits // 8, "big" if big else "little")

        return cls(pixel(16, 24, 38), pixel(214, 226, 240))

    def row(self, text: str) -> bytes:
        """The pixels of a line of text, over the whole width of the screen."""
        columns = b"".join(glyphs.columns_of(character) + b"\0" for character in text[:_COLUMNS])
        rest = self.background * (WIDTH - 2 * len(columns))
        lines = [self._blank] * 3
        for bit in range(glyphs.HEIGHT):
            dots = (self.ink if column >> bit & 1 else self.background for column in columns)
            lines += [b"".join(2 * dot for dot in dots) + rest] * 2
        return b"".join((*lines, *[self._blank] * 3))

    @cached_property
    def _blank(self) -> bytes:
        return self.background * WIDTH


_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Screen:
    """One client's view of a VM's screen."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, describe: Describe
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._describe = describe
        self._pixels = Pixels.of(_FORMAT)
        self._said: Sequence[str] = ()
        self._typed = ""
        self._sent: dict[int, str] = {}  # by row
        self._wanted = False
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Show it until the client goes or the VM ends."""
        try:
            self._said = await self._describe() or ()
            await self._greet()
            looking = asyncio.create_task(self._look())
            hearing = asyncio.create_task(self._hear())
            try:
                await asyncio.wait((looking, hearing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await tasks.end(looking, hearing)
        except (Refused, OSError, asyncio.IncompleteReadError, struct.error):
            pass  # whoever is at the other end sees it closed
        finally:
            self._writer.close()

    async def _greet(self) -> None:
        self._writer.write(b"RFB 003.008\n")
        version = await self._read(12)
        if version[:8] != b"RFB 003.":
            raise Refused("no RFB")
        old = version[8:11] < b"007"
        self._writer.write(struct.pack(">I", 1) if old else b"\x01\x01")  # no password
        if not old:
            if await self._read(1) != b"\x01":
                raise Refused("another kind of security")
            if version[8:11] >= b"008":
                self._writer.write(bytes(4))  # accepted
        await self._read(1)  # whether the client shares the screen, as all do
        name = (self._said[0] if self._said else "").encode()[:255]
        self._writer.write(struct.pack(">HH", WIDTH, HEIGHT) + _FORMAT + struct.pack(">I", len(name)) + name)
        await self._writer.drain()

    async def _look(self) -> None:
        while True:
            said = await self._describe()
            if said is None:
                return
            self._said = said
            await self._send()
            await asyncio.sleep(_LOOK_S)

    async def _hear(self) -> None:
        while True:
            match (await self._read(1))[0]:
                case 0:
                    self._pixels = Pixels.of((await self._read(19))[3:])
                    self._sent.clear()
                case 2:
                    (count,) = struct.unpack(">xH", await self._read(3))
                    await self._read(4 * count)  # every client knows raw pixels
                case 3:
                    incremental = (await self._read(9))[0]
                    if not incremental:
                        self._sent.clear()
                    self._wanted = True
                case 4:
                    down, key = struct.unpack(">B2xI", await self._read(7))
                    if down:
                        self._press(key)
                case 5:
                    await self._read(5)
                case 6:
                    (length,) = struct.unpack(">3xI", await self._read(7))
                    if length > _MAX_CLIPBOARD:
                        raise Refused("so long a clipboard")
                    await self._read(length)
                case other:
                    raise Refused(f"message {other}")
            await self._send()

    async def _read(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    def _press(self, key: int) -> None:
        if key in _RETURN:
            self._typed += "\n"
        elif key == _BACKSPACE:
            self._typed = self._typed[:-1]
        elif 0x20 <= key <= 0xFF:
            self._typed += chr(key)
        elif _UNICODE < key < _UNICODE + 0x110000:
            self._typed += chr(key - _UNICODE)
        self._typed = self._typed[-_MAX_TYPED:]

    async def _send(self) -> None:
        """Answer the client's wish for news, if there are some: a line at a time, as the client takes them.

        The screen as a whole has a megabyte, which nobody should hold for a client that does not read.
        """
        async with self._sending:
            if not self._wanted:
                return
            rows, pixels = self._rows(), self._pixels
            changed = [number for number, text in enumerate(rows) if self._sent.get(number) != text]
            if not changed:
                return
            # Before the first line: what the client wishes while lines are sent is a wish for the next time.
            self._sent = dict(enumerate(rows))
            self._wanted = False
            self._writer.write(struct.pack(">BxH", 0, len(changed)))
            for number in changed:
                where = struct.pack(">HHHHi", 0, number * _CELL_HEIGHT, WIDTH, _CELL_HEIGHT, 0)
                self._writer.write(where + pixels.row(rows[number]))
                await self._writer.drain()

    def _rows(self) -> list[str]:
        room = _COLUMNS - 2 * _MARGIN
        typed = [
            line[start : start + room]
            for line in f"{self._typed}_".split("\n")
            for start in range(0, max(len(line), 1), room)
        ]
        lines = ["", *self._said, "", "Keys come back here:", ""]
        lines += typed[-(_ROWS - len(lines)) :]
        return [" " * _MARGIN + line[:room] for line in lines] + [""] * (_ROWS - len(lines))


async def serve_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, describe: Describe) -> None:
    """Be a serial line until the client goes or the VM ends: it tells what the VM is, and echoes."""
    hearing = asyncio.create_task(_echo(reader, writer))
    try:
        said = await describe()
        if said is not None:
            writer.write("".join(f"{line}\r\n" for line in said).encode() + b"\r\n> ")
        while said is not None and not hearing.done():
            await asyncio.wait((hearing,), timeout=_LOOK_S)
            said = await describe()
    finally:
        await tasks.end(hearing)
        writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(4096):
            data = data.replace(b"\x7f", b"\b \b").replace(b"\r", b"\r\n> ")
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
