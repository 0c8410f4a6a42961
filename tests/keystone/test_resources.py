"""Domains, projects, groups and roles: what can be done with them, and what is refused."""

import asyncio
from typing import Any

import pytest

from app import Service
from keystone.talking import Keystone, Person
from zstack_mgmt.identity.extras import MAX_EXTRA_BYTES, MAX_EXTRAS
from zstack_mgmt.identity.projects.model import MAX_PROJECT_TAGS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_domain_is_an_account(service: Service, keystone: Keystone, admin: Person) -> None:
    domain = await admin.make("domain", description="d")
    (account,) = (await service.admin.get(f"/accounts?q=uuid={domain['id']}")).body["inventories"]
    assert (account["name"], account["description"]) == (domain["name"], "d")
    (project,) = (await admin.get(f"projects?domain_id={domain['id']}"))["projects"]
    assert (project["name"], project["parent_id"]) == (domain["name"], domain["id"])
    for password in ("none", "", "secret"):
        assert (await keystone.authenticate({"id": domain["id"], "password": password})).status == 401
    change = {"user": {"password": "secret"}}
    assert (await admin.call("PATCH", f"users/{domain['id']}", change)).status == 200
    await service.anonymous.log_in(domain["name"], "secret")


async def test_a_domain_is_disabled_and_then_deleted(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    domain = await admin.make("domain")
    path = f"domains/{domain['id']}"
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    person = await keystone.log_in(user["name"], "secret", domain=domain["id"])
    assert (await admin.call("DELETE", path)).status == 403
    answer = await admin.call("PATCH", path, {"domain": {"enabled": False}})
    assert (answer.status, answer.body["domain"]["enabled"]) == (200, False)
    assert (await person.call("GET", "auth/projects")).status == 401
    assert (await keystone.authenticate({"id": user["id"], "password": "secret"})).status == 401
    assert (await admin.call("DELETE", path)).status == 204
    for gone in (path, f"users/{user['id']}"):
        assert (await admin.call("GET", gone)).status == 404
    assert (
        await service.db.fetchval("SELECT count(*) FROM projects WHERE account_uuid = $1", domain["id"]) == 0
    )


async def test_the_default_domain_stays(admin: Person) -> None:
    (found,) = (await admin.get("domains?name=Default"))["domains"]
    assert found["id"] == "default"
    assert (await admin.call("DELETE", "domains/default")).status == 403
    for change in ({"enabled": False}, {"name": "other"}):
        assert (await admin.call("PATCH", "domains/default", {"domain": change})).status == 403
    assert (await admin.call("POST", "domains", {"domain": {"name": "Default"}})).status == 409


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("domains", {"domain": {"name": "x" * 65}}, 400),
        ("domains", {"domain": {"name": "x", "enabled": "yes"}}, 400),
        ("domains", {"domain": {"name": "admin"}}, 409),
        ("projects", {}, 400),
        ("projects", {"project": {"name": " "}}, 400),
        ("projects", {"project": {"name": "x", "domain_id": "0" * 32}}, 404),
        ("projects", {"project": {"name": "x", "parent_id": "0" * 32}}, 404),
        ("projects", {"project": {"name": "x", "tags": ["a", "a"]}}, 400),
        ("projects", {"project": {"name": "admin"}}, 409),
        ("roles", {"role": {"name": "admin"}}, 409),
        ("roles", {"role": {"name": "x", "domain_id": "default"}}, 400),
        ("groups", {"group": {"name": "x", "domain_id": "0" * 32}}, 404),
    ],
)
async def test_what_cannot_be_made(admin: Person, path: str, body: dict[str, Any], status: int) -> None:
    answer = await admin.call("POST", path, body)
    assert answer.status == status, answer


async def test_projects(admin: Person) -> None:
    parent = await admin.make("project", tags=["a", "b"], description="d", colour="red")
    assert (parent["parent_id"], parent["domain_id"], parent["colour"]) == ("default", "default", "red")
    child = await admin.make("project", parent_id=parent["id"])
    listed = (await admin.get(f"projects?parent_id={parent['id']}"))["projects"]
    assert listed == [child]
    path = f"projects/{parent['id']}"
    assert (await admin.call("DELETE", path)).status == 403
    for change in ({"domain_id": "0" * 32}, {"parent_id": child["id"]}, {"name": None}, {"id": "x"}):
        assert (await admin.call("PATCH", path, {"project": change})).status == 400
    assert (await admin.call("PATCH", path, {"project": {"name": child["name"]}})).status == 409
    changed = (await admin.call("PATCH", path, {"project": {"tags": []}})).body["project"]
    assert changed == {**parent, "tags": []}
    for project in (child, parent):
        assert (await admin.call("DELETE", f"projects/{project['id']}")).status == 204
    assert (await admin.call("DELETE", path)).status == 404


async def test_groups_hand_their_roles_to_their_members(keystone: Keystone, admin: Person) -> None:
    domain = await admin.make("domain")
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    group = await admin.make("group", domain_id=domain["id"])
    member = f"groups/{group['id']}/users/{user['id']}"
    assert (await admin.call("HEAD", member)).status == 404
    assert (await admin.call("PUT", member)).status == 204
    assert (await admin.call("HEAD", member)).status == 204
    assert (await admin.get(f"users/{user['id']}/groups"))["groups"] == [group]
    assert (await admin.get(f"groups/{group['id']}/users"))["users"][0]["id"] == user["id"]
    role = await admin.role("reader")
    given = f"domains/{domain['id']}/groups/{group['id']}/roles"
    assert (await admin.call("PUT", f"{given}/{role}")).status == 204
    scope = {"domain": {"id": domain["id"]}}
    person = await keystone.log_in(user["name"], "secret", scope, domain["id"])
    assert [one["name"] for one in person.token["roles"]] == ["reader"]
    assert len((await person.get("users"))["users"]) == 2
    effective = await admin.get(f"role_assignments?effective&include_names&user.id={user['id']}")
    (assignment,) = effective["role_assignments"]
    assert (assignment["role"]["name"], assignment["user"]["name"]) == ("reader", user["name"])
    assert assignment["scope"]["domain"] == {"id": domain["id"], "name": domain["name"]}
    (direct,) = (await admin.get(f"role_assignments?group.id={group['id']}"))["role_assignments"]
    assert direct["group"] == {"id": group["id"]}
    assert (await admin.call("DELETE", member)).status == 204
    assert (await person.call("GET", "users")).status == 401
    stranger = await admin.make("user")
    assert (await admin.call("PUT", f"groups/{group['id']}/users/{stranger['id']}")).status == 404
    assert (await admin.call("DELETE", f"groups/{group['id']}")).status == 204


async def test_roles(admin: Person) -> None:
    role = await admin.make("role", description="d")
    assert (await admin.get(f"roles?name={role['name']}"))["roles"] == [role]
    changed = await admin.call("PATCH", f"roles/{role['id']}", {"role": {"description": "e"}})
    assert changed.body["role"]["description"] == "e"
    user = await admin.make("user")
    path = f"system/users/{user['id']}/roles"
    assert (await admin.call("PUT", f"{path}/{role['id']}")).status == 204
    assert [one["id"] for one in (await admin.get(path))["roles"]] == [role["id"]]
    assert (await admin.call("HEAD", f"{path}/{role['id']}")).status == 204
    assert (await admin.call("DELETE", f"roles/{role['id']}")).status == 204
    assert (await admin.call("HEAD", f"{path}/{role['id']}")).status == 404
    assert (await admin.call("DELETE", f"{path}/{role['id']}")).status == 404
    for name in ("admin", "member"):
        assert (await admin.call("DELETE", f"roles/{await admin.role(name)}")).status == 403
    assert (await admin.call("GET", "role_assignments?scope.OS-INHERIT:inherited_to=projects")).status == 400


async def test_services_and_their_endpoints(admin: Person) -> None:
    (found,) = (await admin.get("services?type=identity"))["services"]
    assert (await admin.get(f"services/{found['id']}"))["service"] == found
    for endpoint in (await admin.get("endpoints"))["endpoints"]:
        assert endpoint["service_id"] == found["id"]
        assert (await admin.get(f"endpoints/{endpoint['id']}"))["endpoint"] == endpoint
    assert [one["id"] for one in (await admin.get("regions"))["regions"]] == ["RegionOne"]
    for path in ("services/x", "endpoints/x", "regions/x", "users/x", "projects/x", "roles/x", "groups/x"):
        assert (await admin.call("GET", path)).status == 404


async def test_methods_and_paths_that_are_not_served(admin: Person) -> None:
    answer = await admin.call("PUT", "users")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert answer.body["error"]["title"] == "Method Not Allowed"
    for path in ("OS-TRUST/trusts", "credentials", "users/x/application_credentials", "policies"):
        assert (await admin.call("GET", path)).status == 404


async def test_tags_that_are_changed_at_once_lose_nothing(admin: Person, service: Service) -> None:
    project = await admin.make("project", tags=["old-0", "old-1"])
    path = f"projects/{project['id']}/tags"
    calls = [("PUT", f"{path}/new-{number}") for number in range(8)]
    calls += [("DELETE", f"{path}/old-{number}") for number in range(2)]
    answers = await asyncio.gather(*(admin.call(method, one) for method, one in calls))
    assert {answer.status for answer in answers} == {201, 204}
    assert sorted((await admin.get(path))["tags"]) == [f"new-{number}" for number in range(8)]
    lines = await service.db.fetch(
        "SELECT api, job_uuid FROM audits WHERE target = $1 AND api LIKE '%Tag'", project["id"]
    )
    assert len({line["job_uuid"] for line in lines}) == len(lines) == len(calls)


async def test_a_project_has_so_many_tags(admin: Person) -> None:
    project = await admin.make("project", tags=[str(number) for number in range(MAX_PROJECT_TAGS)])
    path = f"projects/{project['id']}/tags"
    assert (await admin.call("PUT", f"{path}/1")).status == 201
    assert (await admin.call("PUT", f"{path}/another")).status == 400


async def test_tags_of_a_project(admin: Person) -> None:
    path = f"projects/{(await admin.make('project'))['id']}/tags"
    assert (await admin.call("PUT", f"{path}/a b")).status == 201
    assert (await admin.call("PUT", f"{path}/a,b")).status == 400
    assert (await admin.call("PUT", path, {"tags": ["x", "x"]})).status == 400
    assert (await admin.get(path))["tags"] == ["a b"]
    assert (await admin.call("PUT", path, {"tags": ["x", "y"]})).body == {"tags": ["x", "y"]}
    assert [(await admin.call("HEAD", f"{path}/{tag}")).status for tag in ("x", "z")] == [204, 404]
    assert (await admin.call("DELETE", f"{path}/x")).status == 204
    assert (await admin.call("DELETE", f"{path}/x")).status == 404
    assert (await admin.call("DELETE", path)).status == 204
    assert (await admin.get(path))["tags"] == []


@pytest.mark.parametrize("noun", ["user", "project", "role", "group", "domain"])
async def test_unknown_attributes_are_kept_within_bounds(admin: Person, noun: str) -> None:
    for many in ({f"x{number}": 1 for number in range(MAX_EXTRAS + 1)}, {"x": "y" * MAX_EXTRA_BYTES}):
        assert (await admin.call("POST", f"{noun}s", {noun: {"name": "many", **many}})).status == 400
        made = await admin.make(noun, colour="red")
        path = f"{noun}s/{made['id']}"
        assert (await admin.call("PATCH", path, {noun: many})).status == 400
        name, value = next(iter(many.items()))
        half = {name: value[: MAX_EXTRA_BYTES // 2] if isinstance(value, str) else value}
        for number in range(MAX_EXTRAS - 2 if value == 1 else 0):
            half[f"y{number}"] = 1
        assert (await admin.call("PATCH", path, {noun: half})).status == 200
        again = {"z": "z" * (MAX_EXTRA_BYTES // 2), "v": 1}
        assert (await admin.call("PATCH", path, {noun: again})).status == 400
        shown = (await admin.get(path))[noun]
        assert (shown["colour"], shown[name], "z" in shown) == ("red", half[name], False)


async def test_changes_at_once_do_not_pass_the_bound_together(admin: Person) -> None:
    user = await admin.make("user")
    answers = await asyncio.gather(
        *(
            admin.call("PATCH", f"users/{user['id']}", {"user": {f"x{number}": "y" * 5000}})
            for number in range(6)
        )
    )
    shown = (await admin.get(f"users/{user['id']}"))["user"]
    assert sum(name in shown for name in (f"x{number}" for number in range(6))) == 3
    assert sorted(answer.status for answer in answers)[:3] == [200] * 3
    assert {answer.status for answer in answers} <= {200, 400, 403}


async def test_no_role_follows_from_another(admin: Person) -> None:
    role, member = await admin.make("role"), await admin.role("member")
    assert (await admin.get("role_inferences"))["role_inferences"] == []
    found = (await admin.get(f"roles/{role['id']}/implies"))["role_inference"]
    assert (found["prior_role"]["id"], found["implies"]) == (role["id"], [])
    implied = f"roles/{role['id']}/implies/{member}"
    user = await admin.make("user")
    inherited = f"OS-INHERIT/domains/default/users/{user['id']}/roles"
    assert (await admin.get(f"{inherited}/inherited_to_projects"))["roles"] == []
    inherited += f"/{role['id']}/inherited_to_projects"
    for path, words in ((implied, "implied roles"), (inherited, "inherited role assignments")):
        answer = await admin.call("PUT", path)
        assert answer.status == 400
        assert f"{words} are not supported" in answer.body["error"]["message"]
        assert [(await admin.call(method, path)).status for method in ("HEAD", "DELETE")] == [404, 404]


async def test_a_domain_has_tags_as_a_project_has(admin: Person) -> None:
    domain = await admin.make("domain", tags=["a"], colour="red")
    assert (domain["tags"], domain["colour"]) == (["a"], "red")
    path = f"domains/{domain['id']}"
    changed = (await admin.call("PATCH", path, {"domain": {"tags": ["b", "c"]}})).body["domain"]
    assert changed == {**domain, "tags": ["b", "c"]}
    as_project = (await admin.get(f"projects/{domain['id']}"))["project"]
    assert (as_project["tags"], as_project["colour"]) == (["b", "c"], "red")
    body = {"project": {"tags": [], "colour": None}}
    assert (await admin.call("PATCH", f"projects/{domain['id']}", body)).status == 200
    shown = (await admin.get(path))["domain"]
    assert (shown["tags"], shown["colour"]) == ([], None)
    for tags in (None, ["a", "a"], "a"):
        assert (await admin.call("PATCH", path, {"domain": {"tags": tags}})).status == 400


@pytest.mark.parametrize("depth", [98, 99, 255, 1000, 5000])
@pytest.mark.parametrize("noun", ["user", "group"])
async def test_attributes_that_are_nested_deeply_are_no_fault_of_the_server(
    admin: Person, noun: str, depth: int
) -> None:
    data = f'{{"{noun}": {{"name": "deep-{depth}", "deep": {"[" * depth}{"]" * depth}}}}}'
    headers = {"Content-Type": "application/json"}
    answer = await admin.call("POST", f"{noun}s", data=data.encode(), headers=headers)
    assert answer.status == (201 if depth <= 98 else 400), answer
    if answer.status == 201:
        assert "deep" in (await admin.get(f"{noun}s/{answer.body[noun]['id']}"))[noun]
