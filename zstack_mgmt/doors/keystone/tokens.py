"""`/v3/auth`: tokens, and what their bearers may scope them to."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from zstack_mgmt.auth.passwords import digest
from zstack_mgmt.core.errors import AuthenticationFailed, BadRequest, ResourceNotFound
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.discovery import catalog_of
from zstack_mgmt.doors.keystone.forms import MAX_PASSWORD
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.domains.store import list_domains
from zstack_mgmt.identity.projects.store import list_projects
from zstack_mgmt.identity.roles.store import domains_of, has_system_role, projects_of
from zstack_mgmt.identity.tokens.model import Issued, Token


async def issue(ask: Ask) -> web.Response:
    """`POST /v3/auth/tokens`."""
    issued: Issued = await ask.call("IssueToken", _login(ask.object("auth")), public=True)
    return await _reply(ask, issued.token, issued.secret, 201)


async def validate(ask: Ask) -> web.Response:
    """`GET` and `HEAD`: the token of X-Subject-Token, as its bearer or an administrator may see it."""
    bearer, secret = ask.token, _subject(ask)
    if secret == ask.secret:
        return await _reply(ask, bearer, secret)
    return await _reply(ask, bearer.shown(ask.subject), secret)


async def revoke(ask: Ask) -> web.Response:
    """`DELETE`: end the token of X-Subject-Token."""
    bearer = ask.secret if ask.token else ""
    await ask.call("RevokeToken", {"sessionUuid": _subject(ask), "bearer": bearer})
    return web.Response(status=204)


async def list_auth_projects(ask: Ask) -> web.Response:
    """Where the bearer has a role."""
    marker, count = ask.page()
    async with ask.connection() as conn:
        uuids = await projects_of(conn, ask.token.user_uuid)
        rows = await list_projects(conn, uuids=uuids, enabled=True, since=marker, limit=count)
    return ask.listed("projects", [shapes.project(row, ask.base) for row in rows])


async def list_auth_domains(ask: Ask) -> web.Response:
    """The domains where the bearer has a role."""
    marker, count = ask.page()
    async with ask.connection() as conn:
        uuids = await domains_of(conn, ask.token.user_uuid)
        rows = await list_domains(
            conn, uuids=uuids, enabled=True, since=shapes.account_of(marker), limit=count
        )
    return ask.listed("domains", [shapes.domain(row, ask.base) for row in rows])


async def list_auth_system(ask: Ask) -> web.Response:
    """Whether the bearer may scope to the system."""
    async with ask.connection() as conn:
        allowed = await has_system_role(conn, ask.token.user_uuid)
    return ask.listed_whole("system", [{"all": True}] if allowed else [])


def _subject(ask: Ask) -> str:
    if not ask.subject_secret:
        raise ResourceNotFound("no such token")
    return ask.subject_secret


async def _reply(ask: Ask, token: Token, secret: str, status: int = 200) -> web.Response:
    scoped = token.authority.place.kind != "unscoped"
    services = await catalog_of(ask, token) if scoped and not ask.has("nocatalog") else None
    return json_reply({"token": shapes.token(token, services)}, status, {"X-Subject-Token": secret})


def _login(auth: dict[str, Any]) -> dict[str, Any]:
    """The parameters of IssueToken. Raises BadRequest, or AuthenticationFailed for an unknown method."""
    identity = _object(auth, "identity")
    chosen = _methods(identity.get("methods"))
    if len(chosen) != 1 or not chosen <= {"password", "token", "application_credential"}:
        raise AuthenticationFailed(
            "identity.methods must name one of the methods password, token and application_credential"
        )
    if chosen == {"application_credential"}:
        if auth.get("scope") is not None:
            raise AuthenticationFailed("an application credential has its scope; leave scope out")
        return _credential(_object(identity, "application_credential"))
    scope = _scope(auth.get("scope"))
    if chosen == {"token"}:
        return {"method": "token", "token": _text(_object(identity, "token"), "id", 64), **scope}
    user = _object(_object(identity, "password"), "user")
    clear = user.get("password")
    if not isinstance(clear, str):
        raise BadRequest("identity.password.user.password must be a text")
    if len(clear) > MAX_PASSWORD:
        raise AuthenticationFailed("the name or the password is wrong")
    found: dict[str, Any] = {"method": "password", "password": digest(clear), **scope}
    if user.get("id") is not None:
        return found | {"userUuid": _text(user, "id", 64)}
    uuid, name = _domain(user)
    return found | {"userName": _text(user, "name", 255), "userDomainUuid": uuid, "userDomainName": name}


def _credential(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of IssueToken for an application credential, by its id or by its user and name."""
    secret = given.get("secret")
    if not isinstance(secret, str):
        raise BadRequest("identity.application_credential.secret must be a text")
    if len(secret) > MAX_PASSWORD:
        raise AuthenticationFailed("the name or the password is wrong")
    found: dict[str, Any] = {"method": "application_credential", "password": digest(secret)}
    if given.get("id") is not None:
        return found | {"credentialUuid": _text(given, "id", 64)}
    found["credentialName"] = _text(given, "name", 255)
    user = _object(given, "user")
    if user.get("id") is not None:
        return found | {"userUuid": _text(user, "id", 64)}
    uuid, name = _domain(user)
    return found | {"userName": _text(user, "name", 255), "userDomainUuid": uuid, "userDomainName": name}


def _methods(given: Any) -> set[str]:
    names: list[Any] = list(given) if isinstance(given, list) else [given]  # pyright: ignore[reportUnknownArgumentType]
    if given is not None and not all(isinstance(name, str) for name in names):
        raise BadRequest("identity.methods must be a list of names")
    return set(names)


def _scope(scope: Any) -> dict[str, Any]:
    if scope is None:
        return {}
    if scope == "unscoped":
        return {"scope": "unscoped"}
    if not isinstance(scope, dict):
        raise BadRequest('scope must be an object or "unscoped"')
    kinds = [kind for kind in ("project", "domain", "system") if kind in scope]
    if len(kinds) != 1 or len(scope) != 1:  # pyright: ignore[reportUnknownArgumentType]
        raise BadRequest("scope must name one of project, domain and system")
    place = _object(scope, kinds[0])  # pyright: ignore[reportUnknownArgumentType]
    if kinds[0] == "system":
        if place.get("all") is not True:
            raise BadRequest("scope.system.all must be true")
        return {"scope": "system"}
    if kinds[0] == "domain":
        uuid, name = _domain({"domain": place})
        return {"scope": "domain", "scopeUuid": uuid, "scopeName": name}
    if place.get("id") is not None:
        return {"scope": "project", "scopeUuid": _text(place, "id", 64)}
    uuid, name = _domain(place)
    name_of_project = _text(place, "name", 255)
    return {
        "scope": "project",
        "scopeName": name_of_project,
        "scopeDomainUuid": uuid,
        "scopeDomainName": name,
    }


def _domain(holder: dict[str, Any]) -> tuple[str | None, str | None]:
    """The account that a reference to a domain means, by uuid or by name."""
    domain = _object(holder, "domain")
    if domain.get("id") is not None:
        return shapes.account_of(_text(domain, "id", 64)), None
    return None, shapes.account_name_of(_text(domain, "name", 255))


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    if not isinstance(value, dict):
        raise BadRequest(f"the object {name!r} is missing")
    return value  # pyright: ignore[reportUnknownVariableType]


def _text(holder: dict[str, Any], name: str, most: int) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"{name!r} must be a text of at most {most} characters")
    return value
