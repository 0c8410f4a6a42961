"""A copy of a process is like a program that was started: it shares nothing but what is imported."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, json, os, signal, socket, sys
from pathlib import Path
import uvloop
from zstack_mgmt.local.forks import fork
from zstack_mgmt.local.processes import exited, process_command


def tell(**found):
    os.write(2, json.dumps(found).encode() + b"\\n")


def work():
    async def look():
        await asyncio.sleep(0)
        nothing = os.stat(os.devnull)
        files = [os.stat(f"/proc/self/fd/{fd}") for fd in (0, kept.fileno(), loop_fd)]
        tell(
            env=dict(os.environ),
            leads=os.getsid(0) == os.getpid(),
            command=process_command(os.getpid()),
            empty=[file.st_rdev == nothing.st_rdev for file in files],
            stdout_is_stderr=os.path.sameopenfile(1, 2),
        )

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    uvloop.run(look())
    return 7


def fail():
    raise ValueError("a failure")


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.append, True)
    ends = []
    for do in (work, fail, signal.pause):
        child = fork("a title", do, {"A": "b"})
        if do is signal.pause:
            child.send_signal(signal.SIGTERM)
        ends.append(await exited(child))
    tell(ends=ends, again=child.wait(), stopped=stopped)


stopped = []
kept = socket.socket()
loop = asyncio.new_event_loop()
loop_fd = loop._selector.fileno()
loop.run_until_complete(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems start a new Python")
def test_a_copy_runs_in_the_midst_of_a_loop() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    copy, *trace, parent = done.stderr.splitlines()
    assert json.loads(copy) == {
        "env": {"A": "b"},
        "leads": True,
        "command": "a title",
        "empty": [True, True, True],
        "stdout_is_stderr": True,
    }
    assert trace[-1] == "ValueError: a failure"
    assert json.loads(parent) == {"ends": [7, 1, -15], "again": -15, "stopped": []}
    assert done.stdout == ""
