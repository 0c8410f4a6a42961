"""Fixtures that every test may ask for: a database, a place in Redis, and the settings that name both."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from redis.asyncio import Redis
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from app import Service, running_agent, running_service, settings_of
from services import Owner, ServiceMissing, Services, clone_template, drop_database
from zstack_mgmt.config import Settings

# Its examples are the same each time, so that a failure can be repeated, and no clock judges them.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

OWNER = pytest.StashKey[Owner]()
# Folders whose modules have a service each, and those that have one for all of their tests.
SERVICE_PER_MODULE = ("compatibility", "identity", "keystone", "compute/test_strangers")
SERVICE_PER_FOLDER = ("ldap", "page", "sdk")


def _start() -> tuple[Owner, Services]:
    owner = Owner()
    try:
        return owner, owner.start()
    except ServiceMissing as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)


def pytest_configure(config: pytest.Config) -> None:
    # The workers of xdist share the servers of the process that starts them, because these must outlive each
    # worker. Without xdist they are started when a test asks.
    distributed = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if distributed and not config.option.collectonly:
        config.stash[OWNER], found = _start()
        found.to_environment()


class Scheduling(LoadScopeScheduling):
    """Under xdist such a module or folder stays on one worker, so that its service is started once.

    xdist's own groups, by marks, have no effect since pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0].removeprefix("tests/")
        folder = path.rpartition("/")[0]
        if folder in SERVICE_PER_FOLDER:
            return folder
        return path if path.startswith(SERVICE_PER_MODULE) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Scheduling(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    owner = config.stash.get(OWNER, None)
    if owner is not None:
        os.environ.pop("ZSTACK_TEST_SERVICES", None)
        owner.stop()


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """The servers of this run."""
    shared = Services.from_environment()
    if shared is not None:
        yield shared
        return
    owner, found = _start()
    yield found
    owner.stop()


@pytest.fixture
async def database_url(services: Services) -> AsyncIterator[str]:
    """A database of this test's own, with the schema and its first rows."""
    name = await clone_template(services)
    yield services.url_of(name)
    await drop_database(services, name)


@pytest.fixture
async def redis_prefix(services: Services) -> AsyncIterator[str]:
    """What every Redis key of this test begins with; its keys are deleted afterwards."""
    prefix = f"test:{uuid.uuid4().hex}:"
    yield prefix
    async with Redis.from_url(services.redis_url) as redis:
        keys = [key async for key in redis.scan_iter(match=f"{prefix}*", count=1000)]
        if keys:
            await redis.delete(*keys)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The running service, with one worker of each kind."""
    async with running_service(settings) as running:
        yield running


@pytest.fixture
def settings(services: Services, database_url: str, redis_prefix: str, tmp_path: Path) -> Settings:
    """The settings of a service that this test has to itself."""
    return settings_of(services, database_url, redis_prefix, tmp_path)


@pytest.fixture
async def agent(feature: str, settings: Settings) -> AsyncIterator[None]:
    """A console proxy agent for the story that needs one."""
    if feature != "console":
        yield
        return
    async with running_agent(settings):
        yield


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """A test that met a directory notes which server that was."""
    served = getattr(getattr(item, "funcargs", {}).get("directory"), "server", None)
    if served:
        item.user_properties.append(("directory", served))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the directories: which of them served the tests depends on the machine."""
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    notes = (note for report in reports for note in getattr(report, "user_properties", ()))
    for name in sorted({value for key, value in notes if key == "directory"}):
        terminalreporter.write_line(f"directory tests: served by {name}")
