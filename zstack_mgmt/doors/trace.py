"""What the doors keep beside a request, and the typed keys under which aiohttp keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from zstack_mgmt.config import Settings
from zstack_mgmt.service.parts import Service
from zstack_mgmt.unheeded import header_of


@dataclass(slots=True)
class Trace:
    """What is known of a request so far, for its log line and its answer."""

    request_id: str
    remote: str  # the client's address
    api: str = "-"
    account_uuid: str = ""
    job_uuid: str = ""
    ignored: tuple[str, ...] = ()  # names of parameters that have had no effect
    open_body: web.StreamResponse | None = None  # one that has begun: no other answer can follow

    def headers(self) -> dict[str, str]:
        """What every answer says of its request."""
        named = {"X-Ignored-Parameters": header_of(self.ignored)} if self.ignored else {}
        return {"X-Request-ID": self.request_id, **named}


TRACE = web.RequestKey("trace", Trace)
SETTINGS = web.AppKey("settings", Settings)
SERVICE = web.AppKey("service", Service)
