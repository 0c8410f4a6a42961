"""Users: creation, change, deletion, and the policies bound to them."""

from typing import Any

import pytest

from app import Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, allow, uuids

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS = {"uuid", "accountUuid", "name", "description", "createDate", "lastOpDate"}


async def update(client: Client, **params: Any) -> Any:
    return await client.job("PUT", "/accounts/users/actions", {"updateUser": params})


async def bound(service: Service, user_uuid: str) -> list[str]:
    sql = "SELECT name FROM policies JOIN user_policies ON policy_uuid = uuid WHERE user_uuid = $1 ORDER BY 1"
    return [row["name"] for row in await service.db.fetch(sql, user_uuid)]


async def test_created_user_has_exactly_these_fields(tenant: Tenant) -> None:
    made = await tenant.client.create("/accounts/users", name="u", password="p", description="about")
    assert set(made) == FIELDS
    assert made["accountUuid"] == tenant.uuid
    again = await tenant.client.get(f"/accounts/users/{made['uuid']}", headers={"X-JSON-Schema": "true"})
    assert again.body["inventories"] == [made]
    assert again.body["schema"]["inventories[0]"] == f"{JAVA}.UserInventory"


async def test_names_are_unique_in_the_account_only(tenant: Tenant, stranger: Tenant) -> None:
    params = {"params": {"name": "ann", "password": "p"}}
    assert (await tenant.client.job("POST", "/accounts/users", params)).status == 200
    assert (await tenant.client.job("POST", "/accounts/users", params)).code == "SYS.1007"
    assert (await stranger.client.job("POST", "/accounts/users", params)).status == 200


async def test_default_policies_are_bound_to_new_users(service: Service, tenant: Tenant) -> None:
    user = await tenant.user()
    assert await bound(service, user.uuid) == ["DEFAULT-READ", "USER-RESET-PASSWORD"]
    assert (await user.client.get("/accounts/users")).status == 200
    assert (await update(user.client, description="by myself")).status == 200
    refused = await user.client.call("POST", "/accounts/users", {"params": {"name": "x", "password": "p"}})
    assert refused.code == "ID.1002"


async def test_builtin_admin_has_no_default_policies(service: Service, fresh: Any) -> None:
    made = await service.admin.create("/accounts/users", name=fresh(), password="p")
    assert await bound(service, made["uuid"]) == []


async def test_deletion_ends_sessions_memberships_and_bindings(service: Service, tenant: Tenant) -> None:
    user, group = await tenant.user(), await tenant.group()
    await tenant.join(group["uuid"], user.uuid)
    await update(tenant.client, uuid=user.uuid, password="secret")
    client = await tenant.log_in(user.inventory["name"])
    assert (await tenant.client.job("DELETE", f"/accounts/users/{user.uuid}")).body == {}
    assert (await client.get("/accounts/users")).code == "ID.1001"
    for table in ("sessions", "group_members", "user_policies"):
        assert not await service.db.fetchval(f"SELECT count(*) FROM {table} WHERE user_uuid = $1", user.uuid)
    history = "SELECT count(*) FROM password_history WHERE owner_uuid = $1"
    assert not await service.db.fetchval(history, user.uuid)


async def test_foreign_users_survive_a_deletion_that_succeeds(tenant: Tenant, stranger: Tenant) -> None:
    user = await tenant.user()
    answer = await stranger.client.job("DELETE", f"/accounts/users/{user.uuid}")
    assert (answer.status, answer.body) == (200, {})
    assert (await user.client.get("/accounts/users")).status == 200


async def test_admin_deletes_users_of_any_account(admin: Client, tenant: Tenant) -> None:
    user = await tenant.user()
    await admin.job("DELETE", f"/accounts/users/{user.uuid}")
    assert uuids(await tenant.client.get("/accounts/users")) == set()


async def test_account_session_must_name_the_user(tenant: Tenant) -> None:
    assert (await update(tenant.client, name="x")).code == "SYS.1007"


async def test_user_session_may_leave_the_uuid_out(tenant: Tenant) -> None:
    user = await tenant.user()
    assert (await update(user.client, name="self")).inventory["uuid"] == user.uuid
    assert (await update(user.client, uuid=user.uuid, name="self2")).inventory["name"] == "self2"


async def test_user_session_cannot_change_another(tenant: Tenant, stranger: Tenant) -> None:
    user, colleague, foreign = await tenant.user(), await tenant.user(), await stranger.user()
    for uuid in (colleague.uuid, foreign.uuid, UNKNOWN):
        assert (await update(user.client, uuid=uuid, password="stolen")).code == "SYS.1007"


async def test_foreign_user_is_absent(tenant: Tenant, stranger: Tenant) -> None:
    user = await tenant.user()
    foreign = await update(stranger.client, uuid=user.uuid, password="stolen")
    unknown = await update(stranger.client, uuid=UNKNOWN, password="stolen")
    assert foreign.code == unknown.code == "SYS.1003"
    assert foreign.body["error"]["details"].replace(user.uuid, UNKNOWN) == unknown.body["error"]["details"]


async def test_admin_changes_users_of_any_account(admin: Client, tenant: Tenant) -> None:
    user = await tenant.user()
    assert (await update(admin, uuid=user.uuid, description="x")).inventory["accountUuid"] == tenant.uuid


async def test_taken_name_is_refused(tenant: Tenant) -> None:
    one, two = await tenant.user(), await tenant.user()
    assert (await update(tenant.client, uuid=one.uuid, name=two.inventory["name"])).code == "SYS.1007"


async def test_update_of_nothing_answers_the_user(tenant: Tenant) -> None:
    user = await tenant.user()
    assert (await update(tenant.client, uuid=user.uuid)).inventory == user.inventory


async def test_new_password_ends_the_users_sessions(tenant: Tenant) -> None:
    user = await tenant.user()
    name = user.inventory["name"]
    other = await tenant.log_in(name)
    assert (await update(tenant.client, uuid=user.uuid, password="new")).status == 200
    for client in (user.client, other):
        assert (await client.get("/accounts/users")).code == "ID.1001"
    assert (await tenant.client.get("/accounts/users")).status == 200
    assert (await tenant.log_in(name, "new")).token


async def test_old_password_is_checked_when_given(tenant: Tenant) -> None:
    user = await tenant.user()
    refused = await update(user.client, password="new", oldPassword="wrong")
    assert (refused.status, refused.code) == (503, "SYS.1007")
    assert (await user.client.get("/accounts/users")).status == 200
    changed = await tenant.client.job(
        "PUT",
        "/accounts/users/actions",
        {"updateUser": {"uuid": user.uuid, "password": "n", "oldPassword": "secret"}},
    )
    assert changed.status == 200


@pytest.mark.parametrize("form", ["params", "empty", "bare"])
async def test_three_forms_of_attach_policy(service: Service, tenant: Tenant, form: str) -> None:
    user, policy = await tenant.user(bare=True), await tenant.policy(allow("identity:.*"))
    inner = {"policyUuid": policy}
    body = {"params": {"params": inner}, "empty": {"": inner}, "bare": inner}[form]
    for _ in range(2):
        answer = await tenant.client.job("POST", f"/accounts/users/{user.uuid}/policies", body)
        assert (answer.status, answer.body) == (200, {})
    assert await bound(service, user.uuid) == ["policy"]


async def test_attach_several_skips_bound_ones_and_detach_ignores_unbound_ones(
    service: Service, tenant: Tenant
) -> None:
    user = await tenant.user(bare=True)
    one, two, three = [await tenant.policy(allow(".*")) for _ in range(3)]
    path = f"/accounts/users/{user.uuid}"
    for policies in ([one], [one, two, two]):
        body = {"params": {"policyUuids": policies}}
        assert (await tenant.client.job("POST", f"{path}/policy-collection", body)).body == {}
    assert await bound(service, user.uuid) == ["policy", "policy"]
    gone = await tenant.client.job("DELETE", f"{path}/policies?policyUuids={one}&policyUuids={three}")
    assert (gone.status, gone.body) == (200, {})
    gone = await tenant.client.job("DELETE", f"{path}/policies?policyUuids.0={two}&policyUuids.1={three}")
    assert gone.status == 200
    assert await bound(service, user.uuid) == []


async def test_detach_of_one(service: Service, tenant: Tenant) -> None:
    user, policy = await tenant.user(bare=True), await tenant.policy(allow(".*"))
    await tenant.bind(user.uuid, policy)
    for _ in range(2):
        answer = await tenant.client.job("DELETE", f"/accounts/users/{user.uuid}/policies/{policy}")
        assert (answer.status, answer.body) == (200, {})
    assert await bound(service, user.uuid) == []


def bindings(user: str, policy: str) -> list[tuple[str, str, Any]]:
    """The four calls that bind or unbind."""
    path = f"/accounts/users/{user}"
    return [
        ("POST", f"{path}/policies", {"params": {"policyUuid": policy}}),
        ("POST", f"{path}/policy-collection", {"params": {"policyUuids": [policy]}}),
        ("DELETE", f"{path}/policies/{policy}", None),
        ("DELETE", f"{path}/policies?policyUuids={policy}", None),
    ]


async def test_unknown_ones_are_absent_and_foreign_ones_not_to_be_changed(
    tenant: Tenant, stranger: Tenant
) -> None:
    user, policy = await tenant.user(), await tenant.policy(allow(".*"))
    theirs, foreign = await stranger.user(), await stranger.policy(allow(".*"))
    await stranger.share(foreign, theirs.uuid, to=tenant)
    for pair, codes in (
        ((UNKNOWN, policy), {"SYS.1003"}),
        ((user.uuid, UNKNOWN), {"SYS.1003"}),
        ((theirs.uuid, policy), {"ID.1002"}),  # it is seen, since it is shared
        ((user.uuid, foreign), {"SYS.1003", "ID.1002"}),
        (("x", "y"), {"SYS.1003"}),
    ):
        for method, path, body in bindings(*pair):
            answer = await tenant.client.job(method, path, body)
            assert answer.status == 503, (method, path)
            assert answer.code in codes, (method, path)


async def test_admin_crosses_accounts_only_with_the_lists(
    admin: Client, service: Service, tenant: Tenant
) -> None:
    user, policy = await tenant.user(bare=True), await tenant.policy(allow(".*"))
    one, several, take_one, take_several = bindings(user.uuid, policy)
    for method, path, body in (one, take_one):
        assert (await admin.job(method, path, body)).code == "SYS.1007"
    assert (await admin.job(*several)).status == 200
    assert await bound(service, user.uuid) == ["policy"]
    assert (await admin.job(*take_several)).status == 200
    assert await bound(service, user.uuid) == []


async def test_not_even_admin_binds_a_policy_of_one_account_to_a_user_of_another(
    admin: Client, tenant: Tenant, stranger: Tenant
) -> None:
    user, foreign = await tenant.user(), await stranger.policy(allow(".*"))
    for method, path, body in bindings(user.uuid, foreign):
        assert (await admin.job(method, path, body)).code == "SYS.1007"


async def test_links_of_a_user(tenant: Tenant, fresh: Any) -> None:
    user, group = await tenant.user(allow(".*")), await tenant.group(name=fresh("devs"))
    await tenant.join(group["uuid"], user.uuid)
    await tenant.user()
    for condition in (f"group.name={group['name']}", "policy.name=policy", f"group.user.uuid={user.uuid}"):
        assert uuids(await tenant.client.get(f"/accounts/users?q={condition}")) == {user.uuid}, condition
    all_users = await tenant.client.get(f"/accounts/users?q=account.name={tenant.name}&count=true")
    assert all_users.body["total"] == 2
