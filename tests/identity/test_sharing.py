"""Owners, shares, changes of owner, and names of resources."""

from typing import Any

import pytest

from app import ADMIN, Answer, Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, allow, uuids

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def share(client: Client, *resources: str, **params: Any) -> Answer:
    body = {"shareResource": {"resourceUuids": list(resources)} | params}
    return await client.job("PUT", "/accounts/resources/actions", body)


async def revoke(client: Client, *resources: str, **params: Any) -> Answer:
    body = {"revokeResourceSharing": {"resourceUuids": list(resources)} | params}
    return await client.job("PUT", "/accounts/resources/actions", body)


async def give(client: Client, resource: str, account: str) -> Answer:
    return await client.job("POST", f"/account/{account}/resources", {"params": {"resourceUuid": resource}})


async def shares(admin: Client, resource: str) -> list[Any]:
    answer = await admin.get(f"/accounts/resources?q=resourceUuid={resource}")
    assert answer.status == 200
    return answer.body["inventories"]


async def sees(who: Tenant, policy: str) -> bool:
    return policy in uuids(await who.client.get(f"/accounts/policies?q=uuid={policy}"))


async def test_share_row_has_exactly_these_fields(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    assert (await share(tenant.client, policy, accountUuids=[stranger.uuid])).body == {}
    (row,) = await shares(admin, policy)
    dates = {"createDate": row["createDate"], "lastOpDate": row["lastOpDate"]}
    assert row == dates | {
        "ownerAccountUuid": tenant.uuid,
        "receiverAccountUuid": stranger.uuid,
        "toPublic": False,
        "resourceType": "PolicyVO",
        "resourceUuid": policy,
    }
    await share(tenant.client, policy, toPublic=True)
    public = next(row for row in await shares(admin, policy) if row["toPublic"])
    assert "receiverAccountUuid" not in public


async def test_query_of_shares(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    await share(tenant.client, policy, accountUuids=[stranger.uuid])
    answer = await admin.get(f"/accounts/resources?q=receiverAccountUuid={stranger.uuid}")
    assert len(answer.body["inventories"]) == 1
    assert answer.body["schema"]["inventories[0]"] == f"{JAVA}.SharedResourceInventory"
    assert (await admin.get(f"/accounts/resources?q=accountUuid={stranger.uuid}")).code == "SYS.1007"
    assert (await tenant.client.get("/accounts/resources")).code == "ID.1002"


async def test_share_lets_the_receiver_see_at_once(tenant: Tenant, stranger: Tenant, new_tenant: Any) -> None:
    policy, third = await tenant.policy(allow("a")), await new_tenant()
    assert not await sees(stranger, policy)
    await share(tenant.client, policy, accountUuids=[stranger.uuid])
    assert (await sees(stranger, policy), await sees(third, policy)) == (True, False)
    await share(tenant.client, policy, toPublic=True)
    assert await sees(third, policy)


async def test_to_public_ignores_the_accounts(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    await share(tenant.client, policy, toPublic=True, accountUuids=[stranger.uuid, UNKNOWN])
    assert [row["toPublic"] for row in await shares(admin, policy)] == [True]


async def test_shares_that_exist_stay(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    for _ in range(2):
        await share(tenant.client, policy, policy, accountUuids=[stranger.uuid, stranger.uuid])
        await share(tenant.client, policy, toPublic=True)
    assert len(await shares(admin, policy)) == 2


async def test_share_needs_a_receiver_that_exists(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    policy = await tenant.policy(allow("a"))
    assert (await share(tenant.client, policy)).code == "SYS.1007"
    assert (await share(tenant.client, policy, accountUuids=[stranger.uuid, UNKNOWN])).code == "SYS.1003"
    assert await shares(admin, policy) == []


async def test_foreign_and_unknown_resources_cannot_be_shared(
    admin: Client, tenant: Tenant, stranger: Tenant
) -> None:
    mine, theirs = await tenant.policy(allow("a")), await stranger.policy(allow("a"))
    for uuid in (theirs, UNKNOWN, tenant.uuid, "x"):
        answer = await share(tenant.client, mine, uuid, toPublic=True)
        assert (answer.status, answer.code) == (503, "SYS.1007")
    assert await shares(admin, mine) == await shares(admin, theirs) == []


async def test_receiver_cannot_share_on_change_or_delete(
    tenant: Tenant, stranger: Tenant, admin: Client
) -> None:
    policy, user, group = await tenant.policy(allow("a")), await tenant.user(), await tenant.group()
    await share(tenant.client, policy, user.uuid, group["uuid"], accountUuids=[stranger.uuid])
    assert user.uuid in uuids(await stranger.client.get("/accounts/users"))
    assert (await share(stranger.client, policy, toPublic=True)).code == "ID.1002"
    for key, path, uuid in (
        ("updateUser", "/accounts/users/actions", user.uuid),
        ("updateUserGroup", "/accounts/groups/actions", group["uuid"]),
    ):
        answer = await stranger.client.job("PUT", path, {key: {"uuid": uuid, "name": "stolen"}})
        assert answer.code == "ID.1002"
    for path in (
        f"/accounts/policies/{policy}",
        f"/accounts/users/{user.uuid}",
        f"/accounts/groups/{group['uuid']}",
    ):
        refused = await stranger.client.job("DELETE", path)
        assert (refused.status, refused.code) == (503, "ID.1002")
    assert await sees(tenant, policy)
    assert uuids(await tenant.client.get("/accounts/users")) == {user.uuid}
    assert uuids(await tenant.client.get("/accounts/groups")) == {group["uuid"]}


async def test_admin_shares_anything_in_its_own_name(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    await share(admin, policy, accountUuids=[stranger.uuid])
    (row,) = await shares(admin, policy)
    assert row["ownerAccountUuid"] == ADMIN
    await revoke(tenant.client, policy, all=True)
    assert await sees(stranger, policy)
    await revoke(admin, policy, all=True)
    assert not await sees(stranger, policy)


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"accounts": 1}, ["second", "public"]),
        ({"accounts": 1, "toPublic": True}, ["second"]),
        ({"accounts": 1, "all": True}, ["second", "public"]),
        ({"toPublic": True}, ["first", "second"]),
        ({"all": True, "toPublic": True}, ["first", "second"]),
        ({"all": True}, []),
    ],
)
async def test_what_a_revocation_ends(
    admin: Client, tenant: Tenant, stranger: Tenant, new_tenant: Any, params: dict[str, Any], left: list[str]
) -> None:
    policy, second = await tenant.policy(allow("a")), await new_tenant()
    await share(tenant.client, policy, accountUuids=[stranger.uuid, second.uuid])
    await share(tenant.client, policy, toPublic=True)
    if params.pop("accounts", 0):
        params = params | {"accountUuids": [stranger.uuid]}
    assert (await revoke(tenant.client, policy, **params)).body == {}
    names = {stranger.uuid: "first", second.uuid: "second", None: "public"}
    rows = await shares(admin, policy)
    assert sorted(names[row.get("receiverAccountUuid")] for row in rows) == sorted(left)


async def test_revocation_of_nothing_succeeds_and_without_a_target_does_not(tenant: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    assert (await revoke(tenant.client, policy, UNKNOWN, all=True)).body == {}
    assert (await revoke(tenant.client, policy)).code == "SYS.1007"


async def test_nobody_revokes_anothers_shares(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    await share(tenant.client, policy, accountUuids=[stranger.uuid])
    for params in ({"all": True}, {"accountUuids": [stranger.uuid]}, {"toPublic": True}):
        await revoke(stranger.client, policy, **params)
    assert len(await shares(admin, policy)) == 1


async def test_users_share_if_a_policy_says_so(tenant: Tenant, stranger: Tenant) -> None:
    policy, user = await tenant.policy(allow("a")), await tenant.user(allow("identity:APIShareResourceMsg"))
    assert (await share(user.client, policy, accountUuids=[stranger.uuid])).status == 200
    assert (await revoke(user.client, policy, all=True)).code == "ID.1002"


async def test_change_of_owner_answers_the_row(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    before = await tenant.client.get(f"/accounts/resources/refs?q=resourceUuid={policy}")
    row = (await give(admin, policy, stranger.uuid)).inventory
    dates = {"createDate": row["createDate"], "lastOpDate": row["lastOpDate"]}
    assert row == dates | {
        "id": before.body["inventories"][0]["id"],
        "accountUuid": stranger.uuid,
        "ownerAccountUuid": stranger.uuid,
        "resourceUuid": policy,
        "resourceType": "PolicyVO",
        "permission": 2,
        "isShared": False,
    }
    assert (await sees(tenant, policy), await sees(stranger, policy)) == (False, True)
    policies = await stranger.client.get(f"/accounts/policies/{policy}")
    assert policies.body["inventories"][0]["accountUuid"] == stranger.uuid


async def test_shares_end_with_the_owner(
    admin: Client, tenant: Tenant, stranger: Tenant, new_tenant: Any
) -> None:
    policy, third = await tenant.policy(allow("a")), await new_tenant()
    await share(tenant.client, policy, accountUuids=[third.uuid])
    await share(tenant.client, policy, toPublic=True)
    await give(admin, policy, stranger.uuid)
    assert await shares(admin, policy) == []
    assert not await sees(third, policy)


async def test_what_cannot_change_its_owner(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    policy = await tenant.policy(allow("a"))
    assert (await give(admin, policy, tenant.uuid)).code == "ID.1004"
    assert (await give(admin, policy, UNKNOWN)).code == "SYS.1003"
    assert (await give(admin, UNKNOWN, tenant.uuid)).code == "SYS.1007"
    assert (await give(admin, tenant.uuid, stranger.uuid)).code == "SYS.1007"
    quota = (await tenant.client.get("/accounts/quotas?limit=1")).body["inventories"][0]
    assert (await give(admin, quota["uuid"], stranger.uuid)).code == "SYS.1006"
    assert (await give(tenant.client, policy, stranger.uuid)).code == "ID.1002"


async def test_policy_leaves_its_users_and_groups_behind(
    admin: Client, tenant: Tenant, stranger: Tenant
) -> None:
    policy, user, group = await tenant.policy(allow(".*")), await tenant.user(bare=True), await tenant.group()
    await tenant.bind(user.uuid, policy)
    await tenant.bind_group(group["uuid"], policy)
    await give(admin, policy, stranger.uuid)
    assert (await user.client.get("/accounts/users")).code == "ID.1002"
    assert uuids(await tenant.client.get(f"/accounts/groups?q=policy.uuid={policy}")) == set()


async def test_user_and_group_move_alone(
    admin: Client, tenant: Tenant, stranger: Tenant, service: Service
) -> None:
    user, group = await tenant.user(allow(".*")), await tenant.group()
    await tenant.join(group["uuid"], user.uuid)
    await tenant.bind_group(group["uuid"], await tenant.policy(allow(".*")))
    await give(admin, group["uuid"], stranger.uuid)
    await give(admin, user.uuid, stranger.uuid)
    assert (await user.client.get("/accounts/users")).code == "ID.1001"
    moved = await stranger.log_in(user.inventory["name"])
    assert (await moved.get("/accounts/users")).code == "ID.1002"
    for table in ("group_members", "group_policies"):
        rows = await service.db.fetchval(f"SELECT count(*) FROM {table} WHERE group_uuid = $1", group["uuid"])
        assert rows == 0


async def test_taken_name_stops_a_change_of_owner(admin: Client, tenant: Tenant, stranger: Tenant) -> None:
    user = await tenant.user(name="same")
    await stranger.user(name="same")
    assert (await give(admin, user.uuid, stranger.uuid)).code == "SYS.1007"
    assert uuids(await tenant.client.get("/accounts/users")) == {user.uuid}


async def test_refs_are_the_accounts_own(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    policy = await tenant.policy(allow("a"))
    await share(tenant.client, policy, toPublic=True)
    path = "/accounts/resources/refs?q=resourceUuid="
    row = (await tenant.client.get(path + policy)).body["inventories"][0]
    assert set(row) == {
        "id", "accountUuid", "ownerAccountUuid", "resourceUuid", "resourceType", "permission", "isShared",
        "createDate", "lastOpDate",
    }  # fmt: skip
    assert (await stranger.client.get(path + policy)).body["inventories"] == []
    assert (await admin.get(path + policy)).body["inventories"] == [row]
    theirs = await stranger.client.get(f"/accounts/resources/refs?q=accountUuid={tenant.uuid}&count=true")
    assert theirs.body["total"] == 0
    for field in ("acountUuid", "permission", "isShared"):
        assert (await tenant.client.get(f"/accounts/resources/refs?q={field}=1")).code == "SYS.1007"


async def test_names_are_those_the_caller_can_see(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    mine, theirs = await tenant.group(), await stranger.group()
    shared, public = await stranger.group(), await stranger.group()
    await share(stranger.client, shared["uuid"], accountUuids=[tenant.uuid])
    await share(stranger.client, public["uuid"], toPublic=True)
    zone = await admin.create("/zones", name="z")
    asked = [mine, theirs, shared, public, zone, tenant.inventory, stranger.inventory]
    path = "/resources/names?" + "&".join(f"uuids={item['uuid']}" for item in asked) + f"&uuids={UNKNOWN}"
    seen = (await tenant.client.get(path)).body["inventories"]
    visible = [mine, shared, public, zone, tenant.inventory]
    assert {row["uuid"] for row in seen} == {item["uuid"] for item in visible}
    assert {tuple(sorted(row)) for row in seen} == {("resourceName", "resourceType", "uuid")}
    row = next(row for row in seen if row["uuid"] == mine["uuid"])
    assert (row["resourceName"], row["resourceType"]) == (mine["name"], "UserGroupVO")
    assert len((await admin.get(path)).body["inventories"]) == len(asked)


async def test_names_take_indexed_parameters_and_name_their_class(tenant: Tenant) -> None:
    one, two = await tenant.group(), await tenant.group()
    path = f"/resources/names?uuids.0={one['uuid']}&uuids.1={two['uuid']}"
    answer = await tenant.client.get(path, headers={"X-JSON-Schema": "true"})
    assert len(answer.body["inventories"]) == 2
    assert answer.body["schema"]["inventories[1]"] == "org.zstack.header.vo.ResourceInventory"
