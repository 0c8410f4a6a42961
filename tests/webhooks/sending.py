"""A sender of webhooks in the test's own event loop, and what it has left in the database."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from receivers import Counts, Received
from workers.deliver import DeliveryLoop
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.config import Settings
from zstack_mgmt.webhooks import secrets
from zstack_mgmt.webhooks.signing import verify

SEALER = Sealer(bytes(range(32)))
ACCOUNT = "a" * 32
FAST = (0.05,) * 13


@asynccontextmanager
async def sender(pool: Any, settings: Settings, grace_s: float = 0.2) -> AsyncIterator[DeliveryLoop]:
    loop = DeliveryLoop(pool, settings, SEALER, Counts())
    running = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        await loop.stop(grace_s)
        await running


async def state_of(pool: Any, delivery_id: str) -> Any:
    return await pool.fetchrow("SELECT * FROM webhook_deliveries WHERE id = $1", delivery_id)


async def log_of(pool: Any, delivery_id: str) -> list[Any]:
    return await pool.fetch(
        "SELECT * FROM webhook_attempts WHERE delivery_id = $1 ORDER BY epoch", delivery_id
    )


async def ended(pool: Any, count: int, timeout_s: float = 15) -> Counter[str]:
    """Wait until so many deliveries have ended; the states."""
    async with asyncio.timeout(timeout_s):
        while True:
            rows = await pool.fetch("SELECT state, count(*) FROM webhook_deliveries GROUP BY state")
            states = Counter({row["state"]: row["count"] for row in rows})
            if sum(states.values()) - states["pending"] >= count:
                return states
            await asyncio.sleep(0.02)


async def secret_of(pool: Any, account: str = ACCOUNT) -> str:
    read = await secrets.read(pool, SEALER, account)
    assert read.secret is not None
    return read.secret


def check(received: Received, *held: str) -> None:
    verify(list(held), received.headers, received.body, now=time.time())
