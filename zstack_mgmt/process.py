"""What every process of the service does at its start."""

from __future__ import annotations

import asyncio
import gc
import time

import asyncpg
import structlog

from zstack_mgmt import db, schema
from zstack_mgmt.auth.passwords import PasswordService
from zstack_mgmt.auth.secrets import Sealer, load_key
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services

log = structlog.get_logger()


def settle_memory() -> None:
    """Spare the garbage collector what is there for good, and let it look less often at the rest.

    Call it once, when everything is imported and before the first request or job.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def build_services(settings: Settings) -> Services:
    """The services that handlers use, from the settings and the key file."""
    return Services(settings=settings, sealer=Sealer(load_key(settings)), hasher=PasswordService(settings))


async def open_pool(
    settings: Settings, *, application: str, size: int | None = None, timeout_s: float = 60.0
) -> db.Pool:
    """A pool on a database that has the schema; waits for both, and raises TimeoutError when they do not
    come.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            pool = await db.create_pool(settings, application=application, size=size)
            lacking = await _lacking(pool)
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            reason = f"the database is away ({type(error).__name__})"
        else:
            if not lacking:
                return pool
            reason = f"the schema lacks {lacking[0]}: run `python -m zstack_mgmt schema`"
            await pool.close()
        log.info("waiting for the database", action="start", reason=reason)
        if time.monotonic() > until:
            raise TimeoutError(reason)
        await asyncio.sleep(0.1)


async def _lacking(pool: db.Pool) -> list[str]:
    try:
        async with pool.acquire() as conn:
            return await schema.missing(conn)
    except BaseException:
        pool.terminate()
        raise
