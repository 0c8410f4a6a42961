"""Accounts take turns, and nobody takes more than a share."""

import asyncio
from collections import Counter
from typing import Any

from engine.waiting import ended, quick, running, states, until
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine import store
from zstack_mgmt.engine.model import Lane, Wish
from zstack_mgmt.engine.outside import Turns


async def claim(
    idle: Any, inside: int, *, after: str = "", rooms: tuple[int, int] = (8, 8), **more: Any
) -> Any:
    await idle.db.execute("INSERT INTO workers VALUES ('w', now() + interval '1 h') ON CONFLICT DO NOTHING")
    wish = Wish(inside, more.pop("outside", 0), False, (after, after), (8, 8), 1, more.pop("lanes", []))
    return await store.claim(idle.db, "w", wish)


def accounts(claimed: Any) -> dict[str, int]:
    return dict(Counter(job.account_uuid for job in claimed[0]))


async def test_free_slots_are_shared_out_among_the_accounts(idle, put):
    await put("X", 50, account="a")
    await put("X", 2, account="b")
    await put("X", 50, account="c")
    first = await claim(idle, 9)
    assert accounts(first) == {"a": 3, "b": 2, "c": 3}
    assert first[1], "there is more"


async def test_a_claim_goes_on_where_the_last_one_ended_and_around(idle, put):
    for account in ("a", "b", "c"):
        await put("X", 5, account=account)
    assert accounts(await claim(idle, 1)) == {"a": 1}
    assert accounts(await claim(idle, 1, after="a")) == {"b": 1}
    assert accounts(await claim(idle, 2, after="b")) == {"c": 1, "a": 1}
    assert accounts(await claim(idle, 5, after="b")) == {"a": 1, "b": 1, "c": 1}


async def test_an_account_that_has_its_share_is_passed_over(idle, put):
    await put("X", 5, account="a")
    await put("X", 5, account="b")
    lanes = [Lane("a", False, 0, 1)]
    assert accounts(await claim(idle, 4, lanes=lanes)) == {"b": 4}
    assert accounts(await claim(idle, 4, lanes=[Lane("a", False, 2, 2)])) == {"a": 4, "b": 1}


async def test_jobs_that_act_outside_have_slots_of_their_own(idle, put):
    await put("X", 5)
    await put("X", 5, outside=True)
    assert [job.outside for job in (await claim(idle, 2, outside=3))[0]].count(True) == 3


async def test_an_idle_account_does_not_wait_behind_a_busy_one(idle, put, toy, working):
    async def slow(call: Any, conn: Any, request: Any) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {}

    toy("Slow", slow)
    toy("Quick", quick)
    busy = await put("Slow", 200, account="a")
    async with working():
        await running(idle, 8)
        other = await put("Quick", account="b")
        # Nobody rings, so it may take until the next look.
        assert await ended(idle, other) < 1.3
        assert (await states(idle, busy))["queued"] > 100


async def test_jobs_of_two_accounts_share_no_transaction(idle, put, toy, working):
    async def own(call: Any, conn: Any, request: Any) -> dict[str, Any]:
        xid = await conn.fetchval("SELECT pg_current_xact_id()::text")
        seen.setdefault(xid, set()).add(call.account_uuid)
        return {}

    seen: dict[str, set[str]] = {}
    toy("Own", own)
    jobs = [uuid for account in ("a", "b", "c") for uuid in await put("Own", 40, account=account)]
    async with working():
        await ended(idle, jobs)
    assert all(len(some) == 1 for some in seen.values())
    assert len(seen) < 100


async def test_jobs_that_wait_outside_leave_the_others_their_slots(idle, put, toy, working):
    async def slow(call: Any, outside: Any, request: Any) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    toy("Slow", slow, outside=True)
    toy("Quick", quick)
    toy("QuickOutside", quick, outside=True)
    await put("Slow", 100, account="a", outside=True)
    async with working(outside_slots=6, account_outside_slots=4):
        await running(idle, 4)
        other = [*await put("Quick", account="b"), *await put("QuickOutside", account="b", outside=True)]
        assert await ended(idle, other) < 1.3


async def test_a_host_that_does_not_answer_stops_only_those_who_need_it(idle, put, toy, working):
    there = 0

    async def dead_host(call: Any, outside: Any, request: Any) -> dict[str, Any]:
        nonlocal there
        async with outside.at("dead"):
            there += 1
            await asyncio.sleep(60)
        return {}

    async def good_host(call: Any, outside: Any, request: Any) -> dict[str, Any]:
        async with outside.at("good"):
            return {}

    toy("DeadHost", dead_host, outside=True)
    toy("GoodHost", good_host, outside=True)
    for account in ("a", "b", "c"):
        await put("DeadHost", 5, account=account, outside=True)
    async with working(outside_slots=6, account_outside_slots=4, host_slots=2):
        await running(idle, 15)
        good = await put("GoodHost", account="a", outside=True)
        assert await ended(idle, good) < 1.3
        assert there == 2


async def test_whoever_gives_up_waiting_for_a_host_leaves_no_trace():
    hosts = Turns(1)
    async with hosts.at("h", "a"):
        for _ in range(3):
            try:
                async with asyncio.timeout(0.01), hosts.at("h", "a"):
                    pass
            except TimeoutError:
                assert not hosts.waiting
    async with asyncio.timeout(1), hosts.at("h", "a"):
        pass
    assert not hosts._turns


async def test_an_account_with_too_many_queued_jobs_is_refused_and_others_are_not(settings):
    from dataclasses import replace

    from app import running_service

    settings = replace(settings, max_account_queue_depth=3)
    async with running_service(settings, workers=0, senders=0) as service:
        await service.db.execute(
            """
            INSERT INTO accounts (uuid, name, type, password_hash)
            SELECT $1, 'tenant', 'SystemAdmin', password_hash FROM accounts
            """,
            new_uuid(),
        )
        tenant = await service.anonymous.log_in("tenant", "password")
        for _ in range(3):
            assert (await tenant.call("POST", "/zones", {"params": {"name": "z"}})).status == 202
        refused = await tenant.call("POST", "/zones", {"params": {"name": "z"}})
        assert (refused.status, refused.code) == (503, "SYS.1010")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await service.admin.call("POST", "/zones", {"params": {"name": "z"}})).status == 202
        await service.db.execute("DELETE FROM api_jobs")

        async def has_room() -> bool:
            return (await tenant.call("POST", "/zones", {"params": {"name": "z"}})).status == 202

        await until(has_room, 5)
