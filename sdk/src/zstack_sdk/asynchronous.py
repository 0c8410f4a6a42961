"""The asynchronous transport, on aiohttp (the extra `async`)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from zstack_sdk.conversation import Conversation, Outcome, advance
from zstack_sdk.errors import ConnectionFailed
from zstack_sdk.exchange import Pause, Reply, Request

try:
    import aiohttp
    from yarl import URL
except ImportError as error:
    raise ImportError('acall() needs aiohttp: pip install "zstack-mgmt-sdk[async]"') from error

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

_USER_AGENT = "zstack-mgmt-sdk"


class Asynchronous:
    """Carries out conversations in one event loop.

    Between `open` and `close` connections are kept; outside, each conversation has a session of its own.
    """

    def __init__(self, origin: str, tls: ssl.SSLContext | None = None) -> None:
        self._origin = origin
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Keep connections from now on."""
        if self._session is None:
            self._session = self._new()

    async def close(self) -> None:
        """Close what was kept."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def run(self, conversation: Conversation) -> Outcome:
        """The end of the conversation, or what it raises."""
        try:
            step = advance(conversation)
            async with self._used() as session:
                while not isinstance(step, Outcome):
                    if isinstance(step, Pause):
                        await asyncio.sleep(step.seconds)
                        step = advance(conversation)
                        continue
                    try:
                        reply = await self._send(session, step)
                    except ConnectionFailed as error:
                        step = advance(conversation, failure=error)
                    else:
                        step = advance(conversation, reply)
            return step
        finally:
            conversation.close()

    @asynccontextmanager
    async def _used(self) -> AsyncGenerator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        async with self._new() as session:
            yield session

    def _new(self) -> aiohttp.ClientSession:
        # What is sent is what was signed: the path must not be written anew.
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True)
        return aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": _USER_AGENT}, auto_decompress=True
        )

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> Reply:
        if not request.repeatable and session is self._session:
            # A kept connection can turn out to be closed when the request is on its way already.
            async with self._new() as fresh:
                return await self._send(fresh, request)
        url = URL(self._origin + request.target, encoded=True)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=request.timeout_s, sock_read=request.timeout_s
        )
        try:
            async with session.request(
                request.method,
                url,
                data=request.body,
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, headers, body)
        except (aiohttp.ClientError, OSError) as error:
            is_final = isinstance(error, aiohttp.ClientConnectorCertificateError)
            raise ConnectionFailed(f"{type(error).__name__}: {error}", is_final=is_final) from error
