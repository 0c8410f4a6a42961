"""The APIs of prices."""

import asyncio
from typing import Any

import pytest

from app import Answer, Service

PRICES = "/billings/prices"
SAMPLE = {"resourceName": "cpu", "timeUnit": "s", "price": 100.0, "dateInLong": 0.0}


async def create(service: Service, **params: Any) -> Answer:
    return await service.admin.job("POST", PRICES, {"params": SAMPLE | params})


async def test_create_and_read_back(service: Service) -> None:
    made = (await create(service)).inventory
    expected = {"resourceName": "cpu", "timeUnit": "s", "price": 100.0, "dateInLong": 0}
    assert {key: made[key] for key in expected} == expected
    for path in (PRICES, "/billing/prices"):
        answer = await service.admin.get(f"{path}/{made['uuid']}")
        assert answer.body["inventories"] == [made]
        assert answer.body["schema"] == {"inventories[0]": "org.zstack.billing.PriceInventory"}
        assert (await service.admin.get(f"{path}?q=price>99.99&q=resourceName=cpu")).body["inventories"] == [
            made
        ]
    assert (await service.admin.get(f"{PRICES}?q=price=99")).body["inventories"] == []


async def test_exact_and_large_prices_are_kept(service: Service) -> None:
    for price in (100.01, 10.03, 0.00001, 123456789.12345, 0):
        assert (await create(service, price=price)).inventory["price"] == price
        stored = await service.db.fetchval("SELECT price::text FROM prices ORDER BY seq DESC LIMIT 1")
        assert float(stored) == price
        assert len(stored) <= 16


@pytest.mark.parametrize("name", ["cpu", "CPU", "memory", "rootvolume", "dataVolume", "SNAPSHOT"])
async def test_names_in_any_case(service: Service, name: str) -> None:
    made = (await create(service, resourceName=name, resourceUnit="G")).inventory
    assert made["resourceName"].lower() == name.lower()
    assert made["resourceName"] in ("cpu", "memory", "rootVolume", "dataVolume", "snapShot")
    assert made.get("resourceUnit") == (None if name.lower() == "cpu" else "G")


async def test_the_date_is_now_by_default(service: Service) -> None:
    made = (await create(service, dateInLong=None)).inventory
    now = await service.db.fetchval("SELECT extract(epoch FROM now())::bigint")
    assert abs(made["dateInLong"] / 1000 - now) < 5


@pytest.mark.parametrize(
    "params",
    [
        {"resourceName": "Volume"},
        {"timeUnit": "y"},
        {"timeUnit": ""},
        {"resourceName": "memory"},
        {"resourceName": "memory", "resourceUnit": "x"},
        {"resourceName": "snapShot", "resourceUnit": "1"},
    ],
)
async def test_unknown_names_and_units(service: Service, params: dict[str, Any]) -> None:
    answer = await create(service, **params)
    assert (answer.status, answer.code) == (503, "SYS.1007")


@pytest.mark.parametrize(
    "params",
    [
        {"price": "1e-20000"},
        {"price": -1},
        {"price": None},
        {"price": "much"},
        {"price": 1e12},
        {"dateInLong": -1},
        {"dateInLong": 0.5},
        {"resourceName": None},
        {"timeUnit": None},
    ],
)
async def test_limits(service: Service, params: dict[str, Any]) -> None:
    answer = await create(service, **params)
    assert (answer.status, answer.code) == (400, "SYS.1007")


async def test_prices_are_the_admin_s_business(service: Service) -> None:
    made = (await create(service)).inventory
    _, tenant = await service.account("tenant")
    assert (await tenant.job("POST", PRICES, {"params": SAMPLE})).code == "ID.1002"
    assert (await tenant.job("DELETE", f"{PRICES}/{made['uuid']}")).code == "ID.1002"
    assert (await tenant.get(PRICES)).body["inventories"] == [made]


async def test_delete(service: Service) -> None:
    made = (await create(service)).inventory
    assert (await service.admin.job("DELETE", f"/billing/prices/{made['uuid']}")).body == {}
    assert (await service.admin.job("DELETE", f"{PRICES}/{made['uuid']}")).body == {}
    assert (await service.admin.job("DELETE", f"{PRICES}/nonsense")).code == "SYS.1003"
    assert (await service.admin.get(PRICES)).body["inventories"] == []


async def test_parallel_creations_all_exist(service: Service) -> None:
    answers = await asyncio.gather(*(create(service, dateInLong=n) for n in range(100)))
    assert {answer.status for answer in answers} == {200}
    assert (await service.admin.get(f"{PRICES}?count=true")).body["total"] == 100
