"""The blocking transport: http.client, with connections that are kept and shared by threads."""

from __future__ import annotations

import time
import weakref
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zstack_sdk.conversation import Conversation, Outcome, advance
from zstack_sdk.errors import ConnectionFailed
from zstack_sdk.exchange import Pause, Reply, Request

if TYPE_CHECKING:
    import ssl

_MOST_IDLE = 64
_USER_AGENT = "zstack-mgmt-sdk"


class Blocking:
    """Carries out conversations, in any number of threads."""

    def __init__(self, origin: str, tls: ssl.SSLContext | None = None) -> None:
        self._address = urlsplit(origin)
        self._tls = tls
        self._idle: deque[HTTPConnection] = deque(maxlen=_MOST_IDLE)
        weakref.finalize(self, _close, self._idle)

    def run(self, conversation: Conversation) -> Outcome:
        """The end of the conversation, or what it raises."""
        try:
            step = advance(conversation)
            while not isinstance(step, Outcome):
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = advance(conversation)
                    continue
                try:
                    reply = self.send(step)
                except ConnectionFailed as error:
                    step = advance(conversation, failure=error)
                else:
                    step = advance(conversation, reply)
            return step
        finally:
            conversation.close()

    def send(self, request: Request) -> Reply:
        """One exchange. Raises ConnectionFailed."""
        while request.repeatable and (kept := self._kept()) is not None:
            try:
                return self._exchange(kept, request)
            except (OSError, HTTPException) as error:
                kept.close()
                if isinstance(error, TimeoutError):
                    raise _failed(error) from error
                # The service has closed it while it was idle; the next one, or a new one, may do.
        fresh = self.connection()
        try:
            return self._exchange(fresh, request)
        except (OSError, HTTPException) as error:
            fresh.close()
            raise _failed(error) from error
        except BaseException:
            fresh.close()
            raise

    def connection(self) -> HTTPConnection:
        """A new connection, not opened yet."""
        address = self._address
        if address.scheme == "https":
            return HTTPSConnection(address.hostname or "", address.port, context=self._tls)
        return HTTPConnection(address.hostname or "", address.port)

    def close(self) -> None:
        """Close the idle connections. Later calls open new ones."""
        _close(self._idle)

    def _kept(self) -> HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _exchange(self, connection: HTTPConnection, request: Request) -> Reply:
        connection.timeout = request.timeout_s
        if connection.sock is not None:  # pyright: ignore[reportUnnecessaryComparison]
            connection.sock.settimeout(request.timeout_s)
        headers = {"User-Agent": _USER_AGENT} | request.headers
        connection.request(request.method, request.target, request.body, headers)
        response = connection.getresponse()
        body = response.read()
        reply = Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        if response.will_close or len(self._idle) == _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return reply


def _close(idle: deque[HTTPConnection]) -> None:
    while idle:
        idle.pop().close()


def _failed(error: Exception) -> ConnectionFailed:
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ConnectionFailed(why, is_final=type(error).__name__ == "SSLCertVerificationError")
