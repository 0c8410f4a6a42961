"""Keystone's unified limits: what is registered, what projects and domains have, and EOS's sums of it."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import UNSCOPED, Keystone, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "0123456789ab4cde8123456789abcdef"


class Limits:
    """What an administrator does with limits."""

    def __init__(self, admin: Person, service_id: str) -> None:
        self.admin = admin
        self.service_id = service_id

    async def register(self, *names: str, default: int = 10, **more: Any) -> list[Any]:
        """Registered limits; one that is there is kept."""
        missing: list[dict[str, Any]] = []
        for name in names:
            if not (await self.admin.get(f"registered_limits?resource_name={name}"))["registered_limits"]:
                one = {"service_id": self.service_id, "resource_name": name, "default_limit": default}
                missing.append({**one, **more})
        if not missing:
            return []
        answer = await self.admin.call("POST", "registered_limits", {"registered_limits": missing})
        assert answer.status == 201, answer
        return answer.body["registered_limits"]

    async def set(self, name: str, value: Any, **whose: str) -> Any:
        one = {"service_id": self.service_id, "resource_name": name, "resource_limit": value, **whose}
        return await self.admin.call("POST", "limits", {"limits": [one]})

    async def change(self, uuid: str, value: Any) -> int:
        return (await self.admin.call("PATCH", f"limits/{uuid}", {"limit": {"resource_limit": value}})).status

    async def quotas(self, domain: str, **values: Any) -> Any:
        body = {"domain": {"region": "RegionOne", **values}}
        return await self.admin.call("PATCH", f"domain_quotas/{domain}", body)

    async def allocated(self, domain: str) -> dict[str, Any]:
        return (await self.admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]["usage"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limits(admin: Person) -> Limits:
    made = Limits(admin, (await admin.get("services"))["services"][0]["id"])
    await made.register("instances", "cores", "ram", "router", "gigabytes_hdd")
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def domain(admin: Person) -> str:
    return (await admin.make("domain"))["id"]


async def project(admin: Person, domain: str) -> str:
    return (await admin.make("project", domain_id=domain))["id"]


async def test_registered_limits(admin: Person, limits: Limits) -> None:
    one, two = await limits.register("apples", "pears", default=-1, description="fruit")
    path = f"registered_limits/{one['id']}"
    assert one == {
        "id": one["id"],
        "service_id": limits.service_id,
        "region_id": None,
        "resource_name": "apples",
        "default_limit": -1,
        "description": "fruit",
        "links": {"self": f"{admin.keystone.service.origin}/v3/{path}"},
    }
    assert (await admin.get(path)) == {"registered_limit": one}
    listed = (await admin.get(f"registered_limits?service_id={limits.service_id}"))["registered_limits"]
    assert one in listed
    assert two in listed
    assert (await admin.get("registered_limits?resource_name=pears"))["registered_limits"] == [two]
    assert (await admin.get("registered_limits?region_id=RegionOne"))["registered_limits"] == []
    change = {"registered_limit": {"default_limit": 7, "region_id": "RegionOne"}}
    changed = (await admin.call("PATCH", path, change)).body["registered_limit"]
    assert changed == {**one, "default_limit": 7, "region_id": "RegionOne"}
    same = {"registered_limit": {"resource_name": "apples"}}
    assert (await admin.call("PATCH", f"registered_limits/{two['id']}", same)).status == 200
    for method, status in (("DELETE", 204), ("DELETE", 404), ("GET", 404)):
        assert (await admin.call(method, path)).status == status
    assert (await admin.call("PATCH", path, change)).status == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"resource_name": None}, 400),
        ({"resource_name": ""}, 400),
        ({"resource_name": "x" * 256}, 400),
        ({"service_id": NOBODY}, 400),
        ({"region_id": "Elsewhere"}, 400),
        ({"default_limit": None}, 400),
        ({"default_limit": "5"}, 400),
        ({"default_limit": 1.5}, 400),
        ({"default_limit": True}, 400),
        ({"default_limit": -2}, 400),
        ({"default_limit": 2**31}, 400),
        ({"colour": "red"}, 400),
        ({"resource_name": "instances"}, 409),
    ],
)
async def test_what_cannot_be_registered(
    admin: Person, limits: Limits, change: dict[str, Any], status: int
) -> None:
    good = {"service_id": limits.service_id, "resource_name": f"good-{status}", "default_limit": 1}
    body = {"registered_limits": [good, {**good, "resource_name": "other", **change}]}
    assert (await admin.call("POST", "registered_limits", body)).status == status
    found = await admin.get(f"registered_limits?resource_name=good-{status}")
    assert found["registered_limits"] == []
    uuid = (await admin.get("registered_limits?resource_name=cores"))["registered_limits"][0]["id"]
    patched = await admin.call("PATCH", f"registered_limits/{uuid}", {"registered_limit": change})
    assert patched.status == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"registered_limits": []},
        {"registered_limits": {}},
        {"registered_limits": [1]},
        {"registered_limits": [{}] * 1001},
    ],
)
async def test_bodies_that_are_none(admin: Person, body: dict[str, Any]) -> None:
    assert (await admin.call("POST", "registered_limits", body)).status == 400
    text = {key.removeprefix("registered_"): value for key, value in body.items()}
    assert (await admin.call("POST", "limits", text)).status == 400
    assert (await admin.call("PATCH", f"limits/{NOBODY}", {"limit": {}})).status in (400, 404)


async def test_limits_of_projects(admin: Person, limits: Limits, domain: str) -> None:
    first, second = await project(admin, domain), await project(admin, domain)
    made = await limits.set("instances", 5, project_id=first, description="d")
    assert made.status == 201, made
    (one,) = made.body["limits"]
    path = f"limits/{one['id']}"
    assert one == {
        "id": one["id"],
        "service_id": limits.service_id,
        "region_id": None,
        "resource_name": "instances",
        "resource_limit": 5,
        "project_id": first,
        "domain_id": None,
        "description": "d",
        "links": {"self": f"{admin.keystone.service.origin}/v3/{path}"},
    }
    assert (await admin.get(path)) == {"limit": one}
    assert (await admin.get(f"limits?project_id={first}"))["limits"] == [one]
    assert (await admin.get(f"limits?project_id={first}&resource_name=cores"))["limits"] == []
    assert (await limits.set("instances", 5, project_id=first)).status == 409
    several = [
        {"service_id": limits.service_id, "resource_name": name, "resource_limit": 3, "project_id": second}
        for name in ("instances", "cores")
    ]
    assert (await admin.call("POST", "limits", {"limits": several})).status == 201
    allocated = await limits.allocated(domain)
    assert (allocated["instances"], allocated["cores"], allocated["ram"]) == (8, 3, 0)
    change = {"limit": {"resource_limit": 6, "description": None}}
    changed = (await admin.call("PATCH", path, change)).body["limit"]
    assert changed == {**one, "resource_limit": 6, "description": None}
    assert (await limits.allocated(domain))["instances"] == 9
    registered = (await admin.get("registered_limits?resource_name=instances"))["registered_limits"][0]["id"]
    for method, body in (("PATCH", {"registered_limit": {"default_limit": 3}}), ("DELETE", None)):
        assert (await admin.call(method, f"registered_limits/{registered}", body)).status == 403
    for method, status in (("DELETE", 204), ("DELETE", 404), ("GET", 404)):
        assert (await admin.call(method, path)).status == status
    assert (await admin.call("PATCH", path, change)).status == 404
    assert (await limits.allocated(domain))["instances"] == 3
    assert (await admin.call("DELETE", f"projects/{second}")).status == 204
    assert (await limits.allocated(domain))["instances"] == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"resource_limit": None}, 400),
        ({"resource_limit": 1.5}, 400),
        ({"resource_limit": "1"}, 400),
        ({"resource_limit": False}, 400),
        ({"resource_limit": -2}, 400),
        ({"resource_limit": 2**31}, 400),
        ({"project_id": NOBODY}, 400),
        ({"domain_id": "default"}, 400),  # beside a project
        ({"project_id": None}, 400),
        ({"project_id": None, "domain_id": NOBODY}, 400),
        ({"region_id": "Elsewhere"}, 400),
        ({"service_id": NOBODY}, 400),
        ({"colour": "red"}, 400),
        ({"resource_name": "nothing-like-it"}, 403),
        ({"region_id": "RegionOne"}, 403),  # registered without a region
    ],
)
async def test_limits_that_cannot_be_made(
    admin: Person, limits: Limits, domain: str, change: dict[str, Any], status: int
) -> None:
    good = {"service_id": limits.service_id, "resource_name": "cores", "resource_limit": 1}
    good["project_id"] = await project(admin, domain)
    answer = await admin.call(
        "POST", "limits", {"limits": [good, {**good, "resource_name": "ram", **change}]}
    )
    assert answer.status == status, answer
    assert (await admin.get(f"limits?project_id={good['project_id']}"))["limits"] == []


async def test_the_sum_of_the_projects_and_the_quota_of_the_domain_hold_each_other(
    admin: Person, limits: Limits, domain: str, service: Service
) -> None:
    one, two = await project(admin, domain), await project(admin, domain)
    assert (await limits.quotas(domain, instances=10, router=4)).status == 200
    made = await limits.set("instances", 6, project_id=one)
    for too_much in (5, 11, -1):
        refused = await limits.set("instances", too_much, project_id=two)
        assert refused.status == 403, too_much
        assert "the domain's quota of 10" in refused.body["error"]["message"]
    other = await limits.set("instances", 4, project_id=two)
    assert (await limits.allocated(domain))["instances"] == 10
    assert await limits.change(other.body["limits"][0]["id"], 5) == 403
    refused = await limits.quotas(domain, cores=1, instances=9)
    assert refused.status == 403
    assert "instances: 10 are handed on" in refused.body["error"]["message"]
    there = {"updateQuota": {"identityUuid": domain, "name": "vm.totalNum", "value": 9}}
    refused = await service.admin.job("PUT", "/accounts/quotas/actions", there)
    assert (refused.status, refused.code) == (503, "SYS.1006")
    assert (await limits.quotas(domain, instances=-1)).status == 200
    assert await limits.change(made.body["limits"][0]["id"], -1) == 200
    assert (await limits.allocated(domain))["instances"] == 4
    assert (await limits.quotas(domain, instances=1000)).status == 403
    assert await limits.change(made.body["limits"][0]["id"], 996) == 200
    assert (await limits.quotas(domain, instances=1000)).status == 200
    for value, status in ((5, 403), (4, 201)):  # what nothing of the inventory counts
        assert (await limits.set("router", value, project_id=one)).status == status
    assert (await limits.quotas(domain, router=3)).status == 403


async def test_what_is_set_at_once_stays_below_the_quota(admin: Person, limits: Limits, domain: str) -> None:
    projects = [await project(admin, domain) for _ in range(6)]
    assert (await limits.quotas(domain, cores=10)).status == 200
    calls = [limits.set("cores", 3, project_id=one) for one in projects]
    answers = await asyncio.gather(*calls, limits.quotas(domain, cores=7))
    sum_of = (await limits.allocated(domain))["cores"]
    quota = (await admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]["quotas"]["cores"]
    assert sum_of <= quota
    assert sum(answer.status == 201 for answer in answers[:-1]) * 3 == sum_of


async def test_the_limit_of_a_domain_is_its_quota(admin: Person, limits: Limits, domain: str) -> None:
    made = await limits.set("ram", 2048, domain_id=domain)
    assert made.status == 201, made
    (one,) = made.body["limits"]
    assert (one["domain_id"], one["project_id"], one["resource_limit"]) == (domain, None, 2048)
    quotas = (await admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]["quotas"]
    assert quotas["ram"] == 2048
    assert (await limits.quotas(domain, ram=4096.5)).status == 200
    assert (await admin.get(f"limits/{one['id']}"))["limit"]["resource_limit"] == 4096
    assert (await limits.quotas(domain, ram=-1)).status == 200
    assert (await admin.get(f"limits?domain_id={domain}"))["limits"][0]["resource_limit"] == -1
    child = await project(admin, domain)
    assert (await limits.set("ram", 100, project_id=child)).status == 201
    assert await limits.change(one["id"], 99) == 403
    assert await limits.change(one["id"], 100) == 200
    assert (await admin.call("DELETE", f"limits/{one['id']}")).status == 403  # 10 is registered
    as_project = await limits.set("gigabytes_hdd", 7, project_id=domain)
    assert as_project.body["limits"][0]["domain_id"] == domain
    assert (await admin.call("DELETE", f"limits/{as_project.body['limits'][0]['id']}")).status == 204
    quotas = (await admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]["quotas"]
    assert quotas["gigabytes_hdd"] == 10


async def test_resources_that_are_no_quota(admin: Person, limits: Limits, domain: str) -> None:
    await limits.register("licences", default=5)
    child = await project(admin, domain)
    assert (await limits.set("licences", 6, project_id=child)).status == 403  # the domain has the default
    of_domain = await limits.set("licences", 8, domain_id=domain)
    assert (await limits.set("licences", 6, project_id=child)).status == 201
    path = of_domain.body["limits"][0]["id"]
    assert await limits.change(path, 5) == 403
    assert (await admin.call("DELETE", f"limits/{path}")).status == 403
    assert await limits.change(path, -1) == 200


async def test_limits_go_with_their_project_and_domain(
    admin: Person, limits: Limits, domain: str, service: Service
) -> None:
    child = await project(admin, domain)
    for whose in ({"project_id": child}, {"domain_id": domain}):
        assert (await limits.set("cores", 5, **whose)).status == 201
    left = "SELECT count(*) FROM limits WHERE project_uuid = $1 OR domain_uuid = $2"
    assert await service.db.fetchval(left, child, domain) == 2
    assert (await service.admin.job("DELETE", f"/accounts/{domain}")).status == 200
    assert await service.db.fetchval(left, child, domain) == 0


async def test_the_platform_sums_its_own_projects(admin: Person, limits: Limits) -> None:
    child = await project(admin, "default")
    assert (await limits.set("cores", 9, project_id=child)).status == 201
    usage = (await admin.get("domain_usage"))["domain"]["RegionOne"]
    assert usage["allocated"]["cores"] == 9
    assert (await admin.call("DELETE", f"projects/{child}")).status == 204


async def test_who_sees_and_changes_limits(
    keystone: Keystone, admin: Person, limits: Limits, domain: str
) -> None:
    mine, beside = await project(admin, domain), await project(admin, domain)
    elsewhere = await project(admin, (await admin.make("domain"))["id"])
    made = {
        one: (await limits.set("cores", 1, project_id=one)).body["limits"][0]["id"] for one in (mine, beside)
    }
    made[elsewhere] = (await limits.set("cores", 1, project_id=elsewhere)).body["limits"][0]["id"]
    of_domain = await admin.newcomer("reader", f"domains/{domain}", domain, {"domain": {"id": domain}})
    manager = await admin.newcomer("admin", f"domains/{domain}", domain, {"domain": {"id": domain}})
    member = await admin.newcomer("member", f"projects/{mine}", domain, {"project": {"id": mine}})
    for person, seen in ((of_domain, {mine, beside}), (manager, {mine, beside}), (member, {mine})):
        listed = (await person.get("limits?resource_name=cores"))["limits"]
        assert {one["project_id"] for one in listed} == seen
        for whose, uuid in made.items():
            assert (await person.call("GET", f"limits/{uuid}")).status == (200 if whose in seen else 404)
            body = {"limit": {"resource_limit": 2}}
            assert (await person.call("PATCH", f"limits/{uuid}", body)).status == 403
            assert (await person.call("DELETE", f"limits/{uuid}")).status == 403
        assert (await person.call("POST", "limits", {"limits": [{}]})).status == 403
        assert (await person.call("POST", "registered_limits", {})).status == 403
        assert (await person.get("registered_limits?resource_name=cores"))["registered_limits"]
        assert (await person.get("limits/model"))["model"]["name"] == "strict_two_level"
    user = await admin.make("user", domain_id=domain, password="secret")
    unscoped = await keystone.log_in(user["name"], "secret", UNSCOPED, domain)
    assert (await unscoped.call("GET", "limits")).status == 403
