"""The APIs of the scheduler's jobs, and of their places on triggers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app import Answer, Client, Service
from zstack_mgmt.core.values import new_uuid

JOBS = "/scheduler/jobs"
Make = Callable[..., Awaitable[str]]


async def job(client: Client, target: str, **params: Any) -> Any:
    return await client.create(
        JOBS, **{"name": "j", "targetResourceUuid": target, "type": "startVm"} | params
    )


async def trigger(client: Client, **params: Any) -> Any:
    timing = {"schedulerType": "simple", "startTime": int(time.time()) + 3600, "repeatCount": 1}
    return await client.create("/scheduler/triggers", name="t", **timing | params)


async def attach(client: Client, job_uuid: str, trigger_uuid: str, body: Any = None) -> Answer:
    return await client.job("POST", f"{JOBS}/{job_uuid}/scheduler/triggers/{trigger_uuid}", body)


async def change_state(client: Client, uuid: str, event: str) -> Answer:
    return await client.job("PUT", f"/schedulers/{uuid}", {"changeSchedulerState": {"stateEvent": event}})


@pytest.mark.parametrize("kind", ["startVm", "stopVm", "rebootVm", "volumeSnapshot"])
async def test_create_and_read_back(service: Service, resource: Make, kind: str) -> None:
    target = await resource("VolumeVO" if kind == "volumeSnapshot" else "VmInstanceVO")
    parameters = {"snapshotName": "s"} if kind == "volumeSnapshot" else {}
    made = await job(service.admin, target, type=kind, parameters=parameters, description="d")
    assert (made["type"], made["state"], made["targetResourceUuid"]) == (kind, "Enabled", target)
    assert (made["parameters"], made["triggersUuid"]) == (parameters, [])
    asked = await service.admin.get(f"{JOBS}?q=state=Enabled&q=name=j")
    assert asked.body["inventories"] == [made]
    assert asked.body["schema"] == {"inventories[0]": "org.zstack.header.scheduler.SchedulerJobInventory"}


async def test_refused_jobs(service: Service, resource: Make) -> None:
    vm = await resource()
    body = {"name": "j", "targetResourceUuid": vm, "type": "startVm"}
    for wrong in (
        {"type": "startvm"},
        {"type": None},
        {"name": None},
        {"name": "x" * 256},
        {"targetResourceUuid": None},
        {"parameters": {"a": {}}},
        {"parameters": {"x" * 65: ""}},
        {"parameters": {str(n): "" for n in range(33)}},
        {"resourceUuid": "0"},
    ):
        answer = await service.admin.job("POST", JOBS, {"params": body | wrong})
        assert (answer.status, answer.code) == (400, "SYS.1007"), wrong
    snapshot = await service.admin.job("POST", JOBS, {"params": body | {"type": "volumeSnapshot"}})
    assert snapshot.code == "SYS.1007"
    nowhere = await service.admin.job("POST", JOBS, {"params": body | {"targetResourceUuid": new_uuid()}})
    assert nowhere.code == "SYS.1003"
    long = {"targetResourceUuid": await resource("VolumeVO"), "type": "volumeSnapshot"}
    long |= {"parameters": {"snapshotName": "x" * 256}}
    assert (await service.admin.job("POST", JOBS, {"params": body | long})).code == "SYS.1007"
    first = await job(service.admin, vm)
    again = await service.admin.job("POST", JOBS, {"params": body | {"resourceUuid": first["uuid"]}})
    assert again.code == "SYS.1000"


async def test_update(service: Service, resource: Make) -> None:
    made = await job(service.admin, await resource())
    body = {"updateSchedulerJob": {"name": "new"}}
    answer = await service.admin.job("PUT", f"{JOBS}/{made['uuid']}/actions", body)
    assert answer.inventory["name"] == "new"
    assert (await service.admin.job("PUT", f"{JOBS}/{new_uuid()}/actions", body)).code == "SYS.1003"


@pytest.mark.parametrize("body", [None, {}, {"": {}}, {"params": {}}])
async def test_attach_and_detach(service: Service, resource: Make, body: Any) -> None:
    made, when = await job(service.admin, await resource()), await trigger(service.admin)
    ref = (await attach(service.admin, made["uuid"], when["uuid"], body)).inventory
    assert (ref["schedulerJobUuid"], ref["schedulerTriggerUuid"]) == (made["uuid"], when["uuid"])
    assert (await attach(service.admin, made["uuid"], when["uuid"])).code == "SYS.1007"
    assert (await service.admin.job("DELETE", f"/scheduler/triggers/{when['uuid']}")).code == "SYS.1007"
    read = (await service.admin.get(f"{JOBS}?q=triggersUuid={when['uuid']}")).body["inventories"][0]
    assert read["triggersUuid"] == [when["uuid"]]
    read = (await service.admin.get(f"/scheduler/triggers?q=job.uuid={made['uuid']}")).body["inventories"][0]
    assert read["jobsUuid"] == [made["uuid"]]
    path = f"{JOBS}/{made['uuid']}/scheduler/triggers/{when['uuid']}"
    assert (await service.admin.job("DELETE", path)).body == {}
    assert (await service.admin.job("DELETE", path)).body == {}
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_job_triggers") == 0
    assert (await service.admin.job("DELETE", f"/scheduler/triggers/{when['uuid']}")).body == {}


async def test_attach_names_what_is_missing(service: Service, resource: Make) -> None:
    made, when = await job(service.admin, await resource()), await trigger(service.admin)
    assert (await attach(service.admin, new_uuid(), when["uuid"])).code == "SYS.1003"
    assert (await attach(service.admin, made["uuid"], new_uuid())).code == "SYS.1003"
    path = f"{JOBS}/{new_uuid()}/scheduler/triggers/{when['uuid']}"
    assert (await service.admin.job("DELETE", path)).code == "SYS.1003"


async def test_candidates_are_the_jobs_without_trigger(service: Service, resource: Make) -> None:
    one, two = [await job(service.admin, await resource()) for _ in range(2)]
    when = await trigger(service.admin)
    await attach(service.admin, one["uuid"], when["uuid"])
    answer = await service.admin.get(f"{JOBS}/candidates")
    assert [found["uuid"] for found in answer.body["inventories"]] == [two["uuid"]]
    _, tenant = await service.account("tenant")
    assert (await tenant.get(f"{JOBS}/candidates")).body["inventories"] == []


async def test_change_state(service: Service, resource: Make) -> None:
    made = await job(service.admin, await resource())
    assert (await change_state(service.admin, made["uuid"], "disable")).inventory["state"] == "Disabled"
    assert (await change_state(service.admin, made["uuid"], "disable")).inventory["state"] == "Disabled"
    assert (await change_state(service.admin, made["uuid"], "enable")).inventory["state"] == "Enabled"
    assert (await change_state(service.admin, made["uuid"], "enable")).inventory["state"] == "Enabled"
    assert (await change_state(service.admin, made["uuid"], "stop")).status == 400
    assert (await change_state(service.admin, new_uuid(), "enable")).code == "SYS.1003"


async def test_delete_takes_places_and_history_along(service: Service, resource: Make) -> None:
    made, when = await job(service.admin, await resource()), await trigger(service.admin)
    await attach(service.admin, made["uuid"], when["uuid"])
    path = f"{JOBS}/{made['uuid']}"
    assert (await service.admin.job("DELETE", path)).body == {}
    assert (await service.admin.job("DELETE", path)).body == {}
    assert await service.db.fetchval("SELECT count(*) FROM scheduler_job_triggers") == 0
    assert (await service.admin.job("DELETE", f"{JOBS}/nonsense")).code == "SYS.1003"


async def test_another_account_s_jobs_are_absent(service: Service, resource: Make) -> None:
    account, tenant = await service.account("tenant")
    vm = await resource()
    body = {"params": {"name": "j", "targetResourceUuid": vm, "type": "stopVm"}}
    assert (await tenant.job("POST", JOBS, body)).code == "SYS.1003"
    made, when = await job(service.admin, vm), await trigger(service.admin)
    own = await job(tenant, await resource(account=account["uuid"]))
    assert (await tenant.get(JOBS)).body["inventories"] == [own]
    assert (await attach(tenant, own["uuid"], when["uuid"])).code == "SYS.1003"
    own_when = await trigger(tenant)
    assert (await attach(tenant, made["uuid"], own_when["uuid"])).code == "SYS.1003"
    assert (await change_state(tenant, made["uuid"], "disable")).code == "SYS.1003"
    assert (await tenant.get(f"{JOBS}/{made['uuid']}/executions")).code == "SYS.1003"
    assert (await tenant.job("DELETE", f"{JOBS}/{made['uuid']}")).body == {}
    assert len((await service.admin.get(JOBS)).body["inventories"]) == 2


async def test_jobs_of_a_deleted_account_do_not_run_as_the_admin_s(service: Service, resource: Make) -> None:
    account, tenant = await service.account("tenant")
    vm = await resource(account=account["uuid"])
    own, elsewhere = await job(tenant, vm), await job(service.admin, await resource())
    of_admin = await job(service.admin, vm)
    for client, made in ((tenant, own), (service.admin, of_admin), (service.admin, elsewhere)):
        assert (await attach(client, made["uuid"], (await trigger(client))["uuid"])).status == 200
    await service.admin.job("DELETE", f"/accounts/{account['uuid']}")
    rows = await service.db.fetch(
        """
        SELECT j.uuid, j.state, r.next_fire_at IS NOT NULL AS planned
        FROM scheduler_jobs j JOIN scheduler_job_triggers r ON r.scheduler_job_uuid = j.uuid
        """
    )
    assert {row["uuid"]: (row["state"], row["planned"]) for row in rows} == {
        own["uuid"]: ("Disabled", False),
        of_admin["uuid"]: ("Disabled", False),
        elsewhere["uuid"]: ("Enabled", True),
    }


@pytest.mark.provokes("CreateSchedulerJob", "PermissionDenied")
@pytest.mark.provokes("AddSchedulerJobToSchedulerTrigger", "PermissionDenied")
async def test_a_user_has_nothing_done_later_that_it_may_not_do_now(service: Service, resource: Make) -> None:
    """The fired API is permitted to the job's maker at creation, at attachment and at the fire."""
    account, owner = await service.account("tenant")
    target = await resource("VmInstanceVO", account["uuid"])
    user = await owner.create("/accounts/users", name="u", password="p")
    rules = ["scheduler:.*", "instance:.*APIStopVmInstanceMsg"]
    uuids = {}
    for rule in rules:
        statement = {"effect": "Allow", "actions": [rule]}
        policy = await owner.create("/accounts/policies", name=rule, statements=[statement])
        uuids[rule] = policy["uuid"]
    path = f"/accounts/users/{user['uuid']}/policies"
    await owner.job("POST", path, {"params": {"policyUuid": uuids[rules[0]]}})
    body = {"logInByUser": {"accountUuid": account["uuid"], "userName": "u", "password": "p"}}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", body)
    client = Client(service.http, service.anonymous.base, opened.inventory["uuid"])
    params = {"name": "j", "targetResourceUuid": target, "type": "stopVm"}
    refused = await client.job("POST", JOBS, {"params": params})
    assert (refused.status, refused.code) == (503, "ID.1002")

    await owner.job("POST", path, {"params": {"policyUuid": uuids[rules[1]]}})
    made = (await client.job("POST", JOBS, {"params": params})).inventory
    soon = await trigger(client, startTime=int(time.time()) + 1)
    await owner.job("DELETE", f"{path}/{uuids[rules[1]]}")
    assert (await attach(client, made["uuid"], soon["uuid"])).code == "ID.1002"

    await owner.job("POST", path, {"params": {"policyUuid": uuids[rules[1]]}})
    soon = await trigger(client, startTime=int(time.time()) + 2)
    assert (await attach(client, made["uuid"], soon["uuid"])).status == 200
    await owner.job("DELETE", f"{path}/{uuids[rules[1]]}")
    async with asyncio.timeout(20):
        ended: list[Any] = []
        while not ended:
            await asyncio.sleep(0.1)
            fired = (await owner.get(f"{JOBS}/{made['uuid']}/executions")).body["inventories"]
            ended = [e for e in fired if e["state"] not in ("Waiting", "Running")]
    assert ended[0]["state"] == "Failed"
    row = await service.db.fetchrow("SELECT user_uuid, result FROM api_jobs WHERE api = 'StopVmInstance'")
    assert row["user_uuid"] == user["uuid"]
    assert "ID.1002" in row["result"]


async def test_the_jobs_of_a_deleted_user_end(service: Service, resource: Make) -> None:
    account, owner = await service.account("tenant")
    target = await resource("VmInstanceVO", account["uuid"])
    made = await job(owner, target)
    await service.db.execute("UPDATE scheduler_jobs SET creator_uuid = $1", new_uuid())
    soon = await trigger(owner, startTime=int(time.time()) + 3600)
    assert (await attach(owner, made["uuid"], soon["uuid"])).code == "ID.1002"
    await service.db.execute("UPDATE scheduler_jobs SET creator_uuid = NULL")
    assert (await attach(owner, made["uuid"], soon["uuid"])).status == 200
    await service.db.execute("UPDATE scheduler_jobs SET creator_uuid = $1", new_uuid())
    await service.db.execute("UPDATE scheduler_job_triggers SET next_fire_at = now()")
    async with asyncio.timeout(20):
        while (await owner.get(f"{JOBS}/{made['uuid']}")).body["inventories"][0]["state"] == "Enabled":
            await asyncio.sleep(0.1)
    assert await service.db.fetchval("SELECT count(*) FROM api_jobs WHERE api = 'StartVmInstance'") == 0
