"""Completion in zsh and fish, which the machine must have, in real terminals; test_terminal.py has bash."""

import shutil

import pytest

from app import Service
from sdk.conftest import InThread, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="session")
TAB = "\t"


def shell(name: str) -> str:
    """A shell of the machine; without it the test fails, and says what is missing."""
    found = shutil.which(name)
    assert found, f"this test needs {name}: apt-get install zsh fish"
    return found


@pytest.mark.parametrize(
    ("name", "options", "source"),
    [
        ("zsh", ("-f", "-i"), "autoload -U compinit && compinit -u; source <(zstack-cli completion zsh)"),
        ("fish", ("--no-config", "-i"), "zstack-cli completion fish | source"),
    ],
)
async def test_a_shell_completes_by_tab(
    service: Service,
    terminal: Terminal,
    blocking: InThread,
    name: str,
    options: tuple[str, ...],
    source: str,
) -> None:
    def sit() -> None:
        child = terminal(shell(name), *options, PS1="$ ", ZSTACK_SESSION=service.admin.token)
        child.sendline(f"{source}; echo rea''dy")
        child.expect("ready")
        child.send("zstack-cli QueryVmIns" + TAB)
        child.expect("tance")
        child.send("vmNics.eip.vip.netm" + TAB)
        child.expect("ask=")
        child.send("x state=Run" + TAB)
        child.expect("ning")

    await blocking(sit)
