"""Ending tasks for certain, watching those that should go on, and waiting for events."""

from __future__ import annotations

import asyncio
from typing import Any

_REPEAT_S = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and return when all of them have ended; what they raise is left with them.

    One cancellation is not enough: `asyncio.wait_for` of Python 3.11 drops one that comes in the same turn as
    what it waits for, and the clients of Redis and PostgreSQL wait with it. So it is repeated until it works.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_REPEAT_S)
    await asyncio.gather(*tasks, return_exceptions=True)  # seen: no complaint about them at their collection


async def any_ended(stop: asyncio.Event, *tasks: asyncio.Task[Any]) -> None:
    """Return when the event is set, or as soon as one of the tasks has ended."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(stopped)


def raise_failure(*tasks: asyncio.Task[Any]) -> None:
    """Raise RuntimeError if one of these tasks, which have all ended, has failed."""
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            raise RuntimeError(f"the task {task.get_name()!r} of the process failed") from task.exception()


async def passed(event: asyncio.Event, timeout_s: float) -> None:
    """Return when the event is set, or after the timeout."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
