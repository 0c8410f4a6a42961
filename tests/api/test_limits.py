"""What one call may hold: everything has a bound, and what is beyond it changes nothing."""

from urllib.parse import quote

import pytest

from app import Service
from zstack_mgmt.core.registry import MAX_ITEMS, MAX_TAGS
from zstack_mgmt.query.parser import MAX_CONDITIONS, MAX_FIELDS


@pytest.mark.parametrize("tags", ["userTags", "systemTags"])
async def test_tags_of_one_call(service: Service, tags: str) -> None:
    for count, status in ((MAX_TAGS, 200), (MAX_TAGS + 1, 400)):
        body = {"params": {"name": "z"}, tags: [f"tag::{number}" for number in range(count)]}
        assert (await service.admin.job("POST", "/zones", body)).status == status
    assert await service.db.fetchval("SELECT count(*) FROM zones") == 1


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
