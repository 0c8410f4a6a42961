"""Quotas of domains: the same rows that ZStack's API shows and enforces."""

import asyncio
import json
from typing import Any

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import Person

SETTINGS = {"domain_quota_limits": '{"router": 100}'}
pytestmark = pytest.mark.asyncio(loop_scope="module")
TABLE = """
    instances cores ram volumes_hdd gigabytes_hdd snapshots_hdd backup_gigabytes backups network subnet
    floatingip router security_group security_group_rule port loadbalancer cpu pods memory gpu alcub_storage
    general_storage
"""


@pytest_asyncio.fixture(loop_scope="module")
async def domain(admin: Person) -> str:
    return (await admin.make("domain"))["id"]


async def patch(admin: Person, domain: str, **values: Any) -> Any:
    body = {"domain": {"region": "RegionOne", **values}}
    return await admin.call("PATCH", f"domain_quotas/{domain}", body)


async def zstack(service: Service, domain: str) -> dict[str, tuple[int, int]]:
    usages = (await service.admin.get(f"/accounts/quota/{domain}/usages")).body["usages"]
    return {one["name"]: (one["total"], one["used"]) for one in usages}


async def test_every_item_of_the_document_is_there(admin: Person, domain: str) -> None:
    found = (await admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]
    assert found.keys() == {"quotas", "usage", "limits"}
    for part in found.values():
        assert part.keys() == set(TABLE.split())
    assert (found["quotas"]["instances"], found["quotas"]["ram"], found["quotas"]["router"]) == (
        20,
        81920,
        -1,
    )
    assert (found["limits"]["router"], found["limits"]["ram"]) == (100, -1)
    usage = (await admin.get("domain_usage"))["domain"]["RegionOne"]
    assert usage.keys() == {"quotas", "allocated", "usage", "limits", "quota_fake"}
    assert usage["quota_fake"] == usage["usage"]
    assert set(usage["quotas"].values()) == {-1}


async def test_a_change_here_is_the_limit_there(service: Service, admin: Person, domain: str) -> None:
    answer = await patch(admin, domain, instances=2, gigabytes_hdd=156.5, floatingip=-1, router=7, networks=3)
    assert answer.status == 200, answer
    quotas = answer.body["domain"]["RegionOne"]["quotas"]
    values = ("instances", "gigabytes_hdd", "floatingip", "router", "network")
    assert [quotas[name] for name in values] == [2, 156.5, -1, 7, 3]
    there = await zstack(service, domain)
    assert there["vm.totalNum"][0] == there["vm.num"][0] == 2
    assert there["volume.capacity"][0] == 156 * 2**30 + 2**29
    assert there["vip.num"][0] == there["eip.num"][0] == 2**63 - 1
    change = {"updateQuota": {"identityUuid": domain, "name": "vm.totalNum", "value": 5}}
    assert (await service.admin.job("PUT", "/accounts/quotas/actions", change)).status == 200
    found = await admin.get(f"domain_quotas/{domain}")
    assert found["domain"]["RegionOne"]["quotas"]["instances"] == 5


async def test_a_quota_below_the_use_is_refused_whole(service: Service, admin: Person, domain: str) -> None:
    await service.db.execute(
        "UPDATE quotas SET used = 3 WHERE identity_uuid = $1 AND name = 'vm.num'", domain
    )
    before = await zstack(service, domain)
    answer = await patch(admin, domain, cores=1, instances=2)
    assert answer.status == 403
    assert "instances: 2 was asked for, and 3 are in use" in answer.body["error"]["message"]
    assert await zstack(service, domain) == before
    assert (await patch(admin, domain, instances=3)).status == 200


async def test_the_operators_limit_holds(admin: Person, domain: str) -> None:
    for value in (101, -1):
        assert (await patch(admin, domain, router=value)).status == 403
    assert (await patch(admin, domain, router=100)).status == 200


@pytest.mark.parametrize(
    "value", [None, True, "5", -2, 1.5, 2**63, 1e300, [], float("inf")], ids=lambda value: str(value)[:10]
)
async def test_values_that_are_none(admin: Person, domain: str, value: Any) -> None:
    assert (await patch(admin, domain, instances=value)).status == 400


async def test_what_a_change_must_name(admin: Person, domain: str) -> None:
    path = f"domain_quotas/{domain}"
    for body, status in (
        ({}, 400),
        ({"domain": []}, 400),
        ({"domain": {"instances": 1}}, 400),
        ({"domain": {"region": "RegionOne"}}, 400),
        ({"domain": {"region": "RegionOne", "nonsense": 1}}, 400),
        ({"domain": {"region": "Elsewhere", "instances": 1}}, 404),
    ):
        answer = await admin.call("PATCH", path, body)
        assert answer.status == status, (body, answer)
    assert (await patch(admin, "0" * 32, instances=1)).status == 404
    assert (await admin.call("GET", f"domain_quotas/{'0' * 32}")).status == 404


async def test_changes_at_once_lose_nothing(admin: Person, domain: str) -> None:
    names = ("instances", "cores", "ram", "network", "port", "backups")
    answers = await asyncio.gather(*(patch(admin, domain, **{name: 33}) for name in names))
    assert {answer.status for answer in answers} == {200}
    quotas = (await admin.get(f"domain_quotas/{domain}"))["domain"]["RegionOne"]["quotas"]
    assert [quotas[name] for name in names] == [33] * len(names)


async def test_the_default_domain_keeps_what_it_is_given(admin: Person) -> None:
    assert (await patch(admin, "default", instances=70, router=3)).status == 200
    usage = (await admin.get("domain_usage"))["domain"]["RegionOne"]
    assert (usage["quotas"]["instances"], usage["quotas"]["router"]) == (70, 3)


async def test_audit_lines_tell_old_and_new_values(service: Service, admin: Person, domain: str) -> None:
    async def told(call: Any) -> Any:
        await call
        line = "SELECT outcome, changes FROM audits WHERE job_uuid IS NOT NULL ORDER BY id DESC LIMIT 1"
        found = await service.db.fetchrow(line)
        return found["changes"] and json.loads(found["changes"])

    assert await told(patch(admin, domain, instances=7, ram=-1)) == {
        "instances": {"old": 20, "new": 7},
        "ram": {"old": 81920, "new": -1},
    }
    change = {"updateQuota": {"identityUuid": domain, "name": "vm.totalNum", "value": 5}}
    job = service.admin.job("PUT", "/accounts/quotas/actions", change)
    assert await told(job) == {"vm.totalNum": {"old": 7, "new": 5}}
    assert await told(patch(admin, domain, router=101)) is None  # it was refused
    project = (await admin.make("project", domain_id=domain))["id"]
    resource = {"service_id": (await admin.get("services"))["services"][0]["id"], "resource_name": "cores"}
    registered = {"registered_limits": [{**resource, "default_limit": 1}]}
    assert await told(admin.call("POST", "registered_limits", registered)) == {
        "cores": {"old": None, "new": 1}
    }
    limit = {"limits": [{**resource, "resource_limit": 2, "project_id": project}]}
    assert await told(admin.call("POST", "limits", limit)) == {f"cores of {project}": {"old": None, "new": 2}}
    path = f"limits/{(await admin.get('limits?resource_name=cores'))['limits'][0]['id']}"
    assert await told(admin.call("PATCH", path, {"limit": {"resource_limit": 3}})) == {
        f"cores of {project}": {"old": 2, "new": 3}
    }
    assert await told(admin.call("DELETE", path)) == {f"cores of {project}": {"old": 3, "new": None}}
    query = f"/audits?q=api=UpdateDomainQuotas&q=target={domain}&q=outcome=succeeded"
    (line,) = (await service.admin.get(query)).body["inventories"]
    assert line["changes"]["instances"] == {"old": 20, "new": 7}
