"""What no client of ours sends: raw bytes in headers and targets, and times at the ends of the calendar."""

import asyncio
from urllib.parse import urlsplit

import pytest

from keystone.talking import Keystone, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")
BYTES = (b"\xff\xfe", b"caf\xc3\xa9", b"\xed\xa0\x80", b"x\x7fy", b"\xc3(")
HEADERS = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Forwarded",
    "Host",
    "Origin",
    "X-Auth-Token",
    "X-Forwarded-For",
    "X-Job-UUID",
    "X-Project-Id",
    "X-Request-ID",
    "X-Subject-Token",
    "X-Web-Hook",
)


async def status_of(
    keystone: Keystone, method: str, target: bytes, headers: dict[str, bytes], body: bytes
) -> int:
    """The status of one exchange whose parts are sent as they are."""
    at = urlsplit(keystone.service.origin)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = {"Host": b"x", "Content-Length": str(len(body)).encode(), "Connection": b"close"} | headers
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    lines += [name.encode() + b": " + value for name, value in head.items()]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(reply.split(b" ", 2)[1])


@pytest.mark.parametrize("header", HEADERS)
async def test_raw_bytes_in_headers_are_no_fault_of_the_server(
    keystone: Keystone, admin: Person, header: str
) -> None:
    calls = (
        ("GET", b"/v3/users", b""),
        ("GET", b"/v3/auth/tokens", b""),
        ("DELETE", b"/v3/auth/tokens", b""),
        ("POST", b"/v3/projects", b'{"project": {"name": "made-raw"}}'),
        ("POST", b"/v3/auth/tokens", b'{"auth": {}}'),
    )
    for raw in BYTES:
        for method, target, body in calls:
            headers = {"X-Auth-Token": admin.secret.encode(), "Content-Type": b"application/json"}
            status = await status_of(keystone, method, target, headers | {header: raw}, body)
            assert status < 500, (raw, method, target)
            if header == "X-Job-UUID" and target == b"/v3/projects":
                assert status == 400
            if header == "X-Subject-Token" and method in ("GET", "DELETE") and b"tokens" in target:
                assert status == (404 if b"\x7f" not in raw else status)


@pytest.mark.parametrize("raw", BYTES)
async def test_raw_bytes_in_targets_are_no_fault_of_the_server(
    keystone: Keystone, admin: Person, raw: bytes
) -> None:
    for target in (
        b"/v3/users/",
        b"/v3/users?name=",
        b"/v3/users?",
        b"/v3/users?limit=",
        b"/v3/users?marker=",
        b"/v3/users?password_expires_at=",
        b"/v3/role_assignments?marker=",
        b"/v3/projects/x/tags/",
        b"/v3/",
    ):
        for text in (raw, "".join(f"%{byte:02x}" for byte in raw).encode()):
            headers = {"X-Auth-Token": admin.secret.encode()}
            status = await status_of(keystone, "GET", target + text, headers, b"")
            assert status in (200, 400, 404), target + text


async def test_a_target_may_name_the_server(keystone: Keystone, admin: Person) -> None:
    headers = {"X-Auth-Token": admin.secret.encode()}
    target = f"{keystone.service.origin}/v3/users?limit=1".encode()
    assert await status_of(keystone, "GET", target, headers, b"") == 200


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("9999-12-31T23:59:59-01:00", 400),
        ("0001-01-01T00:00:00+01:00", 400),
        ("9999-12-31T23:59:59.999999Z", 200),
        ("0001-01-01", 200),
        ("10000-01-01", 400),
        ("2026-01-01T00:00:00+99:99", 400),
    ],
)
async def test_times_at_the_ends_of_the_calendar(admin: Person, time: str, status: int) -> None:
    for operator in ("", "lt:", "neq:"):
        params = {"password_expires_at": operator + time}
        assert (await admin.call("GET", "users", params=params)).status == status
