"""The Keystone door against a real Keystone, on the same machine in the same run.

    make bench ARGS=tests/benchmarks/bench_keystone.py

Keystone 30 comes from PyPI into build/peer-keystone, with uWSGI, two processes of it. Its database is beside
ours on the embedded PostgreSQL, through SQLAlchemy and psycopg2. It is measured without a cache and with
memcached, the one on the PATH (Debian: `apt-get install memcached`). Ours is two API processes. Both have
1,000 users in one domain and 100,000 in another; Keystone hashes with bcrypt, with the rounds whose time is
the nearest to that of our argon2id. It gets an index that MySQL, for which it is written, makes by itself:
without it each look at a user reads all passwords.

    validate   GET /v3/auth/tokens of a user's token by an administrator, 8 connections
    issue      POST /v3/auth/tokens with a password, project-scoped, 4 connections; beside it, how many hashes
               the cores could make in the same time
    1,000      GET /v3/users of the domain of 1,000, 2 connections
    100,000    a page of 1,000 from the middle of the domain of 100,000, 2 connections

Rounds alternate. Beside the rates stands the processor time of a call in all processes of the servers,
PostgreSQL's included, which other work on the machine disturbs less.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from argon2 import PasswordHasher

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from bench_engine import cpu_s, load, port_of
from bench_fairness import children_of
from stack import Stack, eventually, running_stack

from benchmarks.sitting import Sitting
from zstack_mgmt.auth.passwords import digest
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port

pytestmark = pytest.mark.bench

HOME = Path(__file__).parents[2] / "build" / "peer-keystone"
PACKAGES = ("keystone==30.0.0", "uwsgi", "psycopg2-binary", "pymemcache", "python-memcached")
PROCESSES = 2
ROUNDS = 3
SECONDS = 4.0
SMALL, LARGE, PAGE = 1_000, 100_000, 1_000
AIM = 10
PASSWORD = "correct-horse"

CONFIGURATION = """
[DEFAULT]
log_file = {work}/keystone.log
max_db_limit = 1000000
[database]
connection = {database}
[token]
provider = fernet
[fernet_tokens]
key_repository = {work}/fernet
[credential]
key_repository = {work}/credential
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = {rounds}
[cache]
enabled = {cached}
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:{memcached}
"""
MANY_OF_KEYSTONE = """
INSERT INTO "user" (id, extra, enabled, created_at, domain_id)
SELECT md5($1::text || n), '{}', true, now(), $1::text FROM generate_series(1, $2::int) n;
INSERT INTO local_user (domain_id, user_id, name)
SELECT $1::text, md5($1::text || n), 'user-' || n FROM generate_series(1, $2::int) n;
INSERT INTO password (local_user_id, self_service, password_hash, created_at, created_at_int)
SELECT id, false, 'none', now(), extract(epoch FROM now())::bigint * 1000000 FROM local_user
WHERE domain_id = $1::text;
CREATE INDEX IF NOT EXISTS password_of ON password (local_user_id);
"""
MANY_OF_OURS = """
INSERT INTO users (uuid, account_uuid, name, password_hash)
SELECT overlay(overlay(md5($1::text || n) PLACING '4' FROM 13) PLACING 'a' FROM 17), $1::text,
       'user-' || n, 'none'
FROM generate_series(1, $2::int) n;
"""


def install() -> None:
    """Keystone with its server, fetched when they are not there yet."""
    if (HOME / "bin" / "keystone-manage").exists() and (HOME / "bin" / "uwsgi").exists():
        return
    venv.create(HOME, clear=True, with_pip=True)
    pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)


def hash_s() -> float:
    """How long one of our hashes takes."""
    settings = Settings()
    hasher = PasswordHasher(
        time_cost=settings.password_time_cost, memory_cost=settings.password_memory_kib, parallelism=1
    )
    return statistics.median([timed(lambda: hasher.hash(digest(PASSWORD))) for _ in range(20)])


def timed(work: Any) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def bcrypt_s(rounds: int) -> float:
    """How long Keystone's takes with so many rounds."""
    program = (
        "import bcrypt, time\n"
        f"salt = bcrypt.gensalt({rounds})\n"
        "times = []\n"
        "for _ in range(10):\n"
        "    before = time.perf_counter()\n"
        "    bcrypt.hashpw(b'correct-horse', salt)\n"
        "    times.append(time.perf_counter() - before)\n"
        "print(sorted(times)[5])\n"
    )
    return float(subprocess.check_output([str(HOME / "bin" / "python"), "-c", program]))


class Door:
    """A server of `/v3` with the same people behind it."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.port = port
        self.http = http
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.tokens["admin"]} if "admin" in self.tokens else {}
        url = f"http://127.0.0.1:{self.port}/v3/{path}"
        async with self.http.request(method, url, json=body, headers=headers) as reply:
            assert reply.status < 300, (reply.status, await reply.text())
            return await reply.json(content_type=None), reply.headers

    async def log_in(self, who: str, user: dict[str, Any], project: dict[str, Any]) -> None:
        _, headers = await self.call("POST", "auth/tokens", login(user, project))
        self.tokens[who] = headers["X-Subject-Token"]

    async def furnish(self) -> None:
        """An administrator, two domains, and a user with a role in a project."""
        admin = {"name": "admin", "domain": {"id": "default"}, "password": "password"}
        await self.log_in("admin", admin, {"name": "admin", "domain": {"id": "default"}})
        for domain in ("small", "large"):
            made, _ = await self.call("POST", "domains", {"domain": {"name": domain}})
            self.ids[domain] = made["domain"]["id"]
        made, _ = await self.call("POST", "projects", {"project": {"name": "p", "domain_id": "default"}})
        project = made["project"]["id"]
        body = {"user": {"name": "ann", "domain_id": "default", "password": PASSWORD}}
        made, _ = await self.call("POST", "users", body)
        self.ids |= {"user": made["user"]["id"], "project": project}
        roles, _ = await self.call("GET", "roles?name=member")
        role = roles["roles"][0]["id"]
        await self.call("PUT", f"projects/{project}/users/{self.ids['user']}/roles/{role}")
        await self.log_in("user", {"id": self.ids["user"], "password": PASSWORD}, {"id": project})

    async def requests(self) -> dict[str, tuple[int, bytes]]:
        """What is measured: connections and the request, by name."""
        small, large = f"users?domain_id={self.ids['small']}", f"users?domain_id={self.ids['large']}"
        shown, _ = await self.call("GET", small)
        assert len(shown["users"]) in (SMALL, SMALL + 1)  # ours shows the domain's own login too
        middle = f"{large}&limit={PAGE}&marker={await self._middle(large)}"
        shown, _ = await self.call("GET", middle)
        assert len(shown["users"]) == PAGE, len(shown["users"])
        body = json.dumps(login({"id": self.ids["user"], "password": PASSWORD}, {"id": self.ids["project"]}))
        token = {"X-Auth-Token": self.tokens["admin"]}
        subject = {**token, "X-Subject-Token": self.tokens["user"]}
        return {
            "validate": (8, request("GET", "auth/tokens", subject)),
            "issue": (4, request("POST", "auth/tokens", {}, body)),
            "1,000": (2, request("GET", small, token)),
            "100,000": (2, request("GET", middle, token)),
        }

    async def _middle(self, path: str) -> str:
        """The id of a user around the middle of the list."""
        if "middle" in self.ids:
            return self.ids["middle"]
        marker = ""
        for _ in range(LARGE // PAGE // 2):
            where = f"&marker={marker}" if marker else ""
            shown, _ = await self.call("GET", f"{path}&limit={PAGE}{where}")
            following: str = shown["users"][-1]["id"]
            assert following != marker, "the marker is not heeded"
            marker = following
        self.ids["middle"] = marker
        return marker


def login(user: dict[str, Any], project: dict[str, Any]) -> Any:
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


def request(method: str, path: str, headers: dict[str, str], body: str = "") -> bytes:
    head = [f"{method} /v3/{path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    head += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


@asynccontextmanager
async def program(*command: str, port: int, env: dict[str, str], log: Path) -> AsyncIterator[None]:
    """A server for the time of the block, from when it takes connections."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(*command, stdout=file, stderr=file, env=env)

    async def answers() -> bool:
        assert process.returncode is None, log.read_text()[-3000:]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(answers, 60, command[0])
        yield
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def keystone(
    work: Path, database: str, rounds: int, http: aiohttp.ClientSession, *, cached: bool, first: bool
) -> AsyncIterator[Door]:
    """A real Keystone on the database; at first it is empty."""
    work.mkdir(exist_ok=True)
    port, memcached = free_port(), free_port()
    at = work / "keystone.conf"
    driver = urlsplit(database)._replace(scheme="postgresql+psycopg2").geturl()
    values = {"work": work, "database": driver, "rounds": rounds}
    at.write_text(CONFIGURATION.format(**values, cached=str(cached).lower(), memcached=memcached))
    env = os.environ | {"OS_KEYSTONE_CONFIG_FILES": str(at), "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}"}
    if first:
        user = subprocess.check_output(["id", "-un"], text=True).strip()
        group = subprocess.check_output(["id", "-gn"], text=True).strip()
        owner = ("--keystone-user", user, "--keystone-group", group)
        here = f"http://127.0.0.1:{port}/v3"
        places = [f"--bootstrap-{name}-url={here}" for name in ("admin", "public", "internal")]
        for command in (
            ("db_sync",),
            ("fernet_setup", *owner),
            ("credential_setup", *owner),
            ("bootstrap", "--bootstrap-password=password", "--bootstrap-region-id=RegionOne", *places),
        ):
            subprocess.run(
                [str(HOME / "bin" / "keystone-manage"), f"--config-file={at}", *command],
                check=True,
                env=env,
                capture_output=True,
            )
    server = (
        *(str(HOME / "bin" / "uwsgi"), "--http", f"127.0.0.1:{port}", "--http-keepalive", "--master"),
        *("--processes", str(PROCESSES), "--lazy-apps", "--die-on-term", "--disable-logging"),
        *("--buffer-size", "65535", "--module", "keystone.wsgi.api:application", "--virtualenv", str(HOME)),
    )
    log = work / "uwsgi.log"
    cache = ("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(memcached))
    if not cached:
        async with program(*server, port=port, env=env, log=log):
            yield Door(port, http)
        return
    async with (
        program(*cache, port=memcached, env=env, log=log),
        program(*server, port=port, env=env, log=log),
    ):
        yield Door(port, http)


async def test_against_keystone(tmp_path: Path) -> None:
    install()
    ours_s = hash_s()
    theirs_s = {rounds: bcrypt_s(rounds) for rounds in range(4, 11)}
    rounds = min(theirs_s, key=lambda one: abs(theirs_s[one] - ours_s))
    cache = shutil.which("memcached") is not None
    settings = {
        "API_PROCESSES": str(PROCESSES),
        "WORKER_PROCESSES": "1",
        "WEBHOOK_PROCESSES": "0",
        "CONSOLE_PROCESSES": "0",
    }
    room = {"SESSION_MAX_CONCURRENT": "1000", "LOG_LEVEL": "info", "TOKEN_TIMEOUT_S": "7200"}
    sitting, costs = Sitting("Keystone", "calls/s"), Sitting("Keystone's processor", "ms of a call")
    sitting.add("hashes that the cores could make", (os.cpu_count() or 1) / ours_s)
    sitting.add(f"Keystone's, {rounds} rounds of bcrypt", (os.cpu_count() or 1) / theirs_s[rounds])
    async with running_stack(**settings, **room) as stack, aiohttp.ClientSession() as http:
        conn = await stack.db()
        await conn.execute("CREATE DATABASE peer_keystone")
        theirs = urlsplit(stack.runtime["database_url"])._replace(path="/peer_keystone").geturl()
        ours = await _ours(stack, http, conn)
        await conn.close()
        names = ["no cache", *(["memcached"] if cache else [])]
        for number, name in enumerate(names):
            where = tmp_path / "keystone"
            peer = keystone(where, theirs, rounds, http, cached=name == "memcached", first=number == 0)
            async with peer as door:
                if number == 0:
                    await door.furnish()
                    await _fill(theirs, MANY_OF_KEYSTONE, door.ids)
                    kept = door.ids
                else:
                    door.ids = kept
                    admin = {"name": "admin", "domain": {"id": "default"}, "password": "password"}
                    await door.log_in("admin", admin, {"name": "admin", "domain": {"id": "default"}})
                    user = {"id": kept["user"], "password": PASSWORD}
                    await door.log_in("user", user, {"id": kept["project"]})
                for _ in range(ROUNDS):
                    await _measure(sitting, costs, f"Keystone, {name}", door)
                    await _measure(sitting, costs, f"ours beside {name}", ours)
            for what in ("validate", "issue", "1,000", "100,000"):
                aim = None if what == "issue" else AIM
                sitting.aim(f"{what}, ours beside {name}", over=f"{what}, Keystone, {name}", at_least=aim)
                costs.aim(f"{what}, Keystone, {name}", over=f"{what}, ours beside {name}", at_least=aim)
    sitting.report()
    costs.report()


async def _ours(stack: Stack, http: aiohttp.ClientSession, conn: Any) -> Door:
    door = Door(port_of(stack), http)
    await door.furnish()
    await _fill(stack.runtime["database_url"], MANY_OF_OURS, door.ids)
    return door


async def _fill(database: str, sql: str, ids: dict[str, str]) -> None:
    conn = await asyncpg.connect(database)
    for domain, count in (("small", SMALL), ("large", LARGE)):
        for statement in filter(str.strip, sql.split(";")):
            values = [ids[domain], count]
            await conn.execute(statement, *values[: sum(f"${n}" in statement for n in (1, 2))])
    await conn.execute("ANALYZE")
    await conn.close()


async def _measure(sitting: Sitting, costs: Sitting, who: str, door: Door) -> None:
    for what, (connections, sent) in (await door.requests()).items():
        before = {pid: cpu_s(pid) for pid in _below(os.getpid())}
        found = await load(door.port, connections, SECONDS, sent)
        spent_s = sum(cpu_s(pid) - before.get(pid, 0.0) for pid in _below(os.getpid()))
        sitting.add(f"{what}, {who}", found["rate"])
        costs.add(f"{what}, {who}", 1000 * spent_s / found["requests"])


def _below(pid: int) -> Iterator[int]:
    """The processes that come from this one: the servers, of which one at a time has something to do."""
    for child in children_of(pid):
        yield child
        yield from _below(child)
