"""What is refused before anything is stored: malformed, unauthenticated, not permitted, unknown."""

import io
import json
from typing import Any

import pytest

from app import ADMIN, Client, Service

NOBODY = "0123456789ab4cde8123456789abcdef"


async def post(service: Service, data: bytes, path: str = "/zones", **headers: str) -> Any:
    sent = {"Authorization": f"OAuth {service.admin.token}"} | headers
    async with service.http.post(f"{service.admin.base}{path}", data=io.BytesIO(data), headers=sent) as reply:
        return reply.status, json.loads(await reply.read())


async def stored(service: Service) -> int:
    return await service.db.fetchval("SELECT count(*) FROM api_jobs")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"params":[]}',
        b'{"params":{}}',
        b'{"params":{"name":5}}',
        b'{"params":{"name":["a"]}}',
        b'{"params":{"name":"' + b"a" * 256 + b'"}}',
        b'{"params":{"name":"a\\u0000b"}}',
        b'{"params":{"name":"\\ud800"}}',
        b'{"params":{"name":"z","description":"' + b"d" * 2049 + b'"}}',
        b'{"params":{"name":"z","resourceUuid":"not-a-uuid"}}',
        b'{"params":{"name":"z"},"systemTags":"no list"}',
        b"[" * 100_000,
    ],
)
async def test_malformed_body_is_a_400_and_stores_nothing(service: Service, data: bytes) -> None:
    status, body = await post(service, data)
    assert status == 400, body
    assert body["error"]["code"] == "SYS.1007"
    assert await stored(service) == 0


async def test_body_over_a_mebibyte_is_a_413(service: Service) -> None:
    status, body = await post(service, b'{"params":{"name":"' + b"a" * (1024 * 1024) + b'"}}')
    assert status == 413
    assert body["error"]["details"]
    assert await stored(service) == 0


async def test_unknown_path_is_a_404(service: Service) -> None:
    for path in ("/nothing", "/zones/a/b/c", "/zones/%00", "/vm-instances/cdroms", "/hosts/nics"):
        answer = await service.admin.get(path)
        assert answer.status in (400, 404), path
        assert answer.body["error"]["details"]
    async with service.http.get(f"{service.origin}/elsewhere") as reply:
        assert reply.status == 404
        assert (await reply.json())["error"]


async def test_a_uuid_that_nothing_has_is_an_empty_list_in_every_spelling(service: Service) -> None:
    for uuid in (NOBODY, NOBODY.upper(), "01234567-89ab-4cde-8123-456789abcdef", "0" * 32):
        answer = await service.admin.get(f"/zones/{uuid}")
        assert (answer.status, answer.body["inventories"]) == (200, []), uuid
    assert (await service.admin.get(f"/accounts/{ADMIN.upper()}")).body["inventories"][0]["uuid"] == ADMIN


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/zones", "GET, POST"),
        ("PUT", "/zones", "GET, POST"),
        ("DELETE", "/accounts/login", "PUT"),
        ("GET", "/accounts/login", "PUT"),
        ("POST", "/zones/x/actions", "PUT"),
        ("PUT", "/api-jobs", "GET"),
        ("POST", "/api-jobs/x", "DELETE, GET"),
    ],
)
async def test_wrong_method_is_a_405_with_allow(service: Service, method: str, path: str, allow: str) -> None:
    answer = await service.admin.call(method, path)
    assert answer.status == 405
    assert answer.headers["Allow"] == allow


async def test_an_api_that_has_its_path_for_itself_takes_post_and_put(service: Service) -> None:
    login = {"logInByAccount": {"accountName": "admin", "password": "password"}}
    opened = await service.anonymous.call("POST", "/accounts/login", login)
    assert opened.inventory["accountUuid"] == ADMIN
    path = f"/eips/{'0' * 12}4000a{'0' * 15}/vm-instances/nics/{'0' * 12}4000a{'0' * 15}"
    assert (await service.admin.job("PUT", path, {})).code == "SYS.1003"
    assert (await service.admin.call("GET", path)).status == 405


async def test_unknown_action_names_the_known_ones(service: Service) -> None:
    answer = await service.admin.call("PUT", "/zones/x/actions", {"explodeZone": {}})
    assert answer.status == 400
    assert "updateZone" in answer.body["error"]["details"]


@pytest.mark.parametrize(
    "value", ["", "OAuth", "OAuth ", "OAuth nonsense", "Bearer x", "OAuth " + "a" * 5000, "OAuth null"]
)
async def test_without_a_session_nothing_is_learned(service: Service, value: str) -> None:
    for method, path in (("POST", "/zones"), ("GET", "/zones"), ("DELETE", "/zones/x"), ("GET", "/api-jobs")):
        headers = {"Authorization": value} if value else {}
        answer = await service.anonymous.call(method, path, headers=headers)
        assert (answer.status, answer.code) == (503, "ID.1001")
    assert await stored(service) == 0


async def test_header_that_the_billing_samples_use_is_taken(service: Service) -> None:
    answer = await service.anonymous.get("/zones", headers={"OAuth": service.admin.token})
    assert answer.status == 200


async def test_not_permitted_is_503_before_validation_of_references(service: Service) -> None:
    _, tenant = await service.account("tenant")
    before = await stored(service)
    for body in ({"params": {"name": "z"}}, {"params": {}}):
        answer = await tenant.call("POST", "/zones", body)
        assert (answer.status, answer.code) == (503, "ID.1002")
    assert await stored(service) == before


@pytest.mark.parametrize(
    "hook",
    [
        "ftp://127.0.0.1/x",
        "http://user:pw@127.0.0.1/",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://" + "a" * 2050,
        "nonsense",
        "http:///path",
    ],
)
async def test_hostile_hook_is_refused_with_the_rule(service: Service, hook: str) -> None:
    status, body = await post(service, b'{"params":{"name":"z"}}', **{"X-Web-Hook": hook})
    assert status == 400, body
    assert body["error"]["details"]
    assert await stored(service) == 0


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "abc", "99999999999", "٣", "0" * 20 + "1", "0" * 19 + "1" + "9" * 5000]
)
async def test_bad_timeout_is_refused(service: Service, value: str) -> None:
    status, _ = await post(service, b'{"params":{"name":"z"}}', **{"X-API-Timeout": value})
    assert status == 400


async def test_integral_floats_pass_and_others_do_not(service: Service) -> None:
    path = f"/accounts/sessions/{service.admin.token}/renew"
    answer = await service.admin.job("PUT", path, {"renewSession": {"duration": 100.0}})
    assert answer.status == 200
    bad = await service.admin.call("PUT", path, {"renewSession": {"duration": 100.5}})
    assert bad.status == 400


async def test_text_is_trimmed_and_unknown_fields_are_ignored(service: Service) -> None:
    body = {"params": {"name": "  z  ", "unknown": 1}, "alsoUnknown": {}}
    assert (await service.admin.job("POST", "/zones", body)).inventory["name"] == "z"


async def test_no_answer_shows_our_insides(service: Service) -> None:
    await service.db.execute("ALTER TABLE zones RENAME TO zones_away")
    answer = await service.admin.get("/zones")
    job = await service.admin.job("POST", "/zones", {"params": {"name": "z"}})
    await service.db.execute("ALTER TABLE zones_away RENAME TO zones")
    for seen in (answer, job):
        assert seen.code == "SYS.1000"
        text = json.dumps(seen.body)
        assert "zones" not in text
        assert "Traceback" not in text
        assert seen.body["error"]["opaque"]["requestId"]


async def test_session_life(service: Service) -> None:
    client = await service.anonymous.log_in()
    valid = await client.get(f"/accounts/sessions/{client.token}/valid")
    assert valid.body == {"valid": True}
    assert (await client.get("/zones")).status == 200
    for _ in range(2):
        out = await service.anonymous.call("DELETE", f"/accounts/sessions/{client.token}")
        assert (out.status, out.body) == (200, {})
    assert (await client.get("/zones")).code == "ID.1001"
    gone = await service.anonymous.get(f"/accounts/sessions/{client.token}/valid")
    assert gone.body == {"valid": False}


async def test_wrong_logins_answer_alike(service: Service) -> None:
    async def attempt(name: str, password: str) -> Any:
        body = {"logInByAccount": {"accountName": name, "password": password}}
        return await service.anonymous.call("PUT", "/accounts/login", body)

    wrong, unknown = await attempt("admin", "wrong"), await attempt("nobody", "password")
    assert wrong.status == unknown.status == 503
    assert wrong.body == unknown.body
    assert wrong.code == "ID.1000"


async def test_password_in_clear_and_as_digest_are_one(service: Service) -> None:
    from app import PASSWORD_SHA512

    assert (await service.anonymous.log_in("admin", PASSWORD_SHA512)).token


async def test_accounts_live_and_die(service: Service) -> None:
    account, tenant = await service.account("tenant", description="about")
    assert account["type"] == "Normal"
    again = await service.admin.job("POST", "/accounts", {"params": {"name": "tenant", "password": "x"}})
    assert (again.status, again.code) == (503, "SYS.1007")
    changed = await tenant.job("PUT", f"/accounts/{account['uuid']}", {"updateAccount": {"name": "renamed"}})
    assert changed.inventory["name"] == "renamed"
    foreign = await tenant.job(
        "PUT", "/accounts/36c27e8ff05c4780bf6d2fa65700f22e", {"updateAccount": {"name": "mine"}}
    )
    assert foreign.code == "SYS.1006"
    gone = await service.admin.job("DELETE", f"/accounts/{account['uuid']}")
    assert (gone.status, gone.body) == (200, {})
    login = {"logInByAccount": {"accountName": "renamed", "password": "secret"}}
    assert (await service.anonymous.call("PUT", "/accounts/login", login)).code == "ID.1000"


async def test_password_change_ends_the_sessions(service: Service) -> None:
    account, tenant = await service.account("tenant")
    other = await service.anonymous.log_in("tenant", "secret")
    path = f"/accounts/{account['uuid']}"
    await service.admin.job("PUT", path, {"updateAccount": {"password": "new-secret"}})
    await _until_invalid(tenant)
    await _until_invalid(other)
    assert (await service.anonymous.log_in("tenant", "new-secret")).token


async def _until_invalid(client: Client) -> None:
    import asyncio

    async with asyncio.timeout(4):
        while (await client.get("/zones")).status == 200:
            await asyncio.sleep(0.05)


async def test_a_thousand_uuids_fit_into_a_get(service: Service) -> None:
    query = "&".join(f"uuids={number:032x}" for number in range(1000))
    answer = await service.admin.get(f"/resources/names?{query}")
    assert (answer.status, answer.body["inventories"]) == (200, [])


async def test_tags_of_a_create_are_stored_and_queryable(service: Service) -> None:
    body = {"params": {"name": "tagged"}, "userTags": ["mine"], "systemTags": ["rack::7"]}
    zone = (await service.admin.job("POST", "/zones", body)).inventory
    for condition in ("__userTag__=mine", "__systemTag__~=rack%25"):
        found = await service.admin.get(f"/zones?q={condition}")
        assert [one["uuid"] for one in found.body["inventories"]] == [zone["uuid"]]
    assert await service.db.fetchval("SELECT count(*) FROM tags") == 2
    await service.admin.job("DELETE", f"/zones/{zone['uuid']}")
    assert await service.db.fetchval("SELECT count(*) FROM tags") == 0


async def test_true_is_no_number(service: Service) -> None:
    path = f"/accounts/sessions/{service.admin.token}/renew"
    answer = await service.admin.call("PUT", path, {"renewSession": {"duration": True}})
    assert (answer.status, answer.code) == (400, "SYS.1007")


async def test_the_owner_of_a_share_cannot_be_guessed_through_its_link(service: Service) -> None:
    owner, giver = await service.account("giver", description="about the giver")
    taker_account, taker = await service.account("taker")
    group = await giver.create("/accounts/groups", name="shared")
    share = {"resourceUuids": [group["uuid"]], "accountUuids": [taker_account["uuid"]]}
    assert (await giver.job("PUT", "/accounts/resources/actions", {"shareResource": share})).status == 200
    assert len((await taker.get("/accounts/groups?q=name=shared")).body["inventories"]) == 1
    for condition in ("account.name~=g%25", "account.description~=about%25", f"account.uuid={owner['uuid']}"):
        assert (await taker.get(f"/accounts/groups?q={condition}")).body["inventories"] == []
        assert len((await giver.get(f"/accounts/groups?q={condition}")).body["inventories"]) == 1
