"""A load generator that costs little: raw HTTP/1.1 over kept connections, answers only counted and timed.

    python load.py HOST PORT CONNECTIONS SECONDS REQUEST_FILE     one request in flight per connection

Prints one JSON line: requests, failures (status 4xx or 5xx), seconds, rate, p50_ms, p99_ms.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self.request = request
        self.until = until
        self.times = times
        self.failures = 0
        self.buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        now = time.perf_counter()
        self.times.append(now - self.started)
        self.failures += head[9:10] in b"45"
        if now < self.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def main(host: str, port: int, connections: int, seconds: float, request: bytes) -> None:
    times: list[float] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(request, started + seconds, times), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(one.done for one in made))
    took = time.perf_counter() - started
    times.sort()
    print(
        json.dumps(
            {
                "requests": len(times),
                "failures": sum(one.failures for one in made),
                "seconds": took,
                "rate": len(times) / took,
                "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[int(len(times) * 0.99)] * 1000,
            }
        )
    )


if __name__ == "__main__":
    address, port, connections, seconds, file = sys.argv[1:]
    uvloop.run(main(address, int(port), int(connections), float(seconds), Path(file).read_bytes()))
