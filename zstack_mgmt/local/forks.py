"""Children that are copies of this process: what it has imported, they need not import again (Linux only).

macOS ends copies that use its frameworks, so that a new Python is started there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from zstack_mgmt.local.processes import die_with

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Copy:
    """A child that was forked, with what its keeper uses of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None  # negative for a signal

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:  # so the number is still its own
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(title: str, run: Callable[[], int], env: Mapping[str, str]) -> Copy:
    """Run a function in a copy of this process, which dies with it; its result is the exit code.

    It may be called while an event loop runs, of which the copy has none; from the main thread, with no other
    beside it. Like a program that was started, the copy has a session of its own, no file of this process but
    stderr, and no handler of its signals.

    Args:
        title: what `ps` shows.
        env: its whole environment.
    """
    parent = os.getpid()
    # Until it has handlers of its own, the copy would report a signal to the loop of this process.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return Copy(pid)
    code = 1
    try:
        os.setsid()
        die_with(parent, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _let_go_of_files()
        os.environ.clear()
        os.environ.update(env)
        _entitle(title)
        code = run()
    except BaseException:  # noqa: BLE001 (this is the end of the process)
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _let_go_of_files() -> None:
    """Keep stderr, for stdout too. Other numbers stay taken: objects of the parent may yet close theirs."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number not in (0, 1, 2, nothing):
            os.dup2(nothing, number, inheritable=False)


def _entitle(title: str) -> None:
    """Write the title over the arguments of the command line, as far as there is room for it."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
    if start:
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)
