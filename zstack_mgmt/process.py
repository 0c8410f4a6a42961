"""What every process of the service does at its start."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog

from zstack_mgmt import db
from zstack_mgmt.auth.passwords import PasswordService
from zstack_mgmt.auth.secrets import Sealer, load_key
from zstack_mgmt.config import Settings
from zstack_mgmt.registry import Services

log = structlog.get_logger()


def build_services(settings: Settings) -> Services:
    """The services that handlers use, from the settings and the key file."""
    return Services(settings=settings, sealer=Sealer(load_key(settings)), hasher=PasswordService(settings))


async def wait_for_database(settings: Settings, timeout_s: float = 60.0) -> None:
    """Return once the database has the schema; raises TimeoutError when it does not come."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            conn = await db.connect(settings, application="zstack-start")
            try:
                if await conn.fetchval("SELECT max(version) FROM schema_version") == db.SCHEMA_VERSION:
                    return
            finally:
                await conn.close(timeout=2)
        except (*db.UNAVAILABLE, asyncpg.PostgresError) as error:
            log.info("waiting for the database", action="start", error=type(error).__name__)
        if time.monotonic() > until:
            raise TimeoutError("the database or its schema did not come")
        await asyncio.sleep(0.1)
