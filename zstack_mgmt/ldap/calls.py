"""Runs what blocks on a directory in a few threads, and lets few callers at it at the same time.

A caller keeps its turn while it asks, and while it reads and writes what belongs to the answers. Logins start
at a limited rate. So a hundred logins at once take neither the threads nor the database's connections nor the
processor time that other requests need.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import Concatenate, ParamSpec, TypeVar

from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.ldap.directory import DirectoryConnection, DirectoryError, Limits
from zstack_mgmt.ldap.model import Target

P = ParamSpec("P")
T = TypeVar("T")

_MAX_WAITING = 200
_MARGIN_S = 1.0
_LONG = 6  # times the usual patience, for a search for many entries


class _Turns:
    """The threads of one process, and who waits for a turn at them, the first one first."""

    def __init__(self, size: int) -> None:
        self.executor = ThreadPoolExecutor(size, thread_name_prefix="ldap")
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next_at = 0.0

    async def start(self, rate: int) -> None:
        """Wait until a login may start, at most `rate` of them a second. Raises TooBusy."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        if (at - now) * rate >= _MAX_WAITING:
            raise TooBusy("too many logins wait for the directory; try again soon")
        self._next_at = at + 1 / rate
        if at > now:
            await asyncio.sleep(at - now)

    async def take(self) -> None:
        """Wait for a turn. Raises TooBusy, and DirectoryError when the directory is given up meanwhile."""
        if self._free > 0:
            self._free -= 1
            return
        if len(self._waiting) >= _MAX_WAITING:
            raise TooBusy("too many calls wait for the directory; try again soon")
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.pass_on()
            raise

    def pass_on(self) -> None:
        """Give the turn to the next one."""
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        self._free += 1

    def dismiss(self, error: DirectoryError) -> None:
        """Tell all who wait what the one before them took so long to find out."""
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_exception(DirectoryError(error.reason, error.details))


@cache
def _turns(size: int) -> _Turns:
    """Made at the first call, and one for all handlers of the process, or the bound were none."""
    return _Turns(size)


class Asker:
    """Asks one directory, one question after the other, on one connection."""

    def __init__(self, settings: Settings, turns: _Turns, target: Target) -> None:
        self._settings = settings
        self._turns = turns
        self._directory = DirectoryConnection(target, Limits(settings.ldap_timeout_s, settings.ldap_ca_file))
        self._given_up = False

    async def __call__(
        self, question: Callable[Concatenate[DirectoryConnection, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """The answer, within the time of one. Raises DirectoryError, and what the question raises besides."""
        patience_s = self._settings.ldap_timeout_s + _MARGIN_S
        return await self._within(patience_s, question, *args, **more)

    async def long(
        self, question: Callable[Concatenate[DirectoryConnection, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """The same for a search whose answer is large."""
        return await self._within(_LONG * self._settings.ldap_timeout_s, question, *args, **more)

    def close(self) -> None:
        """Hang up. One that was given up is its thread's to close: a socket's number is soon another's."""
        if not self._given_up:
            self._directory.close()

    async def _within(
        self,
        patience_s: float,
        question: Callable[Concatenate[DirectoryConnection, P], T],
        *args: P.args,
        **more: P.kwargs,
    ) -> T:
        connection = self._directory
        job = self._turns.executor.submit(question, connection, *args, **more)
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            raise DirectoryError("unreachable", "the directory does not answer in time") from None
        finally:
            if not job.done():
                self._given_up = True
                job.add_done_callback(lambda _: connection.close())
                job.cancel()
                connection.cut()


@asynccontextmanager
async def turn(settings: Settings, target: Target, *, login: bool = False) -> AsyncGenerator[Asker]:
    """Be one of the few that ask the directory. Raises like `_Turns.take`."""
    turns = _turns(settings.ldap_concurrency)
    if login:
        await turns.start(settings.ldap_login_rate)
    await turns.take()
    began = asyncio.get_running_loop().time()
    asker = Asker(settings, turns, target)
    try:
        yield asker
    except DirectoryError as error:
        # A quick refusal is everybody's own to meet; nobody should wait long for the same silence again.
        if asyncio.get_running_loop().time() - began >= settings.ldap_timeout_s:
            turns.dismiss(error)
        raise
    finally:
        asker.close()
        turns.pass_on()
