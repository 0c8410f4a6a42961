"""The manual's Python samples run against the service and a real directory."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import Service, running_agent
from directory import Directory, running_directory
from directory_data import BASE, SERVICE, SERVICE_PASSWORD
from sdk.conftest import InThread
from sdk.manual_samples import Place, play
from zstack_sdk import configure

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with running_directory(tmp_path_factory.mktemp("directory")) as running:
        yield running


async def test_every_python_sample_of_the_manual_runs(
    service: Service, directory: Directory, blocking: InThread
) -> None:
    place = Place(
        ldap={"url": directory.url, "base": BASE, "username": SERVICE, "password": SERVICE_PASSWORD},
        person="cn=Alice,ou=people",
        login="Alice",
        password="alice-secret",
    )
    with configure(service.origin):
        async with running_agent(service.settings):
            await blocking(play, place)


async def test_the_samples_of_the_manual_are_all_there() -> None:
    text = Path(__file__).with_name("manual_samples.py").read_text()
    played = set(re.findall(r"^    action = (\w+)Action\(\)$", text, re.MULTILINE))
    assert len(played) == 67 + len({"CreateSchedulerJob", "CreateVmInstance", "DetachPolicyFromUser"})
