"""Connections of clients: how many one address may have, and what malformed requests meet."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from ipaddress import ip_address
from typing import Any

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


class Gate:
    """Counts the connections of each address, and turns away those beyond the limit."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_connections_per_address
        self._proxies = settings.trusted_proxies
        self._open: Counter[str] = Counter()
        self._logged_at = 0.0
        self._refused = 0

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

    __slots__ = ("_address", "_gate")

    def __init__(self, gate: Gate, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gate = gate
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer: tuple[str, int] | None = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        super().connection_made(transport)
        if self._gate.enter(address):
            self._address = address
        else:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._address is not None:
            self._gate.leave(self._address)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # curl and old scripts send names as they are; a target in UTF-8 means its escaped form.
        if not data.isascii() and self._current_request is None and (line := _REQUEST_LINE.match(data)):
            escaped = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line[0])
            data = escaped + data[line.end() :]
        super().data_received(data)

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

    __slots__ = ("_gate",)

    def __init__(self, app: web.Application, settings: Settings, **options: Any) -> None:
        super().__init__(app, access_log=None, **options)
        self._gate = Gate(settings)

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._gate)
