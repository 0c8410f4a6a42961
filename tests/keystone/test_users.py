"""Users: lists with their filters, details with what EOS adds, changes and passwords."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app import ADMIN, Service
from keystone.talking import Keystone, Person

SETTINGS = {"password_regex": "^.{4,}$", "password_history": 2}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def domain(admin: Person) -> str:
    return (await admin.make("domain"))["id"]


async def names(admin: Person, domain: str, query: str) -> set[str]:
    found = await admin.get(f"users?domain_id={domain}&{query}")
    return {user["name"] for user in found["users"]}


async def test_a_new_user_has_its_attributes(admin: Person, domain: str) -> None:
    made = await admin.make(
        "user",
        domain_id=domain,
        password="Secret-1-word",
        email="a@b.c",
        description="d",
        options={"ignore_password_expiry": True},
        user_type="x",
    )
    shown = (await admin.get(f"users/{made['id']}"))["user"]
    assert shown == made
    expected = {
        "domain_id": domain,
        "enabled": True,
        "email": "a@b.c",
        "description": "d",
        "user_type": "x",
        "options": {"ignore_password_expiry": True},
        "password_expires_at": None,
        "pwd_status": True,
        "pwd_strength": "high",
        "last_project_id": "",
        "federated": [],
    }
    assert {key: shown[key] for key in expected} == expected


async def test_filters(admin: Person, service: Service, domain: str) -> None:
    for name, enabled in (("Anna", True), ("anton", False), ("be%a", True)):
        await admin.make("user", domain_id=domain, name=name, enabled=enabled)
    own = (await admin.get(f"domains/{domain}"))["domain"]["name"]
    assert await names(admin, domain, "") == {"Anna", "anton", "be%a", own}
    assert await names(admin, domain, "enabled=false") == {"anton"}
    assert await names(admin, domain, "enabled") == {"Anna", "be%a", own}
    assert await names(admin, domain, "name=Anna") == {"Anna"}
    assert await names(admin, domain, "name__startswith=an") == {"anton"}
    assert await names(admin, domain, "name__istartswith=an") == {"Anna", "anton"}
    assert await names(admin, domain, "name__contains=%25") == {"be%a"}
    assert await names(admin, domain, "name__icontains=N&name__endswith=a") == {"Anna"}
    assert await names(admin, domain, "sort_key=x&name__near=y") == {"Anna", "anton", "be%a", own}
    await service.db.execute("UPDATE users SET password_expires_at = '2026-01-02Z' WHERE name = 'Anna'")
    await service.db.execute("UPDATE users SET password_expires_at = '2026-01-04Z' WHERE name = 'anton'")
    at = "password_expires_at"
    assert await names(admin, domain, f"{at}=lt:2026-01-03T00:00:00Z") == {"Anna"}
    assert await names(admin, domain, f"{at}=gt:2026-01-01&{at}=lte:2026-01-02T00:00:00.000000Z") == {"Anna"}
    assert await names(admin, domain, f"{at}=neq:2026-01-02") == {"anton"}
    assert await names(admin, domain, f"{at}=2026-01-04") == {"anton"}


@pytest.mark.parametrize(
    "query",
    [
        "enabled=t",
        "limit=abc",
        "limit=-1",
        "domain_id=a_b",
        "password_expires_at=at:2026-01-01",
        "password_expires_at=lt:",
        "password_expires_at=lt:soon",
        "password_expires_at=gt:0001-01-01T00:00:00%2B23:59",
        "password_expires_at=lt:9999-12-31T23:59:59-23:59",
    ],
)
async def test_filters_that_mean_nothing_are_refused(admin: Person, query: str) -> None:
    assert (await admin.call("GET", f"users?{query}")).status == 400


async def test_pages_follow_their_links(admin: Person, domain: str) -> None:
    for _ in range(4):
        await admin.make("user", domain_id=domain)
    seen: list[str] = []
    path: str | None = f"/v3/users?domain_id={domain}&limit=2"
    while path:
        page = await admin.get(path)
        seen += [user["id"] for user in page["users"]]
        path = page["links"]["next"] and "{0.path}?{0.query}".format(urlsplit(page["links"]["next"]))
        assert page.get("truncated", False) == bool(path)
    everything = await admin.get(f"users?domain_id={domain}")
    assert seen == [user["id"] for user in everything["users"]]
    assert len(seen) == 5
    assert (await admin.call("GET", "users?limit=2&marker=nobody")).status == 404


async def test_a_change_answers_with_the_extras_twice(admin: Person, domain: str) -> None:
    user = await admin.make("user", domain_id=domain, email="a@b.c")
    changes = {"email": None, "default_project_id": "abc", "user_role": "r", "name": "renamed"}
    answer = await admin.call("PATCH", f"users/{user['id']}", {"user": changes})
    assert answer.status == 200
    changed = answer.body["user"]
    assert (changed["user_role"], changed["extra"]) == ("r", {"user_role": "r"})
    assert (changed["name"], changed["default_project_id"]) == ("renamed", "abc")
    assert changed["email"] is None
    assert "email" not in (await admin.get(f"users/{user['id']}"))["user"]


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({}, 400),
        ({"name": ""}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": "x", "enabled": "true"}, 400),
        ({"name": "x", "password": ["secret-text"]}, 400),
        ({"name": "x", "password": "abc"}, 400),  # the rule of the settings
        ({"name": "x", "options": {"unknown": True}}, 400),
        ({"name": "x", "options": {"lock_password": "yes"}}, 400),
        ({"name": "x", "options": {"multi_factor_auth_rules": [["password", "totp"]]}}, 400),
        ({"name": "x", "domain_id": "0" * 32}, 404),
        ({"name": "admin", "domain_id": "default"}, 409),
    ],
)
async def test_users_that_cannot_be_made(
    admin: Person, service: Service, attributes: dict[str, Any], status: int
) -> None:
    before = await service.db.fetchval("SELECT count(*) FROM users")
    answer = await admin.call("POST", "users", {"user": attributes})
    assert answer.status == status, answer
    assert "secret-text" not in str(answer.body)
    assert await service.db.fetchval("SELECT count(*) FROM users") == before


async def test_a_name_is_taken_once_in_a_domain(admin: Person, domain: str) -> None:
    await admin.make("user", domain_id=domain, name="once")
    body = {"user": {"name": "once", "domain_id": domain}}
    assert (await admin.call("POST", "users", body)).status == 409
    body["user"]["name"] = (await admin.get(f"domains/{domain}"))["domain"]["name"]
    assert (await admin.call("POST", "users", body)).status == 409


async def test_one_name_is_one_login(admin: Person, domain: str) -> None:
    own = (await admin.get(f"domains/{domain}"))["domain"]["name"]
    user = await admin.make("user", domain_id=domain)
    assert (await admin.call("PATCH", f"users/{user['id']}", {"user": {"name": own}})).status == 409
    rename = {"domain": {"name": user["name"]}}
    assert (await admin.call("PATCH", f"domains/{domain}", rename)).status == 409
    for same in ({"name": user["name"]}, {"name": "free"}):
        assert (await admin.call("PATCH", f"users/{user['id']}", {"user": same})).status == 200
    assert (await admin.call("PATCH", f"domains/{domain}", rename)).status == 200


async def test_an_administrator_sets_a_password_past_the_rules(
    keystone: Keystone, admin: Person, domain: str
) -> None:
    user = await admin.make("user", domain_id=domain, password="secret")
    person = await keystone.log_in(user["name"], "secret", domain=domain)
    answer = await admin.call("PATCH", f"users/{user['id']}", {"user": {"password": "abc"}})
    assert answer.status == 200
    assert (answer.body["user"]["pwd_status"], answer.body["user"]["pwd_strength"]) == (True, "low")
    assert (await person.call("GET", "auth/projects")).status == 401
    await keystone.log_in(user["name"], "abc", domain=domain)


async def test_owners_change_their_password_without_a_token(
    keystone: Keystone, admin: Person, service: Service, domain: str
) -> None:
    user = await admin.make("user", domain_id=domain, password="first")

    async def change(old: str, new: str) -> int:
        body = {"user": {"original_password": old, "password": new}}
        return (await keystone.call("POST", f"users/{user['id']}/password", body)).status

    past = "UPDATE users SET password_expires_at = '2026-01-01Z' WHERE uuid = $1"
    await service.db.execute(past, user["id"])
    refused = await keystone.authenticate({"id": user["id"], "password": "first"})
    assert (refused.status, user["id"] in refused.body["error"]["message"]) == (401, True)
    assert await change("wrong", "second") == 401
    assert await change("first", "abc") == 400  # the rule
    assert await change("first", "first") == 400  # the history
    assert await change("first", "second") == 204
    assert await change("second", "first") == 400
    person = await keystone.log_in(user["name"], "second", domain=domain)
    assert (await person.get(f"users/{user['id']}"))["user"]["pwd_status"] is False
    await admin.call("PATCH", f"users/{user['id']}", {"user": {"options": {"lock_password": True}}})
    assert await change("second", "third") == 400


async def test_an_expired_password_is_refused_at_the_other_door_too(
    service: Service, admin: Person, domain: str
) -> None:
    user = await admin.make("user", domain_id=domain, password="secret")
    await service.db.execute("UPDATE users SET password_expires_at = now() WHERE uuid = $1", user["id"])
    said = []
    for password in ("secret", "wrong"):
        login = {"accountUuid": domain, "userName": user["name"], "password": password}
        answer = await service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": login})
        assert answer.code == "ID.1000"
        said.append("expired" in answer.body["error"]["details"])
    assert said == [True, False]


async def test_the_own_login_of_a_domain_is_protected(admin: Person, domain: str) -> None:
    for uuid in (ADMIN, domain):
        assert (await admin.call("DELETE", f"users/{uuid}")).status == 403
        body = {"user": {"enabled": False}}
        assert (await admin.call("PATCH", f"users/{uuid}", body)).status == 403


async def test_deleted_is_gone(keystone: Keystone, admin: Person, domain: str) -> None:
    user = await admin.make("user", domain_id=domain, password="secret")
    person = await keystone.log_in(user["name"], "secret", domain=domain)
    assert (await admin.call("DELETE", f"users/{user['id']}")).status == 204
    assert (await admin.call("DELETE", f"users/{user['id']}")).status == 404
    assert (await admin.call("GET", f"users/{user['id']}")).status == 404
    assert (await person.call("GET", "auth/projects")).status == 401


async def test_a_change_is_one_audited_job(service: Service, admin: Person) -> None:
    user = await admin.make("user", password="secret")
    job = await service.db.fetchrow(
        """
        SELECT j.state, j.request::text AS request, a.outcome
        FROM api_jobs j JOIN audits a ON a.job_uuid = j.uuid
        WHERE j.api = 'CreateDomainUser' AND a.target = $1
        """,
        user["id"],
    )
    assert (job["state"], job["outcome"]) == ("succeeded", "succeeded")
    assert "secret" not in job["request"]


async def test_a_repeat_under_one_job_uuid_makes_one_user(service: Service, admin: Person) -> None:
    body = {"user": {"name": "repeated", "password": "secret"}}
    headers = {"X-Job-UUID": "0123456789ab4cde8123456789abcde0"}
    answers = [await admin.call("POST", "users", body, headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body["user"]["id"] == answers[1].body["user"]["id"]
