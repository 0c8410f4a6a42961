"""The life of a job as clients see it: one short test per rule."""

import asyncio
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from app import Client, Service, running_service
from zstack_mgmt import db
from zstack_mgmt.config import Settings
from zstack_mgmt.engine import store
from zstack_mgmt.engine.bell import Bell
from zstack_mgmt.engine.execute import Executor
from zstack_mgmt.engine.model import ClaimedJob, Submission, Wish
from zstack_mgmt.process import build_services

DIE = "UPDATE workers SET lease_until = now() - interval '1 s'"


async def claim(conn: Any, *, suspects: bool = False) -> list[ClaimedJob]:
    """What a worker with room for everything claims."""
    await conn.execute("INSERT INTO workers VALUES ('w', now() + interval '1 h') ON CONFLICT DO NOTHING")
    wish = Wish(100, 100, suspects, ("", ""), (100, 100), 100, [])
    return (await store.claim(conn, "w", wish))[0]


def job_uuid() -> str:
    return uuid.uuid4().hex


async def zones(service: Service, name: str) -> int:
    return await service.db.fetchval("SELECT count(*) FROM zones WHERE name = $1", name)


async def test_accepted_job_has_a_location_and_hints(service: Service) -> None:
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    assert accepted.status == 202
    location = accepted.body["location"]
    assert location.startswith(f"{service.origin}/zstack/v1/api-jobs/")
    assert accepted.headers["Location"] == location
    assert accepted.headers["X-Job-UUID"] == location.rpartition("/")[2]
    assert accepted.headers["Retry-After"] == "1"
    assert accepted.headers["X-Request-ID"]


async def test_result_has_the_inventory(service: Service) -> None:
    zone = await service.admin.create("/zones", name="Zone1", description="Test")
    assert zone["name"] == "Zone1"
    assert zone["state"] == "Enabled"
    assert zone["type"] == "zstack"
    fields = {"uuid", "name", "description", "state", "type", "isDefault", "createDate", "lastOpDate"}
    assert set(zone) == fields


async def test_both_base_paths_serve_the_same_and_location_always_has_zstack(service: Service) -> None:
    answer = await service.admin.call("POST", f"{service.origin}/v1/zones", {"params": {"name": "z"}})
    assert "/zstack/v1/api-jobs/" in answer.body["location"]
    short = answer.body["location"].replace("/zstack/v1", "/v1")
    assert (await service.admin.result(short)).inventory["name"] == "z"


async def test_failed_job_answers_503_with_the_error(service: Service) -> None:
    zone = await service.admin.create("/zones", name="z")
    answer = await service.admin.job(
        "POST", "/zones", {"params": {"name": "again", "resourceUuid": zone["uuid"]}}
    )
    assert answer.status == 503
    assert answer.code == "SYS.1000"
    assert await zones(service, "again") == 0


async def test_schema_is_added_when_asked_for(service: Service) -> None:
    headers = {"X-JSON-Schema": "true", "Prefer": "wait=10"}
    asked = await service.admin.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
    assert asked.body["schema"] == {"inventory": "org.zstack.header.zone.ZoneInventory"}
    plain = await service.admin.job("POST", "/zones", {"params": {"name": "z"}})
    assert "schema" not in plain.body
    polled = await service.admin.get(f"/api-jobs/{plain.headers['X-Job-UUID']}", headers=headers)
    assert polled.body["schema"] == {"inventory": "org.zstack.header.zone.ZoneInventory"}


async def test_prefer_wait_answers_with_the_result(service: Service) -> None:
    answer = await service.admin.call(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"Prefer": "wait=10"}
    )
    assert answer.inventory["name"] == "z"
    assert answer.headers["Preference-Applied"] == "wait=10"


async def test_a_hundred_parallel_posts_of_one_uuid_run_once(service: Service) -> None:
    headers = {"X-Job-UUID": job_uuid()}
    body = {"params": {"name": "once"}}
    answers = await asyncio.gather(
        *(service.admin.call("POST", "/zones", body, headers=headers) for _ in range(100))
    )
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["location"] for answer in answers}) == 1
    await service.admin.result(answers[0].body["location"])
    assert await zones(service, "once") == 1


async def test_a_repeat_of_a_call_whose_job_has_ended_waits_for_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zstack_mgmt.engine.watch._LOOK_S", 3600)  # announcements alone end a wait
    headers = {"X-Job-UUID": job_uuid(), "Prefer": "wait=30"}
    async with running_service(settings) as service, asyncio.timeout(15):
        for _ in range(3):
            answer = await service.admin.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
            assert answer.inventory["name"] == "z"


async def test_uuid_of_another_call_is_refused(service: Service) -> None:
    headers = {"X-Job-UUID": job_uuid()}
    first = await service.admin.job("POST", "/zones", {"params": {"name": "first"}}, headers=headers)
    assert first.status == 200
    other_body = await service.admin.call("POST", "/zones", {"params": {"name": "other"}}, headers=headers)
    assert (other_body.status, other_body.code) == (400, "SYS.1007")
    _, tenant = await service.account("tenant", type="SystemAdmin")
    other_account = await tenant.call("POST", "/zones", {"params": {"name": "first"}}, headers=headers)
    assert (other_account.status, other_account.code) == (400, "SYS.1007")
    assert "first" not in json.dumps(other_account.body)
    assert await zones(service, "other") == 0


async def test_idempotency_key_is_an_alias(service: Service) -> None:
    headers = {"Idempotency-Key": job_uuid()}
    body = {"params": {"name": "alias"}}
    one, two = [await service.admin.job("POST", "/zones", body, headers=headers) for _ in range(2)]
    assert one.body == two.body
    assert await zones(service, "alias") == 1


@pytest.mark.parametrize("bad", ["abc", "G" * 32, "0" * 32, "A" * 32, "d825b1a26f4e574b8c59306081920ff2"])
async def test_malformed_job_uuid_is_refused(service: Service, bad: str) -> None:
    answer = await service.admin.call(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"X-Job-UUID": bad}
    )
    assert (answer.status, answer.code) == (400, "SYS.1007")


async def test_jobs_on_one_resource_take_effect_in_order(service: Service) -> None:
    zone = await service.admin.create("/zones", name="start")
    path = f"/zones/{zone['uuid']}/actions"
    locations = []
    for number in range(60):
        accepted = await service.admin.call("PUT", path, {"updateZone": {"name": f"name-{number}"}})
        locations.append(accepted.body["location"])
    for location in locations:
        assert (await service.admin.result(location)).status == 200
    assert await service.db.fetchval("SELECT name FROM zones") == "name-59"
    order = await service.db.fetch(
        "SELECT result::json->'inventory'->>'name' AS n FROM api_jobs WHERE keyed ORDER BY finished_at, seq"
    )
    assert [row["n"] for row in order][-60:] == [f"name-{number}" for number in range(60)]
    assert await service.db.fetchval("SELECT count(*) FROM api_job_keys") == 0


async def test_create_with_a_chosen_uuid_precedes_its_update(service: Service) -> None:
    chosen = job_uuid()
    await service.admin.call("POST", "/zones", {"params": {"name": "a", "resourceUuid": chosen}})
    changed = await service.admin.job(
        "PUT", f"/zones/{chosen}/actions", {"changeZoneState": {"stateEvent": "disable"}}
    )
    assert changed.inventory["state"] == "Disabled"


async def test_job_of_another_account_behaves_as_absent(service: Service) -> None:
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    _, tenant = await service.account("tenant")
    location = accepted.body["location"]
    for method, path in (("GET", location), ("DELETE", location), ("GET", f"{location}/events")):
        answer = await tenant.call(method, path)
        assert answer.status == 404
    assert (await tenant.get("/api-jobs")).body["inventories"] == []


async def test_poll_needs_a_session(service: Service) -> None:
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    answer = await service.anonymous.get(accepted.body["location"])
    assert (answer.status, answer.code) == (503, "ID.1001")


async def test_unknown_and_expired_jobs_answer_404_and_say_which(service: Service) -> None:
    unknown = await service.admin.get(f"/api-jobs/{job_uuid()}")
    assert unknown.status == 404
    done = await service.admin.job("POST", "/zones", {"params": {"name": "z"}})
    uuid_ = done.headers["X-Job-UUID"]
    await service.db.execute(
        "UPDATE api_jobs SET expires_at = now() - interval '1 second' WHERE uuid = $1", uuid_
    )
    await store.expire(service.db, 3600.0, 100)
    expired = await service.admin.get(f"/api-jobs/{uuid_}")
    assert expired.status == 404
    assert expired.body["error"]["opaque"]["reason"] == "expired"
    assert await service.db.fetchval("SELECT request FROM api_jobs WHERE uuid = $1", uuid_) is None
    repeat = await service.admin.call(
        "POST", "/zones", {"params": {"name": "z"}}, headers={"X-Job-UUID": uuid_}
    )
    assert repeat.status in (202, 400)
    await service.db.execute(
        "UPDATE api_jobs SET expires_at = now() - interval '1 second' WHERE uuid = $1", uuid_
    )
    await store.expire(service.db, 3600.0, 100)
    assert await service.db.fetchval("SELECT count(*) FROM api_jobs WHERE uuid = $1", uuid_) == 0


async def test_events_tell_the_states_and_resume(service: Service) -> None:
    accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
    path = f"{accepted.body['location']}/events"
    text = (await service.admin.get(path)).body.decode()
    assert [line for line in text.splitlines() if line.startswith("event")] == [
        "event: accepted",
        "event: running",
        "event: succeeded",
    ]
    again = (await service.admin.get(path, headers={"Last-Event-ID": "1"})).body.decode()
    assert [line for line in again.splitlines() if line.startswith("event")] == ["event: succeeded"]


async def test_listing_pages_and_filters(service: Service) -> None:
    for number in range(5):
        await service.admin.create("/zones", name=f"z{number}")
    first = (await service.admin.get("/api-jobs?limit=2&api=CreateZone")).body
    assert len(first["inventories"]) == 2
    assert (await service.admin.get("/api-jobs?state=failed")).body["inventories"] == []
    assert (await service.admin.get("/api-jobs?state=nonsense")).status == 400
    assert "api=CreateZone" in first["next"], "the next page has the same filters"
    rest = (await service.admin.get(first["next"].removeprefix("/zstack/v1"))).body
    seen = {job["uuid"] for page in (first, rest) for job in page["inventories"]}
    assert len(seen) == 4


async def test_problem_details_on_request(service: Service) -> None:
    answer = await service.admin.call(
        "POST", "/zones", {"params": {}}, headers={"Accept": "application/problem+json"}
    )
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["code"] == "SYS.1007"


async def test_validation_only_changes_nothing(service: Service) -> None:
    body = {"params": {"name": "dry"}, "systemTags": ["ephemeral::validationOnly"]}
    answer = await service.admin.job("POST", "/zones", body)
    assert (answer.status, answer.body) == (200, {})
    assert await zones(service, "dry") == 0


async def test_validation_only_fails_where_the_call_would(service: Service) -> None:
    await service.account("tenant")
    body = {"params": {"name": "tenant", "password": "secret"}, "systemTags": ["ephemeral::validationOnly"]}
    answer = await service.admin.job("POST", "/accounts", body)
    assert (answer.status, answer.code) == (503, "SYS.1007")
    assert await service.db.fetchval("SELECT count(*) FROM accounts WHERE name = 'tenant'") == 1


async def test_validation_only_leaves_the_outside_alone(service: Service) -> None:
    zone = await service.admin.create("/zones", name="z")
    body = {"params": {"name": "c", "zoneUuid": zone["uuid"], "hypervisorType": "Simulator"}}
    cluster = await service.admin.job("POST", "/clusters", body)
    body = {
        "params": {"name": "h", "managementIp": "192.0.2.9", "clusterUuid": cluster.inventory["uuid"]},
        "systemTags": ["ephemeral::validationOnly"],
    }
    answer = await service.admin.job("POST", "/hosts/simulators", body)
    assert (answer.status, answer.body) == (200, {})
    assert await service.db.fetchval("SELECT count(*) FROM hosts") == 0


async def test_secrets_are_not_in_the_job_row(service: Service) -> None:
    await service.admin.create("/accounts", name="tenant", password="my-clear-password")
    row = await service.db.fetchrow(
        "SELECT request, secrets, result FROM api_jobs WHERE api = 'CreateAccount'"
    )
    assert "my-clear-password" not in row["request"] + row["secrets"] + row["result"]
    assert "$argon2id$" in row["secrets"]
    assert "argon2" not in row["result"]


@pytest.fixture
async def idle(settings: Settings) -> Any:
    """The service without workers."""
    async with running_service(settings, workers=0, senders=0) as running:
        yield running


async def test_queued_job_is_canceled_at_once(idle: Service) -> None:
    accepted = await idle.admin.call("POST", "/zones", {"params": {"name": "never"}})
    location = accepted.body["location"]
    assert (await idle.admin.get(location)).status == 202
    assert (await idle.admin.call("DELETE", location)).status == 202
    answer = await idle.admin.get(location)
    assert (answer.status, answer.code) == (503, "SYS.1017")
    assert (await idle.admin.call("DELETE", location)).status == 409


async def test_canceling_the_first_job_of_a_resource_frees_the_next(idle: Service) -> None:
    chosen = job_uuid()
    first = await idle.admin.call("POST", "/zones", {"params": {"name": "a", "resourceUuid": chosen}})
    second = await idle.admin.call("POST", "/zones", {"params": {"name": "b", "resourceUuid": chosen}})
    claimed = await claim(idle.db)
    assert [job.uuid for job in claimed] == [first.headers["X-Job-UUID"]]
    assert await claim(idle.db) == []
    await store.hand_back(idle.db, idle.settings, [job.key for job in claimed], None, "{}")
    await idle.admin.call("DELETE", first.body["location"])
    freed = await claim(idle.db)
    assert [job.uuid for job in freed] == [second.headers["X-Job-UUID"]]


async def test_full_queue_refuses_with_retry_after(settings: Settings) -> None:
    async with running_service(replace(settings, max_queue_depth=3), workers=0, senders=0) as running:
        for _ in range(3):
            assert (await running.admin.call("POST", "/zones", {"params": {"name": "z"}})).status == 202
        async with asyncio.timeout(10):
            while (
                answer := await running.admin.call("POST", "/zones", {"params": {"name": "z"}})
            ).status == 202:
                await asyncio.sleep(0.05)
        assert (answer.status, answer.code) == (503, "SYS.1010")
        assert int(answer.headers["Retry-After"]) > 0


async def test_job_past_its_deadline_is_not_run(idle: Service, settings: Settings) -> None:
    headers = {"X-API-Timeout": "1"}
    accepted = await idle.admin.call("POST", "/zones", {"params": {"name": "late"}}, headers=headers)
    await idle.db.execute("UPDATE api_jobs SET deadline_at = now() - interval '1 second'")
    assert await store.sweep(idle.db, settings, "{}", "{}", '{"error":{"code":"SYS.1001"}}')
    answer = await idle.admin.get(accepted.body["location"])
    assert (answer.status, answer.code) == (503, "SYS.1001")


async def test_job_that_keeps_losing_its_worker_fails_and_runs_alone(
    idle: Service, settings: Settings
) -> None:
    await idle.admin.call("POST", "/zones", {"params": {"name": "innocent"}})
    hostile = await idle.admin.call("POST", "/zones", {"params": {"name": "hostile"}})
    uuid_ = hostile.headers["X-Job-UUID"]
    assert len(await claim(idle.db)) == 2
    await idle.db.execute(DIE)
    assert await store.sweep(idle.db, settings, "{}", "{}", "{}") == []
    assert await claim(idle.db) == []
    alone = await claim(idle.db, suspects=True)
    assert len(alone) == 1
    await idle.db.execute(
        "UPDATE api_jobs SET claims = 3, state = 'running', owner = 'w' WHERE uuid = $1", uuid_
    )
    await idle.db.execute(DIE)
    ended = await store.sweep(idle.db, settings, '{"error":{"code":"SYS.1000"}}', "{}", "{}")
    assert [uuid for uuid, _ in ended] == [uuid_]
    assert (await idle.admin.get(hostile.body["location"])).code == "SYS.1000"


async def test_stale_worker_cannot_finish(idle: Service, settings: Settings) -> None:
    await idle.admin.call("POST", "/zones", {"params": {"name": "raced"}})
    pool = db.create_pool(settings, application="test")
    bell = Bell(settings)
    (job,) = await claim(idle.db)
    await idle.db.execute("UPDATE api_jobs SET epoch = epoch + 1, owner = 'another'")
    await Executor(pool, settings, build_services(settings), bell).run([job])
    assert await zones(idle, "raced") == 0
    assert await idle.db.fetchval("SELECT state FROM api_jobs") == "running"
    await bell.stop()
    await pool.close()


async def test_shared_names_run_beside_each_other_and_wait_for_exclusive_ones(idle: Service) -> None:
    async def put(name: str, keys: str) -> None:
        job = Submission(name, "a", "a", False, "X", b"", "{}", "", keys, False, False, None, 100, "", None)
        assert await store.accept(idle.db, [job]) == []

    for name, keys in (("s1", "~k"), ("s2", "~k other"), ("x", "k"), ("s3", "~k"), ("free", "elsewhere")):
        await put(name, keys)

    async def claimed() -> list[str]:
        return [job.uuid for job in await claim(idle.db)]

    async def end(*names: str) -> None:
        await idle.db.execute(
            "SELECT finish_jobs('running', $1::text[], $2::int[], $3::text[], $4::text[], 60)",
            list(names),
            [1] * len(names),
            ["succeeded"] * len(names),
            ["{}"] * len(names),
        )

    assert await claimed() == ["s1", "s2", "free"]
    await end("s2")
    assert await claimed() == []
    await end("s1")
    assert await claimed() == ["x"]
    assert await claimed() == []
    await end("x")
    assert await claimed() == ["s3"]


async def test_users_see_and_cancel_their_own_jobs_only(idle: Service) -> None:
    await idle.db.execute(
        """
        INSERT INTO users (uuid, account_uuid, name, password_hash)
        SELECT $1, uuid, 'u', password_hash FROM accounts
        """,
        "e" * 12 + "4eee8eeeeeeeeeeeeeee",
    )
    body = {"logInByUser": {"accountName": "admin", "userName": "u", "password": "password"}}
    token = (await idle.anonymous.call("PUT", "/accounts/users/login", body)).inventory["uuid"]
    user = Client(idle.http, idle.anonymous.base, token)
    others = await idle.admin.call("POST", "/zones", {"params": {"name": "z"}})
    for method in ("GET", "DELETE"):
        assert (await user.call(method, others.body["location"])).status == 404
    assert (await user.get("/api-jobs")).body["inventories"] == []
    assert len((await idle.admin.get("/api-jobs")).body["inventories"]) == 1


async def test_plain_poll_is_held_until_the_end(settings: Settings) -> None:
    """Clients sleep for seconds after a poll that came too early. Held ones need no connection."""
    held = replace(settings, poll_hold_s=30.0, db_pool_size=2)
    async with running_service(held, workers=0, senders=0) as service:
        accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
        assert accepted.body["apiTimeout"] == 1800 * 1000
        path = accepted.body["location"]
        polls = [asyncio.create_task(service.admin.get(path)) for _ in range(90)]
        others = await asyncio.gather(*(service.admin.get("/zones") for _ in range(20)))
        assert {answer.status for answer in others} == {200}
        assert not any(poll.done() for poll in polls)
        job = path.rpartition("/")[2]
        assert (await service.admin.call("DELETE", f"/api-jobs/{job}")).status == 202
        async with asyncio.timeout(20):
            assert {(await poll).code for poll in polls} == {"SYS.1017"}


async def test_plain_poll_is_held_for_a_moment_only(settings: Settings) -> None:
    async with running_service(replace(settings, poll_hold_s=0.05), workers=0, senders=0) as service:
        headers = {"X-API-Timeout": "77"}
        accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}}, headers=headers)
        assert accepted.body["apiTimeout"] == 77 * 1000
        assert (await service.admin.get(accepted.body["location"])).status == 202


async def test_the_stream_of_all_jobs_tells_what_becomes_of_each(service: Service) -> None:
    _, tenant = await service.account("told")
    _, other = await service.account("untold")
    headers = {"Authorization": f"OAuth {tenant.token}"}
    async with service.http.get(f"{tenant.base}/api-jobs/events", headers=headers) as reply:
        assert reply.content_type == "text/event-stream"
        await other.create("/accounts/users", name="theirs", password="p")
        made = await tenant.create("/accounts/users", name="ours", password="p")
        told: list[dict[str, str]] = []
        async with asyncio.timeout(10):
            async for line in reply.content:
                if line.startswith(b"data: "):
                    told.append(json.loads(line.removeprefix(b"data: ")))
                    if told[-1]["state"] == "succeeded":
                        break
    assert {job["accountUuid"] for job in told} == {made["accountUuid"]}
    assert {job["api"] for job in told} == {"CreateUser"}
    resumed = await tenant.get("/api-jobs/events?seconds=0", headers={"Last-Event-ID": "1"})
    assert b'"succeeded"' in resumed.body


async def test_details_show_the_request_without_its_secrets(service: Service) -> None:
    _, tenant = await service.account("detailed")
    _, other = await service.account("curious")
    accepted = await tenant.call(
        "POST", "/accounts/users", {"params": {"name": "u", "password": "a very secret text"}}
    )
    await tenant.result(accepted.body["location"])
    uuid = accepted.headers["X-Job-UUID"]
    shown = (await tenant.get(f"/api-jobs/{uuid}/details")).inventory
    assert shown["request"]["name"] == "u"
    assert shown["result"]["inventory"]["name"] == "u"
    assert shown["state"] == "succeeded"
    assert "secret" not in json.dumps(shown)
    assert (await other.get(f"/api-jobs/{uuid}/details")).status == 404


@pytest.mark.provokes("GetApiJob", "JobNotFound")
async def test_details_of_an_unknown_job(service: Service) -> None:
    assert (await service.admin.get(f"/api-jobs/{'0' * 32}/details")).code == "SYS.1003"
