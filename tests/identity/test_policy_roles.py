"""Roles of ZStack's API: what they give and deny, to whom, and who may say so."""

from typing import Any

import pytest

from app import Client
from identity.world import JAVA, UNKNOWN, Tenant, User, allow, deny, uuids

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = f"{JAVA}.APIQueryUserMsg"


async def make(client: Client, *statements: dict[str, Any]) -> Any:
    return await client.create("/identities/roles", name="role", statements=list(statements))


async def give(client: Client, role: Any, user: User, method: str = "POST") -> Any:
    return await client.job(method, f"/identities/users/{user.uuid}/roles/{role['uuid']}")


async def give_all(client: Client, role: Any, tenant: Tenant, method: str = "POST") -> Any:
    return await client.job(method, f"/identities/accounts/{tenant.uuid}/roles/{role['uuid']}")


async def act(client: Client, role: Any, **action: Any) -> Any:
    return await client.job("PUT", f"/identities/roles/{role['uuid']}/actions", action)


async def may_query(user: User) -> bool:
    answer = await user.client.get("/accounts/users")
    assert answer.status == 200 or answer.code == "ID.1002"
    return answer.status == 200


async def test_created_role_has_exactly_these_fields(tenant: Tenant) -> None:
    statement = allow("org.zstack.header.vm.**")
    made = await make(tenant.client, statement)
    (entry,) = made["statements"]
    assert made | {"createDate": "", "lastOpDate": ""} == {
        "uuid": made["uuid"],
        "name": "role",
        "accountUuid": tenant.uuid,
        "type": "Customized",
        "state": "Enabled",
        "statements": [{"uuid": entry["uuid"], "statement": statement}],
        "createDate": "",
        "lastOpDate": "",
    }
    queried = await tenant.client.get(f"/identities/roles/{made['uuid']}")
    assert queried.body["inventories"] == [made]


async def test_role_of_a_user_joins_its_policies(tenant: Tenant) -> None:
    role = await make(tenant.client, allow(QUERY))
    user, other = await tenant.user(bare=True), await tenant.user(bare=True)
    assert not await may_query(user)
    assert (await give(tenant.client, role, user)).status == 200
    assert (await give(tenant.client, role, user)).status == 200
    assert (await may_query(user), await may_query(other)) == (True, False)
    path = f"/identities/roles?q=user.uuid={user.uuid}"
    assert uuids(await tenant.client.get(path)) == {role["uuid"]}
    assert (await give(tenant.client, role, user, "DELETE")).status == 200
    assert (await give(tenant.client, role, user, "DELETE")).status == 200
    assert not await may_query(user)


async def test_role_of_an_account_holds_for_all_its_users(tenant: Tenant, stranger: Tenant) -> None:
    role = await make(tenant.client, allow(QUERY))
    before, theirs = await tenant.user(bare=True), await stranger.user(bare=True)
    assert (await give_all(tenant.client, role, tenant)).status == 200
    after = await tenant.user(bare=True)
    assert [await may_query(user) for user in (before, after, theirs)] == [True, True, False]
    assert (await give_all(tenant.client, role, tenant, "DELETE")).status == 200
    assert [await may_query(user) for user in (before, after)] == [False, False]


async def test_deny_of_a_role_beats_allow_of_a_policy(tenant: Tenant) -> None:
    user = await tenant.user(allow("**"), bare=True)
    role = await make(tenant.client, deny("identity:read"))
    await give(tenant.client, role, user)
    assert not await may_query(user)
    assert (await act(tenant.client, role, changeRoleState={"stateEvent": "disable"})).status == 200
    assert await may_query(user)
    await act(tenant.client, role, changeRoleState={"stateEvent": "enable"})
    assert not await may_query(user)
    assert (await tenant.client.job("DELETE", f"/identities/roles/{role['uuid']}")).body == {}
    assert await may_query(user)


async def test_statements_come_and_go_one_by_one(tenant: Tenant) -> None:
    user, role = await tenant.user(bare=True), await make(tenant.client)
    await give(tenant.client, role, user)
    path = f"/identities/roles/{role['uuid']}/policy-statements"
    body = {"params": {"statements": [allow(QUERY), allow("b")]}}
    first, second = (await tenant.client.job("POST", path, body)).inventory["statements"]
    assert await may_query(user)
    left = await tenant.client.job("DELETE", f"{path}?policyStatementUuids={first['uuid']}")
    assert left.inventory["statements"] == [second]
    assert not await may_query(user)


@pytest.mark.provokes("AddPolicyStatementsToRole", "InvalidArgument")
async def test_statements_are_bounded_together(tenant: Tenant) -> None:
    role = await make(tenant.client, *[allow("a")] * 99)
    path = f"/identities/roles/{role['uuid']}/policy-statements"
    more = await tenant.client.job("POST", path, {"params": {"statements": [allow("b")]}})
    assert more.status == 200
    for statement in (allow("c"), allow("(")):
        answer = await tenant.client.job("POST", path, {"params": {"statements": [statement]}})
        assert (answer.status, answer.code) == (503, "SYS.1007")


async def test_roles_of_another_account_are_absent(tenant: Tenant, stranger: Tenant) -> None:
    role, user = await make(tenant.client, allow("**")), await tenant.user(bare=True)
    theirs = await stranger.user(bare=True)
    path = f"/identities/roles/{role['uuid']}"
    assert uuids(await stranger.client.get(path)) == set()
    for answer in (
        await give(stranger.client, role, theirs),
        await give(stranger.client, role, theirs, "DELETE"),
        await give_all(stranger.client, role, stranger),
        await give_all(stranger.client, role, stranger, "DELETE"),
        await give(tenant.client, role, theirs),
        await give_all(tenant.client, role, stranger),
        await act(stranger.client, role, updateRole={"name": "x"}),
        await act(stranger.client, role, changeRoleState={"stateEvent": "disable"}),
        await stranger.client.job(
            "POST", f"{path}/policy-statements", {"params": {"statements": [deny("**")]}}
        ),
        await stranger.client.job("DELETE", f"{path}/policy-statements?policyStatementUuids={UNKNOWN}"),
    ):
        assert (answer.status, answer.code) == (503, "SYS.1003")
    assert (await stranger.client.job("DELETE", path)).status == 200
    assert (await tenant.client.get(path)).body["inventories"] == [role]
    assert not await may_query(theirs)
    assert not await may_query(user)


@pytest.mark.provokes("AttachRoleToUser", "InvalidArgument")
@pytest.mark.provokes("AttachRoleToAccount", "InvalidArgument")
async def test_administrator_gives_its_own_roles_to_anybody(
    admin: Client, tenant: Tenant, stranger: Tenant
) -> None:
    role, user = await make(admin, allow(QUERY)), await tenant.user(bare=True)
    assert (await give_all(admin, role, tenant)).status == 200
    assert await may_query(user)
    assert (await give_all(tenant.client, role, tenant, "DELETE")).code == "SYS.1003"
    assert (await give_all(admin, role, tenant, "DELETE")).status == 200
    assert not await may_query(user)
    assert (await give(admin, role, user)).status == 200
    assert await may_query(user)
    foreign = await make(stranger.client, allow("**"))
    for answer in (await give(admin, foreign, user), await give_all(admin, foreign, tenant)):
        assert (answer.status, answer.code) == (503, "SYS.1007")


async def test_new_owner_of_a_role_or_user_ends_what_was_given(
    admin: Client, tenant: Tenant, stranger: Tenant
) -> None:
    role, user = await make(tenant.client, allow(QUERY)), await tenant.user(bare=True)
    await give(tenant.client, role, user)
    await give_all(tenant.client, role, tenant)
    body = {"params": {"resourceUuid": role["uuid"]}}
    moved = await admin.job("POST", f"/account/{stranger.uuid}/resources", body)
    assert moved.status == 200
    assert not await may_query(user)
    assert uuids(await stranger.client.get(f"/identities/roles/{role['uuid']}")) == {role["uuid"]}


async def test_no_role_opens_what_is_for_accounts(tenant: Tenant) -> None:
    user, role = await tenant.user(bare=True), await make(tenant.client, allow("**"))
    await give(tenant.client, role, user)
    refused = await user.client.call("POST", "/identities/roles", {"params": {"name": "x"}})
    assert refused.code == "ID.1002"


async def test_roles_of_keystone_are_others(admin: Client) -> None:
    names = {role["name"] for role in (await admin.get("/identities/roles")).body["inventories"]}
    assert not names & {"manager", "reader"}


@pytest.mark.provokes("CreateRole", "InvalidArgument", "QuotaExceeded")
@pytest.mark.provokes("AddPolicyStatementsToRole", "QuotaExceeded")
async def test_rules_are_checked_and_text_is_counted(new_tenant: Any, admin: Client) -> None:
    tenant = await new_tenant()
    body = {"params": {"name": "r", "statements": [allow("(")]}}
    assert (await tenant.client.job("POST", "/identities/roles", body)).code == "SYS.1007"
    role = await make(tenant.client)
    quota = {"updateQuota": {"identityUuid": tenant.uuid, "name": "text.size", "value": 1000}}
    assert (await admin.job("PUT", "/accounts/quotas/actions", quota)).status == 200
    large = [allow("a" * 900)] * 2
    body = {"params": {"name": "r", "statements": large}}
    assert (await tenant.client.job("POST", "/identities/roles", body)).code == "ID.1003"
    path = f"/identities/roles/{role['uuid']}/policy-statements"
    answer = await tenant.client.job("POST", path, {"params": {"statements": large}})
    assert answer.code == "ID.1003"


async def test_user_that_moves_leaves_its_roles(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    role, user = await make(tenant.client, allow(QUERY)), await tenant.user(bare=True)
    await give(tenant.client, role, user)
    moved = await admin.job(
        "POST", f"/account/{stranger.uuid}/resources", {"params": {"resourceUuid": user.uuid}}
    )
    assert moved.status == 200
    path = f"/identities/roles?q=user.uuid={user.uuid}"
    assert uuids(await admin.get(path)) == set()
