"""Accounts: what a new one has, what may be changed, and what goes with a deleted one."""

from typing import Any

import pytest

from app import ADMIN, PASSWORD_SHA512, Client, Service
from identity.world import JAVA, UNKNOWN, Tenant, uuids

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELDS = {"uuid", "name", "description", "type", "createDate", "lastOpDate"}


async def update(client: Client, uuid: str, **params: Any) -> Any:
    return await client.job("PUT", f"/accounts/{uuid}", {"updateAccount": params})


async def create(admin: Client, **params: Any) -> Any:
    return await admin.job("POST", "/accounts", {"params": {"password": "secret"} | params})


async def test_created_account_has_exactly_these_fields(admin: Client, fresh: Any) -> None:
    made = await admin.create("/accounts", name=fresh(), password="p", description="about")
    assert set(made) == FIELDS
    assert (made["type"], made["description"]) == ("Normal", "about")
    bare = await admin.create("/accounts", name=fresh(), password="p")
    assert set(bare) == FIELDS - {"description"}


async def test_chosen_uuid_is_taken_once(admin: Client, fresh: Any) -> None:
    uuid = "a" * 12 + "4" + "a" * 19
    made = await admin.create("/accounts", name=fresh(), password="p", resourceUuid=uuid)
    assert made["uuid"] == uuid
    assert (await create(admin, name=fresh(), resourceUuid=uuid)).code == "SYS.1000"
    group = await admin.job("POST", "/accounts/groups", {"params": {"name": fresh(), "resourceUuid": uuid}})
    assert group.code == "SYS.1000"


async def test_names_are_unique_and_case_counts(admin: Client, fresh: Any) -> None:
    name = fresh("Name")
    assert (await create(admin, name=name)).status == 200
    assert (await create(admin, name=name)).code == "SYS.1007"
    assert (await create(admin, name=f"  {name} ")).code == "SYS.1007"
    assert (await create(admin, name=name.lower())).status == 200


async def test_new_account_has_its_default_policies(admin: Client, tenant: Tenant) -> None:
    answer = await tenant.client.get("/accounts/policies?sort=+name")
    read, reset = answer.body["inventories"]
    assert set(read) == {"uuid", "name", "accountUuid", "statements"}
    assert (read["name"], reset["name"]) == ("DEFAULT-READ", "USER-RESET-PASSWORD")
    assert read["statements"] == [
        {"name": f"read-permission-for-account-{tenant.uuid}", "effect": "Allow", "actions": [".*:read"]}
    ]
    assert reset["statements"] == [
        {
            "name": f"user-reset-password-{tenant.uuid}",
            "effect": "Allow",
            "actions": ["identity:APIUpdateUserMsg"],
        }
    ]


async def test_ownership_rows_are_those_of_policies_and_quotas(tenant: Tenant) -> None:
    answer = await tenant.client.get("/accounts/resources/refs")
    kinds = sorted(row["resourceType"] for row in answer.body["inventories"])
    assert kinds == ["PolicyVO"] * 2 + ["QuotaVO"] * 17


async def test_administrators_have_policies_and_no_quotas(new_tenant: Any) -> None:
    chief = await new_tenant(type="SystemAdmin")
    assert chief.inventory["type"] == "SystemAdmin"
    for path, field, count in (("quotas", "identityUuid", 0), ("policies", "accountUuid", 2)):
        answer = await chief.client.get(f"/accounts/{path}?count=true&q={field}={chief.uuid}")
        assert answer.body["total"] == count


async def test_failed_creation_leaves_nothing(service: Service, fresh: Any) -> None:
    name = fresh()
    await service.admin.create("/accounts", name=name, password="p")
    count = "SELECT count(*) FROM resources"
    before = await service.db.fetchval(count)
    assert (await create(service.admin, name=name)).code == "SYS.1007"
    assert await service.db.fetchval(count) == before


async def test_tags_of_a_new_account_are_found(admin: Client, fresh: Any) -> None:
    body = {
        "params": {"name": fresh(), "password": "p"},
        "userTags": ["team::blue"],
        "systemTags": ["kind::x"],
    }
    made = (await admin.job("POST", "/accounts", body)).inventory
    for condition in ("__userTag__=team::blue", "__systemTag__=kind::x"):
        assert uuids(await admin.get(f"/accounts?q={condition}")) == {made["uuid"]}


async def test_query_by_uuid_answers_a_list_of_one(admin: Client, tenant: Tenant) -> None:
    answer = await admin.get(f"/accounts/{tenant.uuid}")
    assert answer.body["inventories"] == [tenant.inventory]
    assert answer.body["schema"]["inventories[0]"] == f"{JAVA}.AccountInventory"
    assert (await admin.get(f"/accounts/{UNKNOWN}")).body["inventories"] == []


async def test_links_of_an_account(admin: Client, tenant: Tenant, fresh: Any) -> None:
    user, group = await tenant.user(name=fresh("linked")), await tenant.group(name=fresh("linked"))
    for condition in (
        f"user.uuid={user.uuid}",
        f"group.uuid={group['uuid']}",
        f"policy.user.name={user.inventory['name']}",
    ):
        assert uuids(await admin.get(f"/accounts?q={condition}")) == {tenant.uuid}, condition
    mine = await admin.get(f"/accounts?q=uuid={tenant.uuid}&q=quota.name=vm.num&q=quota.value=20")
    assert uuids(mine) == {tenant.uuid}


async def test_update_changes_what_is_given(admin: Client, tenant: Tenant, fresh: Any) -> None:
    name = fresh("renamed")
    changed = (await update(tenant.client, tenant.uuid, name=name, description="new")).inventory
    assert changed == tenant.inventory | {
        "name": name,
        "description": "new",
        "lastOpDate": changed["lastOpDate"],
    }
    named = await admin.get(f"/resources/names?uuids={tenant.uuid}")
    assert named.body["inventories"][0]["resourceName"] == name


async def test_update_of_nothing_answers_the_account(tenant: Tenant) -> None:
    assert (await update(tenant.client, tenant.uuid)).inventory == tenant.inventory


async def test_account_updates_itself_only(tenant: Tenant, stranger: Tenant) -> None:
    for uuid in (stranger.uuid, ADMIN, UNKNOWN):
        assert (await update(tenant.client, uuid, name="mine")).code == "SYS.1006"


async def test_admin_updates_anybody(admin: Client, tenant: Tenant) -> None:
    assert (await update(admin, tenant.uuid, description="by admin")).inventory["description"] == "by admin"
    assert (await update(admin, UNKNOWN, description="x")).code == "SYS.1003"


async def test_builtin_admin_keeps_its_name(admin: Client) -> None:
    assert (await update(admin, ADMIN, name="root")).code == "SYS.1006"
    assert (await update(admin, ADMIN, name="admin")).status == 200


async def test_taken_name_is_refused(tenant: Tenant, stranger: Tenant) -> None:
    assert (await update(tenant.client, tenant.uuid, name=stranger.name)).code == "SYS.1007"


async def test_new_password_opens_and_the_old_one_does_not(service: Service, tenant: Tenant) -> None:
    assert (await update(service.admin, tenant.uuid, password="new")).status == 200
    assert (await service.anonymous.log_in(tenant.name, "new")).token
    body = {"logInByAccount": {"accountName": tenant.name, "password": "secret"}}
    assert (await service.anonymous.call("PUT", "/accounts/login", body)).code == "ID.1000"


async def test_new_password_ends_the_accounts_sessions_and_not_its_users(
    admin: Client, tenant: Tenant
) -> None:
    user = await tenant.user()
    assert (await update(admin, tenant.uuid, password="new")).status == 200
    assert (await tenant.client.get("/accounts/users")).code == "ID.1001"
    assert (await user.client.get("/accounts/users")).status == 200


async def test_old_password_is_checked_when_given(admin: Client, tenant: Tenant) -> None:
    refused = await update(admin, tenant.uuid, password="new", oldPassword="wrong")
    assert (refused.status, refused.code) == (503, "SYS.1006")
    assert (await tenant.client.get("/accounts/users")).status == 200
    assert (await update(admin, tenant.uuid, password="new", oldPassword="secret")).status == 200


async def test_old_password_may_be_a_digest(service: Service, fresh: Any) -> None:
    made = await service.admin.create("/accounts", name=fresh(), password="password")
    changed = await update(service.admin, made["uuid"], password="new", oldPassword=PASSWORD_SHA512)
    assert changed.status == 200


async def test_delete_takes_everything_of_the_account(
    service: Service, tenant: Tenant, stranger: Tenant
) -> None:
    user, group = await tenant.user(), await tenant.group()
    await tenant.join(group["uuid"], user.uuid)
    shared = await stranger.policy({"effect": "Allow", "actions": [".*"]})
    await stranger.share(shared, to=tenant)
    await tenant.share(group["uuid"], to=stranger)
    await update(service.admin, tenant.uuid, description="x", password="secret")
    assert (await service.admin.job("DELETE", f"/accounts/{tenant.uuid}")).body == {}
    assert (await user.client.get("/accounts/users")).code == "ID.1001"
    assert (await service.admin.get(f"/accounts/{tenant.uuid}")).body["inventories"] == []
    for table, column in (
        ("users", "account_uuid"),
        ("user_groups", "account_uuid"),
        ("policies", "account_uuid"),
        ("quotas", "identity_uuid"),
        ("sessions", "account_uuid"),
        ("resource_owners", "account_uuid"),
        ("resource_shares", "owner_account_uuid"),
        ("resource_shares", "receiver_account_uuid"),
        ("password_history", "owner_uuid"),
    ):
        sql = f"SELECT count(*) FROM {table} WHERE {column} = $1"
        assert await service.db.fetchval(sql, tenant.uuid) == 0, table
    left = "SELECT count(*) FROM resources WHERE uuid = ANY ($1)"
    assert await service.db.fetchval(left, [user.uuid, group["uuid"], tenant.uuid]) == 0


async def test_what_else_it_owned_passes_to_the_admin(service: Service, tenant: Tenant) -> None:
    zone = await service.admin.create("/zones", name="owned")
    await service.db.execute(
        "INSERT INTO resource_owners (resource_uuid, resource_type, account_uuid) VALUES ($1, 'ZoneVO', $2)",
        zone["uuid"],
        tenant.uuid,
    )
    await service.admin.job("DELETE", f"/accounts/{tenant.uuid}")
    owner = "SELECT account_uuid FROM resource_owners WHERE resource_uuid = $1"
    assert await service.db.fetchval(owner, zone["uuid"]) == ADMIN


async def test_neither_oneself_nor_the_builtin_admin_can_be_deleted(admin: Client, new_tenant: Any) -> None:
    chief = await new_tenant(type="SystemAdmin")
    for client, uuid in ((admin, ADMIN), (chief.client, chief.uuid), (chief.client, ADMIN)):
        assert (await client.job("DELETE", f"/accounts/{uuid}")).code == "SYS.1007"
    assert (await admin.job("DELETE", f"/accounts/{chief.uuid}")).status == 200
