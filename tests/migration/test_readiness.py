"""A process works only on a database that has what its release needs, and says what is missing."""

import tomllib
from pathlib import Path

import pytest

from app import Service
from zstack_mgmt import process
from zstack_mgmt.config import ConfigError, Settings

ROOT = Path(__file__).parents[2]
STEP = "0003_installation_before"


async def test_readyz_names_the_steps_that_a_database_lacks(service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name = $1", STEP)
    behind = await service.anonymous.get(f"{service.origin}/readyz")
    assert (behind.status, behind.body) == (503, {"status": f"the schema lacks {STEP}"})


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


async def test_after_steps_may_wait(service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name LIKE '%_after'")
    assert (await service.anonymous.get(f"{service.origin}/readyz")).status == 200


async def test_a_process_waits_for_the_steps_and_says_so(settings: Settings, service: Service) -> None:
    await service.db.execute("DELETE FROM schema_steps WHERE name = $1", STEP)
    with pytest.raises(ConfigError, match=STEP):
        await process.open_pool(settings, application="test", timeout_s=0.2)


def test_the_wheel_and_the_image_have_the_schema() -> None:
    """`schema` looks for both beside the package, or in it when it is installed."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {
        "schema.sql": "zstack_mgmt/schema.sql",
        "migrations": "zstack_mgmt/migrations",
    }
    image = (ROOT / "Dockerfile").read_text()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for part in ("schema.sql", "migrations"):
        assert f"COPY {part} " in image
        assert f"!{part}" in sent
