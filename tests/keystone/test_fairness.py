"""One account's calls leave connections to the others, at this door too."""

import asyncio

import asyncpg
import pytest

from app import Service
from engine.waiting import until
from keystone.talking import Keystone, Person

SETTINGS = {"db_pool_size": 6}
MOST = 2  # of six, that one account may have
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_slow_reads_of_one_account_delay_no_other(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    account, _ = await service.account("other")
    other = await keystone.log_in("other", "secret", domain=account["uuid"])
    holder = await asyncpg.connect(service.settings.database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE user_groups IN ACCESS EXCLUSIVE MODE")
        slow = [asyncio.create_task(admin.call("GET", "groups")) for _ in range(3 * MOST)]
        waiting = """
            SELECT count(*) >= $1 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
        await until(lambda: service.db.fetchval(waiting, MOST))
        for _ in range(5):
            async with asyncio.timeout(5):
                assert (await other.call("GET", "auth/projects")).status == 200
        assert not any(task.done() for task in slow)
        await transaction.rollback()
    finally:
        await holder.close()
    assert {(await task).status for task in slow} == {200}
