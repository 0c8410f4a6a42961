"""Speed of queries over identity, and of permission checks.

    make bench ARGS=tests/benchmarks/bench_identity.py

Data: 100,000 users in 1,000 accounts, each with two groups, three policies and 16 quotas; 5 users of each
account are shared with another. One connection, one query at a time, everything in PostgreSQL's memory. A
query is measured from the parameters of its request to the bytes of its answer (`run.answer_bytes`); the
bare SQL is what one would write by hand for the same rows, through asyncpg's `fetch`, in rounds that
alternate with ours.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest
import pytest_asyncio

from answers import answer_bytes
from benchmarks.sitting import Sitting
from identity.population import account_uuid, populate, user_uuid
from services import Services, clone_template, drop_database
from zstack_mgmt.auth.policy import PolicySet, policy_set
from zstack_mgmt.core.registry import APIS
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.features import load
from zstack_mgmt.query.parser import parse_parameters
from zstack_mgmt.query.plan import Scope

pytestmark = [pytest.mark.bench, pytest.mark.asyncio(loop_scope="module")]

load()
UTC = ZoneInfo("UTC")
TIMES = 500
ADMIN, TENANT = Scope(ADMIN_UUID, sees_all=True), Scope(account_uuid(500), sees_all=False)
COLUMNS = "uuid, account_uuid, name, description, create_date, last_op_date"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conn(services: Services) -> AsyncIterator[asyncpg.Connection]:
    name = await clone_template(services)
    conn = await asyncpg.connect(services.url_of(name), server_settings={"jit": "off"})
    await populate(conn, accounts=1000, users=100)
    yield conn
    await conn.close()
    await drop_database(services, name)


async def measure(work: Callable[[], Awaitable[object]]) -> float:
    before = time.perf_counter()
    await work()
    return 1e3 * (time.perf_counter() - before)


INDEXED = (
    ("uuid=…, admin", ADMIN, f"uuid={user_uuid(500, 7)}", "uuid = $1", (user_uuid(500, 7),)),
    ("name=…, admin", ADMIN, "name=user-500-7", "name = $1", ("user-500-7",)),
    (
        "name=…, tenant",
        TENANT,
        "name=user-500-7",
        "name = $1 AND account_uuid = $2",
        ("user-500-7", account_uuid(500)),
    ),
    (
        "accountUuid=… (100 rows), admin",
        ADMIN,
        f"accountUuid={account_uuid(500)}",
        "account_uuid = $1",
        (account_uuid(500),),
    ),
)


async def test_indexed_field_against_bare_sql(conn: asyncpg.Connection) -> None:
    sitting = Sitting("indexed fields", "ms")
    for label, scope, condition, where, values in INDEXED:
        sql = f"SELECT {COLUMNS} FROM users WHERE {where} ORDER BY uuid LIMIT 1000"
        query = [("q", condition)]
        for _ in range(TIMES):
            sitting.add(
                label,
                await measure(
                    lambda q=query, s=scope: answer_bytes(conn, parse_parameters("User", q), s, UTC)
                ),
            )
            sitting.add(f"{label}, SQL", await measure(lambda q=sql, v=values: conn.fetch(q, *v)))
        sitting.aim(label, over=f"{label}, SQL", at_most=3)
    sitting.report()


HOPS = (
    "group.policy.account.name=account-500",
    "policy.group.user.name=user-500-1",
    "account.policy.user.name=user-500-9",
)


async def test_three_hops(conn: asyncpg.Connection) -> None:
    sitting = Sitting("three hops", "ms")
    for who, scope in (("admin", ADMIN), ("tenant", TENANT)):
        for condition in HOPS:
            query, name = [("q", condition)], f"{who}: {condition}"
            for _ in range(100):
                sitting.add(
                    name,
                    await measure(
                        lambda q=query, s=scope: answer_bytes(conn, parse_parameters("User", q), s, UTC)
                    ),
                )
            sitting.aim(name, at_most=25)
    sitting.report()


async def test_permission_check() -> None:
    """20 policies of 20 rules each, none of which matches but the last."""
    offered = [declared.permissions for declared in APIS.values()]
    policies = [
        orjson.dumps(
            [
                {
                    "effect": "Deny" if rule % 4 == 0 else "Allow",
                    "actions": [f"feature{policy}:API.*{rule}Msg"],
                }
                for rule in range(19)
            ]
            + [{"effect": "Allow", "actions": [f"identity:.*{policy}.*|identity:read"]}]
        ).decode()
        for policy in range(20)
    ]
    sitting = Sitting("permissions", "ms")
    before = time.perf_counter()
    made = await policy_set(policies, "a")
    sitting.add("policy set of 400 rules, built once", 1e3 * (time.perf_counter() - before))
    for _ in range(50):
        made._decided.clear()  # pyright: ignore[reportPrivateUsage]
        for names in offered:
            sitting.add("check, first of an API", timed(made, names))
            sitting.add("check, again", timed(made, names))
        before = time.perf_counter()
        await policy_set(policies, "a")
        sitting.add("policy set, found again for a session", 1e3 * (time.perf_counter() - before))
    for name in ("check, first of an API", "check, again"):
        sitting.aim(name, at_most=0.05)
    sitting.report()


def timed(made: PolicySet, names: tuple[str, ...]) -> float:
    before = time.perf_counter()
    made.allows(names)
    return 1e3 * (time.perf_counter() - before)
