"""The parts of one process that answers calls, and their life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from zstack_mgmt.auth.keys import Keys
from zstack_mgmt.auth.recent import Trust
from zstack_mgmt.auth.sessions import Sessions
from zstack_mgmt.config import Settings
from zstack_mgmt.core.registry import Services
from zstack_mgmt.db import Pool, create_pool
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.at_once import AtOnce
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.watch import Watcher
from zstack_mgmt.identity.audit.trail import AuditTrail
from zstack_mgmt.identity.catalog.kept import KeptCatalog
from zstack_mgmt.identity.tokens.model import Token
from zstack_mgmt.identity.tokens.store import MOST_TOKENS, live_tokens
from zstack_mgmt.management.heartbeat import Heartbeat
from zstack_mgmt.process import load_services, open_pool
from zstack_mgmt.query.reader import Reader
from zstack_mgmt.service.rights import RightsListener
from zstack_mgmt.together import Together


@dataclass(frozen=True, slots=True)
class Service:
    """What the doors of one process share."""

    settings: Settings
    pool: Pool
    services: Services
    sessions: Sessions
    keys: Keys
    tokens: Together[bytes, Token]  # by their hashes
    catalog: KeptCatalog
    acceptor: Acceptor
    at_once: AtOnce
    watcher: Watcher
    bell: Bell
    trail: AuditTrail
    tasks: Sequence[asyncio.Task[None]]  # that go on for as long as the process is whole


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Service]:
    """The parts, connected and at work until the block ends. Raises TimeoutError without a database."""
    pool = await open_pool(settings, application="zstack-api")
    services = await load_services(pool, settings)
    trust = Trust(settings.session_cache_s)
    sessions = Sessions(pool, services.sealer, trust)
    keys = Keys(pool, services.sealer, settings, trust)
    bell = Bell(settings)
    watcher = Watcher(settings, pool)
    reads = pool
    if settings.read_database_url:
        reads = create_pool(settings, application="zstack-reads", standby=True)
    services = replace(
        services,
        bell=bell,
        watcher=watcher,
        reader=Reader(reads, settings.time_zone, exact=settings.query_case == "exact"),
        forget_session=sessions.forget,
    )
    at_once = AtOnce(pool, Executor(pool, settings, services, bell), bell)
    acceptor, trail = Acceptor(settings, bell), AuditTrail(pool)
    rights = RightsListener(settings, trust)
    heartbeat = Heartbeat(pool)
    await heartbeat.beat()
    parts = (bell, acceptor, watcher, trail, rights, heartbeat)
    tasks = [task for part in parts for task in part.start()]
    try:
        yield Service(
            settings=settings,
            pool=pool,
            services=services,
            sessions=sessions,
            keys=keys,
            tokens=Together(partial(live_tokens, pool), MOST_TOKENS),
            catalog=KeptCatalog(pool),
            acceptor=acceptor,
            at_once=at_once,
            watcher=watcher,
            bell=bell,
            trail=trail,
            tasks=tasks,
        )
    finally:
        await heartbeat.stop()
        await rights.stop()
        await watcher.stop()
        await acceptor.stop()
        await trail.stop()
        await bell.stop()
        for each in {pool, reads}:
            try:
                async with asyncio.timeout(3):
                    await each.close()
            except TimeoutError:
                each.terminate()
