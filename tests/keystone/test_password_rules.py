"""Passwords that expire, at both doors."""

from typing import Any

import pytest

from app import Service
from keystone.talking import Keystone, Person

LOCKOUT = 3
SETTINGS = {
    "password_expires_days": 3,
    "password_change_on_first_use": 1,
    "password_min_age_days": 1,
    "user_inactive_days": 30,
    "login_lockout_failures": LOCKOUT,
    "login_free_failures": 100,  # the delay of an address is another matter
}
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_whoever_gets_a_password_must_change_it_first(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    made = await admin.make("user", password="first")
    body = {"params": {"name": "made-there", "password": "first"}}
    there = (await service.admin.job("POST", "/accounts/users", body)).inventory
    for uuid in (made["id"], there["uuid"]):
        refused = await keystone.authenticate({"id": uuid, "password": "first"})
        assert (refused.status, "expired" in refused.body["error"]["message"]) == (401, True)
        change = {"user": {"original_password": "first", "password": "second"}}
        assert (await keystone.call("POST", f"users/{uuid}/password", change)).status == 204
        user = (await keystone.authenticate({"id": uuid, "password": "second"})).body["token"]["user"]
        assert user["password_expires_at"] > "2026"
        too_young = {"user": {"original_password": "second", "password": "third"}}
        assert (await keystone.call("POST", f"users/{uuid}/password", too_young)).status == 400
    audit = "SELECT account_uuid FROM audits WHERE api = 'ChangeOwnPassword' AND target = $1"
    for _ in range(50):
        if account := await service.db.fetchval(audit, made["id"]):
            break
        await service.db.execute("SELECT pg_sleep(0.1)")
    assert account


async def test_options_lift_the_rules(keystone: Keystone, admin: Person) -> None:
    options = {"ignore_change_password_upon_first_use": True, "ignore_password_expiry": True}
    user = await admin.make("user", password="first", options=options)
    assert user["password_expires_at"] is None
    assert (await keystone.authenticate({"id": user["id"], "password": "first"})).status == 201


async def test_who_has_not_logged_in_for_long_is_disabled(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    options = {"ignore_change_password_upon_first_use": True}
    user = await admin.make("user", password="first", options=options)
    login = {"id": user["id"], "password": "first"}
    assert (await keystone.authenticate(login)).status == 201
    past = "UPDATE login_details SET active_at = now() - interval '31 days' WHERE login_uuid = $1"
    await service.db.execute(past, user["id"])
    for right in (login, {**login, "password": "wrong"}):
        refused = await keystone.authenticate(right)
        assert (refused.status, "for long" in refused.body["error"]["message"]) == (401, right == login)
    body = {"logInByUser": {"accountName": "admin", "userName": user["name"], "password": "first"}}
    assert (await service.anonymous.call("PUT", "/accounts/users/login", body)).code == "ID.1000"
    assert (await admin.get(f"users/{user['id']}"))["user"]["enabled"] is False
    disabled = (await admin.get("users?enabled=false"))["users"]
    assert [one["id"] for one in disabled] == [user["id"]]
    assert (await admin.call("PATCH", f"users/{user['id']}", {"user": {"enabled": True}})).status == 200
    assert (await keystone.authenticate(login)).status == 201


async def test_an_option_keeps_the_lockout_from_a_user(
    service: Service, keystone: Keystone, admin: Person
) -> None:
    lift: dict[str, Any] = {"ignore_change_password_upon_first_use": True}
    option = {"ignore_lockout_failure_attempts": True}
    free = await admin.make("user", password="first", options=lift | option)
    bound = await admin.make("user", password="first", options=lift)
    for user in (free, bound):
        for _ in range(LOCKOUT):
            assert (await keystone.authenticate({"id": user["id"], "password": "wrong"})).status == 401
    right = {"password": "first"}
    assert (await keystone.authenticate({"id": bound["id"], **right})).status == 401
    assert (await keystone.authenticate({"id": free["id"], **right})).status == 201
    for user, code in ((free, None), (bound, "ID.1000")):
        login = {"accountName": "admin", "userName": user["name"], **right}
        answer = await service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": login})
        assert (answer.code if answer.status != 200 else None) == code
    for _ in range(LOCKOUT):
        await keystone.authenticate({"id": free["id"], "password": "wrong"})
    off = {"user": {"options": {"ignore_lockout_failure_attempts": None}}}
    assert (await admin.call("PATCH", f"users/{free['id']}", off)).status == 200
    assert (await keystone.authenticate({"id": free["id"], **right})).status == 401
