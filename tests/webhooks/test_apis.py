"""The APIs of webhooks, through the whole service."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from app import Client, Service, running_service
from receivers import Receiver, receiver, replying
from zstack_mgmt.config import Settings
from zstack_mgmt.engine.bell import heard, wake_channel
from zstack_mgmt.webhooks.signing import verify


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with running_service(replace(settings, webhook_schedule_s=(0.1,) * 4)) as running:
        yield running


async def hooked_job(service: Service, sink: Receiver) -> str:
    """Run a job with a webhook; its uuid."""
    seen = len(sink.requests)
    answer = await service.admin.job(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"X-Web-Hook": f"{sink.url}/hook"}
    )
    assert answer.status == 200
    await sink.wait_for(seen + 1)
    return sink.requests[-1].headers["x-job-uuid"]


async def rotated(client: Client, **params: Any) -> Any:
    """What a rotation of the account's secret answers."""
    return (await client.call("POST", "/webhooks/secret/rotations", {"params": params})).inventory


async def test_a_jobs_result_arrives_signed_with_the_secret_that_a_rotation_handed_out(service):
    assert (await service.admin.get("/webhooks/secret")).body == {}
    made = await rotated(service.admin)
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        verify(made["secret"], sink.requests[0].headers, sink.requests[0].body, now=time.time())
        for _ in range(2):  # reading it changes nothing
            known = (await service.admin.get("/webhooks/secret")).inventory
            assert "secret" not in known
            assert (known["uuid"], known["older"]) == (made["uuid"], [])
        async with asyncio.timeout(5):  # audit lines of sync calls are written in groups
            while not (
                lines := (await service.admin.get("/audits?q=api=RotateWebhookSecret")).body["inventories"]
            ):
                await asyncio.sleep(0.05)
        assert [line["outcome"] for line in lines] == ["succeeded"]
        poll = await service.admin.get(f"/api-jobs/{uuid}")
        assert sink.requests[0].body == (await _raw(service, f"/api-jobs/{uuid}"))
        assert poll.status == 200


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("/%2F/%20/%C3%A9/a+b?x=%2f&y=%5B", "/%2F/%20/%C3%A9/a+b?x=%2f&y=%5B"),
        ("/%7e/../[1]?a={%2F}+%20", "/%7e/../%5B1%5D?a=%7B%2F%7D+%20"),
        ("/\u4e2d/%2F?q=\u4e2d+%2B", "/%E4%B8%AD/%2F?q=%E4%B8%AD+%2B"),
    ],
)
async def test_the_receiver_sees_the_target_as_it_was_given_but_for_what_is_illegal(service, given, seen):
    heads: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.put_nowait(await reader.readuntil(b"\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{given}"
        body = {"params": {"name": "z"}}
        assert (await service.admin.job("POST", "/zones", body, headers={"X-Web-Hook": hook})).status == 200
        async with asyncio.timeout(10):
            assert await heads.get() == f"POST {seen} HTTP/1.1\r\n".encode()


async def _raw(service: Service, path: str) -> bytes:
    headers = {"Authorization": f"OAuth {service.admin.token}"}
    async with service.http.get(f"{service.admin.base}{path}", headers=headers) as reply:
        return await reply.read()


async def test_a_rotation_shows_the_new_secret_once_and_lists_the_old_one(service):
    old = await rotated(service.admin)
    new = await rotated(service.admin, overlapSeconds=60)
    assert new["secret"] not in ("", old["secret"])
    assert [older["uuid"] for older in new["older"]] == [old["uuid"]]
    assert "secret" not in (await service.admin.get("/webhooks/secret")).inventory
    for wrong in (-1, 7 * 86400 + 1):
        refused = await service.admin.call(
            "POST", "/webhooks/secret/rotations", {"params": {"overlapSeconds": wrong}}
        )
        assert (refused.status, refused.code) == (400, "SYS.1007")


async def test_the_deliveries_of_a_job_show_state_and_attempts(service):
    async with receiver(replying(500, 200)) as sink:
        uuid = await hooked_job(service, sink)
        await sink.wait_for(2)
        async with asyncio.timeout(5):
            while True:
                (shown,) = (await service.admin.get(f"/api-jobs/{uuid}/deliveries")).body["inventories"]
                if shown["state"] == "delivered":
                    break
                await asyncio.sleep(0.05)
        assert shown["id"] == f"msg_{uuid}"
        assert shown["url"] == f"{sink.url}/hook"
        assert [(a["outcome"], a["status"]) for a in shown["log"]] == [("failed", 500), ("delivered", 200)]
        assert all(a["address"] == f"127.0.0.1:{sink.port}" for a in shown["log"])
        assert all({"startDate", "durationMs"} <= a.keys() for a in shown["log"])


async def test_of_many_attempts_the_newest_hundred_are_shown(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        await sink.wait_for(1)
    await service.db.execute(
        """
        INSERT INTO webhook_attempts (delivery_id, epoch, outcome, status, started_at)
        SELECT 'msg_' || $1, 10 + n, 'failed', 500 + n, now() FROM generate_series(1, 120) AS n
        """,
        uuid,
    )
    (shown,) = (await service.admin.get(f"/api-jobs/{uuid}/deliveries")).body["inventories"]
    assert [attempt["status"] for attempt in shown["log"]] == list(range(521, 621))


async def test_a_job_without_a_webhook_has_no_deliveries(service):
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    await service.admin.result(accepted.body["location"])
    uuid = accepted.body["location"].rpartition("/")[2]
    assert (await service.admin.get(f"/api-jobs/{uuid}/deliveries")).body == {"inventories": []}
    refused = await service.admin.call("POST", f"/api-jobs/{uuid}/deliveries/redeliver", {})
    assert (refused.status, refused.code) == (503, "SYS.1003")


async def test_a_redelivery_sends_the_same_id_and_body_again(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        answer = await service.admin.call("POST", f"/api-jobs/{uuid}/deliveries/redeliver", {})
        assert answer.status == 200
        assert answer.body["inventories"][0]["id"] == f"msg_{uuid}"
        await sink.wait_for(2)
        first, second = sink.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


async def test_everything_that_failed_since_a_time_is_redelivered(service):
    async with receiver(replying(410)) as sink:
        uuids = {await hooked_job(service, sink) for _ in range(3)}
        async with asyncio.timeout(5):
            while await service.db.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state <> 'gone'"):
                await asyncio.sleep(0.02)
        sink.behaviour = None
        sink.requests.clear()
        path = "/webhooks/redeliveries"
        since = {"since": "2020-01-01T00:00:00Z"}
        nothing = await service.admin.call("POST", path, {"params": {"since": "2999-01-01 00:00:00"}})
        assert nothing.body == {"redelivered": 0, "more": False}
        elsewhere = since | {"receiver": "http://other.example"}
        assert (await service.admin.call("POST", path, {"params": elsewhere})).body["redelivered"] == 0
        answer = await service.admin.call("POST", path, {"params": since | {"receiver": f"{sink.url}/"}})
        assert answer.body == {"redelivered": 3, "more": False}
        await sink.wait_for(3)
        assert {r.headers["x-job-uuid"] for r in sink.requests} == uuids
        for text in ("yesterday at noon", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
            wrong = await service.admin.call("POST", path, {"params": {"since": text}})
            assert (wrong.status, wrong.code) == (400, "SYS.1007")


@pytest.mark.parametrize("which", ["one", "failed"])
async def test_a_redelivery_rings_for_a_sender(service, which):
    async with receiver(replying(410)) as sink:
        uuid = await hooked_job(service, sink)
        if which == "one":
            path, params = f"/api-jobs/{uuid}/deliveries/redeliver", {}
        else:
            path, params = "/webhooks/redeliveries", {"since": "2020-01-01T00:00:00Z"}
        async with aclosing(heard(service.settings, wake_channel(service.settings, "webhooks"))) as rings:
            assert await anext(rings) == b""
            ring = asyncio.ensure_future(anext(rings))
            await asyncio.sleep(0.05)
            assert (await service.admin.call("POST", path, {"params": params})).status == 200
            assert await asyncio.wait_for(ring, 0.5) == b"1"


async def test_another_accounts_deliveries_behave_as_absent(service):
    async with receiver() as sink:
        uuid = await hooked_job(service, sink)
        _, other = await service.account("other")
        for method, path in (("GET", "deliveries"), ("POST", "deliveries/redeliver")):
            mine = await other.call(method, f"/api-jobs/{uuid}/{path}")
            absent = await other.call(method, f"/api-jobs/{'0' * 32}/{path}")
            assert (mine.status, mine.code) == (absent.status, absent.code) == (503, "SYS.1003")
        assert len(sink.requests) == 1


async def test_deliveries_are_for_those_who_may_see_the_job(settings: Settings) -> None:
    """A user sees those of its own jobs; what was blocked inside is told to administrators alone."""
    settings = replace(settings, webhook_schedule_s=())
    async with running_service(settings) as service:
        account, owner = await service.account("owner")
        users = {}
        for name in ("a", "b"):
            user = await owner.create("/accounts/users", name=name, password="p")
            body = {"logInByUser": {"accountUuid": account["uuid"], "userName": name, "password": "p"}}
            opened = await service.anonymous.call("PUT", "/accounts/users/login", body)
            users[name] = Client(service.http, service.anonymous.base, opened.inventory["uuid"])
            statement = {"effect": "Allow", "actions": ["webhook:.*", "identity:.*"]}
            policy = await owner.create("/accounts/policies", name=name, statements=[statement])
            path = f"/accounts/users/{user['uuid']}/policies"
            assert (await owner.job("POST", path, {"params": {"policyUuid": policy["uuid"]}})).status == 200
        await asyncio.sleep(1)  # the policies bind in every process
        hook = {"X-Web-Hook": "http://127.0.0.1:9/secret"}
        change = {"updateUser": {"description": "d"}}
        accepted = await users["a"].call("PUT", "/accounts/users/actions", change, headers=hook)
        assert accepted.status == 202, accepted.body
        path = f"/api-jobs/{accepted.headers['X-Job-UUID']}/deliveries"
        async with asyncio.timeout(20):
            while not (seen := (await users["a"].get(path)).body["inventories"]) or not seen[0]["log"]:
                await asyncio.sleep(0.05)
        await service.db.execute(
            "UPDATE webhook_attempts SET error = 'blocked:private', address = '10.1.2.3:9'"
        )
        seen = (await users["a"].get(path)).body["inventories"]
        assert seen[0]["log"][0]["error"] == "blocked"
        assert "address" not in seen[0]["log"][0]
        assert (await owner.get(path)).body["inventories"][0]["log"][0]["error"] == "blocked"
        told = (await service.admin.get(path)).body["inventories"][0]["log"][0]
        assert told["error"].startswith("blocked:")
        assert told["address"].startswith("10.1.2.3")
        for method, more in (("GET", ""), ("POST", "/redeliver")):
            assert (await users["b"].call(method, path + more)).code == "SYS.1003"


async def test_each_account_has_a_secret_of_its_own_and_a_stranger_none(service):
    _, other = await service.account("other")
    admins, others = await rotated(service.admin), await rotated(other)
    assert admins["secret"] != others["secret"]
    refused = await service.anonymous.get("/webhooks/secret")
    assert (refused.status, refused.code) == (503, "ID.1001")
