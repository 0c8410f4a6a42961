"""The Python SDK against the way of ZStack's own, on the same service in the same run.

    make bench ARGS=tests/benchmarks/bench_sdk.py

The peer is a model of zssdk.py after its recorded exchanges (tests/compatibility): urllib3, a connection
for each request, and after a 202 a poll at once and then each second. It makes no objects of its answers.
Rounds are in turn; client and service share the cores.

queries      calls/s of one thread, each a query for one zone by its name
creations    50 zones at once, until all of them are there: the peer and the SDK in 50 threads, and the SDK in
             one event loop
command      seconds of `zstack-cli --version`, a new process each time
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from stack import running_stack

from benchmarks.sitting import Sitting
from zstack_sdk import Client, CreateZoneAction, QueryZoneAction

pytestmark = pytest.mark.bench

ROUNDS, QUERIES, AT_ONCE, STARTS = 5, 200, 50, 15
SOURCES = Path(__file__).parents[2] / "sdk/src"


class Peer:
    """What zssdk.py does on the wire."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"OAuth {token}",
            "Connection": "close",
        }
        self._headers = headers

    def _ask(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        text = None if body is None else json.dumps(body)
        with urllib3.PoolManager() as pool:
            reply = pool.request(method, url, body=text, headers=self._headers, retries=False)
            return reply.status, json.loads(reply.data)

    def query(self, name: str) -> None:
        status, body = self._ask("GET", f"{self._base}/zones?q=name={name}")
        assert (status, len(body["inventories"])) == (200, 1)

    def create(self, name: str) -> None:
        status, body = self._ask("POST", f"{self._base}/zones", {"params": {"name": name}})
        assert status == 202
        while (answer := self._ask("GET", body["location"]))[0] == 202:
            time.sleep(1.0)
        assert answer[0] == 200


class Ours:
    """The same with the SDK."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def query(self, name: str) -> None:
        found = QueryZoneAction(conditions=[f"name={name}"]).call(self._client)
        assert len(found.value.inventories) == 1

    def create(self, name: str) -> None:
        assert CreateZoneAction(name=name).call(self._client).value.inventory.name == name


def queries_of(side: Peer | Ours) -> float:
    """Calls/s of one thread."""
    started = time.perf_counter()
    for _ in range(QUERIES):
        side.query("one")
    return QUERIES / (time.perf_counter() - started)


def creations_of(side: Peer | Ours) -> float:
    """Creations/s of 50 threads."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(time.sleep, [0.01] * AT_ONCE))  # the threads are there
        started = time.perf_counter()
        list(pool.map(side.create, [f"z{i}" for i in range(AT_ONCE)]))
        return AT_ONCE / (time.perf_counter() - started)


def loop_of(origin: str, token: str) -> float:
    """Creations/s of one event loop."""

    async def create() -> float:
        async with Client(origin, session_id=token) as client:
            await QueryZoneAction(limit=1).acall(client)
            started = time.perf_counter()
            made = await asyncio.gather(
                *(CreateZoneAction(name=f"z{i}").acall(client) for i in range(AT_ONCE))
            )
            assert all(result.error is None for result in made)
            return AT_ONCE / (time.perf_counter() - started)

    return asyncio.run(create())


async def test_sdk() -> None:
    async with running_stack(WEBHOOK_PROCESSES="0") as stack:
        with Client(stack.origin, session_id=stack.token) as client:
            peer, ours = Peer(stack.base, stack.token), Ours(client)
            await asyncio.to_thread(ours.create, "one")
            measures: dict[str, Callable[[], float]] = {
                "queries, peer": lambda: queries_of(peer),
                "queries, SDK": lambda: queries_of(ours),
                "creations, peer": lambda: creations_of(peer),
                "creations, SDK in threads": lambda: creations_of(ours),
                "creations, SDK in a loop": lambda: loop_of(stack.origin, stack.token),
            }
            sitting = Sitting("SDK", "calls/s")
            for _ in range(ROUNDS):
                for name, measure in measures.items():
                    sitting.add(name, await asyncio.to_thread(measure))
    for name in measures:
        what, _, who = name.partition(", ")
        if who != "peer":
            sitting.aim(name, over=f"{what}, peer", at_least=2)
    sitting.report()


def test_command() -> None:
    program = "from zstack_cli.main import main; main()"
    sitting = Sitting("command", "s")
    for _ in range(STARTS):
        started = time.perf_counter()
        command = [sys.executable, "-c", program, "--version"]
        subprocess.run(
            command, check=True, capture_output=True, env={"PYTHONPATH": str(SOURCES), "LANG": "C.UTF-8"}
        )
        sitting.add("zstack-cli --version", time.perf_counter() - started)
    sitting.aim("zstack-cli --version", at_most=0.15)
    sitting.report()
