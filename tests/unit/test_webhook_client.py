"""Connections that the webhook client keeps, and those that it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
import yarl

from zstack_mgmt.config import Settings
from zstack_mgmt.tasks import end
from zstack_mgmt.webhooks.client import Client
from zstack_mgmt.webhooks.dialler import Trail

SETTINGS = Settings(webhook_allow=(ip_network("127.0.0.0/8"),), webhook_concurrency=4)


@dataclass
class Counter:
    """A receiver that counts its connections and hangs up on none."""

    reply: bytes
    url: str = ""
    served: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def open(self) -> int:
        return sum(not task.done() for task in self.served)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing(writer):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.reply)

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.append(asyncio.create_task(self.serve(reader, writer)))


@asynccontextmanager
async def counter(reply: bytes) -> AsyncIterator[Counter]:
    made = Counter(reply)
    server = await asyncio.start_server(made.begin, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield made
    await end(*made.served)


async def post(client: Client, to: Counter) -> None:
    await client.post(yarl.URL(to.url), {}, b"", Trail())


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", 3),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 3),
        (b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", 3),
        (b"HTTP/1.0 204 No Content\r\n\r\n", 3),
    ],
)
async def test_a_connection_is_used_again_when_the_receiver_keeps_it(reply, connections):
    client = Client(SETTINGS)
    async with counter(reply) as sink:
        for _ in range(3):
            await post(client, sink)
        client.close()
    assert len(sink.served) == connections


async def test_no_more_connections_are_kept_than_deliveries_go_out_at_a_time_and_the_oldest_go_first():
    client = Client(SETTINGS)
    async with AsyncExitStack() as stack, asyncio.timeout(5):
        replies = (b"HTTP/1.1 204 No Content\r\n\r\n",) * 7
        sinks = [await stack.enter_async_context(counter(reply)) for reply in replies]
        for sink in sinks:
            await post(client, sink)
        while any(sink.open for sink in sinks[:3]):
            await asyncio.sleep(0.01)
        assert [sink.open for sink in sinks] == [0, 0, 0, 1, 1, 1, 1]
        await post(client, sinks[3])
        assert len(sinks[3].served) == 1
        client.close()
