"""What the doors keep beside a request, and the typed keys under which aiohttp keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from zstack_mgmt.config import Settings
from zstack_mgmt.service.parts import Service


@dataclass(slots=True)
class Trace:
    """What is known of a request so far, for its log line and its answer."""

    request_id: str
    api: str = "-"
    account_uuid: str = ""
    job_uuid: str = ""
    remote: str = ""
    open_body: web.StreamResponse | None = None  # one that has begun: no other answer can follow


TRACE = web.RequestKey("trace", Trace)
SETTINGS = web.AppKey("settings", Settings)
SERVICE = web.AppKey("service", Service)
