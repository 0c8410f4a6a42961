"""The simulator's screen by itself: a client that reads late gets all that it has asked for."""

import asyncio
import socket
import struct

from viewer import HEIGHT, WIDTH

from zstack_mgmt.drivers.screen import Screen


async def read_update(reader: asyncio.StreamReader) -> int:
    """The number of lines in the next update."""
    kind, count = struct.unpack(">BxH", await reader.readexactly(4))
    assert kind == 0
    for _ in range(count):
        _, _, width, height, _ = struct.unpack(">HHHHi", await reader.readexactly(12))
        await reader.readexactly(4 * width * height)
    return count


def wish(*, incremental: bool) -> bytes:
    return struct.pack(">BBHHHH", 3, incremental, 0, 0, WIDTH, HEIGHT)


async def test_a_wish_while_lines_are_being_sent_is_not_forgotten() -> None:
    """With little room between the two, the second wish comes in the midst of an update."""
    said = ["a"] * 12

    async def describe() -> list[str]:
        return list(said)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Screen(reader, writer, describe).serve()

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    calling = socket.socket()
    calling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    calling.setblocking(False)
    async with await asyncio.start_server(serve, sock=listening), asyncio.timeout(20):
        await asyncio.get_running_loop().sock_connect(calling, listening.getsockname())
        reader, writer = await asyncio.open_connection(sock=calling, limit=4096)
        await reader.readexactly(12)
        writer.write(b"RFB 003.008\n\x01\x01")
        await reader.readexactly(2 + 4 + 24 + 1)
        writer.write(wish(incremental=False))
        assert await read_update(reader) == 20
        writer.write(wish(incremental=True))  # there is nothing new
        said[:] = ["b"] * 12
        assert (await reader.readexactly(4))[0] == 0  # now there is, and its lines are on their way
        writer.write(wish(incremental=False))
        for _ in range(12):
            _, _, width, height, _ = struct.unpack(">HHHHi", await reader.readexactly(12))
            await reader.readexactly(4 * width * height)
        assert await read_update(reader) == 20
        writer.close()
