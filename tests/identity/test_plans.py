"""PostgreSQL finds an index for every documented shape of a query over identity, for a tenant and for the
admin.

Sequential scans are allowed; the tables are just large enough to make them the worse choice.
"""

from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from identity.population import account_uuid, populate, user_uuid
from services import Services, clone_template, drop_database
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.features import load
from zstack_mgmt.query.compile import count_sql, list_sql
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope, make_plan

pytestmark = pytest.mark.asyncio(loop_scope="module")

load()
TENANT = account_uuid(7)
UTC = ZoneInfo("UTC")
LARGE = (
    "accounts",
    "resource_shares",
    "sessions",
    "users",
    "resource_owners",
    "resources",
    "tags",
    "quotas",
    "audits",
    "group_members",
    "user_policies",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conn(services: Services) -> Any:
    name = await clone_template(services)
    made = await asyncpg.connect(services.url_of(name), server_settings={"jit": "off"})
    await populate(made, accounts=1000, users=40)
    yield made
    await made.close()
    await drop_database(services, name)


async def explain(conn: Any, sql: str, *values: Any) -> str:
    return "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {sql}", *values))


def check(plan: str) -> None:
    assert "Index" in plan, plan
    for table in LARGE:
        assert f"Seq Scan on {table} " not in plan, plan


SHAPES = [
    ("User", "uuid={user}"),
    ("User", "uuid?={user},{user2}"),
    ("User", "name=user-7-3"),
    ("User", "name?=user-7-3,user-7-4"),
    ("User", "name~=user-7-3%"),
    ("User", "accountUuid={tenant}"),
    ("User", "account.name=account-7"),
    ("User", "account.uuid={tenant}"),
    ("User", "group.name=group-7-1"),
    ("User", "group.uuid={group}"),
    ("User", "policy.name=policy-7-1"),
    ("User", "__userTag__=shift::-7&name~=user-7-%"),
    ("User", "group.policy.account.name=account-7"),
    ("User", "account.policy.group.name=group-7-1"),
    ("UserGroup", "uuid={group}"),
    ("UserGroup", "name=group-7-1"),
    ("UserGroup", "accountUuid={tenant}"),
    ("UserGroup", "user.name=user-7-1"),
    ("UserGroup", "user.uuid={user}"),
    ("Policy", "name=policy-7-1"),
    ("Policy", "accountUuid={tenant}"),
    ("Policy", "user.name=user-7-3"),
    ("Policy", "group.user.account.name=account-7"),
    ("Quota", "identityUuid={tenant}"),
    ("Quota", "identityUuid={tenant}&name=vm.num"),
    ("Quota", "account.name=account-7"),
    ("AccountResourceRef", "resourceUuid={user}"),
    ("AccountResourceRef", "accountUuid={tenant}"),
    ("AccountResourceRef", "accountUuid={tenant}&resourceType=UserVO"),
]
ADMIN_ONLY = [
    ("Account", "uuid={tenant}"),
    ("Account", "name=account-7"),
    ("Account", "user.name=user-7-3"),
    ("Account", "group.user.policy.name=policy-7-1"),
    ("SharedResource", "resourceUuid={user}"),
    ("SharedResource", "receiverAccountUuid={tenant}"),
    ("SharedResource", "ownerAccountUuid={tenant}"),
    ("Audit", "accountUuid={tenant}"),
    ("Audit", "target={user}"),
]
NAMES = {
    "tenant": TENANT,
    "user": user_uuid(7, 3),
    "user2": user_uuid(7, 4),
    "group": f"{7001:012x}4000c000000000000000",
}


@pytest.mark.parametrize("who", [TENANT, ADMIN_UUID], ids=["tenant", "admin"])
@pytest.mark.parametrize(("name", "conditions"), SHAPES + ADMIN_ONLY)
async def test_conditions(conn: Any, name: str, conditions: str, who: str) -> None:
    parameters = [("q", condition.format(**NAMES)) for condition in conditions.split("&")]
    plan = make_plan(parse_parameters(name, parameters), Scope(who, sees_all=who == ADMIN_UUID), UTC)
    assert await conn.fetch(list_sql(plan.select), *plan.values, 1000, 0), "the shape finds something"
    check(await explain(conn, list_sql(plan.select), *plan.values, 1000, 0))
    check(await explain(conn, count_sql(plan.select), *plan.values))


@pytest.mark.parametrize("name", ["User", "UserGroup", "Policy", "Quota"])
@pytest.mark.parametrize("more", ["", "limit=20", "limit=20&sort=-name", "limit=20&start=20&sort=name"])
async def test_pages_of_one_account(conn: Any, name: str, more: str) -> None:
    parameters = parse_qsl(more)
    query = parse_parameters(name, parameters)
    plan = make_plan(query, Scope(TENANT, sees_all=False), UTC)
    check(await explain(conn, list_sql(plan.select), *plan.values, plan.limit, plan.start))


@pytest.mark.parametrize("sort", ["", "sort=name", "sort=-uuid"])
async def test_pages_of_all_users(conn: Any, sort: str) -> None:
    parameters = [("limit", "20"), *([tuple(sort.split("="))] if sort else [])]
    plan = make_plan(parse_parameters("User", parameters), Scope(ADMIN_UUID, sees_all=True), UTC)
    check(await explain(conn, list_sql(plan.select), *plan.values, plan.limit, plan.start))


@pytest.mark.parametrize("who", [TENANT, ADMIN_UUID], ids=["tenant", "admin"])
@pytest.mark.parametrize("name", ["User", "UserGroup", "Policy", "Quota"])
async def test_get_by_uuid(conn: Any, name: str, who: str) -> None:
    query = parse_parameters(name, [], NAMES["user"])
    plan = make_plan(query, Scope(who, sees_all=who == ADMIN_UUID), UTC)
    check(await explain(conn, list_sql(plan.select), *plan.values))


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM sessions WHERE user_uuid = $1",
        "DELETE FROM sessions WHERE account_uuid = $1 AND user_uuid = $1",
        "SELECT policy_uuid FROM user_policies WHERE user_uuid = $1",
        "SELECT user_uuid FROM user_policies WHERE policy_uuid = $1",
        "SELECT group_uuid FROM group_members WHERE user_uuid = $1",
        "SELECT * FROM resource_owners WHERE account_uuid = $1",
        "SELECT * FROM resource_shares WHERE owner_account_uuid = $1",
        "SELECT * FROM resource_shares WHERE receiver_account_uuid = $1",
        "SELECT * FROM resource_shares WHERE resource_uuid = $1",
        "SELECT * FROM quotas WHERE identity_uuid = $1",
        "SELECT * FROM users WHERE account_uuid = $1",
        "SELECT * FROM tags WHERE resource_uuid = $1",
    ],
)
async def test_statements_behind_logins_and_cascades(conn: Any, sql: str) -> None:
    plan = await explain(conn, sql, NAMES["user"])
    assert "Index" in plan, plan
