"""HTTP as clients of all kinds speak it: what is let in, and what malformed requests meet."""

import asyncio
import gzip
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import orjson
import pytest

from app import Service, running_service
from zstack_mgmt.config import Settings


async def exchange(service: Service, raw: bytes) -> bytes:
    """What the service sends back to these bytes until it closes."""
    port = int(service.origin.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


def get(target: str, *headers: str, version: str = "1.1", token: str = "") -> bytes:
    lines = [f"GET {target} HTTP/{version}", "Connection: close", *headers]
    if version == "1.1":
        lines.append("Host: example.org:81")
    if token:
        lines.append(f"Authorization: OAuth {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_targets_in_raw_utf8_and_absolute_form_and_head(service: Service) -> None:
    zone = await service.admin.create("/zones", name="区域-1")
    for target in ("/zstack/v1/zones?q=name=区域-1", "http://example.org/zstack/v1/zones?q=name=区域-1"):
        answer = await exchange(service, get(target, token=service.admin.token))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        assert zone["uuid"].encode() in answer
    headers = {"Authorization": f"OAuth {service.admin.token}"}
    for path in ("/zones", f"/zones/{zone['uuid']}", "/zones?limit=5000", "/api-jobs"):
        async with service.http.head(f"{service.admin.base}{path}", headers=headers) as reply:
            assert (reply.status, await reply.read()) == (200, b""), path


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /zstack/v1/zones HTTP/1.1\r\nHost: a\r\nContent-Length: nonsense\r\n\r\nmy-clear-password",
        b"POST /v1/zones HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nmy-clear-password\r\n",
        b"\x16\x03\x01 my-clear-password\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b"my-clear-password HTTP/1.1\r\n\r\n",
    ],
)
async def test_malformed_framing_gets_json_and_one_line_without_content(
    service: Service, raw: bytes, capfd: Any, caplog: Any
) -> None:
    answer = await exchange(service, raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0], head
    assert orjson.loads(body)["error"]["code"] == "SYS.1007"
    logged = "".join(capfd.readouterr()) + caplog.text
    assert b"my-clear-password" not in answer
    assert b"aiohttp" not in answer.lower()
    assert "my-clear-password" not in logged
    assert "Traceback" not in logged


async def test_bodies_and_their_encodings(service: Service, caplog: Any) -> None:
    base, token = service.admin.base, {"Authorization": f"OAuth {service.admin.token}", "Prefer": "wait=10"}
    body = orjson.dumps({"params": {"name": "z"}})
    for encoding, sent, status in (
        ("gzip", gzip.compress(body), 200),
        ("gzip", body, 400),
        ("br", body, 415),
        ("identity", body, 200),
    ):
        for after in ({}, {"Connection": "close"}):
            headers = token | {"Content-Encoding": encoding} | after
            async with service.http.post(f"{base}/zones", data=sent, headers=headers) as reply:
                assert reply.status == status, (encoding, await reply.text())
    assert not caplog.records  # as a body that stops in the midst of it leaves a traceback of aiohttp's
    zone = await service.admin.create("/zones", name="z")
    async with service.http.delete(f"{base}/zones/{zone['uuid']}", data=b"not json", headers=token) as reply:
        assert reply.status == 200


async def test_any_idempotency_key_stands_for_one_call_of_its_caller(service: Service) -> None:
    _, tenant = await service.account("tenant")
    headers = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
    made = [
        await client.call("POST", "/accounts/groups", {"params": {"name": "g"}}, headers=headers)
        for client in (tenant, tenant, service.admin)
    ]
    uuids = [answer.headers["X-Job-UUID"] for answer in made]
    assert uuids[0] == uuids[1] != uuids[2]


async def test_location_is_what_the_client_can_reach(settings: Settings) -> None:
    settings = replace(settings, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with running_service(settings) as service:
        for headers, origin in (
            ({"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "a.example, b"}, "https://a.example"),
            ({"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": ""}, service.origin),
            ({"X-Forwarded-Host": "a b<script>"}, service.origin),
            (
                {"Forwarded": 'for="[2001:db8::1]:4711";proto=https;host="c.example:8443", for=10.0.0.1'},
                "https://c.example:8443",
            ),
        ):
            answer = await service.admin.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
            assert answer.body["location"].startswith(f"{origin}/zstack/v1/api-jobs/"), (headers, answer.body)
        raw = get("/zstack/v1/api-jobs", version="1.0", token=service.admin.token)
        assert b" 200 " in (await exchange(service, raw)).splitlines()[0]


async def test_pages_of_listed_origins_may_call_and_others_not(settings: Settings) -> None:
    async with running_service(replace(settings, cors_origins=("https://ui.example",))) as service:
        for origin, allowed in (("https://ui.example", True), ("https://evil.example", False)):
            asked = {"Origin": origin, "Access-Control-Request-Headers": "authorization"}
            for method in ("OPTIONS", "GET"):
                answer = await service.admin.call(method, "/zones", headers=asked)
                assert answer.status == (204 if method == "OPTIONS" else 200)
                assert ("Access-Control-Allow-Origin" in answer.headers) == allowed


async def test_a_body_that_does_not_arrive_ends_in_time(settings: Settings) -> None:
    async with running_service(replace(settings, request_timeout_s=1)) as service:
        raw = (
            f"POST /zstack/v1/zones HTTP/1.1\r\nHost: a\r\nAuthorization: OAuth {service.admin.token}\r\n"
            "Content-Length: 100\r\nConnection: close\r\n\r\n{"
        )
        assert b" 408 " in (await exchange(service, raw.encode())).splitlines()[0]


async def test_one_address_has_a_limited_number_of_connections(settings: Settings) -> None:
    async with running_service(replace(settings, max_connections_per_address=20)) as service:
        port = int(service.origin.rpartition(":")[2])
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        ends = [asyncio.create_task(_end_of(reader)) for reader, _ in held]
        async with asyncio.timeout(10):
            while sum(end.done() for end in ends) < 20:
                await asyncio.wait([end for end in ends if not end.done()], return_when="FIRST_COMPLETED")
        for _, writer in held:
            writer.close()
        await asyncio.gather(*ends)
        async with asyncio.timeout(10):
            while not await _answers(service):
                await asyncio.sleep(0.02)


async def _end_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        assert await reader.read(1) == b""


async def _answers(service: Service) -> bool:
    """Whether a new connection is let in."""
    with suppress(aiohttp.ClientConnectionError):
        return (await service.admin.get("/zones")).status == 200
    return False


async def test_metrics_are_for_this_machine_or_a_token(settings: Settings) -> None:
    async with running_service(settings) as service:
        assert (await service.anonymous.get(f"{service.origin}/metrics")).status == 200
        through = {"X-Forwarded-For": "192.0.2.1"}
        assert (await service.anonymous.get(f"{service.origin}/metrics", headers=through)).status == 503
    async with running_service(replace(settings, metrics_token="t0ken")) as service:
        assert (await service.anonymous.get(f"{service.origin}/metrics")).status == 503
        asked = {"Authorization": "Bearer t0ken"}
        assert (await service.anonymous.get(f"{service.origin}/metrics", headers=asked)).status == 200
