"""Whoever has seen a change of rights end is judged by it in every process, despite the caches."""

from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app import Client, running_service
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import heard, rights_channel


async def test_rights_bind_in_every_process_when_their_job_is_seen_to_have_ended(settings: Settings) -> None:
    settings = replace(settings, session_cache_s=600.0)
    async with running_service(settings) as first, running_service(settings, workers=0, senders=0) as second:
        account, owner = await first.account("tenant")
        user = await owner.create("/accounts/users", name="u", password="p")
        statement = {"effect": "Allow", "actions": ["scheduler:.*"]}
        policy = await owner.create("/accounts/policies", name="quotas", statements=[statement])
        body = {"logInByUser": {"accountUuid": account["uuid"], "userName": "u", "password": "p"}}
        opened = await first.anonymous.call("PUT", "/accounts/users/login", body)
        token = opened.inventory["uuid"]
        everywhere = [Client(one.http, one.anonymous.base, token) for one in (first, second)]
        path = f"/accounts/users/{user['uuid']}/policies"

        async def seen() -> set[str]:
            """What a call without parameters meets, which a policy must allow; twice in each process."""
            answers = [await client.call("POST", "/scheduler/triggers", {}) for client in everywhere * 2]
            return {"allowed" if answer.status == 400 else answer.code for answer in answers}

        assert await seen() == {"ID.1002"}
        for _ in range(5):
            await owner.job("POST", path, {"params": {"policyUuid": policy["uuid"]}})
            assert await seen() == {"allowed"}
            done = await owner.job("DELETE", f"{path}/{policy['uuid']}")
            assert done.status == 200, done.body
            assert await seen() == {"ID.1002"}
        await owner.job("POST", path, {"params": {"policyUuid": policy["uuid"]}})
        assert await seen() == {"allowed"}
        await first.admin.job("DELETE", f"/accounts/{account['uuid']}")
        assert await seen() == {"ID.1001"}


async def test_a_logout_binds_in_every_process(settings: Settings) -> None:
    settings = replace(settings, session_cache_s=600.0)
    async with running_service(settings) as first, running_service(settings, workers=0, senders=0) as second:
        _, owner = await first.account("tenant")
        other = Client(second.http, second.anonymous.base, owner.token)
        assert (await other.get("/accounts/quotas?limit=1")).status == 200
        assert (await first.anonymous.call("DELETE", f"/accounts/sessions/{owner.token}")).status == 200
        for client in (owner, other):
            assert (await client.get("/accounts/quotas?limit=1")).code == "ID.1001"


async def test_a_change_of_owner_binds_in_every_process(settings: Settings) -> None:
    settings = replace(settings, session_cache_s=600.0)
    async with running_service(settings) as first, running_service(settings, workers=0, senders=0) as second:
        account, owner = await first.account("tenant")
        other, _ = await first.account("other")
        user = await owner.create("/accounts/users", name="u", password="p")
        body = {"logInByUser": {"accountUuid": account["uuid"], "userName": "u", "password": "p"}}
        token = (await first.anonymous.call("PUT", "/accounts/users/login", body)).inventory["uuid"]
        everywhere = [Client(one.http, one.anonymous.base, token) for one in (first, second)]
        assert {(await client.get("/api-jobs")).status for client in everywhere} == {200}
        moved = {"params": {"resourceUuid": user["uuid"]}}
        path = f"/account/{other['uuid']}/resources"
        assert (await first.admin.job("POST", path, moved)).status == 200
        assert {(await client.get("/api-jobs")).code for client in everywhere} == {"ID.1001"}


async def test_every_process_is_told_when_a_change_of_rights_begins_and_when_it_has_ended(
    settings: Settings,
) -> None:
    async with (
        running_service(settings) as service,
        aclosing(heard(settings, rights_channel(settings))) as said,
    ):
        account, owner = await service.account("tenant")
        token = (await service.anonymous.log_in("tenant", "secret")).token
        assert await anext(said) == b""  # from now on all is heard
        new = {"user": {"original_password": "secret", "password": "another"}}
        v3 = f"{service.origin}/v3"
        subject = {"X-Subject-Token": (await service.anonymous.log_in("tenant", "secret")).token}
        calls: tuple[tuple[str, str, Any, dict[str, str]], ...] = (
            ("DELETE", f"/accounts/sessions/{token}", None, {}),
            ("DELETE", f"{v3}/auth/tokens", None, subject),
            ("POST", f"{v3}/users/{account['uuid']}/password", new, {}),
        )
        for method, path, body, headers in calls:
            assert (await owner.call(method, path, body, headers=headers)).status < 300
            expected = [sign + account["uuid"].encode() for sign in (b"+", b"-")]
            assert [await anext(said), await anext(said)] == expected, path
