"""What the ended jobs of an account keep is counted to the byte, and bounded."""

from dataclasses import replace
from typing import Any

from app import Answer, Service, running_service
from engine.waiting import until
from receivers import receiver, replying
from zstack_mgmt.engine import store
from zstack_mgmt.webhooks import outbox

RECOUNT = """
    SELECT account_uuid, sum(bytes)::bigint FROM (
        SELECT account_uuid, job_bytes(j) AS bytes FROM api_jobs j
        UNION ALL SELECT account_uuid, 500 + octet_length(body) FROM webhook_deliveries
        UNION ALL SELECT d.account_uuid, 200 + coalesce(octet_length(a.reply), 0)
                  FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id) kept
    GROUP BY 1
"""
NOTED = "SELECT account_uuid, sum(bytes)::bigint FROM kept_bytes GROUP BY 1 HAVING sum(bytes) <> 0"


async def the_same(service: Service) -> dict[str, int]:
    """What is noted, which is what there is."""
    noted = dict(await service.db.fetch(NOTED))
    assert noted == dict(await service.db.fetch(RECOUNT))
    return noted


async def test_what_is_noted_is_what_there_is(service: Service) -> None:
    row, tenant = await service.account("tenant")
    account = row["uuid"]
    async with receiver(replying(500, 200)) as hook:
        for name in ("a", "b"):
            await tenant.job(
                "POST", "/accounts/groups", {"params": {"name": name}}, headers={"X-Web-Hook": hook.url}
            )
        await tenant.job("POST", "/accounts/groups", {"params": {"name": "a" * 200}})
        refused = await tenant.job("POST", "/accounts/groups", {"params": {"name": "a"}})
        assert refused.status == 503
        await hook.wait_for(3)

        async def settled() -> bool:
            return not await service.db.fetchval(
                "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending' OR owner IS NOT NULL"
            )

        await until(settled, 20)
    before = await the_same(service)
    assert before[account] > 4 * 500
    await service.db.execute("UPDATE api_jobs SET expires_at = now() - interval '1 s'")
    await store.expire(service.db, 3600.0, 1000)
    tombstones = await the_same(service)
    assert tombstones[account] < before[account]
    await service.db.execute(
        "UPDATE webhook_deliveries SET created_at = '2000-01-01', finished_at = '2000-01-01'"
    )
    assert await outbox.purge(service.db, 3600.0, 1000) == 2
    assert await service.db.fetchval("SELECT count(*) FROM webhook_attempts") == 0
    await the_same(service)
    await service.db.execute("UPDATE api_jobs SET expires_at = now() - interval '1 s'")
    await store.expire(service.db, 3600.0, 1000)
    assert await the_same(service) == {}


async def test_the_oldest_ended_jobs_of_a_laden_account_go(idle: Service, put: Any) -> None:
    db = idle.db
    first = await put("Toy", 2, account="busy")
    hooked = await put("Toy", 2, account="busy")
    large = await put("Toy", 20, account="busy")
    others = await put("Toy", 3, account="quiet")
    waiting = first[0]
    await db.execute(
        "UPDATE api_jobs SET state = 'succeeded', result = repeat('x', 100000) WHERE uuid <> $1", waiting
    )
    await db.execute(
        "INSERT INTO kept_bytes SELECT account_uuid, 100000 FROM api_jobs WHERE uuid <> $1", waiting
    )
    for job, state in zip(hooked, ("dead", "pending"), strict=True):
        await db.execute(
            """
            INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body, state)
            VALUES ('msg_' || $1::text, $1::text, 'busy', '', '', true, '', $2)
            """,
            job,
            state,
        )
    assert await the_same(idle) == dict(await db.fetch(RECOUNT))
    assert await store.trim(db, 1_000_000, 5) == 5
    assert await store.trim(db, 1_000_000, 100) > 5
    assert await store.trim(db, 1_000_000, 100) == 0
    left = {row["uuid"] for row in await db.fetch("SELECT uuid FROM api_jobs")}
    assert left == {waiting, *large[-len(left & set(large)) :], *others}
    assert 8 <= len(left & set(large)) <= 9
    assert await db.fetch("SELECT job_uuid FROM webhook_deliveries") == [(hooked[1],)]
    noted = await the_same(idle)
    assert 800_000 < noted["busy"] <= 1_000_000


async def test_an_account_that_keeps_twice_as_much_is_refused_and_others_are_not(settings: Any) -> None:
    settings = replace(settings, max_account_kept_bytes=1_000_000)
    async with running_service(settings) as service:
        row, tenant = await service.account("tenant")
        account = row["uuid"]
        body = {"params": {"name": "g"}}
        await service.db.execute("INSERT INTO kept_bytes VALUES ($1, 2000000)", account)

        answers: list[Answer] = []

        async def refused() -> bool:
            answers.append(await tenant.call("POST", "/accounts/groups", body))
            return answers[-1].status != 202

        await until(refused, 5)
        assert (answers[-1].status, answers[-1].code) == (503, "SYS.1010")
        assert answers[-1].headers["Retry-After"] == "10"
        assert (await service.admin.job("POST", "/zones", {"params": {"name": "z"}})).status == 200
        await service.db.execute("INSERT INTO kept_bytes VALUES ($1, -2000000)", account)

        async def has_room() -> bool:
            return (await tenant.call("POST", "/accounts/groups", body)).status == 202

        await until(has_room, 5)
