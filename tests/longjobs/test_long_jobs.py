"""Long jobs: API jobs under a name, and what came of them."""

import asyncio
from typing import Any

import orjson
import pytest

from app import Client, Service

NOBODY = "0123456789ab4cde8123456789abcdef"


async def submitted(client: Client, job_name: str, data: Any, **params: Any) -> Any:
    text = data if isinstance(data, str) else orjson.dumps(data).decode()
    return await client.job("POST", "/longjobs", {"params": {"jobName": job_name, "jobData": text, **params}})


async def ended(client: Client, uuid: str) -> Any:
    """The long job once it has ended."""
    async with asyncio.timeout(20):
        while True:
            (job,) = (await client.get(f"/longjobs/{uuid}")).body["inventories"]
            if job["state"] in ("Succeeded", "Failed", "Canceled"):
                return job
            await client.get(f"/api-jobs/{job['apiId']}", headers={"Prefer": "wait=5"})


async def state_of(client: Client, path: str) -> str:
    return (await client.get(path)).body["inventories"][0]["state"]


def action(name: str) -> dict[str, Any]:
    return {name: {}}


async def test_a_long_job_calls_an_api_and_keeps_what_came_of_it(service: Service) -> None:
    made = (
        await submitted(
            service.admin, "APICreateZoneMsg", {"name": "z", "session": {"uuid": "s"}}, name="a zone"
        )
    ).inventory
    assert made["name"] == "a zone"
    assert made["jobName"] == "APICreateZoneMsg"
    assert orjson.loads(made["jobData"])["name"] == "z"
    job = await ended(service.admin, made["uuid"])
    assert job["state"] == "Succeeded"
    zone = orjson.loads(job["jobResult"])["inventory"]
    assert (await service.admin.get(f"/zones/{zone['uuid']}")).body["inventories"][0]["name"] == "z"
    found = await service.admin.get("/longjobs?q=state=Succeeded&q=jobName=APICreateZoneMsg")
    assert [one["uuid"] for one in found.body["inventories"]] == [made["uuid"]]


@pytest.mark.provokes("RerunLongJob", "OperationError")
async def test_a_failed_long_job_says_why_and_runs_again(service: Service) -> None:
    made = (await submitted(service.admin, "DeleteZone", {"uuid": NOBODY})).inventory
    assert (await ended(service.admin, made["uuid"]))["state"] == "Succeeded"  # of what is gone already
    data = {"name": "c", "zoneUuid": NOBODY, "hypervisorType": "Simulator"}
    made = (await submitted(service.admin, "CreateCluster", data)).inventory
    job = await ended(service.admin, made["uuid"])
    assert job["state"] == "Failed"
    assert orjson.loads(job["jobResult"])["error"]["code"] == "SYS.1003"
    await service.admin.create("/zones", name="z", resourceUuid=NOBODY)
    path = f"/longjobs/{made['uuid']}/actions"
    again = await service.admin.job("PUT", path, action("rerunLongJob"))
    assert again.inventory["apiId"] != made["apiId"]
    assert (await ended(service.admin, made["uuid"]))["state"] == "Succeeded"
    assert (await service.admin.job("PUT", path, action("rerunLongJob"))).code == "SYS.1006"


@pytest.mark.provokes("CancelLongJob", "OperationError")
@pytest.mark.provokes("DeleteLongJob", "OperationError")
async def test_a_canceled_long_job_has_done_nothing(service: Service) -> None:
    zone = await service.admin.create("/zones", name="before")
    async with service.db.transaction():
        await service.db.execute("SELECT FROM zones WHERE uuid = $1 FOR UPDATE", zone["uuid"])
        made = (
            await submitted(service.admin, "UpdateZone", {"uuid": zone["uuid"], "name": "after"})
        ).inventory
        path = f"/longjobs/{made['uuid']}"
        async with asyncio.timeout(20):
            while (await state_of(service.admin, path)) != "Running":
                await asyncio.sleep(0.05)  # a claim gives no sign
        assert (await service.admin.job("DELETE", path)).code == "SYS.1006"
        assert (await service.admin.job("PUT", f"{path}/actions", action("cancelLongJob"))).status == 200
        assert await state_of(service.admin, path) == "Canceling"
    assert (await ended(service.admin, made["uuid"]))["state"] == "Canceled"
    (zone,) = (await service.admin.get(f"/zones/{zone['uuid']}")).body["inventories"]
    assert zone["name"] == "before"
    assert (await service.admin.job("PUT", f"{path}/actions", action("cancelLongJob"))).code == "SYS.1006"
    assert (await service.admin.job("DELETE", path)).status == 200
    assert (await service.admin.job("DELETE", path)).status == 200
    assert (await service.admin.get(path)).body["inventories"] == []


async def test_the_outcome_stays_when_the_job_is_forgotten(service: Service) -> None:
    made = (await submitted(service.admin, "CreateZone", {"name": "z"})).inventory
    before = await ended(service.admin, made["uuid"])
    async with asyncio.timeout(20):
        while await service.db.fetchval("SELECT true FROM long_jobs WHERE state IS NULL"):
            await asyncio.sleep(0.1)  # the periodic task gives no sign
    await service.db.execute("DELETE FROM api_jobs WHERE uuid = $1", made["apiId"])
    assert await ended(service.admin, made["uuid"]) == before


async def test_a_secret_is_in_no_long_job(service: Service) -> None:
    data = {"name": "a", "password": "open sesame"}
    made = (await submitted(service.admin, "APICreateAccountMsg", data)).inventory
    job = await ended(service.admin, made["uuid"])
    assert job["state"] == "Succeeded"
    assert await service.anonymous.log_in("a", "open sesame")
    for table in ("long_jobs", "api_jobs", "audits"):
        kept = await service.db.fetch(f"SELECT {table}::text AS row FROM {table}")
        assert not any("sesame" in row["row"] for row in kept)


@pytest.mark.provokes("SubmitLongJob", "PermissionDenied")
async def test_a_long_job_may_do_what_its_caller_may(service: Service) -> None:
    _, tenant = await service.account("tenant")
    assert (await submitted(tenant, "APICreateZoneMsg", {"name": "z"})).code == "ID.1002"
    _, other = await service.account("other")
    made = (await submitted(tenant, "CreateTag", {"name": "t", "value": "v"})).inventory
    await ended(tenant, made["uuid"])
    path = f"/longjobs/{made['uuid']}"
    assert (await other.get(path)).body["inventories"] == []
    for name in ("cancelLongJob", "rerunLongJob", "updateLongJob"):
        assert (await other.job("PUT", f"{path}/actions", action(name))).code == "SYS.1003"
    await other.job("DELETE", path)
    assert (await tenant.get(path)).body["inventories"][0]["state"] == "Succeeded"
    renamed = await tenant.job("PUT", f"{path}/actions", {"updateLongJob": {"name": "n"}})
    assert (renamed.inventory["name"], renamed.inventory["jobName"]) == ("n", "APICreateTagMsg")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("APIQueryZoneMsg", "{}", "SYS.1007"),
        ("APISubmitLongJobMsg", "{}", "SYS.1007"),
        ("CreateAccountInDomain", "{}", "SYS.1007"),
        ("APICreateAccessKeyMsg", "{}", "SYS.1007"),
        ("RequestConsoleAccess", '{"vmInstanceUuid": "0123456789ab4cde8123456789abcdef"}', "SYS.1007"),
        ("CreateZone", "[]", "SYS.1007"),
        ("CreateZone", "{", "SYS.1007"),
        ("CreateZone", "{}", "SYS.1007"),
        ("StopVmInstance", '{"uuid": "0123456789ab4cde8123456789abcdef", "stopHA": true}', "SYS.1007"),
    ],
)
@pytest.mark.provokes("SubmitLongJob", "BadRequest")
@pytest.mark.provokes("SubmitLongJob", "InvalidArgument")
async def test_what_cannot_be_called_is_refused(service: Service, name: str, data: str, code: str) -> None:
    assert (await submitted(service.admin, name, data)).code == code
    assert (await service.admin.get("/longjobs")).body["inventories"] == []


@pytest.mark.provokes("RerunLongJob", "BadRequest")
@pytest.mark.provokes("RerunLongJob", "PermissionDenied")
@pytest.mark.provokes("RerunLongJob", "InvalidArgument")
async def test_what_can_no_longer_be_called_is_not_run_again(service: Service) -> None:
    data = {"name": "admin", "password": "p"}  # a name that is taken
    secret = (await submitted(service.admin, "CreateAccount", data)).inventory["uuid"]
    assert (await ended(service.admin, secret))["state"] == "Failed"
    path = f"/longjobs/{secret}/actions"
    refused = await service.admin.job("PUT", path, action("rerunLongJob"))
    assert (refused.code, "password" in refused.body["error"]["details"]) == ("SYS.1007", True)
    _, tenant = await service.account("tenant")
    data = {"schedulerJobUuid": NOBODY, "schedulerTriggerUuid": NOBODY}
    lost = (await submitted(tenant, "AddSchedulerJobToSchedulerTrigger", data)).inventory["uuid"]
    assert (await ended(tenant, lost))["state"] == "Failed"
    path = f"/longjobs/{lost}/actions"
    for name, code in (("APICreateZoneMsg", "ID.1002"), ("APIGoneMsg", "SYS.1007")):
        await service.db.execute("UPDATE long_jobs SET job_name = $1 WHERE uuid = $2", name, lost)
        assert (await tenant.job("PUT", path, action("rerunLongJob"))).code == code
