"""Receivers of webhooks: real HTTP servers on the loopback interface that do what a test tells them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    """One request as it came in."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What a receiver saw, and what it does next."""

    port: int = 0
    behaviour: Behaviour | None = None
    requests: list[Received] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        return [r.headers["webhook-id"] for r in self.requests]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = await request.read()
            headers = {name.lower(): value for name, value in request.headers.items()}
            at = asyncio.get_running_loop().time()
            self.requests.append(Received(at, request.path_qs, headers, body))
            if self.behaviour is not None:
                return await self.behaviour(request)
            return web.Response(text="thanks")
        finally:
            self.in_flight -= 1

    async def wait_for(self, count: int, timeout_s: float = 10) -> None:
        """Until so many requests have come in."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < count:
                await asyncio.sleep(0.01)


def replying(*statuses: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer with these statuses in turn, the last one for ever."""
    left = list(statuses)

    async def answer(request: web.Request) -> web.StreamResponse:
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, headers=headers)

    return answer


async def hanging(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


@asynccontextmanager
async def receiver(behaviour: Behaviour | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that listens until the end of the block."""
    made = Receiver(behaviour=behaviour)
    server = web.Server(made.answer)  # pyright: ignore[reportArgumentType]
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


class Counts:
    """The metrics of a sender under test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}

    def __call__(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


async def put(
    conn: Any,
    url: str,
    *,
    account: str = "a" * 32,
    success: bool = True,
    body: str = '{"inventory":{}}',
    count: int = 1,
) -> list[str]:
    """Put deliveries in the outbox as the end of a job does; their ids."""
    jobs = [uuid.uuid4().hex for _ in range(count)]
    await conn.execute(
        """
        INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body)
        SELECT 'msg_' || job, job, $2, $3, lower(substring($3 FROM '^[A-Za-z]+://[^/?#]+')), $4, $5
        FROM unnest($1::text[]) AS job
        """,
        jobs,
        account,
        url,
        success,
        body,
    )
    return [f"msg_{job}" for job in jobs]
