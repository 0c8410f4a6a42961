"""Whose jobs a job waits for: others' resources stop nobody, and taking rights away waits for nobody."""

import asyncio
import time
from typing import Any

from app import ADMIN, Client, Service
from zstack_mgmt.core.values import new_uuid


async def login(service: Service, account: Any, name: str, password: str) -> Client:
    body = {"logInByUser": {"accountUuid": account["uuid"], "userName": name, "password": password}}
    opened = await service.anonymous.call("PUT", "/accounts/users/login", body)
    return Client(service.http, service.anonymous.base, opened.inventory["uuid"])


async def slow_updates(user: Client, count: int) -> None:
    """Self-updates that take a hash each."""
    bodies = [{"updateUser": {"oldPassword": "p", "description": f"d{number}"}} for number in range(count)]
    answers = await asyncio.gather(*(user.call("PUT", "/accounts/users/actions", body) for body in bodies))
    assert {answer.status for answer in answers} == {202}


async def test_keys_of_others_stop_nobody(service: Service) -> None:
    """A job waits, and holds others up, for what its account owns and for what is not there yet."""
    account, tenant = await service.account("tenant")
    zone = await service.admin.create("/zones", name="z")
    group = await tenant.create("/accounts/groups", name="g")
    mine, theirs, absent = group["uuid"], [zone["uuid"], ADMIN], new_uuid()
    keys = " ".join([mine, f"~{account['uuid']}", absent, *theirs, *(f"~{uuid}" for uuid in theirs)])
    query = "SELECT own_keys($1, $2, $3)"
    kept = await service.db.fetchval(query, keys, account["uuid"], False)
    assert kept.split() == [mine, f"~{account['uuid']}", absent]
    assert await service.db.fetchval(query, keys, ADMIN, True) == keys
    assert await service.db.fetchval(query, zone["uuid"], account["uuid"], False) is None


async def test_taking_rights_away_goes_before_the_jobs_of_the_revoked(service: Service) -> None:
    account, owner = await service.account("tenant")
    made = await owner.create("/accounts/users", name="u", password="p")
    user = await login(service, account, "u", "p")
    await slow_updates(user, 200)
    started = time.monotonic()
    assert (await owner.job("DELETE", f"/accounts/users/{made['uuid']}")).status == 200
    took = time.monotonic() - started
    behind = await service.db.fetchval(
        """
        SELECT count(*) FROM api_jobs u, api_jobs d
        WHERE u.api = 'UpdateUser' AND d.api = 'DeleteUser'
          AND (u.finished_at IS NULL OR u.finished_at > d.finished_at)
        """
    )
    assert behind > 0, f"none of the revoked user's jobs was overtaken; the deletion took {took:.1f} s"
