"""The round of periodic tasks."""

from collections.abc import AsyncIterator

import pytest

from app import Service
from workers.periodic import tend
from zstack_mgmt import db
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.process import build_services


@pytest.fixture
async def pool(still: Service) -> AsyncIterator[db.Pool]:
    pool = await db.create_pool(still.settings, application="test")
    yield pool
    await pool.close()


async def test_a_task_that_fails_ends_none_of_the_others(still: Service, pool: db.Pool) -> None:
    await still.db.execute("UPDATE sessions SET expired_date = now() - interval '1 day'")
    await still.db.execute("ALTER TABLE webhook_deliveries RENAME TO gone")  # the task before fails
    settings = still.settings
    ctx = {"pool": pool, "settings": settings, "services": build_services(settings), "bell": Bell(settings)}
    await tend(ctx)
    assert await still.db.fetchval("SELECT count(*) FROM sessions") == 0
