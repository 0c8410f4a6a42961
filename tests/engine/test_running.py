"""How workers hold, run, lose and give back jobs: one short test per rule."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from app import ADMIN, Service
from engine.conftest import Worker
from engine.waiting import ended, endless, quick, running, states, until
from zstack_mgmt import db
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.engine import jobs as jobs_module
from zstack_mgmt.engine import store
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.model import ClaimedJob, Wish


async def test_jobs_of_a_dead_worker_do_not_hold_up_the_others(idle, put, toy, working, pool):
    async def slow(call: Any, outside: Any, request: Any) -> dict[str, Any]:
        async with outside.transaction():
            pass
        await asyncio.sleep(1)
        return {}

    toy("Slow", slow, outside=True)
    toy("Quick", quick)
    left = await put("Slow", 30, outside=True)
    dead = Worker(pool, replace(idle.settings, lease_s=0.5, lease_renew_s=0.2))
    dead.start()
    await running(idle, 30)
    await dead.die()
    async with working():
        await until(lambda: idle.db.fetchval("SELECT count(*) > 0 FROM api_jobs WHERE claims > 1"))
        other = await put("Quick", account="b")
        assert await ended(idle, other) < 1.5
        assert (await states(idle, left))["queued"] > 20  # they run one at a time


async def test_a_job_that_a_stop_interrupts_goes_back_and_is_no_suspect(idle, put, toy, working):
    toy("Endless", endless, outside=True)
    jobs = await put("Endless", 5, outside=True)
    async with working():
        await running(idle, 5)
    assert await states(idle, jobs) == {"queued": 5}
    assert await idle.db.fetchval("SELECT max(claims) FROM api_jobs") == 0
    assert await idle.db.fetchval("SELECT count(started_at) FROM api_jobs") == 0


async def test_a_claim_that_is_under_way_at_the_stop_strands_nothing(
    idle, put, toy, working, pool, monkeypatch
):
    toy("Quick", quick)
    claim, claiming = store.claim, asyncio.Event()

    async def slow_claim(*args: Any) -> Any:
        claimed = await claim(*args)
        if claimed[0]:
            claiming.set()
            await asyncio.sleep(5)  # longer than the stop waits
        return claimed

    monkeypatch.setattr(store, "claim", slow_claim)
    async with working():
        jobs = await put("Quick", 20)
        await asyncio.wait_for(claiming.wait(), 5)
    assert await states(idle, jobs) == {"queued": 20}
    assert await idle.db.fetchval("SELECT max(claims) FROM api_jobs") == 0
    assert await idle.db.fetchval("SELECT count(*) FROM workers") == 0


async def test_a_worker_that_loses_its_lease_stops_what_it_holds_and_goes_on(idle, put, toy, working):
    stopped, entered = 0, asyncio.Semaphore(0)

    async def endless(call: Any, outside: Any, request: Any) -> None:
        nonlocal stopped
        entered.release()
        try:
            await asyncio.sleep(60)
        finally:
            stopped += 1

    toy("Endless", endless, outside=True)
    toy("Quick", quick)
    held = await put("Endless", 3, outside=True)
    async with working(lease_renew_s=0.2) as worker:
        for _ in range(3):
            await entered.acquire()
        before = worker.lease.owner
        await idle.db.execute("DELETE FROM workers")
        await until(lambda: idle.db.fetchval("SELECT count(*) = 1 FROM workers"))
        assert worker.lease.owner != before
        assert stopped == 3
        other = await put("Quick", account="b")
        await ended(idle, other)
        assert await idle.db.fetchval("SELECT max(claims) FROM api_jobs WHERE uuid = ANY ($1)", held) <= 1


async def test_a_join_whose_answer_was_lost_is_made_again(idle, put, toy, working, monkeypatch):
    join, joins = store.join, 0

    async def join_without_answer(*args: Any) -> None:
        nonlocal joins
        joins += 1
        await join(*args)
        if joins == 1:
            raise ConnectionResetError

    monkeypatch.setattr(store, "join", join_without_answer)
    toy("Quick", quick)
    jobs = await put("Quick")
    async with working():
        await ended(idle, jobs)
    assert joins == 2


async def test_a_claim_after_the_lease_brings_nothing(idle, put, toy):
    toy("Quick", quick)
    await put("Quick")
    wish = Wish(10, 10, True, ("", ""), (10, 10), 1, [])
    assert await store.claim(idle.db, "nobody", wish) == ([], False)
    assert await idle.db.fetchval("SELECT state FROM api_jobs") == "queued"


async def test_jobs_of_a_claim_whose_answer_was_lost_are_claimed_again(idle, put, toy, working, monkeypatch):
    claim, lost = store.claim, 0

    async def claim_without_answer(*args: Any) -> Any:
        nonlocal lost
        claimed = await claim(*args)
        if claimed[0] and not lost:
            lost = len(claimed[0])
            raise db.DatabaseLost
        return claimed

    monkeypatch.setattr(store, "claim", claim_without_answer)
    toy("Quick", quick)
    jobs = await put("Quick", 5)
    async with working():
        await ended(idle, jobs)
    assert lost == 5
    assert await idle.db.fetchval("SELECT max(claims) FROM api_jobs") == 1


async def test_a_job_of_another_release_is_left_to_others_and_costs_no_claim(idle, put, working, monkeypatch):
    claims = 0
    claim = store.claim

    async def counted(*args: Any) -> Any:
        nonlocal claims
        claims += 1
        return await claim(*args)

    monkeypatch.setattr(store, "claim", counted)
    jobs = await put("ApiOfTomorrow")
    async with working():
        await asyncio.sleep(2)
    assert await states(idle, jobs) == {"queued": 1}
    assert await idle.db.fetchval("SELECT max(claims) FROM api_jobs") == 0
    assert await idle.db.fetchval("SELECT max(epoch) FROM api_jobs") == 1
    assert await idle.db.fetchval("SELECT count(started_at) FROM api_jobs") == 0
    assert claims < 10


async def test_a_job_of_another_release_is_left_to_others_when_the_database_is_back(
    idle, put, toy, working, monkeypatch
):
    hand_back, tries = store.hand_back, 0

    async def lost_once(*args: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise db.DatabaseLost
        return await hand_back(*args)

    monkeypatch.setattr(store, "hand_back", lost_once)
    jobs = await put("ApiOfTomorrow")
    async with working():
        await until(lambda: idle.db.fetchval("SELECT epoch = 1 AND state = 'queued' FROM api_jobs"))
    assert await states(idle, jobs) == {"queued": 1}


async def test_a_job_of_another_release_that_is_to_be_canceled_is(idle, put, working, monkeypatch):
    hand_back = store.hand_back

    async def canceled_before(*args: Any) -> Any:
        await store.cancel(args[0], jobs[0], "{}", 60.0)
        return await hand_back(*args)

    monkeypatch.setattr(store, "hand_back", canceled_before)
    jobs = await put("ApiOfTomorrow")
    async with working():
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"canceled": 1}


async def test_a_job_that_breaks_what_runs_it_is_not_run_for_ever(idle, put, toy, working, monkeypatch):
    run, runs = Executor.run, 0

    async def broken(self: Executor, jobs: Sequence[ClaimedJob]) -> None:
        nonlocal runs
        runs += 1
        if jobs[0].api == "Broken":
            raise LookupError("an error of ours")
        await run(self, jobs)

    monkeypatch.setattr(Executor, "run", broken)
    toy("Broken", quick)
    toy("Quick", quick)
    jobs = await put("Broken")
    async with working(max_claims=2):
        await ended(idle, jobs)
        await ended(idle, await put("Quick"))
    assert await states(idle, jobs) == {"failed": 1}
    assert runs == 3


async def test_a_failing_job_of_a_chunk_fails_alone(idle, put, toy, working):
    runs: Counter[str] = Counter()

    async def some(call: Any, conn: Any, request: Any) -> dict[str, Any]:
        runs[call.job_uuid] += 1
        await conn.execute(
            "INSERT INTO user_groups (uuid, account_uuid, name) VALUES ($1, $2, $1)", call.job_uuid, ADMIN
        )
        if call.job_uuid in bad:
            raise OperationError("no")
        return {}

    toy("Some", some)
    jobs = await put("Some", 64)
    bad = set(jobs[5::16])
    transactions = "SELECT count(DISTINCT xmin::text) FROM api_jobs"
    async with working():
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"succeeded": 60, "failed": 4}
    assert max(runs.values()) <= 2
    made = {row["uuid"] for row in await idle.db.fetch("SELECT uuid FROM user_groups")}
    assert made == set(jobs) - bad
    assert await idle.db.fetchval(transactions) < 40


async def test_a_job_that_loses_its_connection_each_time_holds_up_no_other_and_ends(idle, put, toy, working):
    async def loses(call: Any, conn: Any, request: Any) -> None:
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    toy("Loses", loses)
    toy("Quick", quick)
    lost = await put("Loses", timeout_s=5)
    others = await put("Quick", 3)
    async with working():
        await ended(idle, others)
        await ended(idle, lost)
    assert await states(idle, lost) == {"failed": 1}
    assert await states(idle, others) == {"succeeded": 3}


async def test_x_api_timeout_holds_for_a_job_that_waits_behind_another(idle, put, toy, working):
    toy("Endless", endless, outside=True)
    await put("Endless", keys="k", outside=True)
    async with working():
        await running(idle, 1)
        behind = await put("Endless", keys="k", outside=True, timeout_s=1)
        await until(lambda: idle.db.fetchval("SELECT count(*) = 1 FROM api_jobs WHERE waits_for IS NOT NULL"))
        assert await ended(idle, behind) < 4
    assert await states(idle, behind) == {"failed": 1}


async def test_a_lock_that_is_held_for_long_is_waited_for(idle, put, toy, working):
    async def locks(call: Any, conn: Any, request: Any) -> dict[str, Any]:
        await conn.execute("SET LOCAL lock_timeout = '200ms'")
        await conn.execute("SELECT FROM quota_defaults FOR UPDATE")
        return {}

    toy("Locks", locks)
    blocker = await asyncpg.connect(idle.settings.database_url)
    await blocker.execute("BEGIN; SELECT FROM quota_defaults FOR UPDATE")
    async with working():
        jobs = await put("Locks")
        await asyncio.sleep(1.5)
        assert await states(idle, jobs) == {"running": 1}
        await blocker.execute("COMMIT")
        await ended(idle, jobs)
    await blocker.close()
    assert await states(idle, jobs) == {"succeeded": 1}


async def test_an_error_of_a_driver_is_no_loss_of_the_database(idle, put, toy, working):
    runs = 0

    async def times_out(call: Any, outside: Any, request: Any) -> None:
        nonlocal runs
        runs += 1
        raise TimeoutError("the hypervisor")

    toy("TimesOut", times_out, outside=True)
    async with working():
        jobs = await put("TimesOut", outside=True)
        await ended(idle, jobs)
    assert (runs, await states(idle, jobs)) == (1, {"failed": 1})


async def test_a_value_that_a_statement_cannot_take_is_no_loss_of_the_database(idle, put, toy, working):
    async def wrong(call: Any, conn: Any, request: Any) -> None:
        await conn.fetchval("SELECT $1::int", "text")

    toy("Wrong", wrong)
    async with working():
        jobs = await put("Wrong")
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"failed": 1}
    with pytest.raises(asyncpg.DataError), db.losses():
        await idle.db.fetchval("SELECT $1::int", "text")


async def cancel(idle: Service, uuid: str) -> None:
    await store.cancel(idle.db, uuid, '{"error":{"code":"SYS.1017"}}', 60.0)


async def test_a_cancellation_outlives_the_worker(idle, put, toy, working, pool):
    toy("Endless", endless, outside=True)
    jobs = await put("Endless", outside=True)
    dead = Worker(pool, replace(idle.settings, lease_s=0.3, lease_renew_s=0.1))
    dead.start()
    await running(idle, 1)
    await dead.die()
    await cancel(idle, jobs[0])
    async with working():
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"canceled": 1}


async def test_a_cancellation_outlives_a_stop(idle, put, toy, working):
    toy("Endless", endless, outside=True)
    jobs = await put("Endless", outside=True)
    async with working() as worker:
        await running(idle, 1)
        worker.jobs._checked_at = time.monotonic() + 60  # it does not hear of it while it runs
        await cancel(idle, jobs[0])
    assert await states(idle, jobs) == {"canceled": 1}


async def test_a_claimed_job_whose_effect_is_not_committed_heeds_a_cancellation(idle, put, toy, working):
    go_on = asyncio.Event()

    async def waits(call: Any, conn: Any, request: Any) -> dict[str, Any]:
        await conn.execute("UPDATE accounts SET description = 'changed'")
        await go_on.wait()
        return {}

    toy("Waits", waits)
    jobs = await put("Waits")
    async with working():
        await running(idle, 1)
        await cancel(idle, jobs[0])
        go_on.set()
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"canceled": 1}
    assert await idle.db.fetchval("SELECT count(*) FROM accounts WHERE description = 'changed'") == 0


async def test_periodic_work_goes_on_without_redis(idle, put, working):
    await idle.db.execute("UPDATE sessions SET expired_date = now() - interval '1 day'")
    async with working(redis_url="redis://127.0.0.1:1/0"):
        await until(lambda: idle.db.fetchval("SELECT count(*) = 0 FROM sessions"))


async def test_a_suspect_that_runs_long_makes_way_for_the_next(idle, put, toy, working, monkeypatch):
    monkeypatch.setattr(jobs_module, "_SUSPECT_S", 0.2)
    started: set[str] = set()

    async def endless(call: Any, outside: Any, request: Any) -> None:
        started.add(call.job_uuid)
        await asyncio.sleep(60)

    toy("Endless", endless, outside=True)
    jobs = await put("Endless", 3, outside=True)
    await idle.db.execute("UPDATE api_jobs SET claims = 1")

    async def all_started() -> bool:
        return started == set(jobs)

    async with working():
        await until(all_started)


async def test_a_job_whose_claim_was_undone_is_not_canceled_for_the_next_worker(
    idle, put, toy, working, monkeypatch
):
    """A crash of the database undoes a claim, so the next one has the same epoch."""
    entered, undone, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    finish, look = store.finish, store.is_to_be_canceled

    async def slow(call: Any, conn: Any, request: Any) -> None:
        entered.set()
        await undone.wait()

    async def finish_late(*args: Any) -> bool:
        try:
            return await finish(*args)
        except asyncpg.PostgresError:
            await idle.db.execute("UPDATE api_jobs SET state = 'running', owner = 'next', epoch = epoch + 1")
            raise

    async def look_and_tell(*args: Any) -> bool:
        try:
            return await look(*args)
        finally:
            looked.set()

    monkeypatch.setattr(store, "finish", finish_late)
    monkeypatch.setattr(store, "is_to_be_canceled", look_and_tell)
    toy("Slow", slow)
    (job,) = await put("Slow")
    async with working():
        await entered.wait()
        await idle.db.execute("UPDATE api_jobs SET state = 'queued', owner = NULL, epoch = epoch - 1")
        undone.set()
        async with asyncio.timeout(10):
            await looked.wait()
    row = await idle.db.fetchrow("SELECT state, owner FROM api_jobs WHERE uuid = $1", job)
    assert tuple(row) == ("running", "next")
