"""What tests of the engine wait for."""

import asyncio
import time
from collections import Counter
from typing import Any

from app import Service


async def states(idle: Service, uuids: list[str]) -> Counter[str]:
    """How many of the jobs are in which state."""
    rows = await idle.db.fetch("SELECT state FROM api_jobs WHERE uuid = ANY ($1)", uuids)
    return Counter(row["state"] for row in rows)


async def until(condition: Any, timeout_s: float = 10) -> float:
    """Wait until the condition holds; the seconds it took."""
    started = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - started


async def ended(idle: Service, uuids: list[str], timeout_s: float = 10) -> float:
    """Wait until the jobs have ended; the seconds it took."""

    async def all_ended() -> bool:
        return not (await states(idle, uuids)).keys() & {"queued", "running"}

    return await until(all_ended, timeout_s)


async def running(idle: Service, count: int) -> None:
    """Wait until so many jobs run."""
    await until(lambda: idle.db.fetchval("SELECT count(*) = $1 FROM api_jobs WHERE state = 'running'", count))


async def quick(call: Any, conn: Any, request: Any) -> dict[str, Any]:
    """A handler that does nothing."""
    return {}


async def endless(call: Any, outside: Any, request: Any) -> None:
    """A handler that waits for the outside."""
    await asyncio.sleep(60)
