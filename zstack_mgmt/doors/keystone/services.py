"""`/v3/services` and `/v3/endpoints`. Those of this service itself are computed, and cannot be changed."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, PermissionDenied, ResourceNotFound
from zstack_mgmt.doors.keystone import catalog
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import EndpointForm, ServiceForm, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.catalog import store
from zstack_mgmt.identity.catalog.model import IDENTITY_SERVICE, unknown_variable


async def _services(ask: Ask) -> list[dict[str, Any]]:
    _ = ask.authority.readable
    async with ask.connection() as conn:
        return catalog.services(ask.base, await store.services(conn))


async def list_services(ask: Ask) -> web.Response:
    found = await _services(ask)
    for name in ("type", "name"):
        found = [one for one in found if ask.text(name) in (None, one.get(name))]
    return ask.listed_from("services", found)


async def show_service(ask: Ask) -> web.Response:
    return json_reply({"service": one_of("service", await _services(ask), ask.ids[0])})


async def create_service(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(ServiceForm, ask.object("service"), required=("type",))
    uuid = ask.new_id()
    await ask.change("CreateKeystoneService", resourceUuid=uuid, values=_service_values(form))
    return json_reply({"service": one_of("service", await _services(ask), uuid)}, 201)


async def update_service(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    uuid = _others(ask.ids[0], "service")
    form = read(ServiceForm, ask.object("service"))
    if form.id not in (None, uuid):
        raise BadRequest("id: it cannot be changed")
    await ask.change("UpdateKeystoneService", uuid=uuid, changes=_service_values(form))
    return json_reply({"service": one_of("service", await _services(ask), uuid)})


def _service_values(form: ServiceForm) -> dict[str, Any]:
    given = form.given("type", "name", "description", "enabled")
    if any(given.get(name, "") is None for name in ("type", "enabled")):
        raise BadRequest("type and enabled must not be null")
    return given | ({"extra": form.extras} if form.extras else {})


async def delete_service(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    await ask.change("DeleteKeystoneService", uuid=_others(ask.ids[0], "service"))
    return web.Response(status=204)


async def _endpoints(ask: Ask) -> list[dict[str, Any]]:
    _ = ask.authority.readable
    async with ask.connection() as conn:
        rows = await store.endpoints(conn)
    return catalog.endpoints(ask.base, ask.service.settings.region, rows)


async def list_endpoints(ask: Ask) -> web.Response:
    found = await _endpoints(ask)
    for name in ("interface", "service_id", "region_id"):
        found = [one for one in found if ask.text(name) in (None, one[name])]
    return ask.listed_from("endpoints", found)


async def show_endpoint(ask: Ask) -> web.Response:
    return json_reply({"endpoint": one_of("endpoint", await _endpoints(ask), ask.ids[0])})


async def create_endpoint(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    needed = ("service_id", "interface", "url")
    form = read(EndpointForm, ask.object("endpoint"), required=needed)
    uuid = ask.new_id()
    values = await _endpoint_values(ask, form)
    makes_region = form.region is not None
    await ask.change("CreateKeystoneEndpoint", resourceUuid=uuid, values=values, makesRegion=makes_region)
    return json_reply({"endpoint": one_of("endpoint", await _endpoints(ask), uuid)}, 201)


async def update_endpoint(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    uuid = _others(ask.ids[0], "endpoint")
    form = read(EndpointForm, ask.object("endpoint"))
    if form.id not in (None, uuid):
        raise BadRequest("id: it cannot be changed")
    changes = await _endpoint_values(ask, form)
    makes_region = form.region is not None
    await ask.change("UpdateKeystoneEndpoint", uuid=uuid, changes=changes, makesRegion=makes_region)
    return json_reply({"endpoint": one_of("endpoint", await _endpoints(ask), uuid)})


async def _endpoint_values(ask: Ask, form: EndpointForm) -> dict[str, Any]:
    """What was sent. `region` is the older name of `region_id`; a region that it names is made."""
    values = form.given("interface", "url", "enabled", "region_id")
    if any(values.get(name, "") is None for name in ("interface", "url", "enabled")):
        raise BadRequest("interface, url and enabled must not be null")
    if "region" in form.model_fields_set:
        if form.region_id not in (None, form.region):
            raise BadRequest("region and region_id name two regions")
        values["region_id"] = form.region
    if form.url is not None and (name := unknown_variable(form.url)) is not None:
        raise BadRequest(f"url: no token says what {name!r} is")
    if "service_id" in form.model_fields_set:
        values["service_uuid"] = await _known_service(ask, form.service_id)
    region_id = values.get("region_id")
    if region_id not in (None, ask.service.settings.region) and form.region is None:
        async with ask.connection() as conn:
            if await store.region(conn, region_id) is None:
                raise BadRequest("region_id: there is no such region")
    return values | ({"extra": form.extras} if form.extras else {})


async def _known_service(ask: Ask, uuid: str | None) -> str:
    if uuid == IDENTITY_SERVICE:
        raise PermissionDenied("the endpoints of this service are computed, and there are no others")
    async with ask.connection() as conn:
        if uuid is None or await store.service(conn, uuid) is None:
            raise BadRequest("service_id: there is no such service")
    return uuid


async def delete_endpoint(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    await ask.change("DeleteKeystoneEndpoint", uuid=_others(ask.ids[0], "endpoint"))
    return web.Response(status=204)


def _others(text: str, noun: str) -> str:
    """An id that can be that of another service's. Raises PermissionDenied or ResourceNotFound."""
    if text == IDENTITY_SERVICE or catalog.is_own_endpoint(text):
        raise PermissionDenied("what the catalog says of this service itself cannot be changed")
    return known_id(text, noun)


def one_of(noun: str, found: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """That of the id. Raises ResourceNotFound."""
    for item in found:
        if item["id"] == wanted:
            return item
    raise ResourceNotFound(f"no {noun} has the id {wanted[:64]}")
