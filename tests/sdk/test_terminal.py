"""zstack-cli in a real terminal, as somebody sits before it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pexpect
import pytest
from wcwidth import wcswidth

from app import Service
from sdk.conftest import InThread, Terminal
from zstack_sdk import Client, CreateZoneAction

pytestmark = pytest.mark.asyncio(loop_scope="session")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TAB = "\t"


async def test_from_login_to_logout_in_the_shell(
    terminal: Terminal, blocking: InThread, tmp_path: Path
) -> None:
    def sit() -> None:
        shell = terminal("zstack-cli")
        shell.expect(">>>")
        shell.send("LogInByAcc" + TAB)
        shell.expect("ount")
        shell.send("accountN" + TAB)
        shell.expect("ame=")
        shell.send("admin\r")
        shell.expect("password: ")
        shell.sendline("password")
        shell.expect("Logged in as admin")
        shell.expect(">>>")
        shell.send("CreateZone name=机房\r")
        shell.expect("机房.*Enabled")
        shell.expect(">>>")
        shell.send("QueryVmInstance vmNics.eip.vip.gate" + TAB)
        shell.expect("way=")
        shell.send("10.0.0.1\r")
        shell.expect("inventories")
        shell.expect(">>>")
        shell.send("QueryZone uuid=机" + TAB)
        shell.expect("[0-9a-f]{32}")
        shell.send("fields=na" + TAB)
        shell.expect("me")
        shell.send("\r")
        shell.expect("机房")
        shell.expect(">>>")
        shell.send("DeleteZone uuid=nothing\r")
        shell.expect("error SYS.1003: Resource not found.")
        shell.expect(">>>")
        shell.send("UpdateAccount uuid=nothing password=not-to-be-kept\r")
        shell.expect("SYS.1003")
        shell.expect(">>>")
        shell.send("LogOut\r")
        shell.expect("Logged out")
        shell.expect(">>>")
        shell.send("exit\r")
        shell.expect(pexpect.EOF)
        shell.close()
        assert shell.exitstatus == 0

    await blocking(sit)
    history = tmp_path / "zstack-cli/history"
    assert history.stat().st_mode & 0o777 == 0o600
    text = history.read_text()
    assert "+UpdateAccount uuid=nothing password=\n" in text
    assert "not-to-be-kept" not in text


async def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(
    service: Service, terminal: Terminal, blocking: InThread, client: Client
) -> None:
    def sit() -> str:
        command = terminal("zstack-cli", "CreateZone", "name=stuck", ZSTACK_SESSION=service.admin.token)
        command.expect("CreateZone running")
        command.sendintr()
        command.expect(r"The job ([0-9a-f]{32}) goes on\.")
        assert command.match is not None
        job = str(command.match[1])
        command.expect(f"zstack-cli wait {job}")
        command.expect(f"zstack-cli CancelApiJob uuid={job}")
        command.expect(pexpect.EOF)
        command.close()
        assert command.exitstatus == 130
        return job

    async with service.db.transaction():
        await service.db.execute("LOCK TABLE zones IN SHARE MODE")  # nothing can be created now
        job = await blocking(sit)
    assert (await blocking(client.wait, job)).value.inventory.name == "stuck"


async def test_a_pipe_that_is_closed_early_is_no_error(
    service: Service, environment: dict[str, str], blocking: InThread
) -> None:
    line = "zstack-cli GetQueryMetadata | head -c 1; echo ${PIPESTATUS[0]}"
    surroundings = environment | {"ZSTACK_SESSION": service.admin.token}
    done: Any = await blocking(
        subprocess.run, ["bash", "-c", line], env=surroundings, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("{141\n", "")


async def test_a_table_fits_forty_columns_of_wide_characters(
    service: Service, terminal: Terminal, blocking: InThread, client: Client
) -> None:
    name = "上海金桥数据中心第二机房东区十三排机柜四号"
    made = await blocking(CreateZoneAction(name=name).call, client)

    def sit(*words: str) -> list[str]:
        command = terminal(
            "zstack-cli",
            "QueryZone",
            f"name={name}",
            "-o",
            "table",
            *words,
            columns=40,
            ZSTACK_SESSION=service.admin.token,
        )
        command.expect(pexpect.EOF)
        assert command.before is not None
        return ESCAPES.sub("", command.before).splitlines()

    for words in ((), ("fields=name,uuid",)):
        lines = await blocking(sit, *words)
        assert max(wcswidth(line) for line in lines) <= 40
        text = "".join("".join(line.split()) for line in lines)
        assert all(part in text for part in (name[:8], name[-3:], made.value.inventory.uuid[:8]))


async def test_colours_are_for_terminals(
    service: Service, terminal: Terminal, environment: dict[str, str], blocking: InThread
) -> None:
    def sit(**more: str) -> str:
        command = terminal("zstack-cli", "GetVersion", ZSTACK_SESSION=service.admin.token, **more)
        command.expect(pexpect.EOF)
        return command.before or ""

    assert "\x1b[" in await blocking(sit)
    assert "\x1b[" not in await blocking(sit, NO_COLOR="1")
    piped: Any = await blocking(
        subprocess.run, ["zstack-cli", "GetVersion"], env=environment, capture_output=True, text=True
    )
    assert piped.stdout.startswith('{\n  "')


async def test_jobs_are_watched_live(
    service: Service, terminal: Terminal, blocking: InThread, client: Client
) -> None:
    def sit() -> None:
        command = terminal("zstack-cli", "jobs", "-n", "1", "--no-color", ZSTACK_SESSION=service.admin.token)
        command.expect("(succeeded|failed)\t")
        for i in range(3):
            CreateZoneAction(name=f"watched-{i}").call(client)
        for _ in range(3):
            command.expect("succeeded\tCreateZone\t")
        command.sendintr()
        command.expect(pexpect.EOF)
        command.close()
        assert command.exitstatus == 130

    await blocking(CreateZoneAction(name="before").call, client)
    await blocking(sit)


async def test_bash_completes_by_tab(service: Service, terminal: Terminal, blocking: InThread) -> None:
    def sit() -> None:
        shell = terminal(
            "bash", "--norc", "-i", PS1="$ ", INPUTRC="/dev/null", ZSTACK_SESSION=service.admin.token
        )
        shell.sendline("bind 'set enable-bracketed-paste off'; source <(zstack-cli completion bash)")
        shell.send("zstack-cli QueryVmIns" + TAB)
        shell.expect("QueryVmInstance ")
        shell.send("vmNics.eip.vip.netm" + TAB)
        shell.expect("vmNics.eip.vip.netmask=")
        shell.send("x state=Run" + TAB)
        shell.expect("state=Running ")
        shell.sendcontrol("c")
        shell.sendline("exit")
        shell.expect(pexpect.EOF)

    await blocking(sit)
