"""OpenStack's own clients and tests against a running service (`make test-keystone` installs them)."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import Service, running_service
from zstack_mgmt.config import Settings

HERE = Path(__file__).parent
BIN = Path(os.environ.get("KEYSTONE_CLIENTS", "build/keystone")).resolve() / "bin"

TEMPEST = """
[DEFAULT]
log_dir = {work}/logs
[oslo_concurrency]
lock_path = {work}/lock
[auth]
use_dynamic_credentials = true
create_isolated_networks = false
admin_username = admin
admin_password = password
admin_project_name = admin
admin_domain_name = Default
default_credentials_domain_name = Default
tempest_roles = member
[identity]
uri_v3 = {origin}/v3
auth_version = v3
region = RegionOne
catalog_type = identity
v3_endpoint_type = public
admin_role = admin
default_domain_id = default
user_lockout_failure_attempts = 3
user_lockout_duration = 5
user_unique_last_password_count = 2
[identity-feature-enabled]
api_v3 = true
security_compliance = true
project_tags = true
trust = false
application_credentials = false
access_rules = false
[service_available]
cinder = false
glance = false
horizon = false
neutron = false
nova = false
swift = false
"""


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    settings = replace(settings, login_lockout_failures=3, login_lockout_s=5, password_history=2)
    async with running_service(settings) as running:
        yield running


async def run(service: Service, *command: str, cwd: Path | None = None, timeout_s: float = 120) -> str:
    """The output of a command that succeeds, with the admin's login in its environment."""
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(cwd or Path.cwd() / "build"),
        "NO_PROXY": "*",
        "no_proxy": "*",
        "PYTHONWARNINGS": "ignore",
        "OS_AUTH_URL": service.origin,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "password",
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(timeout_s):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("script", ["keystoneauth", "keystoneclient", "sdk"])
async def test_libraries(service: Service, script: str) -> None:
    said = await run(service, str(BIN / "python"), str(HERE / "clients" / f"{script}_script.py"))
    assert said.splitlines()[-1] == "all is well"


async def test_the_openstack_command(service: Service) -> None:
    async def openstack(line: str) -> str:
        return await run(service, str(BIN / "openstack"), *line.split())

    assert "project_id" in await openstack("token issue")
    assert "keystone" in await openstack("catalog list")
    domain = (await openstack("domain create dom -f value -c id")).strip()
    await openstack("project create --domain dom proj")
    await openstack("user create --domain dom --password secret --email a@b.c ann")
    await openstack("user set --password another --domain dom ann")
    assert "a@b.c" in await openstack("user list --long --domain dom")
    assert "a@b.c" in await openstack("user show --domain dom ann")
    await openstack("group create --domain dom crew")
    await openstack("group add user --group-domain dom --user-domain dom crew ann")
    assert "ann" in await openstack(f"user list --group crew --domain {domain}")
    await openstack("role add --user ann --user-domain dom --project proj --project-domain dom member")
    await openstack("implied role list")
    with pytest.raises(AssertionError, match="implied roles are not supported"):
        await openstack("implied role create admin --implied-role member")
    listed = await openstack("role assignment list --user ann --user-domain dom --names")
    assert "ann@dom" in listed
    assert "proj@dom" in listed
    await openstack("role remove --user ann --user-domain dom --project proj --project-domain dom member")
    for noun in ("project", "domain", "role", "service", "endpoint", "region", "group"):
        await openstack(f"{noun} list")
    await openstack("registered limit create --service keystone --default-limit 5 cores")
    assert "cores" in await openstack("registered limit list")
    create = "limit create --service keystone --project proj --resource-limit 3 cores -f value -c id"
    limit = (await openstack(create)).strip()
    await openstack(f"limit set --resource-limit 4 --description d {limit}")
    assert "4" in await openstack(f"limit show {limit} -f value -c resource_limit")
    assert limit in await openstack("limit list --resource-name cores")
    await openstack(f"limit delete {limit}")
    found = (await openstack("registered limit list -f value -c ID")).strip()
    await openstack(f"registered limit set --default-limit 6 {found}")
    await openstack(f"registered limit show {found}")
    await openstack(f"registered limit delete {found}")
    await openstack("user delete --domain dom ann")
    await openstack("project delete --domain dom proj")
    await openstack("domain set --disable dom")
    await openstack("domain delete dom")


async def test_tempest(service: Service, tmp_path: Path) -> None:
    """The tests of users, tokens, projects, domains, discovery and catalog: all pass, none is skipped."""
    names = (HERE / "tempest-strict.txt").read_text().split()
    await run(service, str(BIN / "tempest"), "init", "work", cwd=tmp_path)
    work = tmp_path / "work"
    (work / "etc" / "tempest.conf").write_text(TEMPEST.format(work=work, origin=service.origin))
    (work / "include.txt").write_text(
        "".join(f"^{name.replace('.', chr(92) + '.')}(\\[|$)\n" for name in names)
    )
    command = (str(BIN / "tempest"), "run", "--serial", "--include-list", "include.txt")
    said = await run(service, *command, cwd=work, timeout_s=500)
    assert f" - Passed: {len(names)}\n" in said
    assert " - Skipped: 0\n" in said
