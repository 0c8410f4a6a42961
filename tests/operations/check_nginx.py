"""`deploy/nginx.conf` before real processes: events come at once, and nobody notices a restart."""

import asyncio
import re
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app import Client
from authority import Authority
from identity.test_access_keys import KeyClient
from operations.processes import ROOT, Processes, eventually, processes, program
from zstack_mgmt.bootstrap import prepare_database
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import free_port

HOST = "cloud.example"
SAMPLE = ROOT / "deploy/nginx.conf"


class Cloud:
    """Two API processes behind nginx, and a client of it."""

    def __init__(self, running: Processes, ports: list[int], port: int, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.ports = ports
        self.apis: list[Any] = []
        self.origin = f"https://{HOST}:{port}"
        self.anonymous = Client(http, f"{self.origin}/zstack/v1")
        self.http = http


class Here(aiohttp.ThreadedResolver):
    """The name of the certificate is this machine's."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        return await super().resolve("127.0.0.1", port, family)


def configured(folder: Path, apis: list[str], port: int, console: int) -> Path:
    """The sample with the addresses and the certificate of this test, in a frame."""
    certificate, key = Authority(folder, "authority").issue(HOST)
    text = SAMPLE.read_text()
    servers = "".join(f"    server {api} max_fails=0;\n" for api in apis)
    for old, new in (
        ("    server 127.0.0.1:8080 max_fails=0;\n    server 127.0.0.1:8081 max_fails=0;\n", servers),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 4901 ssl", f"listen 127.0.0.1:{console} ssl"),
        ("/etc/ssl/cloud.example.pem", str(certificate)),
        ("/etc/ssl/cloud.example.key", str(key)),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "sample.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    frame = folder / "nginx.conf"
    frame.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nuser root;\n"
        f"events {{ worker_connections 512; }}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}include {folder}/sample.conf;\n}}\n"
    )
    return frame


@pytest.fixture
async def cloud(settings: Settings, tmp_path: Path) -> AsyncIterator[Cloud]:
    await prepare_database(settings)
    ports, port, console = [free_port(), free_port()], free_port(), free_port()
    frame = configured(tmp_path, [f"127.0.0.1:{each}" for each in ports], port, console)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    connector = aiohttp.TCPConnector(ssl=trusted, resolver=Here(), limit=0)
    async with processes(settings, tmp_path) as running, aiohttp.ClientSession(connector=connector) as http:
        running.env["TRUSTED_PROXIES"] = "127.0.0.1"
        found = Cloud(running, ports, port, http)
        found.apis = [await running.api(number) for number in ports]
        proxy = await running.run(program("nginx"), "-p", str(tmp_path), "-c", str(frame), log="nginx")

        async def passes() -> bool:
            assert proxy.returncode is None, (tmp_path / "nginx").read_text()
            try:
                async with http.get(f"{found.origin}/healthz") as reply:
                    return reply.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(passes, "nginx passes requests on")
        yield found


async def test_events_come_at_once_and_addresses_are_the_clients(cloud: Cloud) -> None:
    admin = await cloud.anonymous.log_in()
    accepted = await admin.call("POST", "/zones", {"params": {"name": "zone"}})  # no worker runs it
    location = accepted.body["location"]
    assert location.startswith(f"{cloud.origin}/zstack/v1/api-jobs/")
    headers = {"Authorization": f"OAuth {admin.token}"}
    async with asyncio.timeout(10), cloud.http.get(f"{location}/events", headers=headers) as reply:
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        assert "event: accepted" in (await reply.content.readuntil(b"\n\n")).decode()
    key = await _key(cloud, admin)
    assert (await key.get("/zones?q=name=zone")).status == 200, "signatures hold behind the proxy"


async def _key(cloud: Cloud, admin: Client) -> KeyClient:
    worker = await cloud.running.service("worker", "jobs")
    made = await admin.create("/accesskeys")
    await cloud.running.stop(worker)

    class Origin:
        http, anonymous = cloud.http, cloud.anonymous

    return KeyClient(Origin, made)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_what_is_the_operators_stays_inside(cloud: Cloud, path: str) -> None:
    async with cloud.http.get(f"{cloud.origin}{path}") as reply:
        assert reply.status == 404


async def test_no_call_fails_while_every_process_is_replaced(cloud: Cloud) -> None:
    """Under load, with polls that wait and streams of events, each process is ended and started, twice."""
    admin = await cloud.anonymous.log_in()
    workers = [await cloud.running.service("worker", "jobs") for _ in range(2)]
    statuses: dict[str, int] = {}
    over = asyncio.Event()

    async def calls(number: int) -> None:
        name = f"zone-{number}"
        while not over.is_set():
            wait = {"Prefer": "wait=20"} if number % 2 else {}
            accepted = await admin.call("POST", "/zones", {"params": {"name": name}}, headers=wait)
            statuses[f"POST {accepted.status}"] = statuses.get(f"POST {accepted.status}", 0) + 1
            assert accepted.status in (200, 202), accepted
            found = await admin.get(f"/zones?q=name={name}&limit=1")
            statuses[f"GET {found.status}"] = statuses.get(f"GET {found.status}", 0) + 1
            assert found.status == 200, found

    async def follows() -> None:
        headers = {"Authorization": f"OAuth {admin.token}"}
        while not over.is_set():
            async with cloud.http.get(f"{admin.base}/api-jobs/events", headers=headers) as reply:
                assert reply.status == 200
                while (line := await reply.content.readline()) and not over.is_set():
                    assert re.match(rb"(id|event|data|:|\n)", line)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(calls(number))
        group.create_task(follows())
        for _ in range(2):
            for number, port in enumerate(cloud.ports):
                await cloud.running.stop(cloud.apis[number], signal.SIGTERM)
                assert cloud.apis[number].returncode == 0
                cloud.apis[number] = await cloud.running.api(port)
            await cloud.running.stop(workers.pop(0))
            workers.append(await cloud.running.service("worker", "jobs"))
        over.set()
    print(f"calls while every process was replaced: {statuses}")


async def test_the_sample_is_what_nginx_accepts(cloud: Cloud, tmp_path: Path) -> None:
    checked = await cloud.running.run(
        program("nginx"), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), log="checked"
    )
    assert await checked.wait() == 0
    assert "warn" not in (tmp_path / "checked").read_text()
