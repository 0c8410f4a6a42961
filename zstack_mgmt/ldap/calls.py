"""Runs what blocks on a directory in a few threads, and lets few callers at it at the same time.

A caller keeps its turn while it asks and while it reads and writes what belongs to the answers, so that a
hundred logins hold neither the threads nor the database's connections that other requests need.
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
from zstack_mgmt.errors import TooBusy
from zstack_mgmt.ldap.directory import DirectoryError, Limits, Line
from zstack_mgmt.ldap.model import Target

P = ParamSpec("P")
T = TypeVar("T")

_MAX_WAITING = 200
_MARGIN_S = 1.0
LONG = 6
"""How many times the usual patience a search for many entries gets."""


class _Turns:
    """The threads of one process, and who waits for a turn at them, the first one first."""

    def __init__(self, size: int) -> None:
        self.executor = ThreadPoolExecutor(size, thread_name_prefix="ldap")
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()

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


@asynccontextmanager
async def turn(settings: Settings) -> AsyncGenerator[None]:
    """Be one of the few that use the directory. Raises like `_Turns.take`."""
    turns = _turns(settings.ldap_concurrency)
    await turns.take()
    began = asyncio.get_running_loop().time()
    try:
        yield
    except DirectoryError as error:
        # A quick refusal is everybody's own to meet; nobody should wait long for the same silence again.
        if asyncio.get_running_loop().time() - began >= settings.ldap_timeout_s:
            turns.dismiss(error)
        raise
    finally:
        turns.pass_on()


async def ask(
    settings: Settings,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    """`work(line, *args)` on a line of its own, within the time of one answer. The caller has its `turn`.

    The line of a call that is given up is cut, so that its thread comes back.

    Raises: DirectoryError, and what `work` raises besides.
    """
    return await _within(settings.ldap_timeout_s + _MARGIN_S, settings, target, work, *args, **options)


async def ask_long(
    settings: Settings,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    """The same for searches whose answer is large. Raises like `ask`."""
    return await _within(LONG * settings.ldap_timeout_s, settings, target, work, *args, **options)


async def _within(
    patience_s: float,
    settings: Settings,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    line = Line(target, Limits(settings.ldap_timeout_s, settings.ldap_ca_file))

    def run() -> T:
        try:
            return work(line, *args, **options)
        finally:
            line.close()

    job = _turns(settings.ldap_concurrency).executor.submit(run)
    try:
        async with asyncio.timeout(patience_s):
            return await asyncio.wrap_future(job)
    except TimeoutError:
        raise DirectoryError("unreachable", "the directory does not answer in time") from None
    finally:
        if not job.done():
            job.cancel()
            line.cut()
