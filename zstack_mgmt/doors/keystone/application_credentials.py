"""`/v3/users/{id}/application_credentials`."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from aiohttp import web

from zstack_mgmt.auth.passwords import digest
from zstack_mgmt.config import UTC_ZONE
from zstack_mgmt.core.errors import BadRequest, PermissionDenied, ResourceNotFound
from zstack_mgmt.core.values import parse_moment
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask, known_id
from zstack_mgmt.doors.keystone.forms import ApplicationCredentialForm, RoleReference, read
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.application_credentials import store
from zstack_mgmt.identity.principals.store import find_login


async def list_credentials(ask: Ask) -> web.Response:
    """The user's own, or as administrator of the platform anybody's."""
    login_uuid = await _owner(ask)
    marker, count = ask.page()
    async with ask.connection() as conn:
        rows = await store.list_credentials(
            conn, login_uuid, name=ask.text("name"), since=marker, limit=count
        )
    shown = [shapes.application_credential(row, ask.base) for row in rows]
    return ask.listed("application_credentials", shown)


async def show_credential(ask: Ask) -> web.Response:
    login_uuid = await _owner(ask)
    return json_reply({"application_credential": await _shown(ask, login_uuid, ask.ids[1])})


async def create_credential(ask: Ask) -> web.Response:
    """One's own, in the project of the token. The secret is in this answer and nowhere else."""
    authority = ask.authority
    authority.require_unrestricted()
    if ask.ids[0] != authority.login_uuid:
        raise PermissionDenied("users make application credentials for themselves only")
    if authority.place.kind != "project":
        raise BadRequest("an application credential is made with a token of its project")
    form = read(ApplicationCredentialForm, ask.object("application_credential"), required=("name",))
    if form.access_rules:
        raise BadRequest("access_rules: this server has no access rules; give the credential fewer roles")
    if form.project_id not in (None, authority.place.uuid):
        raise BadRequest("project_id: it is the project of the token")
    secret = form.secret or secrets.token_urlsafe(64)
    uuid = ask.new_id()
    await ask.change(
        "CreateApplicationCredential",
        resourceUuid=uuid,
        loginUuid=authority.login_uuid,
        name=form.name,
        description=form.description,
        secret=digest(secret),
        roleUuids=_roles(form.roles, authority.roles),
        unrestricted=bool(form.unrestricted),
        expiresAt=_end(form.expires_at),
    )
    made = await _shown(ask, authority.login_uuid, uuid)
    return json_reply({"application_credential": {**made, "secret": secret}}, 201)


async def delete_credential(ask: Ask) -> web.Response:
    ask.authority.require_unrestricted()
    login_uuid = await _owner(ask)
    uuid = known_id(ask.ids[1], "application credential")
    await ask.change("DeleteApplicationCredential", uuid=uuid, loginUuid=login_uuid)
    return web.Response(status=204)


async def _owner(ask: Ask) -> str:
    """Whose credentials are asked for. Raises PermissionDenied whether or not there is such a user."""
    if ask.ids[0] == ask.token.user_uuid:
        return ask.ids[0]
    ask.authority.require_platform_admin()
    async with ask.connection() as conn:
        if await find_login(conn, ask.ids[0]) is None:
            raise ResourceNotFound(f"no user has the id {ask.ids[0][:64]}")
    return ask.ids[0]


async def _shown(ask: Ask, login_uuid: str, uuid: str) -> dict[str, Any]:
    async with ask.connection() as conn:
        row = await store.find_credential(conn, login_uuid, uuid)
    if row is None:
        raise ResourceNotFound(f"no application credential has the id {uuid[:64]}")
    return shapes.application_credential(row, ask.base)


def _roles(wanted: list[RoleReference] | None, own: tuple[tuple[str, str], ...]) -> list[str]:
    """The uuids of the roles that are asked for, or of all that the token has. Raises BadRequest."""
    if not wanted:  # `openstack` sends an empty list when it is told no role
        return [uuid for uuid, _ in own]
    found: set[str] = set()
    for role in wanted:
        matching = {uuid for uuid, name in own if role.id in (None, uuid) and role.name in (None, name)}
        if len(matching) != 1 or (role.id, role.name) == (None, None):
            raise BadRequest("roles: each must be named by id or name, and be a role of yours in the project")
        found |= matching
    return sorted(found)


def _end(text: str | None) -> str | None:
    """The moment in the form of requests. Raises BadRequest for what is no time, or has passed."""
    if text is None:
        return None
    try:
        moment = parse_moment(text, UTC_ZONE)
    except ValueError:
        raise BadRequest("expires_at is not a time") from None
    if moment <= datetime.now(moment.tzinfo):
        raise BadRequest("expires_at has passed")
    return moment.isoformat()
