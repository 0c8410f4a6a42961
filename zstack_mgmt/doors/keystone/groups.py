"""`/v3/groups`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import GroupForm, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.principals import store


async def list_groups(ask: Ask) -> web.Response:
    readable, wanted = ask.authority.readable, ask.text("domain_id")
    account_uuid = shapes.account_of(wanted) if wanted is not None else readable
    if readable not in (None, account_uuid):
        return ask.listed("groups", [])
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_groups(
            conn,
            account_uuid=account_uuid,
            name=ask.text("name"),
            since=marker,
            limit=count,
        )
    return ask.listed("groups", [shapes.group(row, ask.base) for row in rows])


async def _visible(ask: Ask, uuid: str) -> Any:
    readable = ask.authority.readable
    async with ask.connection() as conn:
        row = await store.find_group(conn, uuid)
    if row is None or readable not in (None, row["account_uuid"]):
        raise ResourceNotFound(f"no group has the id {uuid[:64]}")
    return row


async def show_group(ask: Ask) -> web.Response:
    return json_reply({"group": shapes.group(await _visible(ask, ask.ids[0]), ask.base)})


async def create_group(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    form = read(GroupForm, ask.object("group"), required=("name",))
    uuid = ask.new_id()
    domain = form.domain_id or shapes.domain_id(ask.authority.place.domain_uuid) or shapes.DEFAULT_ID
    await ask.change(
        "CreateDomainGroup",
        resourceUuid=uuid,
        accountUuid=shapes.account_of(domain),
        name=form.name,
        description=form.description,
        extra=form.extras,
    )
    return json_reply({"group": shapes.group(await _visible(ask, uuid), ask.base)}, 201)


async def update_group(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    form = read(GroupForm, ask.object("group"))
    row = await _visible(ask, known_id(ask.ids[0], "group"))
    if form.id not in (None, row["uuid"]) or (
        form.domain_id is not None and shapes.account_of(form.domain_id) != row["account_uuid"]
    ):
        raise BadRequest("id and domain_id cannot be changed")
    changes = form.given("name", "description")
    if changes.get("name", "") is None:
        raise BadRequest("name must not be null")
    form.check_extras(row["extra"])
    await ask.change("UpdateDomainGroup", uuid=row["uuid"], changes={**changes, "extra": form.extras})
    return json_reply({"group": shapes.group(await _visible(ask, row["uuid"]), ask.base)})


async def delete_group(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await ask.change("DeleteDomainGroup", uuid=known_id(ask.ids[0], "group"))
    return web.Response(status=204)


async def add_member(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    group, user = known_id(ask.ids[0], "group"), known_id(ask.ids[1], "user")
    await ask.change("AddDomainGroupMember", uuid=group, userUuid=user)
    return web.Response(status=204)


async def check_member(ask: Ask) -> web.Response:
    row = await _visible(ask, ask.ids[0])
    async with ask.connection() as conn:
        if not await store.is_member(conn, row["uuid"], ask.ids[1]):
            raise ResourceNotFound("the user is not in the group")
    return web.Response(status=204)


async def remove_member(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    group, user = known_id(ask.ids[0], "group"), known_id(ask.ids[1], "user")
    await ask.change("RemoveDomainGroupMember", uuid=group, userUuid=user)
    return web.Response(status=204)
