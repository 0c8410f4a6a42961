"""What roles could follow from others: none does here, which lists say truly and changes clearly.

`/v3/OS-INHERIT` (roles that a domain or project hands down) and implied roles.
"""

from __future__ import annotations

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.doors.keystone.roles import given, role_of


async def list_inherited(ask: Ask) -> web.Response:
    await given(ask)
    return ask.listed("roles", [])


async def check_inherited(ask: Ask) -> web.Response:
    """`GET` and `DELETE`."""
    await given(ask)
    raise ResourceNotFound("no role is inherited there")


async def inherit(ask: Ask) -> web.Response:
    ask.authority.require_manager()
    await given(ask)
    raise BadRequest("inherited role assignments are not supported: give the role in each project")


async def list_inferences(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    return json_reply({"role_inferences": [], "links": {"self": f"{ask.base}/role_inferences"}})


async def list_implied(ask: Ask) -> web.Response:
    _ = ask.authority.readable
    prior = shapes.role(await role_of(ask, ask.ids[0]), ask.base)
    shown = {name: prior[name] for name in ("id", "name", "description", "links")}
    links = {"self": f"{prior['links']['self']}/implies"}
    return json_reply({"role_inference": {"prior_role": shown, "implies": []}, "links": links})


async def check_implied(ask: Ask) -> web.Response:
    """`GET`."""
    _ = ask.authority.readable
    raise ResourceNotFound("the role implies no other")


async def imply(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    raise BadRequest("implied roles are not supported: give each role by itself")


async def end_implied(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    raise ResourceNotFound("the role implies no other")
