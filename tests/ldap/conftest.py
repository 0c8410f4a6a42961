"""What the directory tests ask for: a directory for the whole run, and a service that uses it."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from app import ADMIN, Service, running_service
from directory import Directory, DirectoryMissing, running_directory
from directory_app import Ldap
from services import Services, clone_template, drop_database
from zstack_mgmt.config import Settings

FORGET = f"""
DELETE FROM ldap_servers;
DELETE FROM resource_owners WHERE account_uuid <> '{ADMIN}';
DELETE FROM accounts WHERE uuid <> '{ADMIN}';
DELETE FROM sessions WHERE origin = 'ldap';
DELETE FROM login_failures;
"""


@pytest.fixture(scope="session")
def directory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Directory]:
    """The directory of this run. A test that changes it adds entries of its own."""
    try:
        with running_directory(tmp_path_factory.mktemp("directory")) as running:
            yield running
    except DirectoryMissing as error:
        request.session.shouldfail = str(error)  # one line, and the end of the run, under pytest-xdist too
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def settings(settings: Settings, directory: Directory) -> Settings:
    """As everywhere, with the directory's authority and little patience."""
    return replace(settings, ldap_ca_file=str(directory.authority.file), ldap_timeout_s=1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_service(
    services: Services, directory: Directory, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One service for all tests of this folder: to start it takes longer than most of them do."""
    name = await clone_template(services)
    settings = Settings(
        database_url=services.url_of(name),
        redis_url=services.redis_url,
        redis_prefix=f"test:{uuid.uuid4().hex}:",
        data_dir=tmp_path_factory.mktemp("data"),
        admin_password="password",
        password_time_cost=1,
        password_memory_kib=64,
        ldap_ca_file=str(directory.authority.file),
        ldap_timeout_s=5,  # a busy machine is no slow directory
    )
    async with running_service(settings, senders=0) as running:
        yield running
    await drop_database(services, name)


@pytest_asyncio.fixture(loop_scope="session")
async def ldap(shared_service: Service, directory: Directory) -> Ldap:
    """The service and the directory, which do not know each other; nothing of earlier tests is left."""
    await shared_service.db.execute(FORGET)
    return Ldap(shared_service, directory)
