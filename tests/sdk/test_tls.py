"""The SDK over TLS: a certificate that is trusted, and one that is not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from authority import Authority
from sdk.conftest import InThread
from zstack_sdk import Client, ConnectionFailed, QueryZoneAction

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest_asyncio.fixture(loop_scope="session")
async def url(authority: Authority) -> AsyncIterator[str]:
    """A service that answers every query with nothing, behind TLS."""

    async def nothing(_: web.BaseRequest) -> web.Response:
        return web.json_response({"inventories": []})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    runner = web.ServerRunner(web.Server(nothing), shutdown_timeout=0.1)  # pyright: ignore[reportArgumentType]
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
    yield f"https://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_trusted_certificate_is_taken(url: str, authority: Authority, blocking: InThread) -> None:
    with Client(url, tls=ssl.create_default_context(cafile=str(authority.file))) as client:
        assert (await blocking(QueryZoneAction().call, client)).value.inventories == []
        async with client:
            assert (await QueryZoneAction().acall(client)).value.inventories == []


async def test_another_certificate_is_refused_at_once(url: str, blocking: InThread) -> None:
    client = Client(url)  # which would try a service that is away for a minute
    async with asyncio.timeout(30):
        with pytest.raises(ConnectionFailed, match="certificate verify failed"):
            await blocking(QueryZoneAction().call, client)
        with pytest.raises(ConnectionFailed, match="certificate verify failed"):
            await QueryZoneAction().acall(client)
