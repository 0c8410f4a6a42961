"""The documents that this door implements: their sample requests, the fields of their tables, their errors.

000 and 001 are two editions of EOS's API reference, 6.2.1; 002 is a user's detail, 003 the list of users.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from app import ADMIN, Answer, Service
from engine.waiting import until
from keystone.talking import COUNTER, Keystone, Person

DEPTH = 50
SETTINGS = {
    "request_timeout_s": 1,
    "job_timeout_s": 2,
    "max_body_bytes": 10_000,
    "password_regex": "^.{4,}$",
    "max_account_queue_depth": DEPTH,
}
pytestmark = pytest.mark.asyncio(loop_scope="module")
TEXT, FLAG, OBJECT, LIST, NONE = str, bool, dict, list, type(None)
Fields = dict[str, tuple[type, ...]]

TABLE_OF_QUOTAS = """
    instances cores ram volumes_hdd gigabytes_hdd snapshots_hdd backup_gigabytes backups network subnet
    floatingip router security_group security_group_rule port loadbalancer cpu pods memory gpu alcub_storage
    general_storage
"""
TABLE_002: Fields = {
    "description": (TEXT,),
    "domain_id": (TEXT,),
    "enabled": (FLAG,),
    "id": (TEXT,),
    "links": (OBJECT,),
    "name": (TEXT,),
    "password_expires_at": (TEXT, NONE),
    "pwd_status": (FLAG,),
    "pwd_strength": (TEXT,),
    "default_project_id": (TEXT,),
    "last_project_id": (TEXT,),
}
TABLE_003: Fields = {name: kinds for name, kinds in TABLE_002.items() if name != "pwd_strength"}
TABLE_003 |= {"email": (TEXT,)}
ALWAYS_003 = ("description", "domain_id", "enabled", "id", "links", "name", "password_expires_at")
TABLE_000: Fields = {
    "default_project_id": (TEXT, NONE),
    "domain_id": (TEXT,),
    "enabled": (FLAG,),
    "federated": (LIST,),
    "id": (TEXT,),
    "links": (OBJECT,),
    "name": (TEXT,),
    "email": (TEXT, NONE),
    "password_expires_at": (TEXT, NONE),
    "options": (OBJECT,),
}


def check(found: dict[str, Any], fields: Fields) -> None:
    """Each field is there, with one of its types."""
    for name, kinds in fields.items():
        assert name in found, name
        assert type(found[name]) in kinds, (name, found[name])


async def sample_login(keystone: Keystone) -> Answer:
    """000 and 001, "签名机制": a token of a project, by the user's id."""
    body = {
        "auth": {
            "scope": {"project": {"domain": {"name": "Default"}, "name": "admin"}},
            "identity": {
                "password": {"user": {"password": "password", "id": ADMIN}},
                "methods": ["password"],
            },
        }
    }
    return await keystone.call("POST", "auth/tokens", body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def user(admin: Person) -> Any:
    domain = await admin.make("domain")
    return await admin.make(
        "user",
        name="username",
        domain_id=domain["id"],
        password="Secret-1-word",
        email="",
        description="1234",
        default_project_id="263fd9",
        enabled=True,
        user_type="individual",
        user_role="domain_member",
    )


async def test_the_token_of_the_sample_opens_what_the_documents_show(keystone: Keystone) -> None:
    answer = await sample_login(keystone)
    assert answer.status == 201
    headers = {"Content-Type": "application/json", "X-Auth-Token": answer.headers["X-Subject-Token"]}
    for more in ({}, {"X-Project-Id": answer.body["token"]["project"]["id"]}):
        found = await keystone.call("POST", "auth/projects", headers=headers | more)
        assert found.status == 200
        assert [one["name"] for one in found.body["projects"]] == ["admin"]
        assert found.headers["RequestId"]
    usage = await keystone.call("GET", "domain_usage", headers=headers)
    parts = usage.body["domain"]["RegionOne"]
    assert parts.keys() == {"quotas", "allocated", "usage", "limits", "quota_fake"}
    for part in parts.values():
        check(part, dict.fromkeys(TABLE_OF_QUOTAS.split(), (int, float)))


async def test_quotas_of_a_domain(admin: Person, user: Any) -> None:
    path = f"domain_quotas/{user['domain_id']}"
    sample = {"domain": {"router": 3000, "cores": 100, "region": "RegionOne"}}
    for answer in (await admin.call("GET", path), await admin.call("PATCH", path, sample)):
        assert answer.status == 200
        (region,) = answer.body["domain"]
        assert region == "RegionOne"
        parts = answer.body["domain"][region]
        assert parts.keys() == {"quotas", "usage", "limits"}
        for part in parts.values():
            check(part, dict.fromkeys(TABLE_OF_QUOTAS.split(), (int, float)))
    assert (parts["quotas"]["router"], parts["quotas"]["cores"]) == (3000, 100)


async def test_an_administrator_sets_a_users_password(admin: Person, user: Any) -> None:
    sample = {"user": {"password": "new_secretsecret"}}
    answer = await admin.call("PATCH", f"users/{user['id']}", sample)
    assert answer.status == 200
    check(answer.body["user"], TABLE_000)
    shown = answer.body["user"]
    assert shown["user_type"] == shown["extra"]["user_type"] == "individual"
    assert shown["user_role"] == shown["extra"]["user_role"] == "domain_member"
    bare = await admin.make("user", domain_id=user["domain_id"])
    answer = await admin.call("PATCH", f"users/{bare['id']}", sample)
    check(answer.body["user"], TABLE_000)
    options = (
        "ignore_change_password_upon_first_use ignore_password_expiry ignore_lockout_failure_attempts "
        "lock_password multi_factor_auth_enabled ignore_user_inactivity"
    )
    change: dict[str, Any] = {
        "options": {**dict.fromkeys(options.split(), False), "multi_factor_auth_rules": []}
    }
    answer = await admin.call("PATCH", f"users/{bare['id']}", {"user": change})
    assert answer.status == 200
    assert set(answer.body["user"]["options"]) == set(options.split())


async def test_the_detail_of_a_user(admin: Person, user: Any) -> None:
    headers = {"Accept": "application/json", "Content-Type": "application/json;charset=utf8"}
    found = await admin.get(f"users/{user['id']}", headers=headers)
    check(found["user"], TABLE_002)
    assert found["user"]["pwd_strength"] in ("high", "mid", "low")
    assert found["user"]["links"].keys() == {"self"}


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", True),
        ("enabled=true", True),
        ("enabled=false", False),
        ("name=username", True),
        ("name=username&enabled=true&password_expires_at=gt:2016-12-08T22:02:00Z", True),
        ("password_expires_at=lt:2016-12-08T22:02:00Z", False),
        *(
            (f"password_expires_at={operator}:2030-01-01T00:00:00Z", operator in ("lte", "gte", "eq"))
            for operator in ("lt", "lte", "gt", "gte", "eq", "neq")
        ),
    ],
)
async def test_the_list_of_users(admin: Person, service: Service, user: Any, query: str, seen: bool) -> None:
    at = "UPDATE users SET password_expires_at = '2030-01-01Z' WHERE uuid = $1"
    await service.db.execute(at, user["id"])
    headers = {"Accept": "application/json", "Content-Type": "application/json;charset=utf8"}
    path = f"users?domain_id={user['domain_id']}&{query}"
    found = await admin.get(path, headers=headers)
    assert found["links"] == {
        "self": f"{admin.keystone.service.origin}/v3/{path}",
        "previous": None,
        "next": None,
    }
    for one in found["users"]:
        check(one, {name: TABLE_003[name] for name in ALWAYS_003})
    of_sample = [one for one in found["users"] if one["id"] == user["id"]]
    assert bool(of_sample) == seen
    for one in of_sample:
        check(one, TABLE_003)
        assert one["password_expires_at"] == "2030-01-01T00:00:00.000000Z"


def is_told(answer: Answer, status: int, title: str) -> bool:
    error = answer.body["error"]
    return (answer.status, error["code"], error["title"], error.keys()) == (
        status,
        status,
        title,
        {"code", "message", "title"},
    )


async def test_the_errors_of_a_call(keystone: Keystone, admin: Person, user: Any) -> None:
    """300 to 413, but for 406, 407 and 411, which nothing here answers."""
    root = await keystone.call("GET", "/", headers={"Accept": "application/json"})
    assert root.status == 300
    path = f"users/{user['id']}"
    member = await admin.newcomer("member", "domains/default", "default", {"domain": {"id": "default"}})
    sample = {"user": {"name": "another", "password": "secret", "domain_id": user["domain_id"]}}
    taken = {"user": {"name": "username", "domain_id": user["domain_id"]}}
    for answer, status, title in (
        (await admin.call("PATCH", path, {"user": {"enabled": "true"}}), 400, "Bad Request"),
        (
            await admin.call("POST", "users", {"user": {**sample["user"], "password": "abc"}}),
            400,
            "Bad Request",
        ),
        (await admin.call("GET", "users?password_expires_at=at:noon"), 400, "Bad Request"),
        (await keystone.call("GET", path), 401, "Unauthorized"),
        (await keystone.call("GET", "users", token="ABCDEFJ"), 401, "Unauthorized"),
        (await member.call("PATCH", path, sample), 403, "Forbidden"),
        (await member.call("GET", "domain_usage"), 403, "Forbidden"),
        (await admin.call("GET", f"users/{'0' * 32}"), 404, "Not Found"),
        (await admin.call("GET", "domain_quotas/nowhere"), 404, "Not Found"),
        (await admin.call("PUT", path, {}), 405, "Method Not Allowed"),
        (await admin.call("POST", "users", taken), 409, "Conflict"),
        (await admin.call("PATCH", path, {"user": {"x": "y" * 20_000}}), 413, "Request Entity Too Large"),
    ):
        assert is_told(answer, status, title), answer


async def test_a_request_that_does_not_arrive_is_told_408(keystone: Keystone, admin: Person) -> None:
    at = urlsplit(keystone.service.origin)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = "POST /v3/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
    writer.write(f"{head}X-Auth-Token: {admin.secret}\r\n\r\n".encode())
    reply = await reader.readuntil(b"}}")
    writer.close()
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"title":"Request Timeout"' in reply


async def test_the_errors_of_the_server(service: Service, admin: Person) -> None:
    """500 and 504; 501 and 502 have no cause here."""
    await service.db.execute("ALTER TABLE user_groups RENAME TO mislaid")
    try:
        answer = await admin.call("GET", "groups")
    finally:
        await service.db.execute("ALTER TABLE mislaid RENAME TO user_groups")
    assert is_told(answer, 500, "Internal Server Error"), answer
    group = await admin.make("group")
    holder = await asyncpg.connect(service.settings.database_url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM user_groups WHERE uuid = $1 FOR UPDATE", group["id"])
            answer = await admin.call("PATCH", f"groups/{group['id']}", {"group": {"name": "late"}})
        assert is_told(answer, 504, "Gateway Timeout"), answer
    finally:
        await holder.close()


async def test_a_full_queue_is_told_503(service: Service, admin: Person, user: Any) -> None:
    domain = user["domain_id"]
    person = await admin.newcomer("admin", f"domains/{domain}", domain, {"domain": {"id": domain}})
    await service.db.execute(
        """
        INSERT INTO api_jobs (uuid, account_uuid, user_uuid, is_admin, api, fingerprint, keyed, outside,
                              deadline_at, waits_for)
        SELECT md5(n::text), $1, $1, false, 'None', '', false, false, now() + interval '1 h', 'nothing'
        FROM generate_series(1, $2::int) AS n
        """,
        domain,
        DEPTH,
    )

    async def is_refused() -> bool:
        answer = await person.call("POST", "groups", {"group": {"name": f"group-{next(COUNTER)}"}})
        return answer.status != 201 and is_told(answer, 503, "Service Unavailable")

    await until(is_refused)
    await service.db.execute("DELETE FROM api_jobs WHERE api = 'None'")
