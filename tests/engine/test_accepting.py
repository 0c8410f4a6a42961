"""Accepting: what waits for whom, and what a caller is told when the database is lost."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.engine import accept as accepting
from zstack_mgmt.engine import store
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.model import Submission


def job(keys: str | None = None, request: str = "{}") -> Submission:
    uuid = new_uuid()
    return Submission(uuid, "a", "a", False, "X", b"", request, "", keys, False, False, None, 100, "", None)


@pytest.fixture
async def acceptor(idle: Any) -> Any:
    made = Acceptor(replace(idle.settings), Bell(idle.settings))
    made.start()
    yield made
    await made.stop()


async def test_jobs_without_keys_do_not_wait_behind_a_contended_one(idle, acceptor):
    holder = await asyncpg.connect(idle.settings.database_url)
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(7316002, hashtext('k'))")
    keyed = asyncio.create_task(acceptor.submit(job("k")))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(1):
        await acceptor.submit(job())
    assert not keyed.done()
    await holder.execute("COMMIT")
    await holder.close()
    async with asyncio.timeout(2):
        await keyed


async def lost_after(monkeypatch: pytest.MonkeyPatch, *, commits: bool) -> None:
    """The first accept loses its connection, after or before its commit."""
    accept, calls = store.accept, 0

    async def flaky(conn: Any, jobs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            if commits:
                await accept(conn, jobs)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return await accept(conn, jobs)

    monkeypatch.setattr(store, "accept", flaky)


@pytest.mark.parametrize("commits", [True, False])
async def test_an_unclear_commit_is_asked_for_again(idle, acceptor, monkeypatch, commits):
    await lost_after(monkeypatch, commits=commits)
    submission = job()
    await acceptor.submit(submission)
    assert await idle.db.fetchval("SELECT count(*) FROM api_jobs WHERE uuid = $1", submission.uuid) == 1


async def test_a_commit_that_stays_unclear_is_not_called_refused(acceptor, monkeypatch):
    async def lost(conn: Any, jobs: Any) -> Any:
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(store, "accept", lost)
    monkeypatch.setattr(accepting, "_UNCLEAR_S", 0.3)
    with pytest.raises(TooBusy) as refusal:
        await acceptor.submit(job())
    assert "nothing was accepted" not in str(refusal.value)
    assert "X-Job-UUID" in str(refusal.value)


async def test_a_job_that_cannot_be_stored_fails_alone_and_at_once(idle, acceptor):
    good, bad = job(), job(request="\0")
    results = await asyncio.wait_for(
        asyncio.gather(acceptor.submit(good), acceptor.submit(bad), return_exceptions=True), 2
    )
    assert results[0] is True
    assert isinstance(results[1], TooBusy)
    assert await idle.db.fetchval("SELECT count(*) FROM api_jobs") == 1


async def test_secrets_are_kept_beside_the_request_and_dropped_with_it(idle):
    kept = job()._replace(secrets='{"password":"sealed"}')
    await store.accept(idle.db, [kept])
    await idle.db.execute("INSERT INTO workers VALUES ('w', now() + interval '1 h')")
    from zstack_mgmt.engine.model import Wish

    (claimed,), _ = await store.claim(idle.db, "w", Wish(1, 1, False, ("", ""), (1, 1), 1, []))
    assert (claimed.request, claimed.secrets) == ("{}", '{"password":"sealed"}')
    await idle.db.execute("UPDATE api_jobs SET state = 'succeeded', expires_at = now() - interval '1 s'")
    await store.expire(idle.db, 3600.0, 10)
    assert tuple(await idle.db.fetchrow("SELECT request, secrets FROM api_jobs")) == (None, None)


async def test_a_tenants_job_costs_no_look_at_the_resources_of_all(idle):
    async with idle.db.transaction():
        await idle.db.execute(
            """
            INSERT INTO accounts (uuid, name, type, password_hash)
            SELECT a, a, 'Normal', '' FROM unnest(ARRAY['a', 'b']) AS a;
            INSERT INTO tag_patterns (uuid, name, value)
            SELECT 'r' || i, '', '' FROM generate_series(1, 5000) i;
            INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid)
            SELECT 'r' || i, 'TagPatternVO', CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END
            FROM generate_series(1, 5000) i;
            ANALYZE resources, resource_owners
            """
        )
        looks = "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname LIKE 'resource%'"
        before = await idle.db.fetchval(looks)
        keys = await idle.db.fetchval("SELECT own_keys('r1 r2 ~r3 ~r4 a b new', 'a', false)")
        assert keys == "r2 ~r4 a new"
        assert await idle.db.fetchval("SELECT own_keys('r1 ~r2', 'a', true)") == "r1 ~r2"
        assert await idle.db.fetchval(looks) == before
