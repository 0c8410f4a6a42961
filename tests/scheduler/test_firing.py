"""Firing: each due time becomes one API job of the owner, whatever workers do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app import Client, Service
from scheduler.rows import insert_due, insert_resource
from zstack_mgmt.core.registry import Services
from zstack_mgmt.process import build_services
from zstack_mgmt.resources import rows
from zstack_mgmt.scheduler import due
from zstack_mgmt.scheduler import firing as rounds
from zstack_mgmt.scheduler.model import SchedulerJob
from zstack_mgmt.scheduler.store import detach_all

Make = Callable[..., Awaitable[str]]
Wait = Callable[..., Awaitable[Any]]


async def delete_job(conn: Any, uuid: str) -> None:
    """What DeleteSchedulerJob does."""
    await detach_all(conn, uuid, None)
    await rows.delete(conn, SchedulerJob, uuid)


async def schedule(client: Client, target: str, *, kind: str = "startVm", **timing: Any) -> str:
    """A job on a trigger of its own; returns the job's uuid."""
    params = {"name": "t", "schedulerType": "simple", "startTime": 0} | timing
    params = {key: value for key, value in params.items() if value is not None}
    when = await client.create("/scheduler/triggers", **params)
    job = await client.create("/scheduler/jobs", name="j", targetResourceUuid=target, type=kind)
    path = f"/scheduler/jobs/{job['uuid']}/scheduler/triggers/{when['uuid']}"
    assert (await client.job("POST", path)).status == 200
    return job["uuid"]


async def executions(client: Client, job: str) -> list[Any]:
    return (await client.get(f"/scheduler/jobs/{job}/executions")).body["inventories"]


@pytest.fixture
def tools(still: Service) -> Services:
    return build_services(still.settings)


async def test_a_fire_is_an_api_job_of_the_owner(service: Service, resource: Make, wait_for: Wait) -> None:
    account, tenant = await service.account("tenant")
    vm = await resource(account=account["uuid"])
    job = await schedule(tenant, vm, repeatCount=1)

    async def ended() -> Any:
        return [e for e in await executions(tenant, job) if e["state"] == "Failed"]

    (execution,) = await wait_for(ended)
    assert execution["details"]  # the resource has no VM behind it
    state = "SELECT state FROM scheduler_jobs"
    assert await service.db.fetchval(state) == "Enabled"  # a failed run changes nothing about the next ones
    assert execution["targetResourceUuid"] == vm
    row = await service.db.fetchrow("SELECT * FROM api_jobs WHERE uuid = $1", execution["apiJobUuid"])
    assert (row["account_uuid"], row["api"], row["is_admin"]) == (account["uuid"], "StartVmInstance", False)
    assert (row["target"], row["keyed"]) == (vm, True)
    assert (await tenant.get(f"/api-jobs/{execution['apiJobUuid']}")).status == 503
    found = (await tenant.get("/scheduler/job/history?q=success=false")).body
    (past,) = found["inventories"]
    await wait_for(
        lambda: service.db.fetchval("SELECT true FROM scheduler_executions WHERE state = 'Failed'")
    )
    assert (await tenant.get("/scheduler/job/history")).body == found
    assert (past["schedulerJobUuid"], past["jobType"]) == (job, "startVm")
    assert (past["targetResourceUuid"], past["fireInstanceId"]) == (vm, execution["apiJobUuid"])
    assert execution["details"] in past["resultDump"]
    _, stranger = await service.account("stranger")
    assert (await stranger.get("/scheduler/job/history")).body["inventories"] == []


async def test_repeat_count_is_the_number_of_fires(service: Service, resource: Make) -> None:
    job = await schedule(service.admin, await resource(), repeatCount=2, schedulerInterval=1)
    await asyncio.sleep(3.5)
    rows = await service.db.fetch("SELECT due_at, fired_at FROM scheduler_executions ORDER BY due_at")
    assert len(rows) == 2
    assert rows[1]["due_at"] - rows[0]["due_at"] == timedelta(seconds=1)
    assert all(timedelta() <= row["fired_at"] - row["due_at"] < timedelta(seconds=1.5) for row in rows)
    assert len(await executions(service.admin, job)) == 2
    newest, oldest = await executions(service.admin, job)
    path = f"/scheduler/jobs/{job}/executions"
    assert (await service.admin.get(f"{path}?limit=1")).body["inventories"] == [newest]
    assert (await service.admin.get(f"{path}?before={newest['id']}")).body["inventories"] == [oldest]
    assert (await service.admin.get(f"{path}?limit=0")).status == 400


async def test_a_start_ahead_fires_in_time(service: Service, resource: Make) -> None:
    start = int(time.time()) + 2
    await schedule(service.admin, await resource(), startTime=start, repeatCount=1)
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_executions") == 0
    await asyncio.sleep(start + 1.5 - time.time())
    lateness = await service.db.fetchval("SELECT fired_at - due_at FROM scheduler_executions")
    assert lateness < timedelta(seconds=1)


async def test_a_past_start_fires_on_its_grid_only(service: Service, resource: Make) -> None:
    start = int(time.time()) - 60
    await schedule(service.admin, await resource(), startTime=start, schedulerInterval=120)
    await asyncio.sleep(1.5)
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_executions") == 0
    planned = await service.db.fetchval(
        "SELECT extract(epoch FROM next_fire_at)::int FROM scheduler_job_triggers"
    )
    assert planned == start + 120


async def test_cron_fires(service: Service, resource: Make, wait_for: Wait) -> None:
    await schedule(service.admin, await resource(), startTime=None, schedulerType="cron", cron="* * * * * ?")
    await wait_for(lambda: service.db.fetchval("SELECT count(*) > 1 FROM scheduler_executions"))
    rows = await service.db.fetch("SELECT due_at FROM scheduler_executions ORDER BY due_at LIMIT 2")
    assert rows[1]["due_at"] - rows[0]["due_at"] == timedelta(seconds=1)


async def test_nothing_fires_while_disabled_and_the_grid_goes_on(
    service: Service, resource: Make, wait_for: Wait
) -> None:
    job = await schedule(service.admin, await resource(), schedulerInterval=1)
    await wait_for(lambda: service.db.fetchval("SELECT true FROM scheduler_executions LIMIT 1"))
    path = f"/schedulers/{job}"
    await service.admin.job("PUT", path, {"changeSchedulerState": {"stateEvent": "disable"}})
    count = await service.db.fetchval("SELECT count(*) FROM scheduler_executions")
    await asyncio.sleep(2.2)
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_executions") == count
    await service.admin.job("PUT", path, {"changeSchedulerState": {"stateEvent": "enable"}})
    await wait_for(lambda: service.db.fetchval("SELECT count(*) > $1 FROM scheduler_executions", count))
    times = [
        row["due_at"] for row in await service.db.fetch("SELECT due_at FROM scheduler_executions ORDER BY 1")
    ]
    assert times[count] - times[count - 1] >= timedelta(seconds=2)
    assert (times[count] - times[0]) % timedelta(seconds=1) == timedelta()


async def test_a_new_timing_holds_at_once(service: Service, resource: Make, wait_for: Wait) -> None:
    await schedule(service.admin, await resource(), schedulerInterval=3600, startTime=int(time.time()) - 60)
    trigger = await service.db.fetchval("SELECT uuid FROM scheduler_triggers")
    body = {"updateSchedulerTrigger": {"schedulerInterval": 1}}
    assert (await service.admin.job("PUT", f"/scheduler/triggers/{trigger}/actions", body)).status == 200
    await wait_for(lambda: service.db.fetchval("SELECT true FROM scheduler_executions LIMIT 1"))


async def insert_far_off(service: Service) -> None:
    """A job that is due tomorrow; the worker knows it and sleeps."""
    await insert_due(service.db, [await insert_resource(service.db)], ago_s=-86_400)
    await asyncio.sleep(0.5)


async def test_a_sleeping_worker_finds_a_sooner_due_time(service: Service, wait_for: Wait) -> None:
    await insert_far_off(service)
    await service.db.execute("UPDATE scheduler_job_triggers SET next_fire_at = now() + interval '0.3 s'")
    await wait_for(lambda: service.db.fetchval("SELECT true FROM scheduler_executions"), 5)
    lateness = await service.db.fetchval("SELECT fired_at - due_at FROM scheduler_executions")
    assert lateness < timedelta(seconds=1)


async def test_a_worker_that_lost_its_connections_finds_it_all_the_same(
    service: Service, wait_for: Wait
) -> None:
    await insert_far_off(service)
    lost = await service.db.fetch(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'zstack-jobs'
        """
    )
    assert lost
    await asyncio.sleep(1)
    await service.db.execute("UPDATE scheduler_job_triggers SET next_fire_at = now()")
    await wait_for(lambda: service.db.fetchval("SELECT true FROM scheduler_executions"), 5)


async def test_two_workers_fire_each_due_time_once(still: Service, tools: Services) -> None:
    await insert_due(still.db, [await insert_resource(still.db)] * 300)

    async def work() -> int:
        conn = await asyncpg.connect(still.settings.database_url)
        fired = 0
        while True:
            async with conn.transaction():
                done = await rounds.fire_due(conn, tools, 40)
            fired += done.fired
            if not done.claimed and await due.wait_s(conn) > 0:
                await conn.close()
                return fired

    assert sum(await asyncio.gather(work(), work())) == 300
    assert (
        await still.db.fetchval("SELECT count(DISTINCT scheduler_job_uuid) FROM scheduler_executions") == 300
    )
    assert await still.db.fetchval("SELECT count(*) FROM api_jobs WHERE remote = 'scheduler'") == 300


async def test_a_worker_that_dies_before_its_commit_leaves_the_fire_to_another(
    still: Service, tools: Services
) -> None:
    await insert_due(still.db, [await insert_resource(still.db)] * 3)
    dying = await asyncpg.connect(still.settings.database_url)
    await dying.execute("BEGIN")
    assert (await rounds.fire_due(dying, tools, 10)).fired == 3
    other = await asyncpg.connect(still.settings.database_url)
    async with other.transaction():
        assert (await rounds.fire_due(other, tools, 10)).claimed == 0
    dying.terminate()
    async with asyncio.timeout(5):
        fired = 0
        while not fired:
            async with other.transaction():
                fired = (await rounds.fire_due(other, tools, 10)).fired
    assert fired == 3
    assert await still.db.fetchval("SELECT count(*) FROM api_jobs WHERE remote = 'scheduler'") == 3
    await other.close()


async def test_due_times_that_no_worker_fired_are_left_out(still: Service, tools: Services) -> None:
    await insert_due(still.db, [await insert_resource(still.db)], ago_s=7300)
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 0
    assert await still.db.fetchval("SELECT state FROM scheduler_executions") == "Missed"
    wait_s = await due.wait_s(still.db)
    assert wait_s is not None
    assert 3480 < wait_s <= 3500


async def test_after_a_pause_one_due_time_fires_late_and_then_the_grid(
    still: Service, tools: Services
) -> None:
    await insert_due(still.db, [await insert_resource(still.db)], ago_s=45)
    await still.db.execute("UPDATE scheduler_triggers SET scheduler_interval = 10")
    fired = 0
    for _ in range(5):
        async with still.db.transaction():
            fired += (await rounds.fire_due(still.db, tools, 10)).fired
    assert fired == 1
    rows = await still.db.fetch("SELECT state, due_at, details FROM scheduler_executions ORDER BY due_at")
    assert [row["state"] for row in rows] == ["Fired", "Missed"]
    assert rows[1]["due_at"] - rows[0]["due_at"] == timedelta(seconds=10)
    assert "are left out" in rows[1]["details"]
    wait_s = await due.wait_s(still.db)
    assert wait_s is not None
    assert 0 < wait_s <= 5


async def test_a_job_that_was_disabled_while_it_was_attached_is_not_fired(
    still: Service, tools: Services
) -> None:
    await insert_due(still.db, [await insert_resource(still.db)])
    await still.db.execute("UPDATE scheduler_jobs SET state = 'Disabled'")
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 0
    assert await still.db.fetchval("SELECT count(*) FROM scheduler_executions") == 0
    assert await due.wait_s(still.db) is None


async def test_a_fire_that_no_call_could_make_fails_and_stops_no_other(
    still: Service, tools: Services
) -> None:
    await insert_due(still.db, [await insert_resource(still.db, "VolumeVO")], kind="volumeSnapshot")
    await still.db.execute(
        "UPDATE scheduler_jobs SET parameters = jsonb_build_object('snapshotName', repeat('x', 300))"
    )
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 0
    row = await still.db.fetchrow("SELECT state, details FROM scheduler_executions")
    assert row is not None
    assert row["state"] == "Failed"
    assert "name" in row["details"]


async def test_a_job_without_an_owner_is_not_fired(still: Service, tools: Services) -> None:
    await insert_due(still.db, [await insert_resource(still.db)])
    await still.db.execute("DELETE FROM resource_owners WHERE resource_type = 'SchedulerJobVO'")
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 0
    assert await due.wait_s(still.db) is None


async def test_a_due_time_never_fires_twice(still: Service, tools: Services) -> None:
    """Not even when its row is set back, as by a clock that is."""
    await insert_due(still.db, [await insert_resource(still.db)])
    for fired in (1, 0):
        async with still.db.transaction():
            assert (await rounds.fire_due(still.db, tools, 10)).fired == fired
        await still.db.execute("UPDATE scheduler_job_triggers SET next_fire_at = grid_start")
    assert await still.db.fetchval("SELECT count(*) FROM api_jobs WHERE remote = 'scheduler'") == 1


async def test_snapshots_of_a_volume_do_not_overlap(still: Service, tools: Services) -> None:
    await insert_due(still.db, [await insert_resource(still.db, "VolumeVO")] * 2, kind="volumeSnapshot")
    hold = (
        "UPDATE api_jobs SET waits_for = 'nothing' WHERE state = 'queued'"  # as if one before it were at work
    )
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 1
        await still.db.execute(hold)
    states = "SELECT array_agg(state ORDER BY state) FROM scheduler_executions"
    assert await still.db.fetchval(states) == ["Fired", "Skipped"]
    await still.db.execute("UPDATE scheduler_job_triggers SET next_fire_at = now()")
    async with still.db.transaction():
        assert (await rounds.fire_due(still.db, tools, 10)).fired == 0
    assert await still.db.fetchval(states) == ["Fired", "Skipped", "Skipped", "Skipped"]


async def test_a_job_deleted_while_it_fires_does_not_stop_the_others(still: Service, tools: Services) -> None:
    await insert_due(still.db, [await insert_resource(still.db)] * 2)
    worker = await asyncpg.connect(still.settings.database_url)
    await worker.execute("BEGIN")
    assert (await rounds.fire_due(worker, tools, 10)).fired == 2
    victim = await still.db.fetchval("SELECT min(uuid) FROM scheduler_jobs")
    delete = asyncio.create_task(delete_job(still.db, victim))
    await asyncio.sleep(0.3)
    assert not delete.done()
    await worker.execute("COMMIT")
    await worker.close()
    await delete
    assert await still.db.fetchval("SELECT count(*) FROM scheduler_executions") == 1
