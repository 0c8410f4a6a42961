"""OpenStack's own clients and tests against a running service (`make test-keystone` installs them)."""

import asyncio
import os
import re
from collections import Counter
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
application_credentials = true
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


async def run(
    service: Service,
    *command: str,
    cwd: Path | None = None,
    timeout_s: float = 120,
    fails: bool = False,
) -> str:
    """The output of a command that succeeds, or fails, with the admin's login in its environment."""
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
    assert (process.returncode != 0) == fails, output.decode()
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
    await openstack("region create --description d Two")
    await openstack("service create --name nova --description d compute")
    url = "http://nova.example.org/v2.1/$(project_id)s"
    made = (await openstack(f"endpoint create nova public {url} --region Two -f value -c id")).strip()
    assert "nova.example.org" in await openstack("catalog show nova")
    await openstack(f"endpoint set --disable {made}")
    await openstack("service set --name nova2 nova")
    await openstack(f"endpoint delete {made}")
    await openstack("service delete nova2")
    await openstack("region set --description e Two")
    await openstack("region delete Two")
    robot = "application credential create --role admin --secret s3cret robot -f value -c id"
    assert (await openstack(robot)).strip()
    assert "robot" in await openstack("application credential list")
    await openstack("application credential show robot")
    await openstack("application credential create with-all-roles")
    await openstack("application credential delete robot with-all-roles")
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


def excused() -> dict[str, str]:
    """The tests of tempest's identity list that do not pass, each with the reason."""
    reason, found = "", {}
    for line in (HERE / "tempest-not.txt").read_text().splitlines():
        if line.startswith("# "):
            reason = line.removeprefix("# ")
        elif line:
            found[line] = reason
    return found


async def test_tempest(service: Service, tmp_path: Path) -> None:
    """The whole identity list: what does not pass is in `tempest-not.txt` with its reason, and nothing else.

    The strict list is of users, tokens, projects, domains, discovery and catalog; all of it passes.
    """
    await run(service, str(BIN / "tempest"), "init", "work", cwd=tmp_path)
    work = tmp_path / "work"
    (work / "etc" / "tempest.conf").write_text(TEMPEST.format(work=work, origin=service.origin))
    command = (str(BIN / "tempest"), "run", "--regex", r"^tempest\.api\.identity\.")
    listed = await run(service, *command, "--list-tests", cwd=work)
    known = set(re.findall(r"^(tempest\.api\.identity\.\S+?)(?:\[\S*)?$", listed, re.MULTILINE))
    said = await run(service, *command, "--serial", cwd=work, timeout_s=900, fails=True)
    passed = set(re.findall(r"^\{0\} (\S+) \[\S+\] \.\.\. ok$", said, re.MULTILINE))
    assert set((HERE / "tempest-strict.txt").read_text().split()) <= passed, said
    assert known - passed == set(excused()), said
    pages = (HERE.parents[1] / "docs" / "keystone.md").read_text()
    assert f"{len(passed)} of the {len(known)} tests" in pages
    numbers = Counter(excused().values())
    assert [f"| {count} | {reason} |" for reason, count in numbers.items()] == re.findall(
        r"^\| \d+ \| .*\|$", pages, re.MULTILINE
    )
