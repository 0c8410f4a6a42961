"""What is charged: the product's vectors of intervals and prices, and the two ways of adding up."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import Client, Service
from billing.ledger import DAY_MS, MIB, ORIGIN, Vm
from zstack_mgmt.billing import spending, store
from zstack_mgmt.billing.model import Tariff, Usage
from zstack_mgmt.core.values import ADMIN_UUID

CPU, MEMORY = 100.01, 10.03
DAY_S = 86_400
VM_PER_DAY = DAY_S * (2 * CPU + 1024 * MEMORY)


async def price(service: Service, resource: str, amount: float, date: int = 0, **params: Any) -> Any:
    unit = {} if resource == "cpu" else {"resourceUnit": "m"}
    body = {"resourceName": resource, "timeUnit": "s", "price": amount, "dateInLong": date} | unit | params
    return await service.admin.create("/billings/prices", **body)


async def vm_prices(service: Service) -> None:
    await price(service, "cpu", CPU)
    await price(service, "memory", MEMORY)


async def spend(client: Client, account: str = ADMIN_UUID, **window: Any) -> Any:
    answer = await client.call(
        "PUT", f"/billings/accounts/{account}/actions", {"calculateAccountSpending": window}
    )
    assert answer.status == 200, answer
    body = answer.body
    assert body["total"] == pytest.approx(sum(group["spending"] for group in body["spending"]))
    for group in body["spending"]:
        assert group["spending"] == pytest.approx(sum(detail["spending"] for detail in group["details"]))
        for detail in group["details"]:
            pieces = [p for key, value in detail.items() if key.endswith("Inventory") for p in value]
            assert detail["spending"] == pytest.approx(sum(piece["spending"] for piece in pieces))
    return body


def details(body: Any, kind: str = "VM") -> Any:
    return next(group for group in body["spending"] if group["spendingType"] == kind)["details"]


@pytest.mark.parametrize(
    ("story", "days"),
    [
        ("S 2 R 6 R 2 R 10 S", 18),
        ("R 2 S 6 S 2 R 10 S", 12),
        ("R 2 S 6 R 2 S 10 R 7 S", 11),
        ("S 1 R 1 R 1 R 1 S 5 S", 3),
        ("S 9 S", 0),
    ],
)
async def test_intervals(service: Service, story: str, days: int) -> None:
    await vm_prices(service)
    await Vm(service.db, ADMIN_UUID).tell(story)
    assert (await spend(service.admin))["total"] == pytest.approx(days * VM_PER_DAY, abs=0.02)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [(0, 10, 10), (2, 10, 8), (2, 4, 2), (0, 12, 10), (-3, 16, 10), (10, 12, 0), (-3, 0, 0), (4, 2, 0)],
)
async def test_windows(service: Service, start: int, end: int, days: int) -> None:
    await vm_prices(service)
    vm = Vm(service.db, ADMIN_UUID)
    await vm.tell("S 9 R 10 S")
    begin = ORIGIN + 9 * DAY_MS
    body = await spend(service.admin, dateStart=begin + start * DAY_MS, dateEnd=begin + end * DAY_MS)
    assert body["total"] == pytest.approx(days * VM_PER_DAY, abs=0.02)
    if days:
        (piece,) = details(body)[0]["cpuInventory"]
        assert piece["startTime"] == begin + max(start, 0) * DAY_MS
        assert piece["endTime"] == begin + min(end, 10) * DAY_MS


async def test_the_end_may_be_any_number(service: Service) -> None:
    await vm_prices(service)
    await Vm(service.db, ADMIN_UUID).tell("R 10 S")
    windows: list[dict[str, Any]] = [{"dateEnd": 2**63 - 1}, {"dateStart": 0.0, "dateEnd": 1.8e12}, {}]
    for window in windows:
        assert (await spend(service.admin, **window))["total"] == pytest.approx(10 * VM_PER_DAY, abs=0.02)
    assert (await spend(service.admin, dateStart=2**63 - 1))["total"] == 0


async def test_what_runs_is_paid_until_now(service: Service) -> None:
    await price(service, "cpu", 1)
    vm = Vm(service.db, ADMIN_UUID)
    now = await store.now_ms(service.db)
    await vm.record("R", now - 10_000)
    first = await spend(service.admin, dateEnd=2**63 - 1)
    assert 20 <= first["total"] < 60
    assert (await spend(service.admin))["total"] > first["total"]
    assert (await spend(service.admin, dateEnd=now))["total"] == 20


async def test_prices_over_time(service: Service) -> None:
    change = ORIGIN + 4 * DAY_MS
    await price(service, "cpu", 100)
    await price(service, "cpu", 80, change)
    await price(service, "memory", 10)
    await price(service, "memory", 120, change)
    for _ in range(2):
        await Vm(service.db, ADMIN_UUID).tell("R 10 S")
    body = await spend(service.admin)
    each = DAY_S * (2 * (4 * 100 + 6 * 80) + 1024 * (4 * 10 + 6 * 120))
    assert body["total"] == 2 * each
    assert [detail["spending"] for detail in details(body)] == [each, each]
    pieces = details(body)[0]["cpuInventory"]
    assert [(piece["startTime"], piece["endTime"]) for piece in pieces] == [
        (ORIGIN, change),
        (change, ORIGIN + 10 * DAY_MS),
    ]


async def test_a_price_of_zero_stops_the_growth(service: Service) -> None:
    for day, amount in ((0, 3), (2, 0), (4, 5), (6, 0)):
        await price(service, "cpu", amount, ORIGIN + day * DAY_MS)
    await Vm(service.db, ADMIN_UUID, cores=1).tell("R 10 S")
    totals = [
        (await spend(service.admin, dateEnd=ORIGIN + day * DAY_MS))["total"] / DAY_S for day in range(11)
    ]
    assert totals == [0, 3, 6, 6, 6, 11, 16, 16, 16, 16, 16]


async def test_before_the_first_price_use_is_free_and_the_later_of_two_counts(service: Service) -> None:
    await price(service, "cpu", 7, ORIGIN + DAY_MS)
    await price(service, "cpu", 2, ORIGIN + DAY_MS)
    await Vm(service.db, ADMIN_UUID, cores=1).tell("R 3 S")
    assert (await spend(service.admin))["total"] == 2 * 2 * DAY_S


async def test_deleting_a_price_works_backwards(service: Service) -> None:
    made = await price(service, "cpu", 7)
    await Vm(service.db, ADMIN_UUID, cores=1).tell("R 3 S")
    assert (await spend(service.admin))["total"] == 3 * 7 * DAY_S
    assert (await service.admin.job("DELETE", f"/billings/prices/{made['uuid']}")).body == {}
    body = await spend(service.admin)
    assert body["total"] == 0
    assert [(g["spendingType"], g["spending"], g["details"]) for g in body["spending"]] == [
        (kind, 0, []) for kind in ("VM", "rootVolume", "dataVolume", "snapShot")
    ]


async def test_units(service: Service) -> None:
    """Whole units only; a day has 24 hours."""
    await price(service, "memory", 3, resourceUnit="G", timeUnit="h")
    await Vm(service.db, ADMIN_UUID, memory=2 * 1024 * MIB + 512 * MIB).tell("R 2 S")
    assert (await spend(service.admin))["total"] == 2 * 24 * 2 * 3


@pytest.mark.parametrize(
    ("kind", "sized"),
    [("rootVolume", "volumeSize"), ("dataVolume", "volumeSize"), ("snapShot", "snapshotSize")],
)
async def test_volumes_and_snapshots(service: Service, kind: str, sized: str) -> None:
    await price(service, kind.lower(), 0.5, timeUnit="d")
    db = service.db
    for at, payer in ((0, ADMIN_UUID), (3, None)):
        use = store.Use(kind, "v", "v", 0, 10 * MIB)
        await store.observe(db, payer, use, at_ms=ORIGIN + at * DAY_MS)
    body = await spend(service.admin)
    assert body["total"] == 15
    (detail,) = details(body, kind)
    assert detail["sizeInventory"] == [
        {"startTime": ORIGIN, "endTime": ORIGIN + 3 * DAY_MS, "spending": 15.0, sized: 10 * MIB}
    ]
    assert (detail["type"], detail["resourceName"], detail["resourceUuid"]) == (kind, "v", "v")


async def test_a_new_owner_pays_from_then_on(service: Service) -> None:
    account, tenant = await service.account("tenant")
    await price(service, "cpu", 1)
    vm = Vm(service.db, ADMIN_UUID, cores=1)
    await vm.tell("R 4")
    vm.account = account["uuid"]
    await vm.tell("R 3 S")
    assert (await spend(service.admin))["total"] == 4 * DAY_S
    assert (await spend(tenant, account["uuid"]))["total"] == 3 * DAY_S


async def test_a_new_size_is_paid_from_then_on(service: Service) -> None:
    await price(service, "cpu", 1)
    vm = Vm(service.db, ADMIN_UUID, cores=1)
    await vm.tell("R 4")
    vm.cores = 3
    await vm.tell("R 1 S")
    assert (await spend(service.admin))["total"] == 7 * DAY_S


async def test_who_may_ask(service: Service) -> None:
    account, tenant = await service.account("tenant")
    path = f"/billings/accounts/{ADMIN_UUID}/actions"
    refused = await tenant.call("PUT", path, {"calculateAccountSpending": {}})
    assert (refused.status, refused.code) == (503, "ID.1002")
    assert (await spend(service.admin, account["uuid"]))["success"] is True
    absent = await service.admin.call(
        "PUT", "/billings/accounts/nobody/actions", {"calculateAccountSpending": {}}
    )
    assert absent.code == "SYS.1003"
    for wrong in ({"dateStart": -1}, {"dateEnd": "soon"}, {"dateEnd": 1.5}, {"dateStart": 2**63}):
        answer = await service.admin.call("PUT", path, {"calculateAccountSpending": wrong})
        assert (answer.status, answer.code) == (400, "SYS.1007"), wrong


async def test_many_stretches_are_added_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums are those of the single stretches, and the pieces fewer."""
    await price(service, "cpu", 0.1)
    await price(service, "cpu", 0.7, ORIGIN + 12 * DAY_MS + 1)
    await price(service, "memory", 0.3, ORIGIN + 5)
    for cores in (1, 2, 3):
        await Vm(service.db, ADMIN_UUID, cores=cores).tell("R 1 S 1 " * 20)
    window: dict[str, Any] = {"dateStart": ORIGIN + DAY_MS // 3, "dateEnd": ORIGIN + 31 * DAY_MS + 17}
    exact = await spend(service.admin, **window)
    monkeypatch.setattr(spending, "MAX_PIECES", 10)
    rough = await spend(service.admin, **window)
    assert rough["total"] == exact["total"]
    assert [d["spending"] for d in details(rough)] == [d["spending"] for d in details(exact)]
    assert [len(d["cpuInventory"]) for d in details(exact)] == [17] * 3
    assert [len(d["cpuInventory"]) for d in details(rough)] == [2] * 3


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=4, unique_by=lambda p: p[0]),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), min_size=1, max_size=6),
)
def test_moment_by_moment(prices: list[tuple[int, int]], runs: list[tuple[int, int]]) -> None:
    """Each ms costs what the price in force at it says."""
    starts = sorted(prices)
    ends = [start for start, _ in starts[1:]]
    tariffs = [
        Tariff(Decimal(amount), 0, 1, start, end)
        for (start, amount), end in zip(starts, [*ends, None] if starts else [], strict=True)
    ]
    usages = [Usage("VM", f"vm{i}", 2, 0, at, at + ms, ms) for i, (at, ms) in enumerate(runs)]
    expected = 0
    for at, ms in runs:
        for moment in range(at, at + ms):
            in_force = [amount for start, amount in starts if start <= moment]
            expected += 2 * in_force[-1] if in_force else 0
    charged = spending.charge(usages, {"cpu": tariffs})
    assert sum(detail.total for detail in charged.values()) == expected


async def test_the_window_finds_what_overlaps_it(service: Service) -> None:
    """Stretches of all lengths, against the plain condition."""
    await service.db.execute("SELECT setseed(0.5)")
    await service.db.execute(
        """
        INSERT INTO usages (account_uuid, kind, resource_uuid, resource_name, size, started_at, ended_at)
        SELECT 'a', 'VM', 'v' || i, 'v', 0, start,
               CASE WHEN i % 50 > 0 THEN start + (2 ^ (random() * 20))::bigint - 1 END
        FROM (SELECT i, (random() * 1e6)::bigint AS start FROM generate_series(1, 3000) i) n
        """
    )
    for start, end in ((0, 1), (0, 10**6), (400_000, 400_001), (123_456, 234_567), (999_999, 2_000_000)):
        found = {u.resource_uuid for u in await store.stretches(service.db, "a", start, end, 10**6)}
        rows = await service.db.fetch(
            """
            SELECT resource_uuid FROM usages WHERE started_at < $2 AND coalesce(ended_at, $2) > $1
              AND coalesce(ended_at, $2) > started_at
            """,
            start,
            end,
        )
        assert found == {row["resource_uuid"] for row in rows}
