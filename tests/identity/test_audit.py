"""The audit trail: every mutating call with who, what, from where and its outcome; for administrators
only."""

import asyncio
from typing import Any

import pytest

from app import Client
from identity.world import UNKNOWN, Tenant, allow

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def lines(admin: Client, *conditions: str) -> list[dict[str, Any]]:
    """The newest lines first, once there is one."""
    path = "/audits?sort=-id&" + "&".join(f"q={condition}" for condition in conditions)
    async with asyncio.timeout(15):
        while not (found := (await admin.get(path)).body["inventories"]):
            await asyncio.sleep(0.02)
    return found


async def test_job_is_noted_with_its_outcome(admin: Client, tenant: Tenant) -> None:
    user = await tenant.user()
    answer = await tenant.client.job("DELETE", f"/accounts/users/{user.uuid}")
    (line,) = await lines(admin, f"target={user.uuid}", "api=DeleteUser")
    assert line | {"id": 0, "createDate": ""} == {
        "id": 0,
        "createDate": "",
        "accountUuid": tenant.uuid,
        "userUuid": tenant.uuid,
        "api": "DeleteUser",
        "target": user.uuid,
        "jobUuid": answer.headers["X-Job-UUID"],
        "requestId": line["requestId"],
        "remote": "127.0.0.1",
        "outcome": "succeeded",
    }


async def test_failed_job_is_noted_with_its_code(admin: Client, tenant: Tenant) -> None:
    await tenant.client.job("DELETE", "/accounts/users/nonsense")
    (line,) = await lines(admin, f"accountUuid={tenant.uuid}", "api=DeleteUser")
    assert (line["outcome"], line["errorCode"]) == ("failed", "SYS.1003")


async def test_refusal_is_noted_with_the_user(admin: Client, tenant: Tenant) -> None:
    user = await tenant.user(allow("a"))
    await user.client.call("DELETE", f"/accounts/groups/{UNKNOWN}")
    (line,) = await lines(admin, f"userUuid={user.uuid}", "api=DeleteUserGroup")
    assert (line["outcome"], line["errorCode"], line["target"]) == ("refused", "ID.1002", UNKNOWN)


async def test_logins_are_noted_whether_or_not_they_succeed(
    admin: Client, anonymous: Client, tenant: Tenant
) -> None:
    (line, *_) = await lines(admin, "api=LogInByAccount", f"accountUuid={tenant.uuid}")
    assert line["outcome"] == "succeeded"
    body = {"logInByAccount": {"accountName": tenant.name, "password": "wrong"}}
    await anonymous.call("PUT", "/accounts/login", body)
    (line, *_) = await lines(admin, "api=LogInByAccount", "outcome=refused")
    assert (line["errorCode"], line["remote"]) == ("ID.1000", "127.0.0.1")


async def test_a_logout_is_its_sessions_owners(admin: Client, anonymous: Client, tenant: Tenant) -> None:
    user = await tenant.user()
    await anonymous.call("DELETE", f"/accounts/sessions/{user.client.token}")
    (line, *_) = await lines(admin, "api=LogOut", f"userUuid={user.uuid}")
    assert (line["accountUuid"], line["outcome"]) == (tenant.uuid, "succeeded")
    again = await anonymous.call("DELETE", f"/accounts/sessions/{user.client.token}")
    assert again.status == 200
    assert len(await lines(admin, "api=LogOut", f"userUuid={user.uuid}")) == 1


async def test_no_line_holds_a_secret(admin: Client, anonymous: Client, tenant: Tenant) -> None:
    other = await anonymous.log_in(tenant.name, "secret")
    await tenant.client.job("PUT", f"/accounts/sessions/{other.token}/renew", {"renewSession": {}})
    await anonymous.call("DELETE", f"/accounts/sessions/{other.token}")
    await lines(admin, "api=LogOut")
    everything = str((await admin.get("/audits")).body)
    for secret in (other.token, tenant.client.token, '"secret"'):
        assert secret not in everything


async def test_reads_are_not_noted(admin: Client, tenant: Tenant) -> None:
    await tenant.client.get("/accounts/users")
    await tenant.group()
    rows = await lines(admin, f"accountUuid={tenant.uuid}", "api=CreateUserGroup")
    assert len(rows) == 1
    found = await admin.get(f"/audits?q=accountUuid={tenant.uuid}&q=api~=Query%25&count=true")
    assert found.body["total"] == 0


async def test_tenants_do_not_read_the_trail(tenant: Tenant) -> None:
    assert (await tenant.client.get("/audits")).code == "ID.1002"
