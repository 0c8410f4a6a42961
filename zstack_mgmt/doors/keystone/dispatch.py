"""From a request under `/v3` to its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, MethodNotAllowed, UnknownPath
from zstack_mgmt.doors.bodies import check_text, read_body
from zstack_mgmt.doors.keystone import (
    application_credentials,
    discovery,
    domains,
    groups,
    inheritance,
    limits,
    projects,
    quotas,
    regions,
    roles,
    services,
    tags,
    tokens,
    users,
)
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.replies import Refusal, refusal_reply
from zstack_mgmt.doors.trace import SERVICE
from zstack_mgmt.doors.wire import target_of

Handler = Callable[[Ask], Awaitable[web.Response]]
_PLACES = ("projects/{}", "domains/{}", "system")

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "", discovery.show_version),
    ("POST", "auth/tokens", tokens.issue),
    ("GET", "auth/tokens", tokens.validate),
    ("DELETE", "auth/tokens", tokens.revoke),
    ("GET", "auth/catalog", discovery.show_catalog),
    ("GET", "auth/projects", tokens.list_auth_projects),
    ("POST", "auth/projects", tokens.list_auth_projects),  # as EOS writes it
    ("GET", "auth/domains", tokens.list_auth_domains),
    ("GET", "auth/system", tokens.list_auth_system),
    ("GET", "users", users.list_users),
    ("POST", "users", users.create_user),
    ("GET", "users/{}", users.show_user),
    ("PATCH", "users/{}", users.update_user),
    ("DELETE", "users/{}", users.delete_user),
    ("POST", "users/{}/password", users.change_password),
    ("GET", "users/{}/projects", users.list_user_projects),
    ("GET", "users/{}/groups", users.list_user_groups),
    ("GET", "users/{}/application_credentials", application_credentials.list_credentials),
    ("POST", "users/{}/application_credentials", application_credentials.create_credential),
    ("GET", "users/{}/application_credentials/{}", application_credentials.show_credential),
    ("DELETE", "users/{}/application_credentials/{}", application_credentials.delete_credential),
    ("GET", "groups", groups.list_groups),
    ("POST", "groups", groups.create_group),
    ("GET", "groups/{}", groups.show_group),
    ("PATCH", "groups/{}", groups.update_group),
    ("DELETE", "groups/{}", groups.delete_group),
    ("GET", "groups/{}/users", users.list_members),
    ("PUT", "groups/{}/users/{}", groups.add_member),
    ("GET", "groups/{}/users/{}", groups.check_member),
    ("DELETE", "groups/{}/users/{}", groups.remove_member),
    ("GET", "domains", domains.list_domains),
    ("POST", "domains", domains.create_domain),
    ("GET", "domains/{}", domains.show_domain),
    ("PATCH", "domains/{}", domains.update_domain),
    ("DELETE", "domains/{}", domains.delete_domain),
    ("GET", "projects", projects.list_projects),
    ("POST", "projects", projects.create_project),
    ("GET", "projects/{}", projects.show_project),
    ("PATCH", "projects/{}", projects.update_project),
    ("DELETE", "projects/{}", projects.delete_project),
    ("GET", "projects/{}/tags", tags.list_tags),
    ("PUT", "projects/{}/tags", tags.replace_tags),
    ("DELETE", "projects/{}/tags", tags.clear_tags),
    ("GET", "projects/{}/tags/{}", tags.check_tag),
    ("PUT", "projects/{}/tags/{}", tags.add_tag),
    ("DELETE", "projects/{}/tags/{}", tags.remove_tag),
    ("GET", "roles", roles.list_roles),
    ("POST", "roles", roles.create_role),
    ("GET", "roles/{}", roles.show_role),
    ("PATCH", "roles/{}", roles.update_role),
    ("DELETE", "roles/{}", roles.delete_role),
    ("GET", "role_assignments", roles.list_assignments),
    *(
        (method, f"{place}/{actors}/{{}}/roles{tail}", handler)
        for place in _PLACES
        for actors in ("users", "groups")
        for method, tail, handler in (
            ("GET", "", roles.list_assigned),
            ("GET", "/{}", roles.check_assigned),
            ("PUT", "/{}", roles.assign),
            ("DELETE", "/{}", roles.unassign),
        )
    ),
    *(
        (method, f"OS-INHERIT/{place}/{actors}/{{}}/roles{tail}/inherited_to_projects", handler)
        for place in ("projects/{}", "domains/{}")
        for actors in ("users", "groups")
        for method, tail, handler in (
            ("GET", "", inheritance.list_inherited),
            ("GET", "/{}", inheritance.check_inherited),
            ("PUT", "/{}", inheritance.inherit),
            ("DELETE", "/{}", inheritance.check_inherited),
        )
    ),
    ("GET", "role_inferences", inheritance.list_inferences),
    ("GET", "roles/{}/implies", inheritance.list_implied),
    ("GET", "roles/{}/implies/{}", inheritance.check_implied),
    ("PUT", "roles/{}/implies/{}", inheritance.imply),
    ("DELETE", "roles/{}/implies/{}", inheritance.end_implied),
    ("GET", "domain_quotas/{}", quotas.show_domain_quotas),
    ("PATCH", "domain_quotas/{}", quotas.update_domain_quotas),
    ("GET", "domain_usage", quotas.show_domain_usage),
    ("GET", "limits/model", limits.show_model),
    ("GET", "limits", limits.list_limits),
    ("POST", "limits", limits.create_limits),
    ("GET", "limits/{}", limits.show_limit),
    ("PATCH", "limits/{}", limits.update_limit),
    ("DELETE", "limits/{}", limits.delete_limit),
    ("GET", "registered_limits", limits.list_registered_limits),
    ("POST", "registered_limits", limits.create_registered_limits),
    ("GET", "registered_limits/{}", limits.show_registered_limit),
    ("PATCH", "registered_limits/{}", limits.update_registered_limit),
    ("DELETE", "registered_limits/{}", limits.delete_registered_limit),
    ("GET", "services", services.list_services),
    ("POST", "services", services.create_service),
    ("GET", "services/{}", services.show_service),
    ("PATCH", "services/{}", services.update_service),
    ("DELETE", "services/{}", services.delete_service),
    ("GET", "endpoints", services.list_endpoints),
    ("POST", "endpoints", services.create_endpoint),
    ("GET", "endpoints/{}", services.show_endpoint),
    ("PATCH", "endpoints/{}", services.update_endpoint),
    ("DELETE", "endpoints/{}", services.delete_endpoint),
    ("GET", "regions", regions.list_regions),
    ("POST", "regions", regions.create_region),
    ("GET", "regions/{}", regions.show_region),
    ("PUT", "regions/{}", regions.create_region_of_id),
    ("PATCH", "regions/{}", regions.update_region),
    ("DELETE", "regions/{}", regions.delete_region),
]
_PUBLIC = frozenset({discovery.show_version, tokens.issue, users.change_password})
_Shapes = dict[tuple[str, ...], dict[str, Handler]]
_BY_START: dict[
    tuple[int, str], _Shapes
] = {}  # by the number of segments, and the first, which is no variable
for _method, _path, _handler in ROUTES:
    _shape = tuple(_path.split("/"))
    _BY_START.setdefault((len(_shape), _shape[0]), {}).setdefault(_shape, {})[_method] = _handler


def _find(segments: Sequence[str]) -> tuple[dict[str, Handler], tuple[str, ...]] | None:
    """The handlers of the path by method, and the values of its variables."""
    for shape, handlers in _BY_START.get((len(segments), segments[0]), {}).items():
        pairs = list(zip(shape, segments, strict=True))
        if all(part in ("{}", segment) for part, segment in pairs):
            return handlers, tuple(segment for part, segment in pairs if part == "{}")
    return None


async def dispatch(request: web.Request) -> web.Response:
    """Answer a request of `/v3…`. Errors leave as ApiError; the boundary shapes them."""
    raw, _, text = target_of(request).partition("?")
    path = unquote(raw, errors="surrogateescape")
    query = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    for piece in (path, *(part for pair in query for part in pair)):
        check_text(piece)
    found = _find([segment for segment in path.removeprefix("/v3").split("/") if segment] or [""])
    if found is None:
        raise UnknownPath(f"no API has the path {path[:200]}")
    handlers, ids = found
    allow = ", ".join(sorted({*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"}))
    handler = handlers.get("GET" if request.method == "HEAD" else request.method)
    if handler is None:
        raise MethodNotAllowed(f"the path takes {allow}", allow)
    ask = Ask(request, request.app[SERVICE], ids, query, {})
    await ask.read_tokens()
    if handler not in _PUBLIC:
        _ = ask.token
    if request.method in ("POST", "PUT", "PATCH") and request.body_exists:
        kind = request.content_type
        if kind not in ("application/json", "application/octet-stream"):
            raise BadRequest("the body must be JSON, and Content-Type must say so")
        ask.body = await read_body(request, ask.service.settings)
    try:
        return await handler(ask)
    except Refusal as error:
        return refusal_reply(error, request)
