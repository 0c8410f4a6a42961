"""The call of an API without HTTP: what every door stands on, and what it must not depend on."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from app import ADMIN, Client, Service, running_service
from zstack_mgmt.config import Settings
from zstack_mgmt.core.callers import ANONYMOUS, AccountCaller
from zstack_mgmt.core.errors import BadRequest, InvalidSession, PermissionDenied
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.engine.submission import Options
from zstack_mgmt.service.invoke import Accepted, Value, invoke
from zstack_mgmt.service.parts import running

ROOT = AccountCaller(ADMIN, is_admin=True)
LONG = "密" * 54  # 162 bytes of UTF-8; sealed it is longer than a password may be


@pytest.fixture
async def idle(settings: Settings) -> Any:
    """The service without workers."""
    async with running_service(settings, workers=0, senders=0) as made:
        yield made


async def test_a_toy_door_of_one_line_makes_calls_and_reads_values(service: Service) -> None:
    """A door knows names and parameters; it needs no change anywhere else."""
    async with running(service.settings) as parts:

        async def door(line: str) -> Any:
            name, *words = line.split()
            parameters = dict(word.split("=", 1) for word in words)
            return await invoke(parts, APIS[name], ROOT, parameters, Options(wait_s=10))

        made = await door("CreateZone name=toy")
        assert isinstance(made, Accepted)
        assert made.job is not None
        assert made.job.state == "succeeded"
        jobs = await door("ListApiJobs api=CreateZone")
        assert isinstance(jobs, Value)
        assert [job["uuid"] for job in jobs.value["inventories"]] == [made.job_uuid]
    assert (await service.admin.get("/zones?q=name=toy")).body["inventories"]


async def test_nobody_and_tenants_are_refused_before_anything_is_stored(service: Service) -> None:
    tenant = AccountCaller("f" * 32, is_admin=False)
    async with running(service.settings) as parts:
        for caller, error in ((ANONYMOUS, InvalidSession), (tenant, PermissionDenied)):
            with pytest.raises(error):
                await invoke(parts, APIS["CreateZone"], caller, {"name": "z"})
        with pytest.raises(BadRequest, match="name"):
            await invoke(parts, APIS["CreateZone"], ROOT, {})
    assert await service.db.fetchval("SELECT count(*) FROM api_jobs") == 0


async def test_the_same_call_written_in_another_way_is_the_same_call(service: Service) -> None:
    """Order of keys, spacing, 1.0 for 1, and the base path do not make another call; another hook does."""
    chosen = {"X-Job-UUID": "0123456789ab4cdea123456789abcdef"}
    params = {"name": "o", "cpuNum": 1, "memorySize": 1 << 20}
    first = await service.admin.call("POST", "/instance-offerings", {"params": params}, headers=chosen)
    again = {"params": {"memorySize": float(1 << 20), "cpuNum": 1.0, "name": "o"}}
    base = f"{service.origin}/v1/instance-offerings"
    assert (await service.admin.call("POST", base, again, headers=chosen)).body == first.body
    hooked = chosen | {"X-Web-Hook": "http://127.0.0.1:9/"}
    assert (await service.admin.call("POST", base, again, headers=hooked)).status == 400
    assert (
        await service.db.fetchval("SELECT count(*) FROM api_jobs WHERE api = 'CreateInstanceOffering'") == 1
    )


async def test_long_secrets_that_a_call_may_have_work(service: Service) -> None:
    _, tenant = await service.account("tenant")
    user = await tenant.create("/accounts/users", name="u", password=LONG)
    body = {"logInByUser": {"accountName": "tenant", "userName": "u", "password": LONG}}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", body)
    client = Client(service.http, service.anonymous.base, opened.inventory["uuid"])
    change = {"updateUser": {"password": "new", "oldPassword": LONG}}
    assert (await client.job("PUT", "/accounts/users/actions", change)).inventory["uuid"] == user["uuid"]


async def test_a_cancellation_and_the_new_resource_are_named_in_the_audit_trail(idle: Service) -> None:
    accepted = await idle.admin.call("POST", "/zones", {"params": {"name": "z"}})
    uuid = accepted.headers["X-Job-UUID"]
    await idle.admin.call("DELETE", f"/api-jobs/{uuid}")
    async with asyncio.timeout(5):
        while not (lines := await idle.db.fetch("SELECT api, target FROM audits WHERE api = 'CancelApiJob'")):
            await asyncio.sleep(0.05)
    assert [tuple(line) for line in lines] == [("CancelApiJob", uuid)]
    zone = await idle.db.fetchrow(
        "SELECT a.target, j.target AS made FROM audits a JOIN api_jobs j ON j.uuid = a.job_uuid"
    )
    assert zone["target"] == zone["made"]
    assert len(zone["target"]) == 32


async def test_accepted_work_does_not_run_with_rights_that_are_gone(settings: Settings) -> None:
    """Deleted administrators, disabled accounts and users without their policy: the job fails and says so."""
    async with running_service(settings, workers=0, senders=0) as idle:
        chief_token, tenant_token = "a" * 12 + "4" + "a" * 19, "b" * 12 + "4b" + "a" * 18
        await idle.db.execute(
            """
            INSERT INTO accounts (uuid, name, type, password_hash)
            VALUES ($1, 'chief', 'SystemAdmin', 'x'), ($2, 't', 'Normal', 'x')
            """,
            chief_token,
            tenant_token,
        )
        async with running(idle.settings) as parts:
            stored = [
                await invoke(
                    parts, APIS["CreateZone"], AccountCaller(chief_token, is_admin=True), {"name": "z"}
                ),
                await invoke(
                    parts, APIS["CreateUserGroup"], AccountCaller(tenant_token, is_admin=False), {"name": "g"}
                ),
            ]
        await idle.db.execute("DELETE FROM accounts WHERE uuid = $1", chief_token)
        await idle.db.execute("UPDATE accounts SET enabled = false WHERE uuid = $1", tenant_token)
    async with running_service(settings) as service:
        for one in stored:
            assert isinstance(one, Accepted)
            ended = await service.admin.result(f"/api-jobs/{one.job_uuid}")
            assert (ended.status, ended.code) == (503, "ID.1002")
        assert await service.db.fetchval("SELECT count(*) FROM zones") == 0


async def test_a_poll_is_answered_while_the_database_hangs(service: Service) -> None:
    made = await service.admin.call(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"Prefer": "wait=10"}
    )
    path = f"/api-jobs/{made.headers['X-Job-UUID']}"
    async with service.db.transaction():
        await service.db.execute("LOCK TABLE api_jobs, sessions IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        polls = await asyncio.gather(*(service.admin.get(path) for _ in range(30)))
        assert {poll.status for poll in polls} == {202}
        assert time.monotonic() - started < 8
    assert (await service.admin.get(path)).status == 200


async def test_events_end_the_connection_when_the_session_ends(settings: Settings) -> None:
    settings = replace(settings, session_cache_s=0.1)
    async with running_service(settings, workers=0, senders=0) as idle:
        accepted = await idle.admin.call("POST", "/zones", {"params": {"name": "z"}})
        headers = {"Authorization": f"OAuth {idle.admin.token}"}
        async with idle.http.get(f"{accepted.body['location']}/events", headers=headers) as stream:
            assert b"event: accepted" in await stream.content.readuntil(b"\n\n")
            await idle.anonymous.call("DELETE", f"/accounts/sessions/{idle.admin.token}")
            with pytest.raises(ClientPayloadError):  # cut, not ended; and no second answer inside
                await asyncio.wait_for(stream.content.read(), 10)
