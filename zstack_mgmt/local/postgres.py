"""A PostgreSQL server as a child process, its data in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg

from zstack_mgmt.local.binaries import (
    PostgresBinaries,
    can_reach,
    find_postgres,
    reachable_postgres,
    server_owner,
)
from zstack_mgmt.local.processes import (
    LINUX,
    Child,
    Leftover,
    LocalError,
    Owner,
    end_leftovers,
    exited,
    free_port,
    log_tail,
    open_log,
    process_command,
    processes_in,
    spawn,
    stop,
)

START_LIMIT_S = 120.0  # recovery after a crash may have much to replay
SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "jit": "off",  # our statements are short: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
PORT_IN_USE = "could not create any TCP/IP sockets"
STILL_IN_USE = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """One data directory and the programs that serve it."""

    folder: Path
    log: Path
    binaries: PostgresBinaries
    owner: Owner | None
    password: str = field(repr=False)
    settings: Mapping[str, str]

    def url(self, port: int, database: str = "postgres") -> str:
        """The address for asyncpg, password included."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{port}/{database}"

    async def start(self, port: int) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers.

        Raises: LocalError; PortTakenError when another program listens there.
        """
        await end_leftovers(self.leftovers)
        deadline = asyncio.get_running_loop().time() + START_LIMIT_S
        while True:
            process, log_start = self._spawn(port)
            try:
                ready = await self._wait_ready(process, deadline)
            except BaseException:
                await self.stop(process)
                raise
            if ready:
                return process
            text = log_tail(self.log, log_start)
            if PORT_IN_USE in text:
                raise PortTakenError(
                    f"Port {port} of 127.0.0.1, meant for PostgreSQL, is used by another program."
                )
            in_use = any(sign in text for sign in STILL_IN_USE)
            if not in_use or asyncio.get_running_loop().time() > deadline:
                raise LocalError(
                    f"PostgreSQL did not start on {self.folder}; its log {self.log} ends with:\n{text}"
                )
            self._forget_stale_pid()
            await asyncio.sleep(0.2)

    async def stop(self, process: Child, grace_s: float = 1.2) -> None:
        """Stop the server: fast, then without a checkpoint, then by force; no commit is lost either way."""
        await stop(process, (signal.SIGINT, grace_s), (signal.SIGQUIT, 0.5))

    async def create_database(self, port: int, name: str) -> None:
        """Create an empty database unless it exists."""
        connection = await asyncpg.connect(self.url(port))
        try:
            with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def leftovers(self) -> list[Leftover]:
        """What still holds the folder from an earlier run: a server, or backends that lost theirs."""
        pid = self._recorded_pid()
        if LINUX:
            # Only the postmaster may be told to shut down. Its children follow it, also when it was killed;
            # a checkpointer would take the same signal for the end of the shutdown.
            return [
                replace(left, end_with=signal.SIGINT if left.pid == pid else None)
                for left in processes_in(self.folder, ["postgres"])
            ]
        command = process_command(pid) if pid else None
        return (
            [Leftover(pid, "postgres", signal.SIGINT)]
            if pid and command and str(self.folder) in command
            else []
        )

    def _spawn(self, port: int) -> tuple[subprocess.Popen[bytes], int]:
        with open_log(self.log) as log, _as_seen_by(self.folder, self.owner) as (folder, fds):
            settings = [f"--{name}={value}" for name, value in self.settings.items()]
            log_start = log.tell()  # before the server has it: both write at one common position
            process = spawn(
                [
                    self.binaries.postgres,
                    "-D",
                    folder,
                    "-p",
                    str(port),
                    "-h",
                    "127.0.0.1",
                    "-k",
                    "",
                    *settings,
                ],
                env=_environment(),
                output=log,
                death_signal=signal.SIGINT,
                owner=self.owner,
                keep_fds=fds,
            )
            return process, log_start

    async def _wait_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        # The file names the process that serves the folder. Asking the port could be answered by any server.
        while process.poll() is None:
            lines = self._pid_file()
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() in ("ready", "standby"):
                return True
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(f"PostgreSQL is not ready after {START_LIMIT_S:.0f} s; see {self.log}.")
            await asyncio.sleep(0.01)
        return False

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _forget_stale_pid(self) -> None:
        # After a crash of the machine the recorded number may belong to any program of this user by now, and
        # PostgreSQL then refuses to start. Only a process that is no PostgreSQL of this folder is overruled.
        pid = self._recorded_pid()
        if pid is not None and not self.leftovers():
            (self.folder / "postmaster.pid").unlink(missing_ok=True)


class PortTakenError(LocalError):
    """Another program listens on the port."""


async def prepare_postgres(
    data_dir: Path, *, settings: Mapping[str, str] | None = None, major: int | None = None
) -> LocalPostgres:
    """Make `data_dir/postgres` a PostgreSQL data directory if it is none yet, with a generated password.

    Args:
        settings: replace or add to the ones above.
        major: version of a new data directory; an existing one decides for itself.
    """
    folder = data_dir / "postgres"
    version = folder / "PG_VERSION"
    owner = server_owner()
    existing = int(version.read_text()) if version.exists() else None
    binaries = reachable_postgres(find_postgres(existing or major), owner)
    password_file = data_dir / "postgres.password"
    if existing is None:
        if folder.exists() and any(folder.iterdir()):
            raise LocalError(
                f"{folder} is not empty and no PostgreSQL data directory. Move it away, or change DATA_DIR."
            )
        await _initialise(folder, data_dir / "logs" / "initdb.log", binaries, owner, password_file)
    elif not password_file.exists():
        raise LocalError(
            f"{password_file} is missing: nobody can log in to {folder}. Restore it, or change DATA_DIR."
        )
    return LocalPostgres(
        folder=folder,
        log=data_dir / "logs" / "postgres.log",
        binaries=binaries,
        owner=owner,
        password=password_file.read_text().strip(),
        settings={**SETTINGS, **(settings or {})},
    )


async def _initialise(
    folder: Path, log_path: Path, binaries: PostgresBinaries, owner: Owner | None, password_file: Path
) -> None:
    # Made under another name and renamed when complete, so that an interrupted start leaves no half of it.
    unfinished = folder.with_name(f"{folder.name}.new")
    await end_leftovers(lambda: processes_in(unfinished, ["postgres", "initdb"]), grace_s=0)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    _write_secret(password_file, password)
    locale = ["--locale=C.UTF-8" if LINUX else "--locale=C"]
    if binaries.major >= 17:  # the same order and case rules on every system
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    with (
        open_log(log_path) as log,
        tempfile.TemporaryFile() as secret,
        _as_seen_by(unfinished, owner) as (path, fds),
    ):
        secret.write(password.encode() + b"\n")
        secret.flush()
        secret.seek(0)
        if owner is not None:
            os.chown(unfinished, owner.uid, owner.gid)
            os.fchown(secret.fileno(), owner.uid, owner.gid)
        start = log.tell()
        process = spawn(
            [
                *(binaries.initdb, "-D", path, "-U", "postgres", "-E", "UTF8", *locale),
                *("--auth=scram-sha-256", f"--pwfile=/dev/fd/{secret.fileno()}"),
            ],
            env=_environment(),
            output=log,
            death_signal=signal.SIGKILL,
            owner=owner,
            keep_fds=[*fds, secret.fileno()],
        )
        try:
            code = await exited(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        raise LocalError(f"initdb failed on {unfinished}:\n{log_tail(log_path, start)}")
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


@contextlib.contextmanager
def _as_seen_by(folder: Path, owner: Owner | None) -> Generator[tuple[str, list[int]]]:
    # When root's data lies below a closed folder, PostgreSQL's user gets the folder itself as an open
    # descriptor instead of a way to it: nothing above it has to be opened for others.
    if owner is None or can_reach(folder.parent, owner):
        yield str(folder), []
        return
    if not LINUX:
        raise LocalError(
            f"The user {owner.name} cannot reach {folder}. Change DATA_DIR, or start as another user."
        )
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}", [fd]
    finally:
        os.close(fd)


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def _environment() -> dict[str, str]:
    # Not ours: PGDATA, PGPORT and the like would change what the server does.
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


async def start_on_free_port(
    postgres: LocalPostgres, preferred: int | None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start on the preferred port if it is free, else on another."""
    for _ in range(5):
        port = free_port(preferred=preferred)
        try:
            return await postgres.start(port), port
        except PortTakenError:  # somebody took it between the look and the start
            preferred = None
    raise LocalError("PostgreSQL found five free ports, and each was taken before it could listen.")
