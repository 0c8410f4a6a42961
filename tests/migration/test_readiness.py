"""A process works only on a database that has what its release needs, and says what is missing."""

from pathlib import Path

import pytest

from app import Service, running_service
from zstack_mgmt import process
from zstack_mgmt.config import ConfigError, Settings

ROOT = Path(__file__).parents[2]
STEP = "0003_installation_before"


async def test_readyz_names_the_steps_that_a_database_lacks(service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name = $1", STEP)
    behind = await service.anonymous.get(f"{service.origin}/readyz")
    lacking = f"the schema lacks {STEP}"
    parts = {"database": "ok", "schema": lacking}
    assert (behind.status, behind.body) == (503, {"status": lacking, "parts": parts})


async def test_readyz_of_a_database_from_before_the_steps(service: Service) -> None:
    await service.db.execute("DROP TABLE schema_steps")
    behind = await service.anonymous.get(f"{service.origin}/readyz")
    assert behind.status == 503
    assert behind.body["status"].startswith("the schema lacks 0001_beginning_before, ")


@pytest.mark.parametrize("known", ["", "9999_of_the_next_release_before", "9999_of_the_next_release_after"])
async def test_a_database_that_is_ahead_serves(service: Service, known: str) -> None:
    await service.db.execute("INSERT INTO schema_steps (name) VALUES ($1)", known)
    assert (await service.anonymous.get(f"{service.origin}/readyz")).status == 200
    assert (await service.admin.create("/zones", name="zone"))["name"] == "zone"


async def test_readyz_names_the_work_that_nobody_does(settings: Settings) -> None:
    async with running_service(settings, workers=0, senders=0) as service:
        behind = await service.anonymous.get(f"{service.origin}/readyz")
        assert (behind.status, behind.body["status"]) == (503, "no worker runs jobs")
        assert behind.body["parts"]["webhooks"] == "ok", "none is due"
        await service.db.execute(
            """
            INSERT INTO webhook_deliveries (id, job_uuid, account_uuid, url, receiver, success, body)
            VALUES ('msg_1', '1', '1', 'http://h/', 'http://h:80', true, '{}')
            """
        )
        behind = await service.anonymous.get(f"{service.origin}/readyz")
        assert behind.body["parts"]["webhooks"] == "no worker sends the webhooks that are due"
        # One of a release that does not tell its kind counts for both.
        await service.db.execute("INSERT INTO workers VALUES ('h:1:a', now() + interval '1 minute', NULL)")
        ready = await service.anonymous.get(f"{service.origin}/readyz")
        assert (ready.status, set(ready.body["parts"].values())) == (200, {"ok"})


async def test_after_steps_may_wait(service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name LIKE '%_after'")
    assert (await service.anonymous.get(f"{service.origin}/readyz")).status == 200


async def test_a_process_waits_for_the_steps_and_says_so(settings: Settings, service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name = $1", STEP)
    with pytest.raises(ConfigError, match=STEP):
        await process.open_pool(settings, application="test", timeout_s=0.2)


def test_the_image_has_the_schema() -> None:
    """`schema` and the page look for them beside the package. The wheel: tests/acceptance/test_wheel.py."""
    image = (ROOT / "Dockerfile").read_text()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for part in ("schema.sql", "migrations", "ui", "workers"):
        assert f"COPY {part} " in image
        assert f"!{part}" in sent
