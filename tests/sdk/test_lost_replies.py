"""Retries: replies that get lost on the way, a service that is too busy, and what must not be sent twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from app import Service
from sdk.conftest import InThread
from zstack_sdk import (
    ApiError,
    Client,
    ConnectionFailed,
    CreateZoneAction,
    ListSessionsAction,
    Patience,
    QueryZoneAction,
    RotateWebhookSecretAction,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

Spoil = Callable[[web.Request, web.StreamResponse], web.StreamResponse | None]
"""What reaches the client of a reply; None: the connection breaks."""


@asynccontextmanager
async def proxy(service: Service, spoil: Spoil) -> AsyncIterator[str]:
    """A proxy in front of the service that spoils replies, after the service has acted."""

    async def forward(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {n: v for n, v in request.headers.items() if n.lower() not in ("host", "content-length")}
        url = service.origin + request.raw_path
        async with http.request(request.method, url, data=body or None, headers=headers) as reply:
            kept = {n: v for n, v in reply.headers.items() if n.lower() != "content-length"}
            answer = web.Response(status=reply.status, body=await reply.read(), headers=kept)
        spoilt = spoil(request, answer)
        if spoilt is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return spoilt

    async with ClientSession(skip_auto_headers=["Content-Type"]) as http:
        runner = web.ServerRunner(web.Server(forward), shutdown_timeout=0.1)  # pyright: ignore[reportArgumentType]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def every_fifth_lost() -> tuple[Spoil, list[str]]:
    """Loses one reply in five; and the methods of those that were lost."""
    count, lost = itertools.count(1), list[str]()

    def spoil(request: web.Request, reply: web.StreamResponse) -> web.StreamResponse | None:
        if next(count) % 5:
            return reply
        lost.append(request.method)
        return None

    return spoil, lost


async def test_each_job_exists_once_though_one_reply_in_five_is_lost(
    service: Service, blocking: InThread
) -> None:
    spoil, lost = every_fifth_lost()

    def work(url: str) -> None:
        with Client(url, session_id=service.admin.token) as client:
            for i in range(12):
                assert CreateZoneAction(name=f"lossy-{i}").call(client).error is None

    async with proxy(service, spoil) as url:
        await blocking(work, url)
        async with Client(url, session_id=service.admin.token) as client:
            made = [CreateZoneAction(name=f"lossy-async-{i}").acall(client) for i in range(12)]
            assert all(result.error is None for result in await asyncio.gather(*made))
    assert lost.count("POST") >= 3
    made_jobs = "SELECT count(*) FROM api_jobs WHERE request::text LIKE '%lossy-%'"
    zones = "SELECT count(*) FROM zones WHERE name LIKE 'lossy-%'"
    assert [await service.db.fetchval(made_jobs), await service.db.fetchval(zones)] == [24, 24]


async def test_a_gateway_that_lost_the_service_is_asked_again(service: Service, blocking: InThread) -> None:
    answers = iter(
        [web.Response(status=502, text="<html>bad gateway"), web.Response(status=503, text="<html>")]
    )
    async with proxy(service, lambda _, reply: next(answers, reply)) as url:
        client = Client(url, session_id=service.admin.token)
        result = await blocking(CreateZoneAction(name="behind a gateway").call, client)
        client.close()
    assert result.value.inventory.name == "behind a gateway"
    assert next(answers, None) is None


async def test_a_service_that_is_too_busy_is_asked_again_when_it_says(
    service: Service, blocking: InThread
) -> None:
    busy = '{"error": {"code": "SYS.1010", "description": "busy", "details": "too many jobs"}}'

    def refuse(_: web.Request, __: web.StreamResponse) -> web.StreamResponse:
        headers = {"Retry-After": "1"}
        return web.Response(status=503, text=busy, content_type="application/json", headers=headers)

    async with proxy(service, refuse) as url:
        client = Client(url, session_id=service.admin.token, patience=Patience(retry_s=0.5))
        with pytest.raises(ApiError) as raised:
            await blocking(QueryZoneAction().call, client)
        client.close()
    assert raised.value.code == "SYS.1010"


async def test_what_has_no_uuid_is_not_sent_twice(service: Service, blocking: InThread) -> None:
    sent: list[str] = []

    def lose(request: web.Request, reply: web.StreamResponse) -> web.StreamResponse | None:
        sent.append(request.method)
        return reply if request.method == "GET" else None

    async with proxy(service, lose) as url:
        client = Client(url, session_id=service.admin.token)
        await blocking(ListSessionsAction().call, client)
        with pytest.raises(ConnectionFailed):
            await blocking(RotateWebhookSecretAction().call, client)
        client.close()
        async with client:
            with pytest.raises(ConnectionFailed):
                await RotateWebhookSecretAction().acall(client)
    assert sent == ["GET", "POST", "POST"]


async def test_leaving_a_session_does_not_hide_why_it_was_left(service: Service, blocking: InThread) -> None:
    gone: list[bool] = []

    def lose(_: web.Request, reply: web.StreamResponse) -> web.StreamResponse | None:
        return None if gone else reply

    def work(url: str) -> None:
        with Client(url).login("admin", "password") as session:
            gone.append(True)
            session.patience = Patience(retry_s=0.2)
            QueryZoneAction().call(session)

    async with proxy(service, lose) as url:
        with pytest.raises(ConnectionFailed):
            await blocking(work, url)


async def test_a_connection_that_was_closed_while_idle_is_replaced(
    service: Service, blocking: InThread
) -> None:

    def close(request: web.Request, reply: web.StreamResponse) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        asyncio.get_running_loop().call_later(0.05, transport.close)
        return reply

    async with proxy(service, close) as url:
        client = Client(url, session_id=service.admin.token, patience=Patience(retry_s=0))
        for _ in range(3):
            assert (await blocking(QueryZoneAction(limit=1).call, client)).error is None
            await asyncio.sleep(0.1)  # longer than the connection lives
        client.close()
