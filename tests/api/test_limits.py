"""What one call may hold: everything has a bound, and what is beyond it changes nothing."""

import random
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from app import Client, Service, running_service
from engine.waiting import until
from zstack_mgmt.config import MAX_JSON_LEVELS, Settings
from zstack_mgmt.core.registry import MAX_ITEMS, MAX_TAG_BYTES, MAX_TAGS
from zstack_mgmt.core.values import new_uuid
from zstack_mgmt.query.parser import MAX_CONDITIONS, MAX_FIELDS


@pytest.mark.parametrize("tags", ["userTags", "systemTags"])
async def test_tags_of_one_call(service: Service, tags: str) -> None:
    for count, status in ((MAX_TAGS, 200), (MAX_TAGS + 1, 400)):
        body = {"params": {"name": "z"}, tags: [f"tag::{number}" for number in range(count)]}
        assert (await service.admin.job("POST", "/zones", body)).status == status
    assert await service.db.fetchval("SELECT count(*) FROM zones") == 1


@pytest.mark.parametrize("tags", ["userTags", "systemTags"])
async def test_bytes_of_a_tag(service: Service, tags: str) -> None:
    chosen = random.Random(7)
    text = "".join(chr(chosen.randrange(0x4E00, 0x9FA5)) for _ in range(MAX_TAG_BYTES // 3))
    for tag, status in ((f"{text}ab", 200), (f"{text}abc", 400)):
        body = {"params": {"name": "z"}, tags: [tag]}
        assert (await service.admin.job("POST", "/zones", body)).status == status
    assert await service.db.fetchval("SELECT tag FROM tags") == f"{text}ab"


async def test_items_of_a_list(service: Service) -> None:
    for count, status in ((MAX_ITEMS, 200), (MAX_ITEMS + 1, 400)):
        uuids = "&".join("uuids=" + "0" * 32 for _ in range(count))
        answer = await service.admin.get(f"/resources/names?{uuids}")
        assert answer.status == status, answer.body


async def test_conditions_and_fields_of_a_query(service: Service) -> None:
    condition = "q=" + quote("name!=x")
    for count, status in ((MAX_CONDITIONS, 200), (MAX_CONDITIONS + 1, 400)):
        assert (await service.admin.get("/zones?" + "&".join([condition] * count))).status == status
    names = ",".join(f"f{number}" for number in range(MAX_FIELDS + 1))
    assert (await service.admin.get(f"/zones?fields={names}")).status == 400


async def test_bytes_of_a_policy(service: Service) -> None:
    rules = ["x" * 1000 for _ in range(80)]
    statement = {"effect": "Allow", "actions": ["a"], "resources": rules}
    answer = await service.admin.job(
        "POST", "/accounts/policies", {"params": {"name": "p", "statements": [statement]}}
    )
    assert (answer.status, answer.code) == (503, "SYS.1007")


@pytest.mark.parametrize(
    ("limit", "others"), [("max_account_streams", 200), ("max_streams_per_address", 503)]
)
async def test_event_streams_of_one_account_and_of_one_address(
    settings: Settings, limit: str, others: int
) -> None:
    async with running_service(replace(settings, **{limit: 2}), workers=0, senders=0) as service:
        await service.db.execute(
            """
            INSERT INTO accounts (uuid, name, type, password_hash)
            SELECT $1, 'tenant', 'SystemAdmin', password_hash FROM accounts
            """,
            new_uuid(),
        )
        tenant = await service.anonymous.log_in("tenant", "password")
        accepted = await service.admin.call("POST", "/zones", {"params": {"name": "z"}})
        events = f"{accepted.body['location']}/events"

        def follow(client: Client) -> Any:
            return service.http.get(events, headers={"Authorization": f"OAuth {client.token}"})

        async with follow(tenant), follow(tenant):
            async with follow(tenant) as third:
                assert (third.status, (await third.json())["error"]["code"]) == (503, "SYS.1010")
                assert int(third.headers["Retry-After"]) > 0
            async with follow(service.admin) as other:
                assert other.status == others

        async def has_room() -> bool:
            async with follow(tenant) as another:
                return another.status == 200

        await until(has_room)


async def test_levels_of_a_body(service: Service) -> None:
    for levels, status in ((MAX_JSON_LEVELS - 2, 200), (MAX_JSON_LEVELS - 1, 400), (500, 400), (1000, 400)):
        data = f'{{"params": {{"name": "z", "x": {"[" * levels}{"]" * levels}}}}}'.encode()
        headers = {"Content-Type": "application/json"}
        answer = await service.admin.job("POST", "/zones", data=data, headers=headers)
        assert answer.status == status, (levels, answer)
    flat = {"params": {"name": "z", "x": [[]] * 500}}
    assert (await service.admin.job("POST", "/zones", flat)).status == 200
