"""Failed logins cost the same, whatever is wrong: one slow hash, so that time tells nobody what exists."""

import pytest

from keystone.talking import Keystone, Person
from zstack_mgmt.auth.passwords import PasswordService

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "0" * 32


async def test_every_failed_login_hashes_once(
    admin: Person, keystone: Keystone, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = (await admin.make("domain"))["id"]
    project = (await admin.make("project", domain_id=domain))["id"]
    known = await admin.make("user", domain_id=domain, password="secret")
    disabled = await admin.make("user", domain_id=domain, password="secret", enabled=False)
    without = await admin.make("user", domain_id=domain)
    here, nowhere = {"domain": {"id": domain}}, {"domain": {"id": NOBODY}}
    scope = {"project": {"id": project}}
    users = {
        "wrong password": ({"id": known["id"], "password": "wrong"}, None),
        "wrong password, by name": ({"name": known["name"], "password": "wrong", **here}, None),
        "unknown user": ({"id": NOBODY, "password": "secret"}, None),
        "unknown name": ({"name": "nobody", "password": "secret", **here}, None),
        "unknown domain": ({"name": known["name"], "password": "secret", **nowhere}, None),
        "unknown domain, by name": (
            {"name": known["name"], "password": "secret", "domain": {"name": "nowhere"}},
            None,
        ),
        "disabled user": ({"id": disabled["id"], "password": "secret"}, None),
        "no password": ({"id": without["id"], "password": "secret"}, None),
        "no role there": ({"id": known["id"], "password": "secret"}, scope),
        "unknown project": ({"id": known["id"], "password": "secret"}, {"project": {"id": NOBODY}}),
    }
    hashed = 0
    run = PasswordService._run  # pyright: ignore[reportPrivateUsage]

    async def counted(*args: object, **options: object) -> object:
        nonlocal hashed
        hashed += 1
        return await run(*args, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(PasswordService, "_run", counted)
    costs: dict[str, int] = {}
    bodies: set[str] = set()
    for what, (user, where) in users.items():
        before = hashed
        answer = await keystone.authenticate(user, where)
        assert answer.status == 401, (what, answer)
        bodies.add(str(answer.body))
        costs[what] = hashed - before
    assert set(costs.values()) == {1}, costs
    assert len(bodies) == 1, bodies
    for what, given in {
        "unknown credential": {"id": NOBODY, "secret": "x"},
        "unknown credential, by name": {"name": "x", "user": {"id": NOBODY}, "secret": "x"},
    }.items():
        before = hashed
        identity = {"methods": ["application_credential"], "application_credential": given}
        assert (await keystone.call("POST", "auth/tokens", {"auth": {"identity": identity}})).status == 401
        assert hashed - before == 1, what
    password = {"user": {"password": "another", "original_password": "wrong"}}
    for what in (known["id"], NOBODY):
        before = hashed
        assert (await keystone.call("POST", f"users/{what}/password", password)).status == 401
        assert hashed - before == 1, what
