"""Groups: creation, change, deletion, members, and the policies bound to them."""

from typing import Any

import pytest

from app import Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, allow, uuids

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def update(client: Client, **params: Any) -> Any:
    return await client.job("PUT", "/accounts/groups/actions", {"updateUserGroup": params})


async def test_created_group_has_exactly_these_fields(tenant: Tenant) -> None:
    made = await tenant.group(description="about")
    assert set(made) == {"uuid", "accountUuid", "name", "description", "createDate", "lastOpDate"}
    answer = await tenant.client.get(f"/accounts/groups/{made['uuid']}")
    assert answer.body["inventories"] == [made]
    assert answer.body["schema"]["inventories[0]"] == f"{JAVA}.UserGroupInventory"


async def test_names_are_unique_in_the_account_only(tenant: Tenant, stranger: Tenant) -> None:
    body = {"params": {"name": "devs"}}
    assert (await tenant.client.job("POST", "/accounts/groups", body)).status == 200
    assert (await tenant.client.job("POST", "/accounts/groups", body)).code == "SYS.1007"
    assert (await stranger.client.job("POST", "/accounts/groups", body)).status == 200


async def test_update(tenant: Tenant, stranger: Tenant, admin: Client) -> None:
    group = await tenant.group()
    changed = (await update(tenant.client, uuid=group["uuid"], name="n", description="d")).inventory
    assert (changed["name"], changed["description"]) == ("n", "d")
    assert (await update(tenant.client, uuid=group["uuid"])).inventory == changed
    for uuid, client in ((group["uuid"], stranger.client), (UNKNOWN, tenant.client), ("x", tenant.client)):
        assert (await update(client, uuid=uuid, name="x")).code == "SYS.1003"
    assert (await update(admin, uuid=group["uuid"], name="by-admin")).inventory["name"] == "by-admin"


async def test_update_to_a_taken_name_is_refused(tenant: Tenant) -> None:
    one, two = await tenant.group(), await tenant.group()
    assert (await update(tenant.client, uuid=one["uuid"], name=two["name"])).code == "SYS.1007"


async def test_member_is_one_once(service: Service, tenant: Tenant) -> None:
    user, group = await tenant.user(), await tenant.group()
    count = "SELECT count(*) FROM group_members WHERE group_uuid = $1"
    for _ in range(2):
        await tenant.join(group["uuid"], user.uuid)
    assert await service.db.fetchval(count, group["uuid"]) == 1
    for _ in range(2):
        gone = await tenant.client.job("DELETE", f"/accounts/groups/{group['uuid']}/users/{user.uuid}")
        assert (gone.status, gone.body) == (200, {})
    assert await service.db.fetchval(count, group["uuid"]) == 0


async def test_policy_is_bound_once(service: Service, tenant: Tenant) -> None:
    policy, group = await tenant.policy(allow(".*")), await tenant.group()
    count = "SELECT count(*) FROM group_policies WHERE group_uuid = $1"
    for _ in range(2):
        await tenant.bind_group(group["uuid"], policy)
    assert await service.db.fetchval(count, group["uuid"]) == 1
    for _ in range(2):
        gone = await tenant.client.job("DELETE", f"/accounts/groups/{group['uuid']}/policies/{policy}")
        assert (gone.status, gone.body) == (200, {})
    assert await service.db.fetchval(count, group["uuid"]) == 0


def calls(group: str, user: str, policy: str) -> list[tuple[str, str, Any]]:
    return [
        ("POST", f"/accounts/groups/{group}/users", {"params": {"userUuid": user}}),
        ("DELETE", f"/accounts/groups/{group}/users/{user}", None),
        ("POST", f"/accounts/groups/{group}/policies", {"params": {"policyUuid": policy}}),
        ("DELETE", f"/accounts/groups/{group}/policies/{policy}", None),
    ]


async def test_unknown_and_foreign_ones_are_absent(tenant: Tenant, stranger: Tenant) -> None:
    group, user, policy = (
        (await tenant.group())["uuid"],
        (await tenant.user()).uuid,
        await tenant.policy(allow("a")),
    )
    theirs = (await stranger.group())["uuid"], (await stranger.user()).uuid, await stranger.policy(allow("a"))
    await stranger.share(*theirs, to=tenant)
    absent = [(UNKNOWN, user, policy), (group, UNKNOWN, UNKNOWN), ("x", "y", "z")]
    shared = [(theirs[0], user, policy), (group, theirs[1], theirs[2])]  # seen, and not to be changed
    for arguments in (*absent, *shared):
        codes = {"SYS.1003"} if arguments in absent else {"SYS.1003", "ID.1002"}
        for method, path, body in calls(*arguments):
            answer = await tenant.client.job(method, path, body)
            assert answer.status == 503, (method, path)
            assert answer.code in codes, (method, path)


async def test_admin_crosses_accounts_only_to_end_a_membership(
    admin: Client, service: Service, tenant: Tenant
) -> None:
    group, user, policy = (
        (await tenant.group())["uuid"],
        (await tenant.user()).uuid,
        await tenant.policy(allow("a")),
    )
    await tenant.join(group, user)
    add, remove, attach, detach = calls(group, user, policy)
    for method, path, body in (add, attach, detach):
        assert (await admin.job(method, path, body)).code == "SYS.1007"
    assert (await admin.job(*remove)).status == 200
    assert not await service.db.fetchval("SELECT count(*) FROM group_members WHERE group_uuid = $1", group)


async def test_deletion_takes_memberships_and_bindings(
    service: Service, tenant: Tenant, stranger: Tenant
) -> None:
    group, user = await tenant.group(), await tenant.user()
    await tenant.join(group["uuid"], user.uuid)
    await tenant.bind_group(group["uuid"], await tenant.policy(allow(".*")))
    path = f"/accounts/groups/{group['uuid']}"
    assert (await stranger.client.job("DELETE", path)).body == {}
    assert uuids(await tenant.client.get("/accounts/groups")) == {group["uuid"]}
    assert (await tenant.client.job("DELETE", path)).body == {}
    assert uuids(await tenant.client.get("/accounts/groups")) == set()
    for table in ("group_members", "group_policies"):
        assert not await service.db.fetchval(
            f"SELECT count(*) FROM {table} WHERE group_uuid = $1", group["uuid"]
        )


async def test_links_of_a_group(tenant: Tenant) -> None:
    group, user = await tenant.group(), await tenant.user()
    await tenant.group()
    await tenant.join(group["uuid"], user.uuid)
    await tenant.bind_group(group["uuid"], await tenant.policy(allow(".*")))
    for condition in (f"user.uuid={user.uuid}", "policy.name=policy", f"user.account.uuid={tenant.uuid}"):
        assert uuids(await tenant.client.get(f"/accounts/groups?q={condition}")) == {group["uuid"]}, condition
    both = await tenant.client.get(f"/accounts/groups?q=account.uuid={tenant.uuid}&count=true")
    assert both.body["total"] == 2
