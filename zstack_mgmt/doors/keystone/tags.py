"""`/v3/projects/{id}/tags`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import ResourceNotFound
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.forms import ProjectForm, read
from zstack_mgmt.doors.keystone.projects import find_visible
from zstack_mgmt.doors.keystone.replies import json_reply


async def _tags(ask: Ask) -> list[str]:
    row = await find_visible(ask, ask.ids[0])
    if row is None:
        raise ResourceNotFound(f"no project has the id {ask.ids[0][:64]}")
    return list(row["tags"])


async def _set(ask: Ask, tags: Any) -> None:
    form = read(ProjectForm, {"tags": tags}, required=("tags",))
    await ask.change("UpdateProject", uuid=ask.ids[0], changes={"tags": form.tags})


async def list_tags(ask: Ask) -> web.Response:
    return ask.listed_whole("tags", await _tags(ask))


async def check_tag(ask: Ask) -> web.Response:
    if ask.ids[1] not in await _tags(ask):
        raise ResourceNotFound("the project has no such tag")
    return web.Response(status=204)


async def replace_tags(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await _tags(ask)
    await _set(ask, ask.body.get("tags"))
    return json_reply({"tags": await _tags(ask)})


async def clear_tags(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await _tags(ask)
    await _set(ask, [])
    return web.Response(status=204)


async def add_tag(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    present, tag = await _tags(ask), ask.ids[1]
    read(ProjectForm, {"tags": list({*present, tag})})
    await ask.change("AddProjectTag", uuid=ask.ids[0], tag=tag)
    return web.Response(status=201)


async def remove_tag(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await _tags(ask)
    await ask.change("RemoveProjectTag", uuid=ask.ids[0], tag=ask.ids[1])
    return web.Response(status=204)
