"""The whole service in one event loop: real HTTP, real PostgreSQL, real Redis, and its workers as tasks."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web

from services import Services, clone_template, drop_database
from workers.runner import run_worker
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.doors.agent import serve as serve_consoles
from zstack_mgmt.doors.app import make_runner
from zstack_mgmt.local.processes import free_port

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ADMIN = "36c27e8ff05c4780bf6d2fa65700f22e"
PRIMARY_STORAGE = "a0000000000040008000000000000011"
BACKUP_STORAGE = "a0000000000040008000000000000012"
PASSWORD_SHA512 = (
    "b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb9"
    "80b1d7785e5976ec049b46df5f1326af5a2ea6d103fd07c95385ffab0cacbc86"
)


@dataclass
class Answer:
    """Status, headers and JSON body of a reply."""

    status: int
    body: Any
    headers: Any = field(default_factory=dict)

    @property
    def inventory(self) -> Any:
        assert self.status == 200, self
        return self.body["inventory"]

    @property
    def code(self) -> str:
        return self.body["error"]["code"]


class Client:
    """A client with a session, or none."""

    def __init__(self, http: aiohttp.ClientSession, base: str, token: str = "") -> None:
        self.http = http
        self.base = base
        self.token = token

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """One exchange; `path` follows /zstack/v1."""
        sent = {"Authorization": f"OAuth {self.token}"} if self.token else {}
        url = path if path.startswith("http") else f"{self.base}{path}"
        async with self.http.request(
            method, url, json=body, headers=sent | (headers or {}), **options
        ) as reply:
            text = await reply.read()
            kind = reply.headers.get("Content-Type", "")
            assert "json" in kind or not text or "text/" in kind, (reply.status, kind, text)
            return Answer(
                reply.status, await reply.json(content_type=None) if "json" in kind else text, reply.headers
            )

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def job(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """A mutating call with its result: 200 or 503, as its poll shows it; or the refusal at the door."""
        accepted = await self.call(method, path, body, **options)
        if accepted.status != 202:
            return accepted
        return await self.result(accepted.body["location"])

    async def result(self, location: str, timeout_s: float = 20) -> Answer:
        """Poll a job until it has ended."""
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self.get(location, headers={"Prefer": "wait=5"})
                if answer.status != 202:
                    return answer

    async def create(self, path: str, **params: Any) -> Any:
        """The inventory that POST with these params makes."""
        return (await self.job("POST", path, {"params": params})).inventory

    async def log_in(self, name: str = "admin", password: str = "password") -> "Client":
        """A client with a session of the account."""
        body = {"logInByAccount": {"accountName": name, "password": password}}
        answer = await self.call("PUT", "/accounts/login", body)
        return Client(self.http, self.base, answer.inventory["uuid"])


@dataclass
class Service:
    """A running service."""

    settings: Settings
    origin: str
    http: aiohttp.ClientSession
    anonymous: Client
    admin: Client
    db: "asyncpg.Connection[Any]"

    async def account(self, name: str, **params: Any) -> tuple[Any, Client]:
        """A new account and a client with its session."""
        made = await self.admin.create("/accounts", name=name, password="secret", **params)
        return made, await self.anonymous.log_in(name, "secret")


@asynccontextmanager
async def running_service(
    settings: Settings, *, workers: int = 1, senders: int = 1
) -> AsyncIterator[Service]:
    """Start the service on a free port, with the built-in admin logged in; stop it afterwards."""
    settings = replace(settings, log_level="warning")
    await prepare_database(settings)
    runner = make_runner(settings, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    stop = asyncio.Event()
    kinds = ["jobs"] * workers + ["webhooks"] * senders
    tasks = [asyncio.create_task(run_worker(settings, kind, stop)) for kind in kinds]  # type: ignore[arg-type]
    db = await asyncpg.connect(settings.database_url)
    origin = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:
            anonymous = Client(http, f"{origin}/zstack/v1")
            await joined(db, len(tasks))
            yield Service(settings, origin, http, anonymous, await anonymous.log_in(), db)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await db.close()
        await runner.cleanup()


async def joined(db: "asyncpg.Connection[Any]", workers: int) -> None:
    """Return when so many workers have a lease."""
    async with asyncio.timeout(20):
        while await db.fetchval("SELECT count(*) FROM workers") < workers:
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running_agent(settings: Settings) -> AsyncIterator[None]:
    """A console proxy agent at the port of the settings, from its first sign of life on."""
    stop = asyncio.Event()
    agent = asyncio.create_task(serve_consoles(settings, stop))
    try:
        async with asyncio.timeout(10), aiohttp.ClientSession() as http:
            while not await agent_answers(http, settings.console_port):
                await asyncio.sleep(0.02)
                assert not agent.done(), await agent
        yield
    finally:
        stop.set()
        await agent


async def agent_answers(http: aiohttp.ClientSession, port: int) -> bool:
    """Whether the console proxy agent at the port has given a sign of life."""
    try:
        async with http.get(f"http://127.0.0.1:{port}/healthz") as reply:
            return reply.status == 200
    except aiohttp.ClientConnectionError:
        return False


def settings_of(services: Services, database_url: str, redis_prefix: str, data_dir: Path) -> Settings:
    """Settings for a test, with passwords that are hashed quickly."""
    return Settings(
        database_url=database_url,
        redis_url=services.redis_url,
        redis_prefix=redis_prefix,
        data_dir=data_dir,
        console_port=free_port(),
        assets_dir=data_dir / "assets",
        admin_password="password",
        webhook_allow=LOOPBACK,
        password_time_cost=1,
        password_memory_kib=64,
    )


@asynccontextmanager
async def service_of_its_own(
    services: Services, data_dir: Path, *, senders: int = 1, **changes: Any
) -> AsyncIterator[Service]:
    """A running service for several tests, with a database that is dropped afterwards."""
    name = await clone_template(services)
    settings = settings_of(services, services.url_of(name), f"test:{uuid.uuid4().hex}:", data_dir)
    async with running_service(replace(settings, **changes), senders=senders) as running:
        yield running
    await drop_database(services, name)
