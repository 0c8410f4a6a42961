"""Connections of clients: how many one address may have, and what malformed requests meet."""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
import time
from collections import Counter
from ipaddress import ip_address
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import ApiError, BadRequest, EncodingUnsupported, InternalError
from zstack_mgmt.doors.rest.replies import error_reply

log = structlog.get_logger()

_REQUEST_LINE = re.compile(rb"[A-Z]{3,8} [^\r\n]* HTTP/1\.[01]\r\n")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_LOG_EVERY_S = 1.0
_BACKLOG = 1024
_QUIET_S = 0.5  # after which nobody is taken to be about to send a request


class Gate:
    """Counts the connections of each address, and turns away those beyond the limit."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_connections_per_address
        self._proxies = settings.trusted_proxies
        self._open: Counter[str] = Counter()
        self._logged_at = 0.0
        self._refused = 0
        self.connections: set[Connection] = set()
        self.draining = False

    def enter(self, address: str) -> bool:
        """Count the connection in; False when the address has too many."""
        if self._open[address] >= self._limit and not any(_in(address, network) for network in self._proxies):
            self._refused += 1
            if time.monotonic() - self._logged_at > _LOG_EVERY_S:
                self._logged_at = time.monotonic()
                log.warning("connections refused", action="connect", remote=address, refused=self._refused)
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count it out."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


def _in(address: str, network: Any) -> bool:
    try:
        return ip_address(address.partition("%")[0]) in network
    except ValueError:
        return False


class Connection(RequestHandler):
    """aiohttp's connection; its errors are JSON, and its log lines hold nothing that a client has sent."""

    __slots__ = ("_address", "_gate", "heard_at")

    def __init__(self, gate: Gate, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gate = gate
        self._address: str | None = None
        self.heard_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has arrived, not even unread."""
        if self._current_request is not None or self._waiter is None or self._messages:
            return False
        if self.transport is None:
            return False
        unread = select.poll()
        unread.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not unread.poll(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer: tuple[str, int] | None = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        super().connection_made(transport)
        if self._gate.enter(address):
            self._address = address
            self.heard_at = time.monotonic()
            self._gate.connections.add(self)
        else:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._address is not None:
            self._gate.leave(self._address)
            self._gate.connections.discard(self)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        # curl and old scripts send names as they are; a target in UTF-8 means its escaped form.
        if not data.isascii() and self._current_request is None and (line := _REQUEST_LINE.match(data)):
            escaped = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line[0])
            data = escaped + data[line.end() :]
        super().data_received(data)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Note what ends the connection; a body that cannot be read to its end is no fault of ours."""
        if isinstance(kw.get("exc_info"), web.RequestPayloadError):
            log.info("a body could not be read", action="request", remote=self._address)
        else:
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that is no HTTP, or to a fault of the server's own."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, no other can follow")
        malformed = isinstance(exc, HttpProcessingError) or status == 400
        log.warning(
            "a request could not be read" if malformed else "a request failed",
            action="request",
            remote=self._address,
            status=status,
            error=type(exc).__name__,
        )
        error: ApiError = InternalError("the server failed")
        if isinstance(exc, ContentEncodingError):
            error, status = EncodingUnsupported("this Content-Encoding is not taken"), 415
        elif malformed:
            error = BadRequest("the request is not well-formed HTTP")
        reply = error_reply(error, request, status)
        reply.headers["Server"] = "zstack-mgmt"
        reply.force_close()
        return reply


class _Server(web.Server):
    def __init__(self, made: web.Server, gate: Gate) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            made.request_handler, request_factory=made.request_factory, loop=loop, **made._kwargs
        )
        self._gate = gate

    def __call__(self) -> RequestHandler:
        return Connection(self._gate, self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs the application on connections of this module."""

    __slots__ = ("_gate", "_listeners")

    def __init__(self, app: web.Application, settings: Settings, **options: Any) -> None:
        super().__init__(app, access_log=None, **options)
        self._gate = Gate(settings)
        self._listeners: list[socket.socket] = []

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: every answer is its connection's last."""
        return self._gate.draining

    async def listen(self, host: str, port: int) -> None:
        """Listen on all addresses of the host, beside other processes of ours. Raises OSError."""
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            listener = socket.create_server(
                address[:2], family=family, backlog=_BACKLOG, reuse_port=True, dualstack_ipv6=False
            )
            listener.setblocking(False)
            self._listeners.append(listener)
            await web.SockSite(self, listener.dup(), backlog=_BACKLOG).start()

    async def drain(self, limit_s: float) -> None:
        """Take no new connections, and let those that there are end, at the latest after `limit_s`.

        Clients that got through to us are answered: what the system has accepted for us already is taken in,
        and a connection is closed when nothing comes on it for a while. Call `cleanup` afterwards.
        """
        started = time.monotonic()
        self._gate.draining = True
        await self._close_listeners()
        while self._gate.connections and time.monotonic() < started + limit_s:
            for connection in tuple(self._gate.connections):
                if not connection.is_idle:
                    connection.heard_at = time.monotonic()
                elif time.monotonic() - max(started, connection.heard_at) >= _QUIET_S:
                    connection.force_close()
            await asyncio.sleep(0.02)

    async def _close_listeners(self) -> None:
        """Stop listening without losing who is in the queue: closing a listening socket resets these."""
        for site in tuple(self.sites):
            await site.stop()
        factory = cast("web.Server", self.server)
        while self._listeners:
            listener = self._listeners.pop()
            with contextlib.suppress(BlockingIOError):
                while True:
                    accepted, _ = listener.accept()
                    await asyncio.get_running_loop().connect_accepted_socket(factory, accepted)
            listener.close()

    async def cleanup(self) -> None:
        for listener in self._listeners:
            listener.close()
        await super().cleanup()

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._gate)


RUNNER = web.AppKey("runner", Runner)
