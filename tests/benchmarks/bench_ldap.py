"""What 50 parallel LDAP logins cost everybody else: the 99th percentile of unrelated GETs with and without.

    make bench ARGS=tests/benchmarks/bench_ldap.py

One API process as it is run, and a real slapd with 5,000 entries; PostgreSQL, Redis, slapd and both load
generators are on the same machine. The GETs are of a zone by uuid, 200 a second over 8 connections, timed
from the moment at which each was due. The logins are 50 at a time: each that ends is followed by the next,
as long as a round lasts. Rounds with and without logins alternate.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parent))
from bench_engine import load, port_of, request_of
from stack import Stack, running_stack

from benchmarks.sitting import Sitting, p99
from directory import running_directory
from directory_data import BASE, SERVICE, SERVICE_PASSWORD

pytestmark = pytest.mark.bench

ROUNDS = 5
SECONDS = 4.0
LOGINS = 50
GETS_PER_S = 200

# python -c PACER PORT SECONDS RATE, the request on stdin: latencies in ms, as JSON.
PACER = """
import asyncio, json, sys, time
import uvloop
port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
request = sys.stdin.buffer.read()
spent = []
async def main():
    lines = asyncio.Queue()
    for _ in range(8):
        lines.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    async def one(due):
        reader, writer = await lines.get()
        writer.write(request)
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        spent.append((time.perf_counter() - due) * 1000)
        lines.put_nowait((reader, writer))
    start, tasks = time.perf_counter(), []
    for n in range(int(seconds * rate)):
        due = start + n / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(due)))
    await asyncio.gather(*tasks)
uvloop.run(main())
json.dump(sorted(spent), sys.stdout)
"""


async def gets(port: int, request: bytes) -> list[float]:
    """The latencies of one round of GETs, in ms, the shortest first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PACER, str(port), str(SECONDS), str(GETS_PER_S)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(request)
    assert process.returncode == 0
    return json.loads(out)


async def call(stack: Stack, method: str, path: str, **params: object) -> dict[str, str]:
    """The inventory that a mutating call makes."""
    headers = stack.headers(Prefer="wait=10")
    async with stack.http.request(
        method, f"{stack.base}{path}", json={"params": params}, headers=headers
    ) as reply:
        assert reply.status == 200, await reply.text()
        return (await reply.json())["inventory"]


@pytest.mark.parametrize("encryption", ["None", "TLS"])
async def test_logins_leave_other_requests_alone(tmp_path: Path, encryption: str) -> None:
    with running_directory(tmp_path) as directory:
        settings = {"LDAP_CA_FILE": str(directory.authority.file), "SESSION_MAX_CONCURRENT": "1000000"}
        async with running_stack(WEBHOOK_PROCESSES="0", LOG_LEVEL="info", **settings) as stack:
            zone = await call(stack, "POST", "/zones", name="zone")
            account = await call(stack, "POST", "/accounts", name="tenant", password="secret")
            access = {
                "base": BASE,
                "username": SERVICE,
                "password": SERVICE_PASSWORD,
                "encryption": encryption,
            }
            await call(stack, "POST", "/ldap/servers", name="directory", url=directory.url, **access)
            await call(
                stack, "POST", "/ldap/bindings", ldapUid="cn=Alice,ou=people", accountUuid=account["uuid"]
            )
            get = request_of("GET", f"/zstack/v1/zones/{zone['uuid']}", token=stack.token)
            body = json.dumps({"logInByLdap": {"uid": "Alice", "password": "alice-secret"}})
            login = request_of("PUT", "/zstack/v1/ldap/login", body)
            port = port_of(stack)
            await asyncio.gather(gets(port, get), load(port, LOGINS, SECONDS, login))
            sitting = Sitting(f"LDAP logins, encryption {encryption}")
            alone, beside = "p99 of GETs alone, ms", "p99 of GETs beside them, ms"
            for _ in range(ROUNDS):
                sitting.add(alone, p99(await gets(port, get)))
                # The logins run before the GETs begin: the start of a generator is no login.
                logins = asyncio.create_task(load(port, LOGINS, SECONDS + 2, login))
                await asyncio.sleep(1)
                sitting.add(beside, p99(await gets(port, get)))
                sitting.add("logins/s", (await logins)["rate"])
            sitting.aim(beside, over=alone, at_most=2)
            sitting.report()
