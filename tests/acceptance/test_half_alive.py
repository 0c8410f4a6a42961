"""A process does not go on when one of its loops has failed."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from workers import arq_host
from workers.runner import run_worker
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.doors.app import serve
from zstack_mgmt.engine.accept import Acceptor
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.lease import Lease
from zstack_mgmt.engine.watch import Watcher
from zstack_mgmt.identity.audit.trail import AuditTrail
from zstack_mgmt.service.rights import RightsListener


async def broken(*args: Any) -> None:
    raise LookupError("an error of ours")


@pytest.mark.parametrize("queue", ["jobs", "webhooks"])
@pytest.mark.parametrize(
    ("owner", "loop"),
    [(Lease, "run"), (Bell, "_run"), (arq_host, "host"), (arq_host, "listen")],
)
async def test_a_worker_ends_with_the_first_of_its_loops(settings: Settings, monkeypatch, queue, owner, loop):
    monkeypatch.setattr(owner, loop, broken)
    await prepare_database(settings)
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="of the process failed"):
            await run_worker(settings, queue)


@pytest.mark.parametrize(
    ("owner", "loop"),
    [
        (Bell, "_run"),
        (Acceptor, "_count"),
        (Watcher, "_look"),
        (Watcher, "_listen"),
        (AuditTrail, "_run"),
        (RightsListener, "_run"),
    ],
)
async def test_an_api_process_ends_with_the_first_of_its_loops(settings: Settings, monkeypatch, owner, loop):
    monkeypatch.setattr(owner, loop, broken)
    await prepare_database(settings)
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="of the process failed"):
            await serve(replace(settings, port=0))
