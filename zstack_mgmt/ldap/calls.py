"""Runs what blocks on a directory in a few threads, so that a slow directory delays nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


class _Threads:
    """The threads of one process, and how many calls are in them or before them."""

    def __init__(self, size: int) -> None:
        self.executor = ThreadPoolExecutor(size, thread_name_prefix="ldap")
        self.waiting = 0


@cache
def _threads(size: int) -> _Threads:
    """Made at the first call, and one for all handlers of the process, or the bound were none."""
    return _Threads(size)


async def ask(
    settings: Settings,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    """`work(line, *args)` on a line of its own, within the time of one answer.

    A call that gets no thread in that time fails like one that gets no answer: the threads all wait for the
    same directory. The line of a call that is given up is cut, so its thread comes back.

    Raises: DirectoryError, TooBusy, and what `work` raises besides.
    """
    return await _within(settings, settings.ldap_timeout_s + _MARGIN_S, target, work, *args, **options)


async def ask_long(
    settings: Settings,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    """The same for searches whose answer is large. Raises like `ask`."""
    return await _within(settings, LONG * settings.ldap_timeout_s, target, work, *args, **options)


async def _within(
    settings: Settings,
    patience_s: float,
    target: Target,
    work: Callable[Concatenate[Line, P], T],
    *args: P.args,
    **options: P.kwargs,
) -> T:
    threads = _threads(settings.ldap_concurrency)
    if threads.waiting >= _MAX_WAITING:
        raise TooBusy("too many calls wait for the directory; try again soon")
    line = Line(target, Limits(settings.ldap_timeout_s, settings.ldap_ca_file))

    def run() -> T:
        try:
            return work(line, *args, **options)
        finally:
            line.close()

    threads.waiting += 1
    job = threads.executor.submit(run)
    try:
        async with asyncio.timeout(patience_s):
            return await asyncio.wrap_future(job)
    except TimeoutError:
        raise DirectoryError("unreachable", "the directory does not answer in time") from None
    finally:
        threads.waiting -= 1
        if not job.done():
            job.cancel()
            line.cut()
