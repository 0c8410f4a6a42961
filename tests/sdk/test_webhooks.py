"""The receivers of webhooks: a genuine delivery of the service is taken, anything else refused."""

import asyncio
import io
import time
from typing import Any

import pytest
from aiohttp import web

from app import Service
from receivers import receiver
from sdk.conftest import InThread
from zstack_mgmt.webhooks.signing import key_of, new_secret, sign
from zstack_sdk import Client, CreateZoneAction, RotateWebhookSecretAction
from zstack_sdk.webhooks import MAX_BODY_BYTES, Event, NotGenuine, aiohttp_handler, asgi_app, verify, wsgi_app

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = new_secret()
BODY = b'{"inventory":{"name":"z"}}'


def headers_of(body: bytes = BODY, secret: str = SECRET, stamp: int | None = None) -> dict[str, str]:
    stamp = int(time.time()) if stamp is None else stamp
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(stamp),
        "Webhook-Signature": sign([key_of(new_secret()), key_of(secret)], "msg_1", stamp, body),
        "X-Job-UUID": "a" * 32,
        "X-Job-Success": "true",
    }


async def test_the_service_s_own_delivery_is_taken(
    service: Service, client: Client, blocking: InThread
) -> None:
    secret = (await blocking(RotateWebhookSecretAction().call, client)).value.inventory.secret
    events: asyncio.Queue[Event] = asyncio.Queue()
    handler: Any = aiohttp_handler(secret, events.put)
    async with receiver(handler) as listening:
        listening.behaviour = handler
        for name, uuid in (("hooked", ""), ("refused", "0" * 32)):
            action = CreateZoneAction(name=name, webHook=f"{listening.url}/hook")
            if uuid:
                action.systemTags = ["ephemeral::validationOnly"]
            result = await blocking(action.call, client)
            event = await asyncio.wait_for(events.get(), 10)
            assert (event.job_uuid, event.succeeded) == (result.job_uuid, result.error is None)
            assert event.body == (result.value.to_dict() if result.error is None else event.body)


async def test_what_is_not_genuine_is_refused_by_the_aiohttp_handler() -> None:
    taken: list[Event] = []
    handler: Any = aiohttp_handler(SECRET, taken.append)
    app = web.Application()
    app.router.add_post("/", handler)
    async with receiver(handler) as listening:
        from aiohttp import ClientSession

        async with ClientSession() as http:
            for headers, status in ((headers_of(), 204), (headers_of(b"{}"), 400), ({}, 400)):
                async with http.post(listening.url, data=BODY, headers=headers) as reply:
                    assert reply.status == status
    assert [event.id for event in taken] == ["msg_1"]


def called(headers: dict[str, str], body: bytes, length: str | None = None) -> tuple[str, list[Event]]:
    """What the WSGI application answers, and the events it took."""
    taken: list[Event] = []
    statuses: list[str] = []
    environ: dict[str, Any] = {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in headers.items()}
    environ |= {
        "CONTENT_LENGTH": str(len(body)) if length is None else length,
        "wsgi.input": io.BytesIO(body),
    }
    list(wsgi_app(SECRET, taken.append)(environ, lambda status, _: statuses.append(status)))
    return statuses[0], taken


async def test_the_wsgi_application_takes_what_is_genuine_only() -> None:
    status, taken = called(headers_of(), BODY)
    assert (status, taken[0].job_uuid) == ("204 No Content", "a" * 32)
    assert called(headers_of(), BODY + b" ") == ("400 Bad Request", [])
    assert called(headers_of(), BODY, str(MAX_BODY_BYTES + 1)) == ("413 Content Too Large", [])


async def asked(headers: dict[str, str], *parts: bytes) -> tuple[int, list[Event]]:
    """What the ASGI application answers, and the events it took."""
    taken: list[Event] = []
    sent: list[dict[str, Any]] = []
    left = list(parts)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def take(event: Event) -> None:
        taken.append(event)

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await asgi_app([new_secret(), SECRET], take)({"type": "http", "headers": pairs}, receive, send)
    return sent[0]["status"], taken


async def test_the_asgi_application_takes_what_is_genuine_only() -> None:
    status, taken = await asked(headers_of(), BODY[:5], BODY[5:])
    assert (status, taken[0].body) == (204, {"inventory": {"name": "z"}})
    assert await asked(headers_of(), BODY, b" ") == (400, [])
    assert await asked(headers_of(), bytes(MAX_BODY_BYTES), b"x") == (413, [])


async def test_an_old_delivery_and_one_of_another_secret_are_not_genuine() -> None:
    for headers in (headers_of(stamp=int(time.time()) - 301), headers_of(secret=new_secret()), {}):
        with pytest.raises(NotGenuine):
            verify(SECRET, headers, BODY)
    failed = verify(SECRET, headers_of(b'{"error":{"code":"SYS.1000"}}'), b'{"error":{"code":"SYS.1000"}}')
    assert failed.error is not None
    assert failed.error.code == "SYS.1000"
