"""Bodies that are JSON and make no sense: none is a fault of the server."""

from typing import Any

import pytest
import pytest_asyncio

from keystone.talking import Person
from zstack_mgmt.doors.keystone.dispatch import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
ODD: tuple[Any, ...] = (None, True, -1, 1.5, 2**63, "", "x" * 3000, [], [None], {"a": {}})
NAMES = [
    "id",
    "name",
    "domain_id",
    "parent_id",
    "project_id",
    "default_project_id",
    "is_domain",
    "enabled",
    "description",
    "email",
    "password",
    "original_password",
    "options",
    "tags",
    "links",
    "password_expires_at",
    "service_id",
    "region_id",
    "resource_name",
    "default_limit",
    "resource_limit",
    "region",
    "router",
    "instances",
]
OTHERS = {
    "service": ["id", "name", "description", "enabled", "type", "colour"],
    "endpoint": ["id", "service_id", "enabled", "region", "region_id", "interface", "url"],
    "region": ["id", "description", "parent_region_id"],
    "application_credential": [
        *("name", "description", "project_id"),
        *("secret", "roles", "unrestricted", "expires_at", "access_rules"),
    ],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(admin: Person) -> dict[str, str]:
    domain = await admin.make("domain")
    project = await admin.make("project", domain_id=domain["id"])
    user = await admin.make("user", domain_id=domain["id"])
    group = await admin.make("group", domain_id=domain["id"])
    role = await admin.make("role")
    one = {"service_id": (await admin.get("services"))["services"][0]["id"], "resource_name": "odd"}
    body: Any = {"registered_limits": [{**one, "default_limit": 1}]}
    registered = (await admin.call("POST", "registered_limits", body)).body["registered_limits"][0]["id"]
    body = {"limits": [{**one, "resource_limit": 1, "project_id": project["id"]}]}
    limit = (await admin.call("POST", "limits", body)).body["limits"][0]["id"]
    service = await admin.make("service", type="odd")
    where = {"service_id": service["id"], "interface": "public", "url": "http://127.0.0.1:1"}
    return {
        "services": service["id"],
        "endpoints": (await admin.make("endpoint", **where))["id"],
        "regions": (await admin.make("region"))["id"],
        "users": user["id"],
        "groups": group["id"],
        "projects": project["id"],
        "domains": domain["id"],
        "domain_quotas": domain["id"],
        "roles": role["id"],
        "limits": limit,
        "registered_limits": registered,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method, path, _ in ROUTES
        if (method in ("POST", "PATCH") and path.count("{}") < 2)
        or (method, path) == ("PUT", "projects/{}/tags")
    ],
)
async def test_odd_bodies(admin: Person, ids: dict[str, str], method: str, path: str) -> None:
    parts = path.split("/")
    filled = path.replace("{}", ids[parts[0]]) if "{}" in parts else path
    noun = "domain" if parts[0] == "domain_quotas" else parts[0].removesuffix("s")
    if parts[-1] == "application_credentials":
        filled, noun = f"users/{admin.id}/{parts[-1]}", "application_credential"
    bodies: list[Any] = [*ODD, *({key: odd} for key in (noun, f"{noun}s", "tags", "auth") for odd in ODD)]
    several = noun in ("limit", "registered_limit") and method == "POST"
    for name in OTHERS.get(noun, NAMES):
        for odd in ODD:
            one = {"name": "odd", "region": "RegionOne", name: odd} if noun != "limit" else {name: odd}
            bodies.append({f"{noun}s": [one]} if several else {noun: one})
    failed: list[Any] = []
    for body in bodies:
        answer = await admin.call(method, filled, body)
        if answer.status >= 500:
            failed.append((body, answer.status))
        if answer.status == 201 and isinstance(answer.body.get(noun), dict):
            await admin.call("DELETE", f"{noun}s/{answer.body[noun]['id']}")
    assert not failed, failed[:5]


@pytest.mark.parametrize(
    "where",
    [
        (),
        ("identity",),
        ("identity", "password"),
        ("identity", "password", "user"),
        ("identity", "password", "user", "domain"),
        ("scope",),
        ("scope", "project"),
        ("scope", "project", "domain"),
    ],
)
async def test_odd_logins(admin: Person, where: tuple[str, ...]) -> None:
    for odd in ODD:
        domain: Any = {"id": "default"}
        user: Any = {"name": "admin", "domain": domain, "password": "password"}
        auth: Any = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }
        for name in ("methods", "id", "name", "password", "token", "all", "system"):
            inner: Any = auth
            for part in where:
                inner = inner[part]
            kept = inner.get(name)
            inner[name] = odd
            status = (await admin.keystone.call("POST", "auth/tokens", {"auth": auth})).status
            assert status in (201, 400, 401), (where, name, odd)
            inner.pop(name) if kept is None else inner.update({name: kept})
