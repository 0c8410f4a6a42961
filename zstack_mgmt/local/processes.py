"""Child processes that never outlive their parent, free ports, and what a dead parent left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
# Below the range from which Linux and macOS take the ports of outgoing connections, so that a
# server which is down for a moment does not find its port in use by somebody's connection.
PORTS = range(15000, 32000)

# Looked up here: between fork and exec only calls that are already bound are safe.
_prctl: Callable[[int, int], int] | None = ctypes.CDLL(None).prctl if LINUX else None


class LocalError(Exception):
    """The local stack cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that a child process runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process of an earlier run."""

    pid: int
    command: str
    end_with: signal.Signals | None = None  # what makes it end well; None: it ends with another one


class Child(Protocol):
    """What a keeper needs of a child process; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...


def die_with(parent: int, death_signal: signal.Signals) -> None:
    """Have the kernel send this process the signal when its parent dies (Linux only)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            os._exit(1)


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: int | IO[bytes],
    death_signal: signal.Signals,
    owner: Owner | None = None,
    keep_fds: Sequence[int] = (),
    cwd: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches the supervisor alone.

    Args:
        output: where its stdout and stderr go.
        death_signal: what the kernel sends it when this process dies, however it dies (Linux only). It must
            be called from the main thread: the kernel means the death of the thread that forked.
        owner: the user to become; only root can.
    """
    parent = os.getpid()
    return subprocess.Popen(
        [str(part) for part in command],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=cwd,
        start_new_session=True,
        pass_fds=keep_fds,
        # Python changes the user before it calls this; a change of user clears the setting.
        preexec_fn=partial(die_with, parent, death_signal) if LINUX else None,  # noqa: PLW1509 (bound calls only)
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
    )


async def exited(process: Child) -> int:
    """Wait for the end of a child; its exit code, negative for a signal."""
    if process.poll() is not None:
        return process.wait()
    try:
        fd = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # macOS, or a sandbox that forbids it
        while process.poll() is None:
            await asyncio.sleep(0.1)
        return process.wait()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return process.wait()


async def stop(process: Child, *steps: tuple[signal.Signals, float]) -> None:
    """End a child: each step is a signal and the seconds until the next one; SIGKILL is the last."""
    for number, grace_s in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(exited(process), grace_s)
    if process.poll() is None:
        process.kill()
        await exited(process)


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1", preferred: int | None = None) -> int:
    """A port on which nobody listens; the preferred one if possible."""
    if preferred is not None and port_is_free(host, preferred):
        return preferred
    for port in random.sample(PORTS, 200):
        if port_is_free(host, port):
            return port
    raise LocalError(f"No free port was found on {host} between {PORTS.start} and {PORTS.stop - 1}.")


def processes_in(
    directory: Path, programs: Iterable[str], end_with: signal.Signals | None = None
) -> list[Leftover]:
    """The processes of these programs whose working directory it is, whoever started them (Linux only)."""
    names = set(programs)
    found: list[Leftover] = []
    for entry in Path("/proc").glob("[0-9]*") if LINUX else ():
        try:
            command = (entry / "comm").read_text().strip()
            if command in names and (entry / "cwd").samefile(directory):
                found.append(Leftover(int(entry.name), command, end_with))
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return found


def process_command(pid: int) -> str | None:
    """The command line of a process of any parent, or None when it has ended."""
    if LINUX:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        if status.rpartition(")")[2].split()[0] == "Z":
            return None
        return command.replace(b"\0", b" ").decode(errors="replace").strip()
    listing = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
    return listing.stdout.decode(errors="replace").strip() or None


async def end_leftovers(find: Callable[[], list[Leftover]], grace_s: float = 5.0) -> bool:
    """End what an earlier run left, politely first. Returns whether there was something.

    Raises: LocalError when a process survives SIGKILL, as one that waits for a broken disk does.
    """
    if not find():
        return False
    clock = asyncio.get_running_loop().time
    start = clock()
    signalled: dict[int, signal.Signals] = {}
    while leftovers := find():
        waited = clock() - start
        if waited > grace_s + 5:
            names = ", ".join(f"{left.command} (pid {left.pid})" for left in leftovers)
            raise LocalError(f"Processes of an earlier run do not end: {names}. End them and try again.")
        for left in leftovers:
            wanted = left.end_with if waited < grace_s else signal.SIGKILL
            if wanted is not None and signalled.get(left.pid) is not wanted:
                signalled[left.pid] = wanted
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left.pid, wanted)
        await asyncio.sleep(0.05)
    return True


def open_log(path: Path, keep_bytes: int = 20 * 1024 * 1024) -> IO[bytes]:
    """Open a log for appending; one that has grown past the limit becomes `<name>.1` first."""
    path.parent.mkdir(mode=0o700, exist_ok=True)  # statements are in it
    if path.exists() and path.stat().st_size > keep_bytes:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def log_tail(path: Path, start: int = 0, lines: int = 15) -> str:
    """The last lines of a log, from a byte on."""
    with path.open("rb") as log:
        log.seek(start)
        text = log.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
