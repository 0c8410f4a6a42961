"""`/v3/projects`. A domain is a project too, as far as clients ask for it here."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import domains, shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import ProjectForm, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.domains.store import find_domain
from zstack_mgmt.identity.projects import store


async def list_projects(ask: Ask) -> web.Response:
    readable = ask.authority.readable
    marker, count = ask.page()
    if ask.flag("is_domain"):
        return await domains.list_domains(ask, as_projects=True)
    wanted, parent = ask.text("domain_id"), ask.text("parent_id")
    account_uuid = shapes.account_of(wanted) if wanted is not None else readable
    if readable not in (None, account_uuid):
        return ask.listed("projects", [])
    async with ask.connection() as conn:
        rows = await store.list_projects(
            conn,
            account_uuid=account_uuid,
            name=ask.text("name"),
            enabled=ask.flag("enabled"),
            parent_uuid=None if parent is None else shapes.account_of(parent),
            since=marker,
            limit=count,
        )
    return ask.listed("projects", [shapes.project(row, ask.base) for row in rows])


async def find_visible(ask: Ask, uuid: str) -> Any:
    """A project that the token is scoped to, or of a domain that it may read; None for any other."""
    place = ask.authority.place
    readable = place.domain_uuid if place.uuid == uuid else ask.authority.readable
    async with ask.connection() as conn:
        row = await store.find_project(conn, uuid)
    if row is None or readable not in (None, row["account_uuid"]):
        return None
    return row


async def show_project(ask: Ask) -> web.Response:
    uuid = ask.ids[0]
    row = await find_visible(ask, uuid)
    if row is not None:
        return json_reply({"project": shapes.project(row, ask.base)})
    account_uuid = shapes.account_of(uuid)
    async with ask.connection() as conn:
        found = await find_domain(conn, account_uuid) if ask.authority.reads(account_uuid) else None
    if found is None:
        raise ResourceNotFound(f"no project has the id {uuid[:64]}")
    return json_reply({"project": shapes.domain_as_project(found, ask.base)})


async def create_project(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    form = read(ProjectForm, ask.object("project"), required=("name",))
    if form.is_domain:
        return await _create_domain(ask, form)
    values = {k: v for k, v in form.given("name", "enabled", "description", "tags").items() if v is not None}
    uuid = ask.new_id()
    account_uuid, parent = await _above(ask, form)
    await ask.change(
        "CreateProject",
        resourceUuid=uuid,
        accountUuid=account_uuid,
        parentUuid=parent,
        values={**values, "extra": form.extras},
    )
    return await _reply(ask, uuid, 201)


async def _above(ask: Ask, form: ProjectForm) -> tuple[str, str | None]:
    """The account and the parent of a new project. What the token does not see is taken for a domain's id."""
    domain = None if form.domain_id is None else shapes.account_of(form.domain_id)
    if form.parent_id is None:
        return domain or ask.authority.place.domain_uuid or shapes.account_of(shapes.DEFAULT_ID), None
    parent = await find_visible(ask, form.parent_id)
    if parent is not None:
        if domain not in (None, parent["account_uuid"]):
            raise BadRequest("the parent is in another domain than domain_id")
        return parent["account_uuid"], parent["uuid"]
    above = shapes.account_of(form.parent_id)
    if domain not in (None, above):
        raise ResourceNotFound(f"no project has the id {form.parent_id}")
    return above, None


async def _create_domain(ask: Ask, form: ProjectForm) -> web.Response:
    if form.domain_id is not None or form.parent_id is not None:
        raise BadRequest("a project that is a domain has neither domain_id nor parent_id")
    found = await domains.create(ask, form)
    return json_reply({"project": shapes.domain_as_project(found, ask.base)}, 201)


async def _is_domain(ask: Ask, uuid: str) -> bool:
    async with ask.connection() as conn:
        known = await store.find_project(conn, uuid)
        return known is None and await find_domain(conn, shapes.account_of(uuid)) is not None


async def update_project(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    uuid = ask.ids[0]
    form = read(ProjectForm, ask.object("project"))
    changes = form.given("name", "enabled", "description", "tags")
    if any(changes.get(name, "") is None for name in ("name", "enabled", "tags")):
        raise BadRequest("name, enabled and tags must not be null")
    if form.id not in (None, uuid):
        raise BadRequest("id: it cannot be changed")
    if ask.authority.is_platform_admin and await _is_domain(ask, uuid):
        found = await domains.update(ask, shapes.account_of(uuid), form)
        return json_reply({"project": shapes.domain_as_project(found, ask.base)})
    row = await find_visible(ask, known_id(uuid, "project"))
    if row is None:
        raise ResourceNotFound(f"no project has the id {uuid}")
    shown = shapes.project(row, ask.base)
    for name in ("domain_id", "parent_id"):
        if form.given(name).get(name, shown[name]) != shown[name]:
            raise BadRequest(f"{name}: it cannot be changed")
    form.check_extras(row["extra"])
    await ask.change("UpdateProject", uuid=uuid, changes={**changes, "extra": form.extras})
    return await _reply(ask, uuid, 200)


async def _reply(ask: Ask, uuid: str, status: int) -> web.Response:
    async with ask.connection() as conn:
        row = await store.find_project(conn, uuid)
    if row is None:
        raise ResourceNotFound(f"no project has the id {uuid}")
    return json_reply({"project": shapes.project(row, ask.base)}, status)


async def delete_project(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    uuid = ask.ids[0]
    if ask.authority.is_platform_admin and await _is_domain(ask, uuid):
        await ask.change("DeleteDomain", uuid=shapes.account_of(uuid))
    else:
        await ask.change("DeleteProject", uuid=known_id(uuid, "project"))
    return web.Response(status=204)
