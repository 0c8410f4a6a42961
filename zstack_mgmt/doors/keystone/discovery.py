"""What is spoken here, and the services of the catalog."""

from __future__ import annotations

from aiohttp import web

from zstack_mgmt.core.errors import ResourceNotFound, UnknownPath
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.catalog import catalog, endpoints, regions, services, version
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.doors.trace import SETTINGS
from zstack_mgmt.doors.wire import origin_of


async def show_versions(request: web.Request) -> web.Response:
    """`GET /` of a client that speaks JSON."""
    if "text/html" in request.headers.get("Accept", ""):
        raise UnknownPath("no API has the path /")
    origin = origin_of(request.app[SETTINGS], request)
    body = {"versions": {"values": [version(origin)]}}
    return json_reply(body, 300, {"Location": f"{origin}/v3/", "Vary": "X-Auth-Token, Accept"})


async def show_version(ask: Ask) -> web.Response:
    return json_reply({"version": version(ask.base.removesuffix("/v3"))})


async def show_catalog(ask: Ask) -> web.Response:
    entries = catalog(ask.base, ask.service.settings.region) if ask.token.authority.roles else []
    return json_reply({"catalog": entries, "links": {"self": f"{ask.base}/auth/catalog"}})


async def list_services(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    found = [s for s in services(ask.base) if ask.text("type") in (None, s["type"])]
    return ask.listed_from("services", [s for s in found if ask.text("name") in (None, s["name"])])


async def show_service(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    return _one("service", services(ask.base), ask.ids[0])


async def list_endpoints(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    found = endpoints(ask.base, ask.service.settings.region)
    for name in ("interface", "service_id", "region_id"):
        found = [e for e in found if ask.text(name) in (None, e[name])]
    return ask.listed_from("endpoints", found)


async def show_endpoint(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    return _one("endpoint", endpoints(ask.base, ask.service.settings.region), ask.ids[0])


async def list_regions(ask: Ask) -> web.Response:
    return ask.listed_from("regions", regions(ask.base, ask.service.settings.region) if ask.token else [])


async def show_region(ask: Ask) -> web.Response:
    found = regions(ask.base, ask.service.settings.region) if ask.token else []
    return _one("region", found, ask.ids[0])


def _one(noun: str, found: list[dict[str, object]], wanted: str) -> web.Response:
    for item in found:
        if item["id"] == wanted:
            return json_reply({noun: item})
    raise ResourceNotFound(f"no {noun} has the id {wanted[:64]}")
