"""Every list has pages: `limit`, `marker`, and a `links.next` that leads through the whole of it."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import Keystone, Person
from zstack_mgmt.doors.keystone import asking
from zstack_mgmt.doors.keystone.dispatch import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNPAGED = {"auth/system", "projects/{}/tags"}  # one entry; names without ids
NO_LISTS = {
    "",
    "auth/tokens",
    "auth/catalog",
    "domain_usage",
    "limits/model",
    "role_inferences",
    "roles/{}/implies",
}
LISTS = sorted(
    {
        path
        for method, path, _ in ROUTES
        if method == "GET" and not path.endswith(("/{}", "inherited_to_projects"))
    }
    - UNPAGED
    - NO_LISTS
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(admin: Person) -> dict[str, str]:
    """Somebody with three of everything that can be listed."""
    domain, *_ = [await admin.make("domain") for _ in range(3)]
    user = await admin.make("user", domain_id=domain["id"], password="secret")
    made = {"domains": domain["id"], "users": user["id"]}
    for _ in range(3):
        group = await admin.make("group", domain_id=domain["id"])
        assert (await admin.call("PUT", f"groups/{group['id']}/users/{user['id']}")).status == 204
        other = await admin.make("user", domain_id=domain["id"])
        assert (await admin.call("PUT", f"groups/{group['id']}/users/{other['id']}")).status == 204
        project = await admin.make("project", domain_id=domain["id"])
        await admin.grant("member", user["id"], f"projects/{project['id']}")
        role = await admin.make("role")
        for place in ("system", f"domains/{domain['id']}", f"projects/{project['id']}"):
            for actor in (f"users/{user['id']}", f"groups/{group['id']}"):
                assert (await admin.call("PUT", f"{place}/{actor}/roles/{role['id']}")).status == 204
        made |= {"groups": group["id"], "projects": project["id"]}
    person = await admin.keystone.log_in(
        user["name"], "secret", {"project": {"id": made["projects"]}}, domain["id"]
    )
    for name in ("one", "two", "three"):
        body: Any = {"application_credential": {"name": name}}
        path = f"users/{user['id']}/application_credentials"
        assert (await person.call("POST", path, body)).status == 201
    service = (await admin.get("services"))["services"][0]["id"]
    names = ("instances", "cores", "ram")
    resources = [{"service_id": service, "resource_name": name} for name in names]
    registered = [{**one, "default_limit": 1} for one in resources]
    body = {"registered_limits": registered}
    assert (await admin.call("POST", "registered_limits", body)).status == 201
    body = {"limits": [{**one, "resource_limit": 1, "project_id": made["projects"]} for one in resources]}
    assert (await admin.call("POST", "limits", body)).status == 201
    for user in (await admin.get(f"users?domain_id={domain['id']}&name__startswith=user"))["users"][:3]:
        assert (await admin.call("PUT", f"groups/{made['groups']}/users/{user['id']}")).status == 204
    for role in (await admin.get("roles"))["roles"][:3]:
        for place in ("system", f"domains/{domain['id']}", f"projects/{project['id']}"):
            for actor in (f"users/{made['users']}", f"groups/{made['groups']}"):
                assert (await admin.call("PUT", f"{place}/{actor}/roles/{role['id']}")).status == 204
    return made


def entries(body: Any) -> list[Any]:
    (found,) = [value for value in body.values() if isinstance(value, list)]
    return found


async def walk(person: Person, path: str, most: int) -> list[Any]:
    """The entries of all pages, none of which is longer than this."""
    found: list[Any] = []
    link: str | None = f"/v3/{path}"
    while link:
        page = await person.get(link)
        assert len(entries(page)) <= most
        found += entries(page)
        following = page["links"]["next"]
        assert page.get("truncated", False) == bool(following)
        link = following and "{0.path}?{0.query}".format(urlsplit(following))
    return found


@pytest.mark.parametrize(
    "path",
    [*LISTS, "projects?is_domain=true", "role_assignments?effective&include_names", "users?name__contains=-"],
)
async def test_pages_lead_through_the_whole_list(admin: Person, ids: dict[str, str], path: str) -> None:
    filled = re.sub(r"(\w+)/\{\}", lambda found: f"{found[1]}/{ids[found[1]]}", path)
    whole = entries(await admin.get(filled))
    limited = f"{filled}{'&' if '?' in filled else '?'}limit=2"
    assert await walk(admin, limited, 2) == whole
    if path not in ("services", "regions", "auth/projects", "auth/domains"):
        assert len(whole) > 2, path


async def test_pages_of_where_one_may_go(keystone: Keystone, admin: Person, ids: dict[str, str]) -> None:
    user = (await admin.get(f"users/{ids['users']}"))["user"]
    person = await keystone.log_in(user["name"], "secret", domain=ids["domains"])
    for domain in [(await admin.make("domain"))["id"] for _ in range(2)]:
        await admin.grant("member", user["id"], f"domains/{domain}")
    for path in ("auth/projects", "auth/domains", f"users/{user['id']}/projects"):
        whole = entries(await person.get(path))
        assert len(whole) == 3
        assert await walk(person, f"{path}?limit=1", 1) == whole


async def test_a_list_beyond_the_bound_goes_on(
    admin: Person, service: Service, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = entries(await admin.get("role_assignments"))
    monkeypatch.setattr(asking, "MAX_LIMIT", 5)
    assert len(entries(await admin.get("role_assignments"))) == 5
    assert await walk(admin, "role_assignments", 5) == whole


@pytest.mark.parametrize("path", LISTS)
async def test_a_marker_that_is_not_in_the_list(admin: Person, ids: dict[str, str], path: str) -> None:
    filled = re.sub(r"(\w+)/\{\}", lambda found: f"{found[1]}/{ids[found[1]]}", path)
    for marker in ("0" * 32, "f" * 32, "x", f"{'0' * 32}..{'0' * 32}..x"):
        answer = await admin.call("GET", f"{filled}?marker={marker}")
        assert (answer.status, answer.body["error"]["code"]) == (404, 404), (marker, answer)


async def test_a_marker_of_another_list(admin: Person, ids: dict[str, str]) -> None:
    """What the filters leave out is not in the list."""
    assert (await admin.call("GET", f"users?marker={ids['users']}&limit=1")).status == 200
    assert (await admin.call("GET", f"users?marker={ids['users']}&domain_id=default")).status == 404
