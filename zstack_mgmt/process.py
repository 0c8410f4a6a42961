"""What every process of the service does at its start."""

from __future__ import annotations

import asyncio
import gc
import resource
import time

import asyncpg
import structlog

from zstack_mgmt import db, schema
from zstack_mgmt.auth.passwords import PasswordService
from zstack_mgmt.auth.secrets import Sealer, key_file, load_key
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


def build_services(settings: Settings) -> Services:
    """The services that handlers use, from the settings and the key file."""
    return Services(settings=settings, sealer=Sealer(load_key(settings)), hasher=PasswordService(settings))


async def open_pool(
    settings: Settings, *, application: str, size: int | None = None, timeout_s: float = 60.0
) -> db.Pool:
    """A pool on a database that has the schema and knows our key; waits for the database and its schema.

    Raises: ConfigError when they do not come, or when the database knows another key.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            pool = await db.create_pool(settings, application=application, size=size)
            lacking = await _lacking(pool, settings)
        except ValueError as error:
            raise ConfigError(f"DATABASE_URL: {error}") from error
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            reason = f"the database is away ({type(error).__name__})"
        else:
            if not lacking:
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
                await _check_key(conn, settings)
            return lacking
    except BaseException:
        pool.terminate()
        raise


async def _check_key(conn: db.Connection, settings: Settings) -> None:
    """Refuse a database whose secrets are sealed with another key; the first process leaves its mark."""
    mark = Sealer(load_key(settings)).keyed_hash(b"", "fingerprint").hex()
    known = await conn.fetchval("SELECT value FROM installation WHERE name = 'key'")
    if known is None:
        await conn.execute(
            "INSERT INTO installation (name, value) VALUES ('key', $1) ON CONFLICT DO NOTHING", mark
        )
        known = await conn.fetchval("SELECT value FROM installation WHERE name = 'key'")
    if known != mark:
        where = "SECRET_KEY" if settings.secret_key else f"SECRET_KEY is not set, and {key_file(settings)}"
        raise ConfigError(f"{where} is not the key with which this database was first used")
