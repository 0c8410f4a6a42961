"""What is spoken here, and where the services are that a token can use."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.doors.keystone import catalog
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.doors.trace import SETTINGS
from zstack_mgmt.doors.wire import origin_of
from zstack_mgmt.identity.tokens.model import Token


async def show_versions(request: web.Request) -> web.Response:
    """`GET /`."""
    origin = origin_of(request.app[SETTINGS], request)
    body = {"versions": {"values": [catalog.version(origin)]}}
    return json_reply(body, 300, {"Location": f"{origin}/v3/", "Vary": "X-Auth-Token, Accept"})


async def show_version(ask: Ask) -> web.Response:
    return json_reply({"version": catalog.version(ask.base.removesuffix("/v3"))})


async def show_catalog(ask: Ask) -> web.Response:
    """The catalog of the bearer's token; empty without a scope."""
    entries = await catalog_of(ask, ask.token) if ask.token.authority.roles else []
    return json_reply({"catalog": entries, "links": {"self": f"{ask.base}/auth/catalog"}})


async def catalog_of(ask: Ask, token: Token) -> list[dict[str, Any]]:
    """The services that the token can use."""
    rows = await ask.service.catalog.endpoints(token.catalog_version)
    place = token.authority.place
    project = place.uuid if place.kind == "project" else None
    values = {"project_id": project, "tenant_id": project, "user_id": token.user_uuid}
    return catalog.catalog(ask.base, ask.service.settings.region, rows, values)
