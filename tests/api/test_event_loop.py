"""Nothing blocks the event loop: no callback of the service computes for as long as a part of a hash takes.

CPU time of the loop's own thread is measured, and compared with that of a hash on the same machine. Most
callbacks take less than a hundredth of it, and one that hashed would take all of it.
"""

import asyncio
import gc
import time
from dataclasses import replace
from typing import Any

import pytest
from argon2.low_level import Type, hash_secret

from app import running_service
from zstack_mgmt.config import Settings

SHARE = 0.25  # of the time of a hash
COST = {"time_cost": 8, "memory_cost": 64 * 1024, "parallelism": 1}


async def test_no_callback_computes_for_long(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[tuple[float, Any]] = []
    watching = False
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.events.Handle) -> None:
        started = time.thread_time()
        run(handle)
        took = time.thread_time() - started
        if watching and took > limit_s:
            slow.append((took, repr(getattr(handle._callback, "__self__", handle))))

    monkeypatch.setattr(asyncio.events.Handle, "_run", timed)
    heavy = replace(settings, password_time_cost=COST["time_cost"], password_memory_kib=COST["memory_cost"])
    started = time.thread_time()
    hash_secret(b"password", b"salt" * 4, hash_len=32, type=Type.ID, **COST)
    limit_s = SHARE * (time.thread_time() - started)
    async with running_service(heavy) as service:
        gc.collect()
        gc.freeze()  # what other tests left behind is not the service's to walk
        await asyncio.sleep(0)  # this step of the test itself is not to be counted
        watching = True
        clients = await asyncio.gather(*(service.anonymous.log_in() for _ in range(6)))
        create = service.admin.create
        await asyncio.gather(*(create("/accounts", name=f"a{n}", password="p") for n in range(6)))
        await asyncio.gather(*(one.create("/zones", name=f"z{n}") for n, one in enumerate(clients * 20)))
        big = {"params": {"name": "n", "description": "d" * 2000, "unknown": ["x" * 1000] * 900}}
        assert (await service.admin.job("POST", "/zones", big)).status == 200
        assert len((await service.admin.get("/zones?limit=10000")).body["inventories"]) == 121
        text = (await service.http.get(f"{service.origin}/metrics")).status
        assert text == 200
        watching = False
    gc.unfreeze()
    assert limit_s > 0
    assert slow == []
