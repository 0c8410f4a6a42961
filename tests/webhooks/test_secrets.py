"""The secrets that sign."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from receivers import put, receiver
from webhooks.sending import ACCOUNT, FAST, SEALER, check, ended, log_of, secret_of, sender
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.db import Lock
from zstack_mgmt.webhooks import deliveries, secrets, store
from zstack_mgmt.webhooks.signing import VerificationError


async def test_both_secrets_sign_during_an_overlap_and_one_after_it(pool, settings):
    settings = replace(settings, webhook_schedule_s=FAST)
    async with receiver() as sink, sender(pool, settings) as loop:
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(1)
        old = await secret_of(pool)
        async with pool.acquire() as conn, conn.transaction():
            new = (await secrets.rotate(conn, SEALER, ACCOUNT, 2)).secret
        assert new not in (None, old)
        await asyncio.sleep(deliveries.KEYS_FOR_S)
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(2)
        check(sink.requests[1], old)
        check(sink.requests[1], new)
        await asyncio.sleep(2)
        await put(pool, sink.url)
        loop.wake()
        await sink.wait_for(3)
        check(sink.requests[2], new)
        with pytest.raises(VerificationError):
            check(sink.requests[2], old)


async def test_an_overlap_of_nothing_ends_the_old_secret_at_once(pool):
    old = await secret_of(pool)
    async with pool.acquire() as conn, conn.transaction():
        new = await secrets.rotate(conn, SEALER, ACCOUNT, 0)
    assert new.secret not in (None, old)
    assert new.older == []
    keys = await secrets.signing_keys(pool, SEALER, [ACCOUNT])
    assert len(keys[ACCOUNT]) == 1


async def test_many_rotations_keep_the_header_short_and_concurrent_ones_leave_one_current_secret(pool):
    async def rotate() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await secrets.rotate(conn, SEALER, ACCOUNT, 3600)

    await asyncio.gather(*(rotate() for _ in range(8)))
    keys = await secrets.signing_keys(pool, SEALER, [ACCOUNT])
    assert len(keys[ACCOUNT]) == 1 + secrets.MAX_OLDER
    assert await pool.fetchval("SELECT count(*) FROM webhook_secrets WHERE ends_at IS NULL") == 1


async def test_secrets_are_sealed_in_the_database(pool):
    secret = await secret_of(pool)
    rows = await pool.fetch("SELECT * FROM webhook_secrets")
    assert secret.removeprefix("whsec_") not in str([dict(row) for row in rows])


async def test_a_secret_sealed_with_a_lost_key_fails_its_account_alone(pool, settings):
    settings = replace(settings, webhook_schedule_s=())
    await secrets.signing_keys(pool, Sealer(bytes(32)), ["f" * 32])
    async with receiver() as sink, sender(pool, settings) as loop:
        (broken,) = await put(pool, sink.url, account="f" * 32)
        await put(pool, sink.url)
        loop.wake()
        assert await ended(pool, 2) == {"delivered": 1, "dead": 1}
        assert (await log_of(pool, broken))[0]["error"] == "no-signing-key"


async def test_a_rotation_does_not_wait_for_jobs_on_the_account(database_url):
    """The queue of the account's jobs is locked meanwhile, as it is while a batch is being accepted."""
    accepting, rotating = [await asyncpg.connect(database_url, command_timeout=5) for _ in range(2)]
    async with accepting.transaction():
        await accepting.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", Lock.JOB_KEYS, ACCOUNT)
        async with rotating.transaction():
            await store.lock_secrets(rotating, ACCOUNT)
    await asyncio.gather(accepting.close(), rotating.close())
