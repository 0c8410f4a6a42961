"""Speed of queries over identity, and of permission checks.

    make bench ARGS=tests/benchmarks/bench_identity.py

Data: 100,000 users in 1,000 accounts, each with two groups, three policies and 16 quotas; 5 users of each
account are shared with another. One connection, one query at a time, everything in PostgreSQL's memory. A
query is measured from the parameters of its request to the bytes of its answer (`run.answer_bytes`); the
bare SQL is what one would write by hand for the same rows, through asyncpg's `fetch`, in rounds that
alternate with ours. Times in ms, medians and 99th percentiles.
"""

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest
import pytest_asyncio

from answers import answer_bytes
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


def show(label: str, times: list[float]) -> float:
    median, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    print(f"{label:52}{median:9.3f}{p99:9.3f}")
    return median


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
    print()
    ratios: list[float] = []
    for label, scope, condition, where, values in INDEXED:
        sql = f"SELECT {COLUMNS} FROM users WHERE {where} ORDER BY uuid LIMIT 1000"
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(TIMES):
            query = [("q", condition)]
            ours.append(
                await measure(
                    lambda q=query, s=scope: answer_bytes(conn, parse_parameters("User", q), s, UTC)
                )
            )
            bare.append(await measure(lambda q=sql, v=values: conn.fetch(q, *v)))
        ratios.append(show(f"query {label}", ours) / show("  bare SQL", bare))
        print(f"  ratio {ratios[-1]:.2f}")
    assert max(ratios) <= 3


@pytest.mark.parametrize(("label", "scope"), [("admin", ADMIN), ("tenant", TENANT)])
@pytest.mark.parametrize(
    "condition",
    [
        "group.policy.account.name=account-500",
        "policy.group.user.name=user-500-1",
        "account.policy.user.name=user-500-9",
    ],
)
async def test_three_hops(conn: asyncpg.Connection, label: str, scope: Scope, condition: str) -> None:
    times = [
        await measure(lambda: answer_bytes(conn, parse_parameters("User", [("q", condition)]), scope, UTC))
        for _ in range(100)
    ]
    print()
    assert show(f"three hops, {label}: {condition}", times) <= 25


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
    before = time.perf_counter()
    made = await policy_set(policies, "a")
    built = 1e3 * (time.perf_counter() - before)
    first: list[float] = []
    again: list[float] = []
    found: list[float] = []
    for _ in range(50):
        made._decided.clear()  # pyright: ignore[reportPrivateUsage]
        for names in offered:
            first.append(timed(made, names))
            again.append(timed(made, names))
        before = time.perf_counter()
        await policy_set(policies, "a")
        found.append(1e3 * (time.perf_counter() - before))
    print(f"\n{'policy set of 400 rules, built once':52}{built:9.3f}")
    show("  found again for a session", found)
    assert show("permission check, first of an API", first) <= 0.05
    assert show("permission check, again", again) <= 0.05


def timed(made: PolicySet, names: tuple[str, ...]) -> float:
    before = time.perf_counter()
    made.allows(names)
    return 1e3 * (time.perf_counter() - before)
