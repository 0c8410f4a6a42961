"""What the directory tests ask for: a directory for the whole run, and a service that uses it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from app import ADMIN, Service, service_of_its_own
from directory import Directory, DirectoryMissing, running_directory
from directory_app import Ldap
from services import Services
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
    async with service_of_its_own(
        services,
        tmp_path_factory.mktemp("data"),
        senders=0,
        ldap_ca_file=str(directory.authority.file),
        ldap_timeout_s=5,  # a busy machine is no slow directory
    ) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def ldap(shared_service: Service, directory: Directory) -> Ldap:
    """The service and the directory, which do not know each other; nothing of earlier tests is left."""
    await shared_service.db.execute(FORGET)
    return Ldap(shared_service, directory)
