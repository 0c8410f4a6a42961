"""A sender of webhooks in the test's own event loop, and what it has left in the database."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from receivers import Counts, Received
from workers import webhooks
from zstack_mgmt import tasks
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.config import Settings
from zstack_mgmt.db import Pool
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.process import build_services
from zstack_mgmt.webhooks import secrets
from zstack_mgmt.webhooks.deliveries import Deliveries, lease_s
from zstack_mgmt.webhooks.signing import verify

SEALER = Sealer(bytes(range(32)))
ACCOUNT = "a" * 32
FAST = (0.05,) * 13


class Sender:
    """One worker that delivers."""

    def __init__(self, pool: Pool, settings: Settings, counts: Counts | None = None) -> None:
        bell = Bell(settings)
        self.lease = Lease(settings, bell, lease_s(settings))
        services = replace(build_services(settings), sealer=SEALER)
        self.pullers = webhooks.pullers(pool, services, self.lease, bell, counts or Counts())
        self.deliveries: Deliveries = self.pullers[0]._pull.__self__  # type: ignore[attr-defined]

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self.lease.run()), *(puller.start() for puller in self.pullers)]

    def wake(self) -> None:
        self.pullers[0].wake()

    async def stop(self, grace_s: float) -> None:
        await asyncio.gather(*(puller.stop(grace_s) for puller in self.pullers))
        await tasks.end(*self.tasks)
        await self.lease.leave()

    async def die(self) -> None:
        """End without handing anything back, its lease with it."""
        await tasks.end(*self.tasks)
        self.deliveries.drop()
        await self.deliveries.drain(0)


@asynccontextmanager
async def sender(pool: Pool, settings: Settings, grace_s: float = 0.2) -> AsyncIterator[Sender]:
    made = Sender(pool, settings)
    made.start()
    try:
        yield made
    finally:
        await made.stop(grace_s)


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
    """The account's current signing secret, as a rotation hands it out."""
    async with pool.acquire() as conn, conn.transaction():
        made = await secrets.rotate(conn, SEALER, account, 3600)
    assert made.secret is not None
    return made.secret


def check(received: Received, *held: str) -> None:
    verify(list(held), received.headers, received.body, now=time.time())
