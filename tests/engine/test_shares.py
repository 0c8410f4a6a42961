"""Jobs of one account that act outside share transactions, in which each stands for itself."""

import asyncio
from typing import Any

from app import Service
from engine.waiting import ended, states, until
from zstack_mgmt.core.errors import OperationError
from zstack_mgmt.engine import store

NOTE = "INSERT INTO job_traces (job_uuid, traceparent) VALUES ($1, '')"


async def noted(idle: Service) -> set[str]:
    return {row[0] for row in await idle.db.fetch("SELECT job_uuid FROM job_traces")}


class Acting:
    """A handler whose first call of `end` is held in its transaction; meanwhile the others line up."""

    def __init__(self) -> None:
        self.calls: list[str] = []  # of what is done in the end
        self.transactions: dict[str, str] = {}
        self.arrived = 0
        self.going_on = asyncio.Event()
        self.failing: str | None = None

    async def __call__(self, call: Any, outside: Any, request: Any) -> dict[str, Any]:
        async def conclude(conn: Any) -> dict[str, Any]:
            self.calls.append(call.job_uuid)
            await self.going_on.wait()
            await conn.execute(NOTE, call.job_uuid)
            if call.job_uuid == self.failing:
                raise OperationError("no")
            self.transactions[call.job_uuid] = await conn.fetchval("SELECT pg_current_xact_id()::text")
            return {}

        self.arrived += 1
        return await outside.end(conclude, call.job_uuid)

    async def all_there(self) -> bool:
        return self.arrived == 8 and len(self.calls) == 1


async def test_ends_that_come_while_one_is_written_share_a_transaction(idle, put, toy, working):
    acting = Acting()
    toy("Act", acting, outside=True)
    jobs = await put("Act", 8, outside=True)
    async with working():
        await until(acting.all_there)
        acting.going_on.set()
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"succeeded": 8}
    assert await noted(idle) == set(jobs)
    assert len(set(acting.transactions.values())) <= 2
    assert acting.calls[1:] == sorted(acting.calls[1:])  # the rows that they lock are in one order


async def test_one_that_fails_fails_alone(idle, put, toy, working):
    acting = Acting()
    toy("Act", acting, outside=True)
    jobs = await put("Act", 8, outside=True)
    async with working():
        await until(acting.all_there)
        acting.failing = next(job for job in jobs if job not in acting.calls)
        acting.going_on.set()
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"succeeded": 7, "failed": 1}
    assert await noted(idle) == set(jobs) - {acting.failing}


async def test_one_that_is_canceled_writes_nothing_and_stops_no_other(idle, put, toy, working):
    acting = Acting()
    toy("Act", acting, outside=True)
    jobs = await put("Act", 8, outside=True)
    async with working():
        await until(acting.all_there)
        canceled = next(job for job in jobs if job not in acting.calls)
        await idle.db.execute("UPDATE api_jobs SET cancel_asked = true WHERE uuid = $1", canceled)
        acting.going_on.set()
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"succeeded": 7, "canceled": 1}
    assert await noted(idle) == set(jobs) - {canceled}


async def test_accounts_share_nothing(idle, put, toy, working):
    acting = Acting()
    acting.going_on.set()
    toy("Act", acting, outside=True)
    jobs = [*await put("Act", 4, outside=True), *await put("Act", 4, account="b", outside=True)]
    async with working():
        await ended(idle, jobs)
    ours, theirs = ({acting.transactions[job] for job in some} for some in (jobs[:4], jobs[4:]))
    assert not ours & theirs


async def test_what_is_begun_is_committed_and_flushed_before_the_job_goes_on(
    idle, put, toy, working, monkeypatch
):
    flush, seen = store.flush, []

    async def flush_and_look(conn: Any) -> None:
        seen.extend(row[0] for row in await conn.fetch("SELECT job_uuid FROM job_traces"))
        await flush(conn)

    async def begin(call: Any, outside: Any, request: Any) -> dict[str, Any]:
        async def intend(conn: Any) -> str:
            await conn.execute(NOTE, call.job_uuid)
            return await conn.fetchval("SHOW synchronous_commit")

        assert await outside.begin(intend) == "off"  # its locks are not held for as long as a flush takes
        assert seen == [call.job_uuid]
        return {}

    monkeypatch.setattr(store, "flush", flush_and_look)
    toy("Begin", begin, outside=True)
    jobs = await put("Begin", outside=True)
    async with working():
        await ended(idle, jobs)
    assert await states(idle, jobs) == {"succeeded": 1}
