"""What every process of the service does at its start."""

from __future__ import annotations

import asyncio
import gc
import platform
import resource
import time

import asyncpg
import structlog

from zstack_mgmt import __version__, db, metrics, schema
from zstack_mgmt.absence import address_of
from zstack_mgmt.auth.keyring import load_keys, load_sealer
from zstack_mgmt.auth.passwords import PasswordService
from zstack_mgmt.auth.secrets import Sealer
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.core.registry import Services

log = structlog.get_logger()


def settle_memory() -> None:
    """Spare the garbage collector what is there for good, and let it look less often at the rest.

    Call it once, when everything is imported and before the first request or job.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def raise_descriptor_limit() -> int:
    """Allow as many open descriptors as the system lets a process have; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def build_services(settings: Settings, sealer: Sealer | None = None) -> Services:
    """The services that handlers use; without a sealer, that of keys that have never been replaced."""
    sealer = sealer or Sealer(load_keys(settings)[0])
    return Services(settings=settings, sealer=sealer, hasher=PasswordService(settings))


async def load_services(pool: db.Pool, settings: Settings) -> Services:
    """The services that handlers use, on the keys that this database knows."""
    async with pool.acquire() as conn:
        return build_services(settings, await load_sealer(conn, settings))


async def open_pool(
    settings: Settings, *, application: str, size: int | None = None, timeout_s: float = 60.0
) -> db.Pool:
    """A pool on a database that has the schema and knows our key; waits for the database and its schema.

    Raises: ConfigError when they do not come, or when the database knows another key.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            pool = db.create_pool(settings, application=application, size=size)
            lacking = await _lacking(pool, settings)
        except ValueError as error:
            raise ConfigError(f"DATABASE_URL: {error}") from error
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            reason = f"the database is away ({type(error).__name__})"
        else:
            if not lacking:
                metrics.count_pool(pool)
                log.info(
                    "connected",
                    action="start",
                    version=__version__,
                    python=platform.python_version(),
                    database=address_of(settings.database_url),
                    redis=address_of(settings.redis_url),
                )
                return pool
            pool.terminate()
            reason = f"the schema lacks {lacking[0]}: run `python -m zstack_mgmt schema`"
        log.info("waiting for the database", action="start", reason=reason)
        if time.monotonic() > until:
            raise ConfigError(f"DATABASE_URL: {reason}")
        await asyncio.sleep(0.1)


async def _lacking(pool: db.Pool, settings: Settings) -> list[str]:
    """The steps that the schema lacks; refuses a database with another key. A failure ends the pool."""
    try:
        async with pool.acquire() as conn:
            lacking = await schema.missing(conn)
            if not lacking:
                await load_sealer(conn, settings)
                if settings.direct_database_url:
                    await db.check_limits(conn, settings)
            return lacking
    except BaseException:
        pool.terminate()
        raise
