"""Global configurations: what an administrator sets holds for what begins from then on."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app import Service
from zstack_mgmt.bootstrap import prepare_database

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def set_to(service: Service, category: str, name: str, value: str | None) -> Any:
    params = {} if value is None else {"value": value}
    path = f"/global-configurations/{category}/{name}/actions"
    return await service.admin.job("PUT", path, {"updateGlobalConfig": params})


async def lifetime(service: Service) -> float:
    """Seconds that a session lives that is opened now."""
    await service.anonymous.log_in()
    return await service.db.fetchval(
        "SELECT extract(epoch FROM expired_date - create_date)::float8 FROM sessions "
        "ORDER BY create_date DESC LIMIT 1"
    )


async def test_what_a_session_lives_is_set_and_set_back(service: Service) -> None:
    settings = service.settings
    assert await lifetime(service) == settings.session_timeout_s
    changed = (await set_to(service, "identity", "session.timeout", " 0077 ")).inventory
    assert (changed["value"], changed["defaultValue"]) == ("77", str(settings.session_timeout_s))
    assert await lifetime(service) == 77
    (found,) = (
        await service.admin.get(
            "/global-configurations?q=category=identity&q=name=session.timeout&q=value=77"
        )
    ).body["inventories"]
    assert found == changed
    await prepare_database(replace(settings, session_timeout_s=500))  # the next start, with another default
    assert await lifetime(service) == 77
    back = (await set_to(service, "identity", "session.timeout", None)).inventory
    assert back["value"] == back["defaultValue"] == "500"
    assert await lifetime(service) == settings.session_timeout_s  # this process has its own
    told = orjson.loads(
        await service.db.fetchval(
            "SELECT changes FROM audits WHERE api = 'UpdateGlobalConfig' ORDER BY id LIMIT 1"
        )
    )
    assert told["identity.session.timeout"]["new"] == "77"


async def test_the_number_of_sessions_is_bounded_by_what_is_set(service: Service) -> None:
    await service.account("few")
    await set_to(service, "identity", "session.maxConcurrent", "1")
    login = {"logInByAccount": {"accountName": "few", "password": "secret"}}
    refused = await service.anonymous.call("PUT", "/accounts/login", login)
    await set_to(service, "identity", "session.maxConcurrent", None)
    assert (refused.code, "1 sessions" in refused.body["error"]["details"]) == ("ID.1006", True)


async def test_a_new_account_gets_the_quota_that_is_set(service: Service) -> None:
    old, _ = await service.account("old")
    first = (await set_to(service, "quota", "vm.num", "3")).inventory
    new, _ = await service.account("new")
    value = "SELECT value FROM quotas WHERE identity_uuid = $1 AND name = 'vm.num'"
    assert await service.db.fetchval(value, new["uuid"]) == 3
    assert str(await service.db.fetchval(value, old["uuid"])) == first["defaultValue"]
    await set_to(service, "quota", "vm.num", None)
    newest, _ = await service.account("newest")
    assert str(await service.db.fetchval(value, newest["uuid"])) == first["defaultValue"]


async def test_values_that_no_configuration_takes(service: Service) -> None:
    for name, value in (("session.timeout", "x"), ("session.timeout", "-1"), ("session.timeout", "9" * 30)):
        assert (await set_to(service, "identity", name, value)).code == "SYS.1007"
    _, tenant = await service.account("tenant")
    body = {"updateGlobalConfig": {"value": "9"}}
    path = "/global-configurations/identity/session.timeout/actions"
    assert (await tenant.job("PUT", path, body)).code == "ID.1002"
    assert len((await tenant.get("/global-configurations")).body["inventories"]) > 10
