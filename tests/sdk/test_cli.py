"""zstack-cli's commands: what they answer, in which form, and with which exit status."""

import csv
import io
import json
import logging
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
import yaml

from app import ADMIN, Service
from receivers import receiver
from sdk.conftest import InThread
from zstack_cli.main import invoke
from zstack_sdk.apis import names

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Ran(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self
        return json.loads(self.out)


Cli = Callable[..., Awaitable[Ran]]


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """The service of these tests writes no log lines, since its stdout is that of the commands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration directory, and a plain locale."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("ZSTACK_PROFILE", "ZSTACK_PASSWORD", "ZSTACK_LANG", "LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path


@pytest.fixture
def stranger(
    service: Service,
    home: Path,
    blocking: InThread,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    """Runs commands without a session."""
    monkeypatch.setenv("ZSTACK_URL", service.origin)

    async def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = await blocking(invoke, arguments)
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return run


@pytest.fixture
def cli(service: Service, stranger: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs commands with the admin's session."""
    monkeypatch.setenv("ZSTACK_SESSION", service.admin.token)
    return stranger


async def test_a_creation_and_a_query_in_the_manual_s_form(cli: Cli) -> None:
    made = (await cli("CreateZone", "name=web-1", "description=a b")).json["inventory"]
    found = await cli("QueryZone", "name~=web%", "fields=uuid,name", "limit=5")
    assert found.json == {"inventories": [{"uuid": made["uuid"], "name": "web-1"}]}
    counted = await cli("QueryZone", "description is null", "name=web-1", "count=true")
    assert counted.json == {"total": 0}


async def test_values_of_other_types(cli: Cli, home: Path) -> None:
    (home / "policy.json").write_text(json.dumps([{"effect": "Allow", "actions": ["zone:.*"]}]))
    policy = await cli("CreatePolicy", "name=p", f"statements=@{home}/policy.json")
    assert policy.json["inventory"]["statements"][0]["actions"] == ["zone:.*"]
    offering = await cli(
        "CreateInstanceOffering", "name=o", "cpuNum=2", "memorySize=1073741824", "systemTags=a::b,c::d"
    )
    assert offering.json["inventory"]["cpuNum"] == 2
    shared = await cli(
        "ShareResource", f"resourceUuids={offering.json['inventory']['uuid']}", "toPublic=true"
    )
    assert shared.json == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CreateZone", "nmae=x"], "CreateZone has no parameter nmae; did you mean name?"),
        (["CreateZone", "name"], "name: parameters are given as name=value"),
        (["CreateZone"], "CreateZone needs name"),
        (["CreateInstanceOffering", "cpuNum=two"], "cpuNum: 'two' is no integer"),
        (["CreatePolicy", "name=p", "statements=[1"], "statements: Expecting"),
        (["CraeteZone"], "there is no API or command CraeteZone; did you mean CreateZone"),
        (["QueryZone", "--async"], "QueryZone makes no job: --async has no meaning here"),
        (["QueryZone", "--dry-run"], "QueryZone answers at once"),
        (["QueryZone", "--url", "nowhere"], "'nowhere' is no address of a service"),
        (["QueryZone", "-o", "xml"], "'xml' is not one of"),
        (["profile", "use", "nobody"], "there is no profile nobody"),
    ],
)
async def test_wrong_usage_is_told_before_anything_is_sent(cli: Cli, words: list[str], said: str) -> None:
    ran = await cli(*words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


async def test_exit_statuses_tell_failures_apart(cli: Cli) -> None:
    failed = await cli("DeleteZone", "uuid=nothing")
    assert (failed.status, failed.out) == (1, "")
    assert "error SYS.1003: Resource not found." in failed.err
    denied = await cli("QueryZone", "--session", "0" * 32)
    assert denied.status == 3
    assert "Log in first" in denied.err
    unknown = await cli("QueryZone", "nothing=1")
    assert unknown.status == 1


async def test_a_service_that_is_away_is_told(
    stranger: Cli, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zstack_cli.desk.RETRY_S", 0.1)
    away = await stranger("QueryZone", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert away.status == 4
    assert "is not reached" in away.err


async def test_errors_are_told_in_chinese(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "错误 SYS.1003：没有找到资源。" in (await cli("DeleteZone", "uuid=nothing")).err
    assert "CreateZone 没有参数 nmae；是否指 name？" in (await cli("CreateZone", "nmae=x")).err
    assert "SYS.1003: Resource not found." in (await cli("DeleteZone", "uuid=nothing", "--lang", "en")).err


async def test_the_forms_of_output(cli: Cli) -> None:
    await cli("CreateZone", "name=形状", "description=a,b")
    asked = ("QueryZone", "name=形状", "fields=name,description,isDefault")
    row = {"name": "形状", "description": "a,b", "isDefault": False}
    assert (await cli(*asked)).json == {"inventories": [row]}
    assert list(csv.DictReader(io.StringIO((await cli(*asked, "-o", "csv")).out))) == [
        row | {"isDefault": "false"}
    ]
    assert yaml.safe_load((await cli(*asked, "-o", "yaml")).out) == {"inventories": [row]}
    table = (await cli("-o", "table", *asked)).out
    assert "\x1b" not in table
    assert [line.split() for line in table.splitlines() if "形状" in line] == [["形状", "a,b", "false"]]


async def test_a_call_that_is_only_checked_changes_nothing(cli: Cli) -> None:
    ran = await cli("CreateZone", "name=dry", "--dry-run")
    assert (ran.status, ran.out) == (0, "")
    assert "nothing was changed" in ran.err
    assert (await cli("QueryZone", "name=dry")).json == {"inventories": []}
    refused = await cli(
        "CreateCluster", "name=c", "zoneUuid=nothing", "hypervisorType=Simulator", "--dry-run"
    )
    assert refused.status == 1


async def test_a_job_that_is_left_can_be_waited_for(cli: Cli) -> None:
    job = (await cli("CreateZone", "name=left", "--async")).json["jobUuid"]
    assert (await cli("wait", job)).json["inventory"]["name"] == "left"


async def test_a_wait_that_is_over_says_how_to_go_on(cli: Cli, service: Service) -> None:
    async with service.db.transaction():
        await service.db.execute("LOCK TABLE zones IN SHARE MODE")  # nothing can be created now
        ran = await cli("CreateZone", "name=slow", "--wait", "0.3")
    assert ran.status == 5
    job = ran.err.split("zstack-cli wait ")[1].split()[0]
    assert (await cli("wait", job)).json["inventory"]["name"] == "slow"


async def test_the_result_goes_to_a_webhook(cli: Cli) -> None:
    async with receiver() as listening:
        await cli("CreateZone", "name=hooked", "--webhook", f"{listening.url}/hook")
        await listening.wait_for(1)
    assert json.loads(listening.requests[0].body)["inventory"]["name"] == "hooked"


async def test_a_login_is_kept_in_the_profile_until_the_logout(
    stranger: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZSTACK_PASSWORD", "password")
    opened = await stranger("LogInByAccount", "accountName=admin")
    assert "Logged in as admin" in opened.err
    stored = home / "zstack-cli/profiles.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert "password" not in stored.read_text()
    assert (await stranger("QueryAccount", f"uuid={ADMIN}")).status == 0
    assert (await stranger("LogOut")).status == 0
    assert (await stranger("QueryAccount")).status == 3
    assert opened.json["inventory"]["uuid"] not in stored.read_text()


async def test_a_password_on_the_command_line_works_and_is_warned_of(stranger: Cli) -> None:
    ran = await stranger("LogInByAccount", "accountName=admin", "password=password")
    assert ran.status == 0
    assert "others can read a password" in ran.err


async def test_without_a_terminal_a_password_is_not_asked_for(
    stranger: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("password\n"))
    ran = await stranger("LogInByAccount", "accountName=admin")
    assert ran.status == 2
    assert "--password-stdin" in ran.err
    assert (await stranger("LogInByAccount", "accountName=admin", "--password-stdin")).status == 0


async def test_one_s_own_password_does_not_become_that_of_a_new_account(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZSTACK_PASSWORD", "password")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert (await cli("CreateAccount", "name=new")).status == 2


async def test_profiles_hold_services_and_access_keys(
    service: Service, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (await cli("CreateAccessKey", f"accountUuid={ADMIN}", f"userUuid={ADMIN}")).json["inventory"]
    monkeypatch.delenv("ZSTACK_SESSION")
    monkeypatch.delenv("ZSTACK_URL")
    monkeypatch.setenv("ZSTACK_ACCESS_KEY_SECRET", key["AccessKeySecret"])
    keyed = ("profile", "set", "keyed", "--url", service.origin, "--access-key-id", key["AccessKeyID"])
    assert (await cli(*keyed)).status == 0
    assert (await cli("profile", "use", "keyed")).status == 0
    assert (await cli("CreateZone", "name=keyed")).json["inventory"]["name"] == "keyed"
    assert (await cli("profile", "list")).out == f"* keyed\t{service.origin}\t{key['AccessKeyID']}\n"
    elsewhere = await cli("QueryZone", "--url", service.origin.replace("127.0.0.1", "localhost"))
    assert elsewhere.status == 3, "a key is for the profile's service alone"
    assert (await cli("profile", "delete", "keyed")).status == 0
    assert (await cli("profile", "list")).out == ""


async def test_a_broken_file_of_profiles_is_told(cli: Cli, home: Path) -> None:
    (home / "zstack-cli").mkdir()
    (home / "zstack-cli/profiles.json").write_text("{")
    ran = await cli("QueryZone")
    assert ran.status == 2
    assert "profiles.json" in ran.err


async def test_the_last_jobs_deliveries_and_audits(cli: Cli) -> None:
    async with receiver() as listening:
        answer = await cli("CreateZone", "name=seen", "--webhook", listening.url)
        await listening.wait_for(1)
        uuid = answer.json["inventory"]["uuid"]
        jobs = (await cli("jobs", "--once", "-n", "1")).out.split("\t")
        assert jobs[2:4] == ["succeeded", "CreateZone"]
        assert jobs[5].strip() == uuid
        deliveries = (await cli("webhooks", "--once", "-n", "1")).out.split("\t")
        assert deliveries[1] == jobs[1]
        assert deliveries[5].strip() == f"{listening.url}/"
        # The lines of calls that were answered at once, such as a login, are written a moment late.
        audits = [line.split("\t") for line in (await cli("audits", "--once", "-n", "20")).out.splitlines()]
        made = [audit for audit in audits if audit[3] == "CreateZone" and audit[5:] == [uuid]]
        assert [audit[1:3] for audit in made] == [[ADMIN, "succeeded"]]


async def test_every_api_is_a_command_with_help(cli: Cli) -> None:
    for name in names():
        assert invoke([name, "--help"]) == 0
    listed = (await cli("apis", "vminstance")).out
    assert "QueryVmInstance\t" in listed


async def test_the_shells_get_what_can_follow(cli: Cli) -> None:
    zone = (await cli("CreateZone", "name=complete-me")).json["inventory"]["uuid"]
    three_hops = await cli(
        "complete", "--for", "zsh", "--", "zstack-cli QueryVmInstance zone.cluster.l2Network.vl"
    )
    assert three_hops.out == ""
    three_hops = await cli("complete", "--for", "bash", "--", "zstack-cli QueryVmInstance vmNics.eip.vip.ga")
    assert three_hops.out == "vmNics.eip.vip.gateway=\n"
    by_name = await cli("complete", "--for", "bash", "--", "zstack-cli DeleteZone uuid=complete-")
    assert by_name.out == f"{zone}\n"
    fish = await cli("complete", "--for", "fish", "--", "zstack-cli CreateZone na")
    assert fish.out.startswith("name=\t")
