"""The round of periodic tasks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app import Service
from workers.periodic import periodic_tasks
from zstack_mgmt import db
from zstack_mgmt.engine.periodic import Periodic
from zstack_mgmt.process import build_services


@pytest.fixture
async def pool(still: Service) -> AsyncIterator[db.Pool]:
    pool = await db.create_pool(still.settings, application="test")
    yield pool
    await pool.close()


async def test_a_task_that_fails_ends_none_of_the_others(still: Service, pool: db.Pool) -> None:
    await still.db.execute("UPDATE sessions SET expired_date = now() - interval '1 day'")
    await still.db.execute("ALTER TABLE webhook_deliveries RENAME TO gone")  # the task before fails
    periodic = Periodic(pool, periodic_tasks(pool, build_services(still.settings)))
    await periodic.pull()
    await asyncio.sleep(1)
    await periodic.drain(1)
    assert await still.db.fetchval("SELECT count(*) FROM sessions") == 0
