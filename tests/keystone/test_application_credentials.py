"""Application credentials: what opens them, what bounds them, and what ends them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app import Service
from keystone.talking import UNSCOPED, Keystone, Person
from zstack_mgmt.identity.application_credentials.api import MAX_CREDENTIALS

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN_ROLE = "a0000000000040008000000000000001"


async def make(person: Person, **attributes: Any) -> Any:
    """A credential of the person, with its secret."""
    attributes.setdefault("name", "robot")
    body = {"application_credential": attributes}
    answer = await person.call("POST", f"users/{person.id}/application_credentials", body)
    assert answer.status == 201, answer
    return answer.body["application_credential"]


async def open_by(keystone: Keystone, secret: str, scope: Any = None, **named: Any) -> Any:
    """The answer to a login with the credential."""
    given = {**named, "secret": secret}
    identity = {"methods": ["application_credential"], "application_credential": given}
    auth: dict[str, Any] = {"identity": identity}
    if scope is not None:
        auth["scope"] = scope
    return await keystone.call("POST", "auth/tokens", {"auth": auth})


async def person_of(keystone: Keystone, credential: Any) -> Person:
    answer = await open_by(keystone, credential["secret"], id=credential["id"])
    assert answer.status == 201, answer
    return Person(keystone, answer.headers["X-Subject-Token"], answer.body["token"])


@pytest_asyncio.fixture(loop_scope="module")
async def worker(admin: Person) -> Person:
    """A member and reader of a project of a domain of its own."""
    domain = (await admin.make("domain"))["id"]
    project = (await admin.make("project", domain_id=domain))["id"]
    user = await admin.make("user", domain_id=domain, password="secret")
    for role in ("member", "reader"):
        await admin.grant(role, user["id"], f"projects/{project}")
    return await admin.keystone.log_in(user["name"], "secret", {"project": {"id": project}}, domain)


async def test_a_credential_opens_tokens_of_its_project(worker: Person, keystone: Keystone) -> None:
    made = await make(worker, description="d")
    project = worker.token["project"]["id"]
    assert len(made["secret"]) >= 64
    assert (made["project_id"], made["unrestricted"], made["expires_at"]) == (project, False, None)
    assert sorted(role["name"] for role in made["roles"]) == ["member", "reader"]
    as_openstack_sends_it = await make(worker, name="no-role-named", roles=[])
    assert as_openstack_sends_it["roles"] == made["roles"]
    path = f"users/{worker.id}/application_credentials"
    shown = await worker.get(f"{path}/{made['id']}")
    assert shown == {"application_credential": {k: v for k, v in made.items() if k != "secret"}}
    assert (await worker.get(f"{path}?name=robot"))["application_credentials"] == [
        shown["application_credential"]
    ]
    assert (await worker.get(f"{path}?name=other"))["application_credentials"] == []
    user = worker.token["user"]
    ways: list[dict[str, Any]] = [
        {"id": made["id"]},
        {"name": "robot", "user": {"id": worker.id}},
        {"name": "robot", "user": {"name": user["name"], "domain": {"id": user["domain"]["id"]}}},
        {"name": "robot", "user": {"name": user["name"], "domain": {"name": user["domain"]["name"]}}},
    ]
    for way in ways:
        answer = await open_by(keystone, made["secret"], **way)
        assert answer.status == 201, (way, answer)
        token = answer.body["token"]
        assert token["methods"] == ["application_credential"]
        assert token["project"]["id"] == project
        assert token["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}
        assert token["catalog"]
        assert sorted(role["name"] for role in token["roles"]) == ["member", "reader"]


async def test_what_opens_nothing(worker: Person, keystone: Keystone, admin: Person) -> None:
    made = await make(worker)
    wrong = await open_by(keystone, "wrong", id=made["id"])
    unknown = await open_by(keystone, "wrong", id="0" * 32)
    by_name = await open_by(keystone, "wrong", name="robot", user={"id": "0" * 32})
    assert wrong.status == unknown.status == by_name.status == 401
    assert wrong.body == unknown.body == by_name.body
    another = await open_by(keystone, made["secret"], name="robot", user={"id": admin.id})
    assert another.body == wrong.body
    scoped = await open_by(keystone, made["secret"], {"system": {"all": True}}, id=made["id"])
    assert scoped.status == 401
    for bad in ({"id": made["id"], "secret": 1}, {"secret": "x"}, {"name": "x", "secret": "x"}):
        identity = {"methods": ["application_credential"], "application_credential": bad}
        answer = await keystone.call("POST", "auth/tokens", {"auth": {"identity": identity}})
        assert answer.status == 400, (bad, answer)


async def test_its_roles_are_bounded_by_those_of_its_maker(
    worker: Person, keystone: Keystone, admin: Person
) -> None:
    project = worker.token["project"]["id"]
    body = {"application_credential": {"name": "high", "roles": [{"id": ADMIN_ROLE}]}}
    refused = await worker.call("POST", f"users/{worker.id}/application_credentials", body)
    assert refused.status == 400
    robot = await person_of(keystone, await make(worker, roles=[{"name": "reader"}]))
    assert [role["name"] for role in robot.token["roles"]] == ["reader"]
    reader = await admin.role("reader")
    taken = f"projects/{project}/users/{worker.id}/roles/{reader}"
    assert (await admin.call("DELETE", taken)).status == 204
    assert (await robot.call("GET", "auth/projects")).status == 401
    assert (await worker.call("GET", "auth/projects")).status == 200
    assert (await open_by(keystone, "wrong", id=robot.token["application_credential"]["id"])).status == 401


async def test_an_administrator_with_fewer_roles_is_none(admin: Person, keystone: Keystone) -> None:
    """Neither where the door looks nor where the job runs, nor on the other doors."""
    await admin.grant("reader", admin.id, f"projects/{admin.token['project']['id']}")
    weak = await person_of(keystone, await make(admin, name="weak", roles=[{"name": "reader"}]))
    assert (await weak.call("POST", "domains", {"domain": {"name": "x"}})).status == 403
    assert (await weak.call("GET", "users")).status == 403
    v1 = await keystone.call("GET", "/zstack/v1/zones", headers={"Authorization": f"OAuth {weak.secret}"})
    assert v1.body["error"]["code"] == "ID.1001"
    scope = {"project": {"id": admin.token["project"]["id"]}}
    identity = {"methods": ["token"], "token": {"id": weak.secret}}
    rescoped = await keystone.call("POST", "auth/tokens", {"auth": {"identity": identity, "scope": scope}})
    assert rescoped.status == 403
    strong = await person_of(keystone, await make(admin, name="strong"))
    assert (await strong.call("POST", "domains", {"domain": {"name": "by-robot"}})).status == 201


async def test_a_restricted_one_makes_and_deletes_no_others(worker: Person, keystone: Keystone) -> None:
    restricted = await person_of(keystone, await make(worker, name="restricted"))
    path = f"users/{worker.id}/application_credentials"
    body = {"application_credential": {"name": "child"}}
    assert (await restricted.call("POST", path, body)).status == 403
    own = f"{path}/{restricted.token['application_credential']['id']}"
    assert (await restricted.call("DELETE", own)).status == 403
    free = await person_of(keystone, await make(worker, name="free", unrestricted=True))
    child = await make(free, name="child")
    assert (await free.call("DELETE", f"{path}/{child['id']}")).status == 204
    again = await free.call("DELETE", f"{path}/{child['id']}")
    assert (again.status, again.body["error"]["title"]) == (404, "Not Found")


async def test_what_ends_its_tokens(worker: Person, keystone: Keystone, admin: Person) -> None:
    made = await make(worker)
    robot = await person_of(keystone, made)
    other = await person_of(keystone, await make(worker, name="other"))
    gone = f"users/{worker.id}/application_credentials/{made['id']}"
    assert (await worker.call("DELETE", gone)).status == 204
    assert (await robot.call("GET", "auth/projects")).status == 401
    assert (await open_by(keystone, made["secret"], id=made["id"])).status == 401
    assert (await other.call("GET", "auth/projects")).status == 200
    assert (await admin.call("PATCH", f"users/{worker.id}", {"user": {"enabled": False}})).status == 200
    assert (await other.call("GET", "auth/projects")).status == 401


async def test_its_end(worker: Person, keystone: Keystone, service: Service) -> None:
    at = datetime.now(UTC) + timedelta(minutes=5)
    sent = at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    made = await make(worker, expires_at=sent)
    assert made["expires_at"] == sent
    robot = await person_of(keystone, made)
    assert robot.token["expires_at"] == f"{sent}Z"
    await service.db.execute(
        "UPDATE application_credentials SET expires_at = now() WHERE uuid = $1", made["id"]
    )
    assert (await open_by(keystone, made["secret"], id=made["id"])).status == 401
    path = f"users/{worker.id}/application_credentials"
    for bad in ("2020-01-01T00:00:00Z", "soon"):
        body = {"application_credential": {"name": "late", "expires_at": bad}}
        assert (await worker.call("POST", path, body)).status == 400


async def test_a_chosen_secret_and_what_is_refused(worker: Person, keystone: Keystone, admin: Person) -> None:
    made = await make(worker, secret="chosen by the client", name="chosen")
    assert made["secret"] == "chosen by the client"
    await person_of(keystone, made)
    path = f"users/{worker.id}/application_credentials"
    rules = [{"path": "/v2.1/servers", "method": "GET", "service": "compute"}]
    bodies: list[dict[str, Any]] = [
        {},
        {"name": ""},
        {"name": "x", "access_rules": rules},
        {"name": "x", "roles": [{}]},
        {"name": "x", "unknown": 1},
        {"name": "x", "project_id": "0" * 32},
    ]
    for body in bodies:
        refused = await worker.call("POST", path, {"application_credential": body})
        assert refused.status == 400, (body, refused)
    taken = await worker.call("POST", path, {"application_credential": {"name": "chosen"}})
    assert taken.status == 409
    of_another = f"users/{admin.id}/application_credentials"
    assert (await worker.call("GET", of_another)).status == 403
    assert (await worker.call("GET", f"users/{'0' * 32}/application_credentials")).status == 403
    assert (await admin.call("POST", path, {"application_credential": {"name": "x"}})).status == 403
    assert (await admin.get(path))["application_credentials"][0]["id"] == made["id"]
    unscoped = await keystone.log_in(
        worker.token["user"]["name"], "secret", UNSCOPED, worker.token["user"]["domain"]["id"]
    )
    assert (await unscoped.call("POST", path, {"application_credential": {"name": "x"}})).status == 400


async def test_no_trace_of_the_secret(worker: Person, service: Service) -> None:
    made = await make(worker, secret="a secret that nobody keeps")
    stored = await service.db.fetch("SELECT j::text FROM api_jobs j UNION ALL SELECT a::text FROM audits a")
    assert all(made["secret"] not in row[0] for row in stored)
    assert any(made["id"] in row[0] for row in stored)


async def test_what_does_not_bind_it(worker: Person, keystone: Keystone, service: Service) -> None:
    """Its maker's password may expire; wrong secrets lock out the credential, and not its maker."""
    made = await make(worker)
    for _ in range(10):
        assert (await open_by(keystone, "wrong", id=made["id"])).status == 401
    assert (await open_by(keystone, made["secret"], id=made["id"])).status == 401
    user = worker.token["user"]
    await keystone.log_in(user["name"], "secret", domain=user["domain"]["id"])
    other = await make(worker, name="other")
    await service.db.execute("UPDATE users SET password_expires_at = now() WHERE uuid = $1", worker.id)
    await person_of(keystone, other)


async def test_there_is_a_most_of_them(worker: Person, service: Service) -> None:
    await make(worker)
    await service.db.execute(
        """
        INSERT INTO application_credentials
            (uuid, login_uuid, project_uuid, name, secret_hash, role_uuids, unrestricted)
        SELECT md5(n::text || login_uuid), login_uuid, project_uuid, n, secret_hash, role_uuids, false
        FROM application_credentials, generate_series(2, $2::int) AS n WHERE login_uuid = $1
        """,
        worker.id,
        MAX_CREDENTIALS,
    )
    body = {"application_credential": {"name": "one more"}}
    assert (await worker.call("POST", f"users/{worker.id}/application_credentials", body)).status == 403
