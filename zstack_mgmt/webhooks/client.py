"""A POST over HTTP/1.1 to a receiver that may do anything.

The status decides what came of it, whatever is wrong with the rest of the reply. Interim replies, the bytes
before the body, those of the body, and the time for each are limited. Nothing is unpacked, no redirect is
followed, no proxy is asked, no cookie is kept.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import cast

import yarl

from zstack_mgmt.config import Settings
from zstack_mgmt.webhooks.dialler import Dialler, Trail
from zstack_mgmt.webhooks.model import KEPT_REPLY_BYTES

MAX_REPLY_BYTES = 64 * 1024
_HEAD_BYTES = 32 * 1024  # of the interim replies and the head together
_INTERIM = 8
_REST_S = 2.0  # for what comes after the status
_IDLE_S = 15.0  # how long a connection is kept
_STALE_S = 0.25  # a kept connection that breaks so early had been closed by the receiver already
_BUFFER_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?:[ \r\n]|$)")
_PLAIN = re.compile(r"[!-~]+")


_Key = tuple[str, str, int]  # scheme, host and port


class BadReply(Exception):
    """What came is no HTTP/1.1, or too much of it."""


class ConnectTimeout(TimeoutError):
    """No connection was made in time."""


@dataclass(slots=True)
class Reply:
    """What the receiver said. `flaw` is the word for what was wrong after the status."""

    status: int
    persistent: bool  # the connection may stay open, as far as the head says
    headers: dict[str, str] = field(default_factory=dict[str, str])  # by lower-case names
    body: bytes = b""  # the first 4 KiB
    flaw: str | None = None


class _Wire(asyncio.Protocol):
    """One connection, and what has come over it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.reply: Reply | None = None
        self._closed = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > _BUFFER_BYTES and self.transport is not None:
            self.transport.pause_reading()
            self._paused = True
        self._tell()

    def eof_received(self) -> None:
        self._closed = True
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._tell()

    @property
    def is_quiet(self) -> bool:
        """Whether it is open and nothing has come unasked."""
        return not self._closed and not self.buffer

    def hang_up(self) -> None:
        self._closed = True
        if self.transport is not None:
            self.transport.abort()

    async def more(self) -> None:
        """Wait for more to come; raises ConnectionError when nothing will."""
        if self._closed:
            raise ConnectionResetError("the receiver has hung up")
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def line(self, limit: int) -> bytes:
        """The next line; raises BadReply when it is longer."""
        searched = 0
        while (end := self.buffer.find(b"\n", searched)) < 0:
            searched = len(self.buffer)
            if searched > limit:
                break
            await self.more()
        if not 0 <= end < limit:
            raise BadReply
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return line

    async def take(self, count: int) -> bytes:
        """At least one and at most so many bytes."""
        if not self.buffer:
            await self.more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Client:
    """Posts, and keeps connections open for the next time. Certificates are verified, TLS 1.2 or newer."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None = None) -> None:
        """Args: tls: replaces the system's trust, for the tests; its verification must be on."""
        self._tls = tls or system_trust()
        if self._tls.verify_mode is not ssl.CERT_REQUIRED or not self._tls.check_hostname:
            raise ValueError("the TLS context does not verify its peer")
        self._dialler = Dialler(settings)
        self._connect_s = settings.webhook_connect_timeout_s
        self._total_s = settings.webhook_total_timeout_s
        self._most_idle = settings.webhook_concurrency
        self._idle: defaultdict[_Key, list[tuple[_Wire, float]]] = defaultdict(list)  # none is empty
        self._swept_at = 0.0

    async def post(self, url: yarl.URL, headers: Mapping[str, str], body: bytes, trail: Trail) -> Reply:
        """One exchange.

        Raises:
            BadReply, OSError, TimeoutError: no status came.
            ValueError: the URL cannot be used.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        request = _request(url, headers, body)
        key = (url.scheme, url.raw_host or "", url.port or 0)
        while True:
            wire = self._kept(key, started_at)
            kept = wire is not None
            try:
                async with asyncio.timeout_at(started_at + self._total_s) as limit:
                    wire = wire or await self._connect(url, trail)
                    assert wire.transport is not None  # noqa: S101 (it was just made)
                    trail.note_peer(wire.transport.get_extra_info("peername"))
                    wire.reply = None
                    wire.transport.write(request)
                    reply = await _read_head(wire)
                    if reply.headers.get("content-length") != str(len(wire.buffer)):  # there is more to come
                        limit.reschedule(min(started_at + self._total_s, loop.time() + _REST_S))
                    complete = await _read_rest(wire)
            except (TimeoutError, ConnectionError, BadReply) as error:
                if wire is not None:
                    wire.hang_up()
                if wire is None or wire.reply is None:
                    stale = kept and isinstance(error, ConnectionError)
                    if stale and loop.time() - started_at < _STALE_S:
                        continue
                    raise
                wire.reply.flaw = wire.reply.flaw or _flaw(error)
                return wire.reply
            except BaseException:
                if wire is not None:
                    wire.hang_up()
                raise
            assert wire.reply is not None  # noqa: S101 (its head was read)
            if complete and wire.is_quiet:
                self._keep(key, wire, loop.time())
            else:
                wire.hang_up()
            return wire.reply

    def close(self) -> None:
        """End the connections that are kept."""
        for wires in self._idle.values():
            for wire, _ in wires:
                wire.hang_up()
        self._idle.clear()

    def _keep(self, key: _Key, wire: _Wire, now: float) -> None:
        self._idle[key].append((wire, now))
        if sum(map(len, self._idle.values())) > self._most_idle:
            first = min(self._idle, key=lambda other: self._idle[other][0][1])
            oldest, _ = self._idle[first].pop(0)
            oldest.hang_up()
            self._drop_empty(first)

    def _drop_empty(self, key: _Key) -> None:
        if not self._idle[key]:
            del self._idle[key]

    def _kept(self, key: _Key, now: float) -> _Wire | None:
        if now - self._swept_at > 1:
            self._swept_at = now
            for other in list(self._idle):
                for wire, since in self._idle[other]:
                    if now - since > _IDLE_S:
                        wire.hang_up()
                self._idle[other] = [pair for pair in self._idle[other] if now - pair[1] <= _IDLE_S]
                self._drop_empty(other)
        while key in self._idle:
            wire, _ = self._idle[key].pop()
            self._drop_empty(key)
            if wire.is_quiet:
                return wire
            wire.hang_up()
        return None

    async def _connect(self, url: yarl.URL, trail: Trail) -> _Wire:
        host = url.raw_host or ""
        try:
            async with asyncio.timeout(self._connect_s):
                sock = await self._dialler.dial(host, url.port or 0, trail)
                secure = url.scheme == "https"
                _, wire = await asyncio.get_running_loop().create_connection(
                    _Wire,
                    sock=sock,
                    ssl=self._tls if secure else None,
                    server_hostname=host.removesuffix(".") if secure else None,
                )
        except TimeoutError as error:
            raise ConnectTimeout from error
        return wire


@cache
def system_trust() -> ssl.SSLContext:
    """Read once: the certificates take a tenth of a second to load."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _flaw(error: Exception) -> str:
    match error:
        case BadReply():
            return "bad-reply"
        case TimeoutError():
            return "timeout"
        case _:
            return "disconnected"


def _request(url: yarl.URL, headers: Mapping[str, str], body: bytes) -> bytes:
    target, host = url.raw_path_qs, url.host_subcomponent or ""
    if not _PLAIN.fullmatch(target) or not _PLAIN.fullmatch(host):
        raise ValueError("the URL is not in its normal form")
    port = "" if url.is_default_port() else f":{url.port}"
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _read_head(wire: _Wire) -> Reply:
    """Read up to the final status and its fields."""
    left = _HEAD_BYTES
    for _ in range(_INTERIM + 1):
        line = await wire.line(left)
        left -= len(line)
        found = _STATUS.match(line)
        if found is None:
            raise BadReply
        reply = Reply(int(found[2]), found[1] == b"1")
        if not 100 <= reply.status < 200 or reply.status == 101:
            wire.reply = reply
        while (line := await wire.line(left)) not in (b"\r\n", b"\n"):
            left -= len(line)
            name, colon, value = line.decode("latin-1").partition(":")
            name = name.lower()
            if not colon or (name == "content-length" and name in reply.headers):
                reply.flaw = "bad-reply"
            reply.headers.setdefault(name, value.strip())
        if wire.reply is not None:
            return reply
    raise BadReply


async def _read_rest(wire: _Wire) -> bool:
    """Read the body, or enough of it; whether it ended, so that the connection can be used again."""
    reply = wire.reply
    assert reply is not None  # noqa: S101 (its head was read)
    headers = reply.headers
    if reply.flaw is not None or reply.status == 101:
        return False
    persistent = reply.persistent and "close" not in headers.get("connection", "").lower()
    if reply.status in (204, 304):
        return persistent
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" or length is not None:
            raise BadReply
        return await _read_chunks(wire, reply) and persistent
    if length is None:
        with suppress(ConnectionError):  # that is how such a body ends
            await _read_some(wire, reply, MAX_REPLY_BYTES + 1)
        return False
    if not length.isascii() or not length.isdigit():
        raise BadReply
    count = int(length[:20])
    await _read_some(wire, reply, min(count, MAX_REPLY_BYTES))
    return persistent and count <= MAX_REPLY_BYTES


async def _read_chunks(wire: _Wire, reply: Reply) -> bool:
    left = MAX_REPLY_BYTES
    while True:
        text = (await wire.line(1024)).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", text):
            raise BadReply
        size = int(text, 16)
        if size == 0:
            while (await wire.line(_HEAD_BYTES)) not in (b"\r\n", b"\n"):
                left -= 1024
                if left < 0:
                    return False
            return True
        await _read_some(wire, reply, min(size, left))
        left -= size + 64  # many small chunks are as costly as a long one
        if left < 0:
            return False
        if (await wire.line(2)) not in (b"\r\n", b"\n"):
            raise BadReply


async def _read_some(wire: _Wire, reply: Reply, count: int) -> None:
    while count > 0:
        piece = await wire.take(count)
        count -= len(piece)
        if len(reply.body) < KEPT_REPLY_BYTES:
            reply.body = (reply.body + piece)[:KEPT_REPLY_BYTES]
