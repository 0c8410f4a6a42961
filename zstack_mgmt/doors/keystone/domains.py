"""`/v3/domains`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.forms import DomainForm, ProjectForm, read
from zstack_mgmt.doors.keystone.replies import Refusal, json_reply
from zstack_mgmt.identity.domains import store


async def list_domains(ask: Ask, *, as_projects: bool = False) -> web.Response:
    readable = ask.authority.readable
    marker, count = ask.page()
    name = ask.text("name")
    async with ask.connection() as conn:
        rows = await store.list_domains(
            conn,
            uuids=None if readable is None else [readable],
            name=None if name is None else shapes.account_name_of(name),
            enabled=ask.flag("enabled"),
            since=shapes.account_of(marker),
            limit=count,
        )
    shape = shapes.domain_as_project if as_projects else shapes.domain
    shown = [shape(row, ask.base) for row in rows]
    named = [one for one in shown if name in (None, one["name"])]
    return ask.listed("projects" if as_projects else "domains", named)


async def show_domain(ask: Ask) -> web.Response:
    account_uuid = shapes.account_of(ask.ids[0])
    is_own = account_uuid == ask.token.account_uuid
    async with ask.connection() as conn:
        row = (
            await store.find_domain(conn, account_uuid)
            if is_own or ask.authority.reads(account_uuid)
            else None
        )
    if row is None:
        raise ResourceNotFound(f"no domain has the id {ask.ids[0][:64]}")
    return json_reply({"domain": shapes.domain(row, ask.base)})


async def create_domain(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(DomainForm, ask.object("domain"), required=("name",))
    return json_reply({"domain": shapes.domain(await create(ask, form), ask.base)}, 201)


async def create(ask: Ask, form: DomainForm | ProjectForm) -> Any:
    """Create the domain and return its row."""
    ask.authority.require_platform_admin()
    given = form.given("name", "enabled", "description", "tags")
    values = {name: value for name, value in given.items() if value is not None}
    if values["name"] == shapes.DEFAULT_NAME:
        raise Refusal("SYS.1007", "another domain has this name")
    uuid = ask.new_id()
    await ask.change("CreateDomain", resourceUuid=uuid, extra=form.extras, **values)
    return await _found(ask, uuid)


async def update_domain(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    form = read(DomainForm, ask.object("domain"))
    if form.id not in (None, ask.ids[0]):
        raise BadRequest("id: it cannot be changed")
    row = await update(ask, shapes.account_of(ask.ids[0]), form)
    return json_reply({"domain": shapes.domain(row, ask.base)})


async def update(ask: Ask, uuid: str, form: DomainForm | ProjectForm) -> Any:
    """Change the domain and return its row."""
    changes = form.given("name", "enabled", "description", "tags")
    if any(changes.get(name, "") is None for name in ("name", "enabled", "tags")):
        raise BadRequest("name, enabled and tags must not be null")
    if "name" in changes:
        changes["name"] = shapes.account_name_of(changes["name"])
    if form.extras:
        form.check_extras((await _found(ask, uuid))["extra"])
        changes["extra"] = form.extras
    await ask.change("UpdateDomain", uuid=uuid, changes=changes)
    return await _found(ask, uuid)


async def _found(ask: Ask, uuid: str) -> Any:
    async with ask.connection() as conn:
        row = await store.find_domain(conn, uuid)
    if row is None:
        raise ResourceNotFound(f"no domain has the id {uuid}")
    return row


async def delete_domain(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    await ask.change("DeleteDomain", uuid=shapes.account_of(ask.ids[0]))
    return web.Response(status=204)
