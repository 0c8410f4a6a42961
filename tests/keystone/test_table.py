"""All routes and all sorts of callers: what each of them gets. A route without a row fails."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import COUNTER, UNSCOPED, Keystone, Person
from zstack_mgmt.doors.keystone.dispatch import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
CALLERS = ("unscoped", "stranger", "worker", "reader", "member", "admin", "platform")
"""A user without a scope; the admin of another domain; a member of a project; a reader, a member and the
admin of the domain; the admin of the platform. But for the stranger and the last they are of the domain of
what is asked for.
"""
MEANING = {"2": (200, 201, 204), "0": (400,), "1": (401,), "3": (403,), "4": (404,)}
"""Of a letter of the table. 400 is for the empty login, 401 for the wrong password of `users/{}/password`."""
TABLE = """
    GET    /                                    2222222
    POST   /auth/tokens                         0000000
    GET    /auth/tokens                         3333332
    DELETE /auth/tokens                         3333332
    GET    /auth/catalog                        2222222
    GET    /auth/projects                       2222222
    POST   /auth/projects                       2222222
    GET    /auth/domains                        2222222
    GET    /auth/system                         2222222
    GET    /users                               3232222
    POST   /users                               3433322
    GET    /users/{}                            3432222
    PATCH  /users/{}                            3433322
    DELETE /users/{}                            3433322
    POST   /users/{}/password                   1111111
    GET    /users/{}/projects                   3432222
    GET    /users/{}/groups                     3432222
    GET    /users/{}/application_credentials    3333332
    POST   /users/{}/application_credentials    3333333
    GET    /users/{}/application_credentials/{} 3333332
    DELETE /users/{}/application_credentials/{} 3333332
    GET    /groups                              3232222
    POST   /groups                              3433322
    GET    /groups/{}                           3432222
    PATCH  /groups/{}                           3433322
    DELETE /groups/{}                           3433322
    GET    /groups/{}/users                     3432222
    PUT    /groups/{}/users/{}                  3433322
    GET    /groups/{}/users/{}                  3432222
    DELETE /groups/{}/users/{}                  3433322
    GET    /domains                             3232222
    POST   /domains                             3333332
    GET    /domains/{}                          2422222
    PATCH  /domains/{}                          3333332
    DELETE /domains/{}                          3333333
    GET    /projects                            3232222
    POST   /projects                            3433322
    GET    /projects/{}                         3432222
    PATCH  /projects/{}                         3433322
    DELETE /projects/{}                         3433322
    GET    /projects/{}/tags                    3432222
    PUT    /projects/{}/tags                    3433322
    DELETE /projects/{}/tags                    3433322
    GET    /projects/{}/tags/{}                 3432222
    PUT    /projects/{}/tags/{}                 3433322
    DELETE /projects/{}/tags/{}                 3433322
    GET    /roles                               3232222
    POST   /roles                               3333332
    GET    /roles/{}                            3232222
    PATCH  /roles/{}                            3333332
    DELETE /roles/{}                            3333332
    GET    /OS-INHERIT/projects/{}/users/{}/roles/inherited_to_projects 3432222
    GET    /OS-INHERIT/projects/{}/users/{}/roles/{}/inherited_to_projects 3434444
    PUT    /OS-INHERIT/projects/{}/users/{}/roles/{}/inherited_to_projects 3433300
    DELETE /OS-INHERIT/projects/{}/users/{}/roles/{}/inherited_to_projects 3434444
    GET    /OS-INHERIT/projects/{}/groups/{}/roles/inherited_to_projects 3432222
    GET    /OS-INHERIT/projects/{}/groups/{}/roles/{}/inherited_to_projects 3434444
    PUT    /OS-INHERIT/projects/{}/groups/{}/roles/{}/inherited_to_projects 3433300
    DELETE /OS-INHERIT/projects/{}/groups/{}/roles/{}/inherited_to_projects 3434444
    GET    /OS-INHERIT/domains/{}/users/{}/roles/inherited_to_projects 3432222
    GET    /OS-INHERIT/domains/{}/users/{}/roles/{}/inherited_to_projects 3434444
    PUT    /OS-INHERIT/domains/{}/users/{}/roles/{}/inherited_to_projects 3433300
    DELETE /OS-INHERIT/domains/{}/users/{}/roles/{}/inherited_to_projects 3434444
    GET    /OS-INHERIT/domains/{}/groups/{}/roles/inherited_to_projects 3432222
    GET    /OS-INHERIT/domains/{}/groups/{}/roles/{}/inherited_to_projects 3434444
    PUT    /OS-INHERIT/domains/{}/groups/{}/roles/{}/inherited_to_projects 3433300
    DELETE /OS-INHERIT/domains/{}/groups/{}/roles/{}/inherited_to_projects 3434444
    GET    /role_inferences                     3232222
    GET    /roles/{}/implies                    3232222
    GET    /roles/{}/implies/{}                 3434444
    PUT    /roles/{}/implies/{}                 3333330
    DELETE /roles/{}/implies/{}                 3333334
    GET    /role_assignments                    3232222
    GET    /projects/{}/users/{}/roles          3432222
    GET    /projects/{}/users/{}/roles/{}       3432222
    PUT    /projects/{}/users/{}/roles/{}       3433322
    DELETE /projects/{}/users/{}/roles/{}       3433322
    GET    /projects/{}/groups/{}/roles         3432222
    GET    /projects/{}/groups/{}/roles/{}      3432222
    PUT    /projects/{}/groups/{}/roles/{}      3433322
    DELETE /projects/{}/groups/{}/roles/{}      3433322
    GET    /domains/{}/users/{}/roles           3432222
    GET    /domains/{}/users/{}/roles/{}        3432222
    PUT    /domains/{}/users/{}/roles/{}        3433322
    DELETE /domains/{}/users/{}/roles/{}        3433322
    GET    /domains/{}/groups/{}/roles          3432222
    GET    /domains/{}/groups/{}/roles/{}       3432222
    PUT    /domains/{}/groups/{}/roles/{}       3433322
    DELETE /domains/{}/groups/{}/roles/{}       3433322
    GET    /system/users/{}/roles               3333332
    GET    /system/users/{}/roles/{}            3333332
    PUT    /system/users/{}/roles/{}            3333332
    DELETE /system/users/{}/roles/{}            3333332
    GET    /system/groups/{}/roles              3333332
    GET    /system/groups/{}/roles/{}           3333332
    PUT    /system/groups/{}/roles/{}           3333332
    DELETE /system/groups/{}/roles/{}           3333332
    GET    /domain_quotas/{}                    3433322
    PATCH  /domain_quotas/{}                    3333332
    GET    /domain_usage                        3333332
    GET    /limits/model                        2222222
    GET    /limits                              3222222
    POST   /limits                              3333332
    GET    /limits/{}                           3442222
    PATCH  /limits/{}                           3333332
    DELETE /limits/{}                           3333332
    GET    /registered_limits                   2222222
    POST   /registered_limits                   3333332
    GET    /registered_limits/{}                2222222
    PATCH  /registered_limits/{}                3333332
    DELETE /registered_limits/{}                3333332
    GET    /services                            3232222
    POST   /services                            3333332
    GET    /services/{}                         3232222
    PATCH  /services/{}                         3333332
    DELETE /services/{}                         3333332
    GET    /endpoints                           3232222
    POST   /endpoints                           3333332
    GET    /endpoints/{}                        3232222
    PATCH  /endpoints/{}                        3333332
    DELETE /endpoints/{}                        3333332
    GET    /regions                             2222222
    POST   /regions                             3333332
    GET    /regions/{}                          2222222
    PUT    /regions/{}                          3333330
    PATCH  /regions/{}                          3333332
    DELETE /regions/{}                          3333332
"""
ROWS = {
    (method, path.removeprefix("/")): codes
    for method, path, codes in map(str.split, TABLE.strip().split("\n"))
}
CATALOG = ("system", "services", "endpoints", "regions")
PUBLIC = {("GET", ""), ("POST", "auth/tokens"), ("POST", "users/{}/password")}


async def test_every_route_has_a_row() -> None:
    assert set(ROWS) == {(method, path) for method, path, _ in ROUTES}
    assert {len(row) for row in ROWS.values()} == {len(CALLERS)}


@dataclass
class World:
    """The domain of what is asked for, and who asks."""

    admin: Person
    domain: str
    service_id: str
    people: dict[str, Person] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)  # tokens that open nothing
    ids: dict[str, str] = field(default_factory=dict)  # of things that nobody changes

    async def targets(self, path: str) -> dict[str, str]:
        """One of everything, which a call of the path may change or delete."""
        make, domain = self.admin.make, self.domain
        user = await make("user", domain_id=domain, password="secret")
        group, role = await make("group", domain_id=domain), await make("role")
        project = await make("project", domain_id=domain, tags=["x"])
        person = await self.admin.keystone.log_in(user["name"], "secret", UNSCOPED, domain)
        calls = [f"groups/{group['id']}/users/{user['id']}"]
        places = [f"projects/{project['id']}", f"domains/{domain}"]
        if path.startswith("system"):  # else the domain's admin could not change them any more
            places.append("system")
        for place in places:
            actors = (f"users/{user['id']}", f"groups/{group['id']}")
            calls += [f"{place}/{actor}/roles/{role['id']}" for actor in actors]
        for call in calls:
            assert (await self.admin.call("PUT", call)).status == 204
        name = f"resource-{next(COUNTER)}"
        limit = {"service_id": self.service_id, "resource_name": name, "resource_limit": 1}
        registered = [await self.register(name), await self.register(f"{name}-free")]
        body = {"limits": [{**limit, "project_id": project["id"]}]}
        return {
            "users": user["id"],
            "groups": group["id"],
            "projects": project["id"],
            "roles": role["id"],
            "tags": "x",
            "implies": role["id"],
            "domains": domain,
            "domain_quotas": domain,
            "registered_limits": registered[1],
            "limits": (await self.admin.call("POST", "limits", body)).body["limits"][0]["id"],
            "token": person.secret,
            **(await self.catalog() if path.startswith(CATALOG) else {}),
            **(await self.credential(user, project["id"]) if path.startswith(("system", "users")) else {}),
        }

    async def catalog(self) -> dict[str, str]:
        service = await self.admin.make("service", type="other")
        where = {"service_id": service["id"], "interface": "public", "url": "http://127.0.0.1:1"}
        endpoint, region = await self.admin.make("endpoint", **where), await self.admin.make("region")
        return {"services": service["id"], "endpoints": endpoint["id"], "regions": region["id"]}

    async def credential(self, user: Any, project: str) -> dict[str, str]:
        scope = {"project": {"id": project}}
        maker = await self.admin.keystone.log_in(user["name"], "secret", scope, self.domain)
        body = {"application_credential": {"name": "x"}}
        made = await maker.call("POST", f"users/{user['id']}/application_credentials", body)
        return {"application_credentials": made.body["application_credential"]["id"]}

    async def register(self, name: str) -> str:
        one = {"service_id": self.service_id, "resource_name": name, "default_limit": 1}
        answer = await self.admin.call("POST", "registered_limits", {"registered_limits": [one]})
        return answer.body["registered_limits"][0]["id"]

    def body(self, method: str, path: str, ids: dict[str, str]) -> Any:
        """What the call sends."""
        name, domain = f"made-{next(COUNTER)}", self.domain
        limit = {"service_id": self.service_id, "resource_name": name}
        bodies: dict[tuple[str, str], Any] = {
            ("POST", "users"): {"user": {"name": name, "domain_id": domain}},
            ("POST", "users/{}/password"): {"user": {"password": "another", "original_password": "wrong"}},
            ("POST", "groups"): {"group": {"name": name, "domain_id": domain}},
            ("POST", "domains"): {"domain": {"name": name}},
            ("POST", "projects"): {"project": {"name": name, "domain_id": domain}},
            ("POST", "roles"): {"role": {"name": name}},
            ("POST", "auth/tokens"): {"auth": {}},
            ("POST", "registered_limits"): {"registered_limits": [{**limit, "default_limit": 1}]},
            ("PATCH", "registered_limits/{}"): {"registered_limit": {"description": "x"}},
            ("PATCH", "domain_quotas/{}"): {"domain": {"region": "RegionOne", "router": 1}},
            ("PUT", "projects/{}/tags"): {"tags": ["y"]},
            ("POST", "services"): {"service": {"name": name, "type": "other"}},
            ("POST", "endpoints"): {
                "endpoint": {
                    "service_id": ids.get("services"),
                    "interface": "admin",
                    "url": "http://127.0.0.1:1",
                }
            },
            ("POST", "regions"): {"region": {"description": "x"}},
            ("PUT", "regions/{}"): {"region": {"id": "another"}},
        }
        if (method, path) == ("POST", "limits"):
            made = {**limit, "resource_name": "of-table", "resource_limit": 1, "project_id": ids["projects"]}
            return {"limits": [made]}
        if method == "PATCH" and (method, path) not in bodies:
            return {path.split("s/", maxsplit=1)[0]: {"description": "x"}}
        return bodies.get((method, path))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(admin: Person, service: Service, keystone: Keystone) -> World:
    domain, other = (await admin.make("domain"))["id"], (await admin.make("domain"))["id"]
    made = World(admin, domain, (await admin.get("services"))["services"][0]["id"])
    await made.register("of-table")
    project = (await admin.make("project", domain_id=domain))["id"]
    scope = {"domain": {"id": domain}}
    for role in ("reader", "member", "admin"):
        made.people[role] = await admin.newcomer(role, f"domains/{domain}", domain, scope)
    there = {"domain": {"id": other}}
    made.people["stranger"] = await admin.newcomer("admin", f"domains/{other}", other, there)
    here = {"project": {"id": project}}
    made.people["worker"] = await admin.newcomer("member", f"projects/{project}", domain, here)
    user = await admin.make("user", domain_id=domain, password="secret")
    made.people["unscoped"] = await keystone.log_in(user["name"], "secret", UNSCOPED, domain)
    made.people["platform"] = admin
    expired = await keystone.log_in(user["name"], "secret", UNSCOPED, domain)
    past = "UPDATE sessions SET expired_date = now() - interval '1 s' WHERE audit_id = $1"
    await service.db.execute(past, expired.token["audit_ids"][0])
    made.ids = await made.targets("system")
    made.dead = {
        "none": "",
        "garbage": "garbage",
        "random": "0" * 32,
        "long": "x" * 5000,
        "expired": expired.secret,
    }
    return made


def fill(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"(\w+)/\{\}", lambda found: f"{found[1]}/{ids[found[1]]}", path)


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES])
async def test_what_each_caller_gets(world: World, method: str, path: str) -> None:
    """Who may change it comes after those who may not, and finds something of his own to change."""
    ids = world.ids if method == "GET" else await world.targets(path)
    statuses: list[int] = []
    for caller in CALLERS:
        if caller == "platform" and method != "GET":
            ids = await world.targets(path)
        answer = await world.people[caller].call(
            method, fill(path, ids), world.body(method, path, ids), subject=ids["token"]
        )
        statuses.append(answer.status)
    assert all(status in MEANING[code] for status, code in zip(statuses, ROWS[method, path], strict=True)), (
        statuses,
        ROWS[method, path],
    )


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES])
async def test_without_a_living_token_nothing_is_said(
    world: World, keystone: Keystone, method: str, path: str
) -> None:
    """But by what is for everybody, which answers as to anybody else."""
    ids = world.ids
    code = ROWS[method, path][0] if (method, path) in PUBLIC else "1"
    for kind, token in world.dead.items():
        body = world.body(method, path, ids)
        answer = await keystone.call(method, fill(path, ids), body, token=token, subject=ids["token"])
        assert answer.status in MEANING[code], (kind, answer)
