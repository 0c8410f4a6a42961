"""`/v3/regions`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.doors.keystone import catalog
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.forms import RegionForm, read
from zstack_mgmt.doors.keystone.replies import Refusal, json_reply
from zstack_mgmt.doors.keystone.services import one_of
from zstack_mgmt.identity.catalog import store


async def _regions(ask: Ask) -> list[dict[str, Any]]:
    _ = ask.token
    async with ask.connection() as conn:
        return catalog.regions(ask.base, ask.service.settings.region, await store.regions(conn))


async def list_regions(ask: Ask) -> web.Response:
    found, parent = await _regions(ask), ask.text("parent_region_id")
    return ask.listed_from("regions", [one for one in found if parent in (None, one["parent_region_id"])])


async def show_region(ask: Ask) -> web.Response:
    return json_reply({"region": one_of("region", await _regions(ask), ask.ids[0])})


async def create_region(ask: Ask) -> web.Response:
    """`POST`: the id may be left out."""
    return await _create(ask, None)


async def create_region_of_id(ask: Ask) -> web.Response:
    """`PUT` with the id in the path."""
    return await _create(ask, ask.ids[0])


async def _create(ask: Ask, id_of_path: str | None) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(RegionForm, ask.object("region"))
    if None not in (form.id, id_of_path) and form.id != id_of_path:
        raise BadRequest("id: it is another one than that of the path")
    region_id = id_of_path or form.id or ask.new_id()
    if read(RegionForm, {"id": region_id}).id == ask.service.settings.region:
        raise Refusal("SYS.1007", "another region has this id")
    await ask.change("CreateKeystoneRegion", values={"id": region_id, **await _values(ask, form)})
    return json_reply({"region": one_of("region", await _regions(ask), region_id)}, 201)


async def update_region(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(RegionForm, ask.object("region"))
    if form.id not in (None, ask.ids[0]):
        raise BadRequest("id: it cannot be changed")
    one_of("region", await _regions(ask), ask.ids[0])
    await ask.change("UpdateKeystoneRegion", id=ask.ids[0], changes=await _values(ask, form))
    return json_reply({"region": one_of("region", await _regions(ask), ask.ids[0])})


async def _values(ask: Ask, form: RegionForm) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "description" in form.model_fields_set:
        values["description"] = form.description or ""
    if "parent_region_id" in form.model_fields_set:
        values["parent_id"] = form.parent_region_id
        known = [one["id"] for one in await _regions(ask)]
        if form.parent_region_id not in (None, *known):
            raise BadRequest("parent_region_id: there is no such region")
    return values | ({"extra": form.extras} if form.extras else {})


async def delete_region(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    one_of("region", await _regions(ask), ask.ids[0])
    await ask.change("DeleteKeystoneRegion", id=ask.ids[0])
    return web.Response(status=204)
