"""The parts of one process that answers calls, and their life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from zstack_mgmt.auth.keys import Keys
from zstack_mgmt.auth.recent import Trust
from zstack_mgmt.auth.sessions import Sessions
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Pool
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.watch import Watcher
from zstack_mgmt.identity.audit.trail import AuditTrail
from zstack_mgmt.process import build_services, open_pool
from zstack_mgmt.query.reader import Reader
from zstack_mgmt.service.rights import RightsListener


@dataclass(frozen=True, slots=True)
class Service:
    """What the doors of one process share."""

    settings: Settings
    pool: Pool
    services: Services
    sessions: Sessions
    keys: Keys
    acceptor: Acceptor
    watcher: Watcher
    bell: Bell
    trail: AuditTrail
    tasks: Sequence[asyncio.Task[None]]  # that go on for as long as the process is whole


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Service]:
    """The parts, connected and at work until the block ends. Raises TimeoutError without a database."""
    pool = await open_pool(settings, application="zstack-api")
    services = build_services(settings)
    trust = Trust(settings.session_cache_s)
    sessions = Sessions(pool, services.sealer, trust)
    keys = Keys(pool, services.sealer, settings, trust)
    bell = Bell(settings)
    watcher = Watcher(settings, pool)
    services = replace(
        services,
        bell=bell,
        watcher=watcher,
        reader=Reader(pool, settings.time_zone),
        forget_session=sessions.forget,
    )
    acceptor, trail = Acceptor(settings, bell), AuditTrail(pool)
    rights = RightsListener(settings, trust)
    parts = (bell, acceptor, watcher, trail, rights)
    tasks = [task for part in parts for task in part.start()]
    try:
        yield Service(settings, pool, services, sessions, keys, acceptor, watcher, bell, trail, tasks)
    finally:
        await rights.stop()
        await watcher.stop()
        await acceptor.stop()
        await trail.stop()
        await bell.stop()
        try:
            async with asyncio.timeout(3):
                await pool.close()
        except TimeoutError:
            pool.terminate()
