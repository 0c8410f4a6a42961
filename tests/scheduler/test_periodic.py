"""The round of periodic tasks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app import Service
from workers import periodic as tasks_module
from workers.periodic import periodic_tasks
from zstack_mgmt import db
from zstack_mgmt.engine.periodic import Periodic
from zstack_mgmt.process import build_services


@pytest.fixture
async def pool(still: Service) -> AsyncIterator[db.Pool]:
    pool = db.create_pool(still.settings, application="test")
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


OLD = "now() - interval '3 years'"
MANY = {
    "expire_jobs": (
        "api_jobs",
        f"""
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, keyed, outside,
                              state, deadline_at, expires_at)
        SELECT 'old-' || n, 'a', 'a', false, 'CreateZone', '', false, false, 'expired', now(), {OLD}
        FROM generate_series(1, 20) AS n
        """,
    ),
    "expire_deliveries": (
        "webhook_deliveries",
        f"""
        INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body, state,
                                        created_at, finished_at)
        SELECT 'msg_' || n, n, 'a', '', '', true, '', 'dead', {OLD}, {OLD} FROM generate_series(1, 20) AS n
        """,
    ),
    "expire_sessions": (
        "sessions",
        f"""
        INSERT INTO sessions (token_hash, account_uuid, user_uuid, expired_date)
        SELECT n::text::bytea, uuid, uuid, {OLD} FROM accounts, generate_series(1, 20) AS n
        """,
    ),
    "expire_trails": (
        "audits",
        f"INSERT INTO audits (create_date, api, outcome) SELECT {OLD}, '', '' FROM generate_series(1, 20)",
    ),
    "expire_failures": (
        "login_failures",
        f"""
        INSERT INTO login_failures (subject, address, failures, last_at)
        SELECT n::text::bytea, '', 1, {OLD} FROM generate_series(1, 20) AS n
        """,
    ),
}


@pytest.mark.parametrize("name", MANY)
async def test_a_round_drops_all_that_is_past_its_time(
    still: Service, pool: db.Pool, monkeypatch, name
) -> None:
    monkeypatch.setattr(tasks_module, "_BATCH", 3)
    table, insert = MANY[name]
    await still.db.execute(f"DELETE FROM {table}")
    await still.db.execute(insert)
    task, _ = periodic_tasks(pool, build_services(still.settings))[name]
    await task()
    of_these = (
        "WHERE api = ''" if table == "audits" else ""
    )  # the line of the admin's own login may come late
    assert await still.db.fetchval(f"SELECT count(*) FROM {table} {of_these}") == 0


async def test_an_account_with_too_many_audit_lines_loses_its_oldest(
    still: Service, pool: db.Pool, monkeypatch
) -> None:
    monkeypatch.setattr(tasks_module, "_BATCH", 3)
    await still.db.execute(
        """
        INSERT INTO audits (account_uuid, target, api, outcome)
        SELECT account, n, 'Test', 'refused' FROM generate_series(1, 30) AS n,
            unnest(ARRAY['loud', NULL]) AS account;
        INSERT INTO audits (account_uuid, target, api, outcome)
        SELECT 'quiet', n, 'Test', 'refused' FROM generate_series(1, 10) AS n
        """
    )
    services = build_services(replace(still.settings, max_account_audit_lines=10))
    task, _ = periodic_tasks(pool, services)["trim_trails"]
    await task()
    kept = await still.db.fetch(
        "SELECT account_uuid, count(*), min(target::int) FROM audits WHERE api = 'Test' GROUP BY 1"
    )
    assert {row[0]: (row[1], row[2]) for row in kept} == {"loud": (10, 21), "quiet": (10, 1), None: (10, 21)}
