"""What takes rights away is in force with its 202, also while there are no workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from app import Answer, Client, Service, running_service
from engine.waiting import until
from zstack_mgmt.config import Settings
from zstack_mgmt.core.values import new_uuid

ALLOWED = [{"effect": "Allow", "actions": ["identity:APIRenewSessionMsg"]}]


@dataclass
class Place:
    """A tenant that sees a share, and whose user may renew its session, by its own policy or its group's."""

    service: Service
    account: Any
    owner: Client
    user: Client
    uuids: dict[str, str]


async def log_in(service: Service, account_uuid: str, password: str = "p") -> Client:
    body = {"logInByUser": {"accountUuid": account_uuid, "userName": "u", "password": password}}
    answer = await service.anonymous.call("PUT", "/accounts/users/login", body)
    return Client(service.http, service.anonymous.base, answer.body.get("inventory", {}).get("uuid", "none"))


async def renewal(client: Client) -> Answer:
    return await client.call("PUT", f"/accounts/sessions/{client.token}/renew", {"renewSession": {}})


@asynccontextmanager
async def place(settings: Settings, *, by_group: bool = False) -> AsyncIterator[Place]:
    """Made with workers, and then served without any."""
    async with running_service(settings, senders=0) as service:
        account, owner = await service.account("tenant")
        uuids = {"account": account["uuid"]}
        for kind, more in (("user", {"password": "p"}), ("group", {}), ("policy", {"statements": ALLOWED})):
            path = {"user": "users", "group": "groups", "policy": "policies"}[kind]
            made = await owner.create(f"/accounts/{path}", name=kind[0], **more)
            uuids[kind] = made["uuid"]
        holder = f"groups/{uuids['group']}" if by_group else f"users/{uuids['user']}"
        for path, params in (
            (f"/accounts/groups/{uuids['group']}/users", {"userUuid": uuids["user"]}),
            (f"/accounts/{holder}/policies", {"policyUuid": uuids["policy"]}),
        ):
            assert (await owner.job("POST", path, {"params": params})).status == 200
        offering = {"name": "o", "diskSize": 1}
        uuids["shared"] = (await service.admin.create("/disk-offerings", **offering))["uuid"]
        body = {"shareResource": {"resourceUuids": [uuids["shared"]], "accountUuids": [account["uuid"]]}}
        assert (await service.admin.job("PUT", "/accounts/resources/actions", body)).status == 200
    async with running_service(settings, workers=0, senders=0) as service:
        owner = await service.anonymous.log_in("tenant", "secret")
        user = await log_in(service, account["uuid"])
        assert (await renewal(user)).status == 202
        await service.db.execute("DELETE FROM api_job_keys; DELETE FROM api_jobs")
        yield Place(service, account, owner, user, uuids)


async def ended(client: Client, method: str, path: str, body: Any = None) -> None:
    """The call is accepted, and its job has ended when its 202 is here."""
    accepted = await client.call(method, path, body)
    assert accepted.status == 202, accepted
    answer = await client.get(accepted.body["location"])
    assert answer.status == 200, answer


async def refusal(client: Client) -> str:
    answer = await renewal(client)
    assert answer.status == 503, answer
    return answer.code


async def test_a_deleted_user_is_out(settings: Settings) -> None:
    async with place(settings) as made:
        await ended(made.owner, "DELETE", f"/accounts/users/{made.uuids['user']}")
        assert await refusal(made.user) == "ID.1001"
        assert (await log_in(made.service, made.uuids["account"])).token == "none"


async def test_an_old_password_opens_nothing(settings: Settings) -> None:
    async with place(settings) as made:
        body = {"updateUser": {"uuid": made.uuids["user"], "password": "new"}}
        await ended(made.owner, "PUT", "/accounts/users/actions", body)
        assert await refusal(made.user) == "ID.1001"
        assert (await log_in(made.service, made.uuids["account"])).token == "none"
        assert (await log_in(made.service, made.uuids["account"], "new")).token != "none"


async def test_a_deleted_account_is_out_with_its_users(settings: Settings) -> None:
    async with place(settings) as made:
        await ended(made.service.admin, "DELETE", f"/accounts/{made.uuids['account']}")
        assert {await refusal(made.owner), await refusal(made.user)} == {"ID.1001"}


@pytest.mark.parametrize(
    ("by_group", "path"),
    [
        (False, "/accounts/users/{user}/policies/{policy}"),
        (False, "/accounts/users/{user}/policies?policyUuids={policy}"),
        (False, "/accounts/policies/{policy}"),
        (True, "/accounts/groups/{group}/policies/{policy}"),
        (True, "/accounts/groups/{group}/users/{user}"),
        (True, "/accounts/groups/{group}"),
    ],
)
async def test_a_right_that_is_taken_away_is_gone(settings: Settings, by_group: bool, path: str) -> None:
    async with place(settings, by_group=by_group) as made:
        await ended(made.owner, "DELETE", path.format(**made.uuids))
        assert await refusal(made.user) == "ID.1002"


async def test_a_share_that_is_revoked_is_gone(settings: Settings) -> None:
    async with place(settings) as made:
        path = f"/disk-offerings/{made.uuids['shared']}"
        assert (await made.owner.get(path)).body["inventories"]
        body = {"revokeResourceSharing": {"resourceUuids": [made.uuids["shared"]], "all": True}}
        await ended(made.service.admin, "PUT", "/accounts/resources/actions", body)
        assert (await made.owner.get(path)).body["inventories"] == []


async def test_a_revocation_that_fails_says_so_and_changes_nothing(settings: Settings) -> None:
    async with place(settings) as made:
        accepted = await made.owner.call("DELETE", f"/accounts/users/{new_uuid()}")
        assert (await made.owner.get(accepted.body["location"])).status == 200  # gone already is no error
        body = {"updateUser": {"uuid": made.uuids["user"], "password": "new", "oldPassword": "wrong"}}
        accepted = await made.owner.call("PUT", "/accounts/users/actions", body)
        told = await made.owner.get(accepted.body["location"])
        assert (told.status, told.code) == (503, "SYS.1007")
        assert (await renewal(made.user)).status == 202


async def test_a_repeat_is_the_same_call_and_another_call_is_refused(settings: Settings) -> None:
    async with place(settings) as made:
        headers, path = {"X-Job-UUID": new_uuid()}, f"/accounts/users/{made.uuids['user']}"
        for _ in range(2):
            accepted = await made.owner.call("DELETE", path, headers=headers)
            assert accepted.status == 202
        assert await made.service.db.fetchval("SELECT epoch FROM api_jobs WHERE api = 'DeleteUser'") == 1
        other = await made.owner.call("DELETE", f"/accounts/users/{new_uuid()}", headers=headers)
        assert (other.status, other.code) == (400, "SYS.1007")


async def test_behind_an_earlier_job_of_somebody_else_it_waits_and_the_sessions_end(
    settings: Settings,
) -> None:
    async with place(settings) as made:
        body = {"updateUser": {"uuid": made.uuids["user"], "description": "earlier"}}
        earlier = await made.owner.call("PUT", "/accounts/users/actions", body)
        accepted = await made.owner.call("DELETE", f"/accounts/users/{made.uuids['user']}")
        assert (await made.owner.get(accepted.body["location"])).status == 202
        assert await refusal(made.user) == "ID.1001"
        async with running_service(settings, senders=0):
            for job in (earlier, accepted):
                assert (await made.owner.result(job.body["location"])).status == 200
        order = await made.service.db.fetch("SELECT api FROM api_jobs ORDER BY finished_at")
        assert [row["api"] for row in order] == ["UpdateUser", "DeleteUser"]


async def test_jobs_of_the_revoked_one_do_not_hold_it_back(settings: Settings) -> None:
    async with place(settings) as made:
        for _ in range(3):
            body = {"updateUser": {"description": "mine"}}
            assert (await made.user.call("PUT", "/accounts/users/actions", body)).status == 202
        keys = "SELECT count(*) FROM api_job_keys WHERE key = $1"  # one runs after the other
        assert await made.service.db.fetchval(keys, made.uuids["user"]) == 3
        await ended(made.owner, "DELETE", f"/accounts/users/{made.uuids['user']}")
        async with running_service(settings, senders=0):

            async def all_failed() -> bool:
                return await made.service.db.fetchval(
                    "SELECT bool_and(state = 'failed') FROM api_jobs WHERE api = 'UpdateUser'"
                )

            await until(all_failed)
