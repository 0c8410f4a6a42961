"""All routes, and all sorts of callers: who gets through, and that nobody sees another domain."""

import re
from typing import Any

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import UNSCOPED, Keystone, Person
from zstack_mgmt.doors.keystone.dispatch import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
PUBLIC = {("GET", ""), ("POST", "auth/tokens"), ("POST", "users/{}/password")}
COMMON = {("GET", "registered_limits"), ("GET", "registered_limits/{}"), ("GET", "limits/model")}
ANYBODY = {"auth/projects", "auth/domains", "auth/system", "auth/catalog", "auth/tokens", "regions"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(admin: Person, keystone: Keystone) -> dict[str, Any]:
    """Two domains: the people of the first ask for what is in the second."""
    mine, theirs = (await admin.make("domain"))["id"], (await admin.make("domain"))["id"]
    scope = {"domain": {"id": mine}}
    people = {
        role: await admin.newcomer(role, f"domains/{mine}", mine, scope)
        for role in ("admin", "manager", "member", "reader")
    }
    user = await admin.make("user", domain_id=mine, password="secret")
    people["unscoped"] = await keystone.log_in(user["name"], "secret", UNSCOPED, mine)
    project = await admin.make("project", domain_id=theirs)
    group = await admin.make("group", domain_id=theirs)
    role = await admin.make("role")
    target = await admin.make("user", domain_id=theirs, password="secret")
    await admin.grant("member", target["id"], f"projects/{project['id']}")
    there = {"project": {"id": project["id"]}}
    owner = await keystone.log_in(target["name"], "secret", there, theirs)
    named = {"application_credential": {"name": "x"}}
    credential = await owner.call("POST", f"users/{owner.id}/application_credentials", named)
    resource = {"service_id": (await admin.get("services"))["services"][0]["id"], "resource_name": "cores"}
    registered = {"registered_limits": [{**resource, "default_limit": 1}]}
    made = await admin.call("POST", "registered_limits", registered)
    limit = {"limits": [{**resource, "resource_limit": 1, "project_id": project["id"]}]}
    ids = {
        "registered_limits": made.body["registered_limits"][0]["id"],
        "limits": (await admin.call("POST", "limits", limit)).body["limits"][0]["id"],
        "application_credentials": credential.body["application_credential"]["id"],
        "domains": theirs,
        "projects": project["id"],
        "groups": group["id"],
        "users": target["id"],
        "roles": role["id"],
        "tags": "x",
        "implies": role["id"],
        "domain_quotas": theirs,
        "services": "x",
        "endpoints": "x",
        "regions": "x",
    }
    return {"people": people, "ids": ids, "mine": mine, "theirs": theirs}


def fill(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"(\w+)/\{\}", lambda found: f"{found[1]}/{ids[found[1]]}", path)


def body_of(method: str, path: str, domain: str) -> Any:
    if method not in ("POST", "PATCH"):
        return None
    noun = path.split("/", maxsplit=1)[0].removesuffix("s")
    if noun == "domain_quota":
        return {"domain": {"region": "RegionOne", "router": 1}}
    more = {"domain_id": domain} if noun in ("user", "group", "project") and method == "POST" else {}
    return {noun: {"name": f"made-by-{noun}", "description": "x", **more}}


async def state(service: Service) -> list[Any]:
    """What must not change."""
    tables = ("accounts", "users", "user_groups", "group_members", "projects", "roles", "role_assignments")
    return [await service.db.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]


async def test_nobody_reaches_into_another_domain(world: dict[str, Any], service: Service) -> None:
    before = await state(service)
    wrong: list[Any] = []
    for role, person in world["people"].items():
        for method, path, _ in ROUTES:
            if (method, path) in PUBLIC | COMMON or (
                path.split("/{}")[0] in ANYBODY and ("regions" not in path or method == "GET")
            ):
                continue
            answer = await person.call(
                method, fill(path, world["ids"]), body_of(method, path, world["theirs"])
            )
            lists = method == "GET" and "{}" not in path and role != "unscoped" and answer.status == 200
            reads_role = method == "GET" and path in ("roles/{}", "roles/{}/implies") and role != "unscoped"
            if not lists and not reads_role and answer.status not in (403, 404):
                wrong.append((role, method, path, answer.status, answer.body))
            elif any(world["ids"][kind] in str(answer.body.get(kind, "")) for kind in ("users", "projects")):
                wrong.append((role, method, path, "shows another domain"))
    assert not wrong, "\n".join(map(str, wrong))
    assert await state(service) == before


async def test_another_domains_thing_is_told_like_none(world: dict[str, Any]) -> None:
    """The same status and words, but for the id that the client has sent itself."""
    nothing = dict.fromkeys(world["ids"], "0123456789ab4cde8123456789abcdef")
    for common in ("roles", "registered_limits"):
        nothing[common] = world["ids"][common]
    for person in (world["people"]["admin"], world["people"]["reader"], world["people"]["unscoped"]):
        for method, path, _ in ROUTES:
            fixed = path.startswith(("services", "endpoints", "regions"))
            if "{}" not in path or (method, path) in PUBLIC or fixed:
                continue
            answers = []
            for ids in (world["ids"], nothing):
                body = body_of(method, path, world["theirs"])
                answer = await person.call(method, fill(path, ids), body)
                text = str(answer.body)
                for uuid in ids.values():
                    text = text.replace(uuid, "ID") if len(uuid) == 32 else text
                answers.append((answer.status, text))
            assert answers[0] == answers[1], (method, path)


async def test_filters_show_nothing_of_another_domain(world: dict[str, Any]) -> None:
    reader, theirs, ids = world["people"]["reader"], world["theirs"], world["ids"]
    for query in (
        f"users?domain_id={theirs}",
        f"groups?domain_id={theirs}",
        f"projects?domain_id={theirs}",
        f"projects?parent_id={theirs}",
        f"role_assignments?user.id={ids['users']}",
        f"role_assignments?scope.project.id={ids['projects']}&effective",
    ):
        found = await reader.get(query)
        assert next(value for value in found.values() if isinstance(value, list)) == [], query
    assert (await reader.call("GET", f"users?limit=1&marker={ids['users']}")).status == 404


async def test_a_manager_takes_over_nobody_who_may_do_more(world: dict[str, Any], admin: Person) -> None:
    manager, mine = world["people"]["manager"], world["mine"]
    reset = {"user": {"password": "taken over"}}
    for above in (mine, world["people"]["admin"].id):
        assert (await manager.call("PATCH", f"users/{above}", reset)).status == 403
    role = await admin.role("admin")
    assert (await manager.call("PUT", f"domains/{mine}/users/{manager.id}/roles/{role}")).status == 403
    group = await admin.make("group", domain_id=mine)
    await admin.call("PUT", f"domains/{mine}/groups/{group['id']}/roles/{role}")
    assert (await manager.call("PUT", f"groups/{group['id']}/users/{manager.id}")).status == 403
    raised = await admin.make("user", domain_id=mine)
    await admin.grant("admin", raised["id"], "system")
    own_admin = world["people"]["admin"]
    assert (await own_admin.call("PATCH", f"users/{raised['id']}", reset)).status == 403
    assert (await own_admin.call("PUT", f"system/users/{own_admin.id}/roles/{role}")).status == 403


@pytest.mark.provokes("UpdateUser", "OperationError")
@pytest.mark.provokes("AddUserToGroup", "OperationError")
@pytest.mark.parametrize(
    ("role", "where"),
    [("admin", "system"), ("reader", "system"), ("manager", "domains"), ("admin", "projects")],
)
async def test_roles_elsewhere_are_above_a_manager_at_both_doors(
    world: dict[str, Any], admin: Person, service: Service, role: str, where: str
) -> None:
    account, session = await service.account(f"owner-{role}-{where}")
    place = where if where == "system" else f"{where}/{world['ids'][where]}"
    user = await admin.make("user", domain_id=account["uuid"], password="secret")
    await admin.grant(role, user["id"], place)
    group = await admin.make("group", domain_id=account["uuid"])
    answer = await admin.call("PUT", f"{place}/groups/{group['id']}/roles/{await admin.role(role)}")
    assert answer.status == 204
    scope = {"domain": {"id": account["uuid"]}}
    reset = {"user": {"password": "taken over"}}
    for name in ("manager", "admin"):
        person = await admin.newcomer(name, f"domains/{account['uuid']}", account["uuid"], scope)
        assert (await person.call("PATCH", f"users/{user['id']}", reset)).status == 403
        assert (await person.call("PUT", f"groups/{group['id']}/users/{person.id}")).status == 403
    join = {"params": {"userUuid": person.id}}
    change = {"updateUser": {"uuid": user["id"], "password": "taken over"}}
    assert (await session.job("PUT", "/accounts/users/actions", change)).code == "SYS.1006"
    assert (await session.job("POST", f"/accounts/groups/{group['id']}/users", join)).code == "SYS.1006"
    assert (await service.admin.job("PUT", "/accounts/users/actions", change)).status == 200
    rename = {"updateUser": {"uuid": user["id"], "description": "renamed"}}
    assert (await session.job("PUT", "/accounts/users/actions", rename)).status == 200


async def test_a_domains_admin_manages_its_domain(world: dict[str, Any]) -> None:
    person, mine = world["people"]["admin"], world["mine"]
    user = await person.make("user", domain_id=mine)
    project = await person.make("project", domain_id=mine)
    await person.grant("member", user["id"], f"projects/{project['id']}")
    assert [one["id"] for one in (await person.get("domains"))["domains"]] == [mine]
    assert (await person.call("DELETE", f"users/{user['id']}")).status == 204
    assert (await person.call("GET", f"domain_quotas/{mine}")).status == 200
    quota = {"domain": {"region": "RegionOne", "instances": 1000}}
    assert (await person.call("PATCH", f"domain_quotas/{mine}", quota)).status == 403


async def test_a_parent_in_another_domain_is_told_like_none(world: dict[str, Any], admin: Person) -> None:
    person, mine, theirs = world["people"]["admin"], world["mine"], world["theirs"]
    foreign, nothing = world["ids"]["projects"], "0123456789ab4cde8123456789abcdef"
    for domain in ({}, {"domain_id": mine}, {"domain_id": theirs}):
        answers: list[Any] = []
        for parent in (foreign, theirs, nothing):
            body = {"project": {"name": "below", "parent_id": parent, **domain}}
            answer = await person.call("POST", "projects", body)
            answers.append((answer.status, str(answer.body).replace(parent, "ID")))
        same = (
            answers[0::2] if domain == {"domain_id": theirs} else answers
        )  # which would name one thing twice
        assert same == [same[0]] * len(same), domain
        assert [status for status, _ in answers] == [404] * 3
    body = {"project": {"name": "between", "parent_id": foreign, "domain_id": mine}}
    assert (await admin.call("POST", "projects", body)).status == 400


async def test_a_move_to_another_domain_is_told_like_one_to_nowhere(world: dict[str, Any]) -> None:
    person, ids = world["people"]["admin"], world["ids"]
    project = await person.make("project", domain_id=world["mine"])
    for name, foreign in (("parent_id", ids["projects"]), ("domain_id", world["theirs"])):
        answers: list[Any] = []
        for there in (foreign, "0123456789ab4cde8123456789abcdef"):
            answer = await person.call("PATCH", f"projects/{project['id']}", {"project": {name: there}})
            answers.append((answer.status, answer.body))
        assert answers[0] == answers[1]
        assert answers[0][0] == 400


async def test_a_users_projects_in_other_domains_are_its_own_to_see(
    world: dict[str, Any], admin: Person, keystone: Keystone
) -> None:
    mine, foreign = world["mine"], world["ids"]["projects"]
    user = await admin.make("user", domain_id=mine, password="secret")
    inside = await admin.make("project", domain_id=mine)
    for project in (foreign, inside["id"]):
        await admin.grant("member", user["id"], f"projects/{project}")
    itself = await keystone.log_in(user["name"], "secret", UNSCOPED, mine)
    for person, expected in (
        (world["people"]["admin"], {inside["id"]}),
        (world["people"]["reader"], {inside["id"]}),
        (itself, {inside["id"], foreign}),
        (admin, {inside["id"], foreign}),
    ):
        found = (await person.get(f"users/{user['id']}/projects"))["projects"]
        assert {one["id"] for one in found} == expected


async def test_where_a_user_has_worked_in_another_domain_is_its_own_to_see(
    world: dict[str, Any], admin: Person, keystone: Keystone
) -> None:
    mine, foreign = world["mine"], world["ids"]["projects"]
    user = await admin.make("user", domain_id=mine, password="secret")
    path = f"users/{user['id']}"
    await admin.grant("member", user["id"], f"projects/{foreign}")
    itself = await keystone.log_in(user["name"], "secret", {"project": {"id": foreign}}, mine)
    manager = world["people"]["manager"]
    for person, sees in ((itself, True), (admin, True), (manager, False), (world["people"]["reader"], False)):
        shown = [(await person.get(path))["user"]]
        if person is not itself:
            listed = (await person.get(f"users?domain_id={mine}&name={user['name']}"))["users"]
            shown += listed
        if person is manager:
            changed = await person.call("PATCH", path, {"user": {"description": "x"}})
            shown.append(changed.body["user"])
        assert {one["last_project_id"] for one in shown} == {foreign if sees else ""}
    inside = (await admin.make("project", domain_id=mine))["id"]
    await admin.grant("member", user["id"], f"projects/{inside}")
    await keystone.log_in(user["name"], "secret", {"project": {"id": inside}}, mine)
    assert (await manager.get(path))["user"]["last_project_id"] == inside


async def test_roles_in_a_place_that_is_not_there_are_not_found(admin: Person) -> None:
    for place in ("projects", "domains"):
        path = f"{place}/0123456789ab4cde8123456789abcdef/users/{admin.id}/roles"
        assert (await admin.call("GET", path)).status == 404
