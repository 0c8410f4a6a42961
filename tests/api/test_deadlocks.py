"""A job that loses a deadlock is run again, and its client notices nothing."""

import asyncio

import asyncpg

from app import Service

TRIGGER = """
INSERT INTO installation (name, value) VALUES ('second', '');
CREATE FUNCTION lock_second() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM FROM installation WHERE name = 'second' FOR UPDATE; RETURN NULL; END $$;
CREATE TRIGGER lock_second AFTER UPDATE ON zones FOR EACH ROW EXECUTE FUNCTION lock_second();
"""
WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def test_the_loser_of_a_deadlock_is_run_again(service: Service) -> None:
    zone = await service.admin.create("/zones", name="zone")
    await service.db.execute(TRIGGER)
    other = await asyncpg.connect(service.settings.database_url)
    await other.execute("SET deadlock_timeout = '1min'")  # so that the job's connection finds it
    async with other.transaction():
        await other.execute("SELECT FROM installation WHERE name = 'second' FOR UPDATE")
        path, rename = f"/zones/{zone['uuid']}/actions", {"updateZone": {"name": "renamed"}}
        job = asyncio.create_task(service.admin.job("PUT", path, rename))
        async with asyncio.timeout(10):
            while not await service.db.fetchval(WAITS):
                await asyncio.sleep(0.01)
        await other.execute("SELECT FROM zones WHERE uuid = $1 FOR UPDATE", zone["uuid"])
        assert (await service.db.fetchrow("SELECT name FROM zones"))["name"] == "zone", "undone"
    assert (await job).inventory["name"] == "renamed"
    await other.close()
