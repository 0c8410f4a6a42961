"""The APIs of triggers."""

import time
from typing import Any

import pytest

from app import Answer, Client, Service

TRIGGERS = "/scheduler/triggers"


def simple(**params: Any) -> dict[str, Any]:
    return {"name": "t", "schedulerType": "simple", "startTime": int(time.time()) + 60, **params}


async def create(client: Client, **params: Any) -> Answer:
    return await client.job("POST", TRIGGERS, {"params": params})


async def update(client: Client, uuid: str, **params: Any) -> Answer:
    return await client.job("PUT", f"{TRIGGERS}/{uuid}/actions", {"updateSchedulerTrigger": params})


async def test_create_and_read_back(service: Service) -> None:
    made = (await create(service.admin, **simple(schedulerInterval=2222, repeatCount=2222))).inventory
    assert {"uuid", "name", "schedulerType", "startTime", "stopTime", "createDate"} <= made.keys()
    assert made["schedulerInterval"] == 2222
    assert made["jobsUuid"] == []
    seconds = await service.db.fetchval(
        "SELECT extract(epoch FROM stop_time - start_time)::int FROM scheduler_triggers"
    )
    assert seconds == 2221 * 2222
    asked = await service.admin.get(f"{TRIGGERS}?q=repeatCount=2222")
    assert asked.body["inventories"] == [made]
    assert (await service.admin.get(f"{TRIGGERS}/{made['uuid']}")).body["inventories"] == [made]


async def test_the_manual_s_sample(service: Service) -> None:
    sample = {
        "name": "trigger",
        "description": "description",
        "schedulerInterval": 3600.0,
        "repeatCount": 100.0,
        "startTime": 1.510669257141e12,
        "schedulerType": "simple",
    }
    made = (await create(service.admin, **sample)).inventory
    assert made["startTime"] == "Nov 14, 2017 2:20:57 PM"
    assert made["stopTime"] == "Nov 18, 2017 5:20:57 PM"


async def test_start_zero_has_no_times(service: Service) -> None:
    made = (await create(service.admin, **simple(startTime=0, schedulerInterval=5, repeatCount=3))).inventory
    assert "startTime" not in made
    assert "stopTime" not in made


async def test_cron_tolerates_a_repeat_count_of_zero(service: Service) -> None:
    made = await create(
        service.admin, name="c", schedulerType="cron", cron="0 30 17 ? * *", repeatCount=0, startTime=0
    )
    assert made.inventory["cron"] == "0 30 17 ? * *"
    assert "repeatCount" not in made.inventory


@pytest.mark.parametrize(
    "params",
    [
        {"startTime": None, "schedulerInterval": 2, "repeatCount": 2},
        {},
        {"repeatCount": 2},
        {"schedulerInterval": 2**31 - 1, "repeatCount": 1000},
        {"schedulerInterval": 2**31 - 1, "repeatCount": 2**31 - 1, "startTime": 2147454846},
        {"repeatCount": 1, "startTime": 2147454848},
        {"schedulerType": "cron", "startTime": None},
        {"schedulerType": "cron", "startTime": None, "cron": "0 0 0 * * *"},
        {"schedulerType": "cron", "startTime": None, "cron": "0 0 0 * * ?", "repeatCount": 2},
        {"schedulerType": "cron", "cron": "0 0 0 * * ?"},
    ],
)
async def test_what_makes_no_sense_is_refused(service: Service, params: dict[str, Any]) -> None:
    answer = await create(service.admin, **simple(**params))
    assert (answer.status, answer.code) == (503, "SYS.1007")


@pytest.mark.parametrize(
    "params",
    [
        {"schedulerInterval": -1, "repeatCount": 2},
        {"schedulerInterval": 2**31},
        {"schedulerInterval": 1.5},
        {"schedulerInterval": 2, "repeatCount": -1},
        {"startTime": -1},
        {"schedulerType": "Simple"},
        {"schedulerType": None},
        {"name": None},
        {"name": "x" * 256},
        {"description": "x" * 2049},
        {"cron": "0" * 256},
        {"resourceUuid": "1"},
    ],
)
async def test_what_is_out_of_limits_is_refused_at_the_door(service: Service, params: dict[str, Any]) -> None:
    answer = await create(service.admin, **simple(**({"schedulerInterval": 5} | params)))
    assert (answer.status, answer.code) == (400, "SYS.1007")


async def test_a_uuid_is_used_once(service: Service) -> None:
    made = (await create(service.admin, **simple(repeatCount=1))).inventory
    again = await create(service.admin, **simple(repeatCount=1, resourceUuid=made["uuid"]))
    assert again.code == "SYS.1000"


async def test_update_keeps_what_is_not_given(service: Service) -> None:
    made = (await create(service.admin, **simple(schedulerInterval=10, repeatCount=3))).inventory
    renamed = (await update(service.admin, made["uuid"], name="new", repeatCount=0)).inventory
    assert renamed["name"] == "new"
    same = ("schedulerInterval", "repeatCount", "startTime", "stopTime")
    assert [renamed[key] for key in same] == [made[key] for key in same]
    forever = (await update(service.admin, made["uuid"], schedulerInterval=20, repeatCount=0)).inventory
    assert (forever["schedulerInterval"], forever["repeatCount"]) == (20, 0)
    assert "stopTime" not in forever


async def test_update_checks_the_whole_timing(service: Service) -> None:
    once = (await create(service.admin, **simple(repeatCount=1))).inventory
    assert (await update(service.admin, once["uuid"], repeatCount=2)).code == "SYS.1007"
    assert (await update(service.admin, once["uuid"], cron="0 0 0 * * ?")).code == "SYS.1007"
    assert (await update(service.admin, once["uuid"], startTime=1)).code == "SYS.1007"
    assert (await update(service.admin, once["uuid"], name="")).inventory["name"] == "t"  # it is absent
    assert (await update(service.admin, once["uuid"], schedulerType="cron")).code == "SYS.1007"
    assert (await update(service.admin, once["uuid"], schedulerType="simple")).status == 200
    cron = (await create(service.admin, name="c", schedulerType="cron", cron="0 0 0 * * ?")).inventory
    assert (await update(service.admin, cron["uuid"], schedulerInterval=5)).code == "SYS.1007"
    changed = await update(service.admin, cron["uuid"], cron="0 0 1 * * ?", repeatCount=0)
    assert changed.inventory["cron"] == "0 0 1 * * ?"


async def test_delete(service: Service) -> None:
    made = (await create(service.admin, **simple(repeatCount=1))).inventory
    path = f"{TRIGGERS}/{made['uuid']}"
    assert (await service.admin.job("DELETE", path)).body == {}
    assert (await service.admin.job("DELETE", path)).body == {}
    assert (await service.admin.get(path)).body["inventories"] == []
    assert (await service.admin.job("DELETE", f"{TRIGGERS}/nonsense")).code == "SYS.1003"
    assert await service.db.fetchval("SELECT count(*) FROM resources WHERE uuid = $1", made["uuid"]) == 0


async def test_another_account_s_trigger_is_absent(service: Service) -> None:
    made = (await create(service.admin, **simple(repeatCount=1))).inventory
    _, tenant = await service.account("tenant")
    assert (await tenant.get(f"{TRIGGERS}/{made['uuid']}")).body["inventories"] == []
    assert (await update(tenant, made["uuid"], name="mine")).code == "SYS.1003"
    assert (await tenant.job("DELETE", f"{TRIGGERS}/{made['uuid']}")).body == {}
    assert (await service.admin.get(f"{TRIGGERS}/{made['uuid']}")).body["inventories"] == [made]
    own = (await create(tenant, **simple(repeatCount=1))).inventory
    assert (await update(service.admin, own["uuid"], name="admin's word")).status == 200


async def test_a_user_needs_a_policy(service: Service) -> None:
    account, tenant = await service.account("tenant")
    user = await tenant.create("/accounts/users", name="u", password="secret")
    body = {"logInByUser": {"accountUuid": account["uuid"], "userName": "u", "password": "secret"}}

    async def log_in() -> Client:
        session = await service.anonymous.call("PUT", "/accounts/users/login", body)
        return Client(service.http, service.anonymous.base, session.inventory["uuid"])

    assert (await create(await log_in(), **simple(repeatCount=1))).code == "ID.1002"
    statement = {"effect": "Allow", "actions": ["scheduler:APICreateSchedulerTriggerMsg"]}
    policy = await tenant.create("/accounts/policies", name="p", statements=[statement])
    path = f"/accounts/users/{user['uuid']}/policies"
    assert (await tenant.job("POST", path, {"params": {"policyUuid": policy["uuid"]}})).status == 200
    assert (await create(await log_in(), **simple(repeatCount=1))).status == 200


@pytest.mark.provokes("PreviewSchedulerTrigger", "InvalidArgument")
async def test_a_preview_tells_the_next_due_times(service: Service) -> None:
    path = "/scheduler/triggers/preview"
    dates = (await service.admin.get(f"{path}?cron=0 0 12 1 1 ?&count=3")).body["dates"]
    assert [text[4:] for text in dates] == ["-01-01T12:00:00+00:00"] * 3
    assert len(set(dates)) == 3
    once = await service.admin.get(f"{path}?schedulerType=simple&repeatCount=1&startTime=4000000000")
    assert once.code == "SYS.1007"
    assert (await service.admin.get(f"{path}?cron=0 0 12 1 13 ?")).code == "SYS.1007"
    late = await service.admin.get(f"{path}?schedulerType=simple&repeatCount=1&startTime=2000000000")
    assert late.body["dates"] == ["2033-05-18T03:33:20+00:00"]
