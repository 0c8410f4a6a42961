"""`run`: the whole service as children of one process, which starts again whatever dies.

Everything lies in DATA_DIR: the data of PostgreSQL and Redis, their generated passwords, logs, and
`runtime.json` with the addresses and process ids of the moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import zstack_mgmt
from zstack_mgmt import assets, tasks
from zstack_mgmt.config import Settings
from zstack_mgmt.local.children import Keeper
from zstack_mgmt.local.forks import fork
from zstack_mgmt.local.processes import (
    LINUX,
    Child,
    Leftover,
    LocalError,
    end_leftovers,
    exited,
    free_port,
    port_is_free,
    process_command,
    spawn,
    stop,
)
from zstack_mgmt.local.servers import only_one, prepare_data_dir, start_postgres, start_redis, write_json

SERVICE_KINDS = ("api", "worker", "webhook", "console")
KINDS = (*SERVICE_KINDS, "postgres", "redis")
READY_LIMIT_S = 90.0
HOPELESS = 5  # failures in a row before the first readiness, after which `run` gives up
STOP_LIMIT_S = 7.6  # of the service's processes; the servers get the rest of ten seconds
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Service(Protocol):
    """The commands of the service, of whose code the supervisor knows nothing."""

    def load(self, metrics_dir: str) -> None:
        """Import what the commands need, once for all processes, which count in this folder."""
        ...

    def main(self, command: Sequence[str]) -> int:
        """Run one in this process; its exit code."""
        ...


async def run(settings: Settings, service: Service) -> int:
    """Start everything, keep it running until SIGINT, SIGTERM or SIGHUP, stop it; the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    try:
        data_dir = prepare_data_dir(settings.data_dir)
        with only_one(data_dir):
            supervisor = Supervisor(settings, service, data_dir)
            try:
                await _until(stopping, supervisor.serve())
            finally:
                await supervisor.stop()
    except LocalError as error:
        print(f"zstack-mgmt: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


class Supervisor:
    """The processes of one installation."""

    def __init__(self, settings: Settings, service: Service, data_dir: Path) -> None:
        self._settings = settings
        self._service = service
        self._data_dir = data_dir
        self._began = time.monotonic()
        self._port = settings.port
        self._console_port = settings.console_port
        self._database_url = settings.database_url
        self._redis_url = settings.redis_url
        self._keepers: list[Keeper] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._reservations: list[socket.socket] = []
        self._fetching: Child | None = None  # of the page's libraries

    @property
    def url(self) -> str:
        """What a client of this machine uses."""
        return f"http://127.0.0.1:{self._port}/zstack/v1"

    async def serve(self) -> None:
        """Start everything, say so, and keep it alive; it ends only by an exception.

        Raises: LocalError when the service cannot start.
        """
        had_leftovers = await end_leftovers(lambda: _recorded_leftovers(self._data_dir), grace_s=3.0)
        wait_s = 3.0 if had_leftovers else 0.0
        self._port = await self._reserve("PORT", self._port, wait_s)
        if self._settings.console_processes:
            self._console_port = await self._reserve("CONSOLE_PORT", self._console_port, wait_s)
        for stale in self._metrics_dir().glob("*.db"):  # numbers of processes that have ended
            stale.unlink(missing_ok=True)
        starts: list[Coroutine[Any, Any, None]] = []
        _say("starting the servers")
        if "database_url" not in self._settings.given:
            starts.append(self._start_postgres())
        if "redis_url" not in self._settings.given:
            starts.append(self._start_redis())
        if LINUX:
            starts.append(self._load())
        # All must be over before a failure is handled, so that `stop` finds what has started.
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if outcome is not None:
                raise outcome
        env = self._environment()
        _say("bringing the database up to date")
        await self._apply_schema(env)
        _say("starting the service")
        for kind, command, count in (
            ("api", ("serve",), self._settings.api_processes),
            ("worker", ("worker", "jobs"), self._settings.worker_processes),
            ("webhook", ("worker", "webhooks"), self._settings.webhook_processes),
            ("console", ("console",), self._settings.console_processes),
        ):
            for _ in range(count):
                self._keep(self._keeper(kind, command, env))
        await self._wait_ready()
        print(f"ready: {self.url}", *self._places(), sep="\n  ", flush=True)
        if not assets.libraries(self._settings).is_dir():
            self._fetching = _spawn(("page",), env)
        await asyncio.gather(*self._keeping)

    async def stop(self) -> None:
        """Stop everything within ten seconds: first what uses the servers, then the servers."""
        await tasks.end(*self._keeping)
        if self._fetching is not None:
            await stop(self._fetching, (signal.SIGTERM, 1.0))
        servers = [keeper for keeper in self._keepers if keeper.kind in ("postgres", "redis")]
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers if keeper not in servers))
        await asyncio.gather(*(keeper.stop() for keeper in servers))
        for reservation in self._reservations:
            reservation.close()
        self._changed()

    async def _start_postgres(self) -> None:
        running = await start_postgres(self._data_dir)
        self._database_url = running.database_url
        server, port = running.server, running.port
        self._keep(
            Keeper("postgres", lambda: server.start(port), server.stop, self._changed, running.process)
        )

    async def _start_redis(self) -> None:
        running = await start_redis(self._data_dir)
        self._redis_url = running.redis_url
        server, port = running.server, running.port
        self._keep(Keeper("redis", lambda: server.start(port), server.stop, self._changed, running.process))

    async def _load(self) -> None:
        """Import the service while the servers start; afterwards this is the only thread again."""
        metrics_dir = str(self._metrics_dir())
        with ThreadPoolExecutor(1) as thread:
            await asyncio.get_running_loop().run_in_executor(thread, self._service.load, metrics_dir)

    def _start(self, command: tuple[str, ...], env: dict[str, str]) -> Child:
        if not LINUX:
            return _spawn(command, env)
        title = f"python -m zstack_mgmt {' '.join(command)}"
        return fork(title, partial(self._service.main, command), env)

    def _keeper(self, kind: str, command: tuple[str, ...], env: dict[str, str]) -> Keeper:
        async def start() -> Child:
            return self._start(command, env)

        async def end(process: Child) -> None:
            await stop(process, (signal.SIGTERM, STOP_LIMIT_S))

        return Keeper(kind, start, end, self._changed)

    def _places(self) -> list[str]:
        """Where everything is, a line each."""
        origin = self.url.removesuffix("/zstack/v1")
        consoles = f"http://127.0.0.1:{self._console_port}" if self._settings.console_processes else "none"
        sdk = Path(__file__).parents[2] / "sdk"
        # Without the `./` it would be the name of a package of somebody else's.
        place = f"./{os.path.relpath(sdk)}"
        command = [f'command    pip install "{place}[cli]" && zstack-cli --url {origin}']
        logs = self._data_dir / "logs"  # of servers that are our own
        password = "ADMIN_PASSWORD" if self._settings.admin_password else "password"
        return [
            f"page       {origin}/ui/",
            f"reference  {origin}/docs",
            f"login      account admin, password {password} until it is changed",
            f"consoles   {consoles}",
            *(command if sdk.is_dir() else ()),  # an installed service has no checkout beside it
            f"database   {_without_password(self._database_url)}",
            f"Redis      {_without_password(self._redis_url)}",
            f"data       {self._data_dir} (addresses with passwords: runtime.json)",
            f"log        this terminal{f'; of the servers: {logs}' if logs.is_dir() else ''}",
            f"started    in {time.monotonic() - self._began:.1f} s",
            "stop       Ctrl-C",
        ]

    def _keep(self, keeper: Keeper) -> None:
        self._keepers.append(keeper)
        self._keeping.append(asyncio.create_task(keeper.keep()))

    def _changed(self) -> None:
        pids = {
            kind: [keeper.pid for keeper in self._keepers if keeper.kind == kind and keeper.pid is not None]
            for kind in KINDS
        }
        state = {
            "url": self.url,
            "database_url": self._database_url,
            "redis_url": self._redis_url,
            "pids": pids,
        }
        write_json(self._data_dir / "runtime.json", state)

    async def _reserve(self, setting: str, port: int, wait_s: float) -> int:
        """Take a port for as long as we live, so that nobody gets it while its process restarts; returns it.

        0 means any. The consoles get any too if their usual one is taken: clients are told which it is.
        A socket that is bound and does not listen receives nothing; the processes share the port with it.
        """
        host = self._settings.host
        deadline = asyncio.get_running_loop().time() + wait_s
        while port and not port_is_free(host, port):
            if asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.05)
            elif setting == "CONSOLE_PORT" and "console_port" not in self._settings.given:
                port = 0
            else:
                raise LocalError(
                    f"Port {port} of {host} is used by another program. "
                    f"End it, or set {setting} to a free one."
                )
        port = port or free_port(host)
        reservation = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._reservations.append(reservation)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            reservation.bind((host, port))
        except OSError as error:
            raise LocalError(f"Port {port} of {host} cannot be used: {error}") from error
        return port

    def _metrics_dir(self) -> Path:
        given = "metrics_dir" in self._settings.given
        return Path(self._settings.metrics_dir) if given else self._data_dir / "metrics"

    def _environment(self) -> dict[str, str]:
        env = {
            **os.environ,
            "DATABASE_URL": self._database_url,
            "DIRECT_DATABASE_URL": self._settings.direct_database_url,
            "READ_DATABASE_URL": self._settings.read_database_url,
            "DATABASE_PASSWORD": "",  # is in the addresses
            "REDIS_URL": self._redis_url,
            "METRICS_DIR": str(self._metrics_dir()),
            "DATA_DIR": str(self._data_dir),
            "HOST": self._settings.host,
            "PORT": str(self._port),
            "CONSOLE_PORT": str(self._console_port),
            "OPERATIONS_PORT": "0",  # /metrics of an API process counts all, by METRICS_DIR
            "PYTHONPATH": os.pathsep.join(filter(None, [_source_folder(), os.environ.get("PYTHONPATH", "")])),
        }
        if (
            "webhook_allow" not in self._settings.given
        ):  # the manual's own examples receive webhooks on the same machine
            env["WEBHOOK_ALLOW"] = "127.0.0.0/8,::1/128"
        return env

    async def _apply_schema(self, env: dict[str, str]) -> None:
        process = self._start(("schema", "--default-password"), env)
        try:
            code = await exited(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code != 0:
            raise LocalError("The database schema could not be applied; the reason is above.")

    async def _wait_ready(self) -> None:
        address: str = self._reservations[0].getsockname()[0]  # HOST may be a name
        host = ANY_ADDRESS.get(address, address)
        api_processes = self._settings.api_processes
        ready = "/readyz" if self._settings.worker_processes else "/healthz"  # without workers no job ends
        deadline = asyncio.get_running_loop().time() + READY_LIMIT_S
        while True:
            for keeper in self._keepers:
                if keeper.failures >= HOPELESS:
                    raise LocalError(
                        f"The {keeper.kind} process ends again and again; its messages are above."
                    )
            for task in self._keeping:
                if task.done():
                    await task
            # The kernel chooses who of those that listen answers: all of them must listen first.
            if not LINUX or api_processes == 1 or _listeners(self._port) >= api_processes:
                answers = [await _answers(host, self._port, ready) for _ in range(4 * api_processes - 3)]
                if self._settings.console_processes:
                    answers.append(await _answers(host, self._console_port, "/healthz"))
                if all(answers):
                    return
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(
                    f"The API does not answer after {READY_LIMIT_S:.0f} s; its messages are above."
                )
            await asyncio.sleep(0.05)


def _spawn(command: tuple[str, ...], env: dict[str, str]) -> Child:
    # Their output goes to stderr: stdout says when the service is ready, and nothing else. SIGKILL, because a
    # job that is cut off is found by its lease, while a process without its database might wait for long.
    return spawn(
        [sys.executable, "-m", "zstack_mgmt", *command],
        env=env,
        output=sys.stderr.fileno(),
        death_signal=signal.SIGKILL,
        cwd=Path.cwd(),
    )


def _say(what: str) -> None:
    """Tell a person what goes on before all is ready."""
    print(f"zstack-mgmt: {what}", file=sys.stderr, flush=True)


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:@/]*):.*@", r"\1@", url).replace("://@", "://")


async def _until(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    signalled = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((task, signalled), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    finally:
        await tasks.end(task, signalled)


def _recorded_leftovers(data_dir: Path) -> list[Leftover]:
    """Processes of the service that outlived an earlier supervisor, as they can on macOS."""
    try:
        pids = json.loads((data_dir / "runtime.json").read_text())["pids"]
        recorded = [int(pid) for kind in SERVICE_KINDS for pid in pids.get(kind, ())]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [Leftover(pid, "zstack_mgmt", signal.SIGTERM) for pid in recorded if _serves(pid, data_dir)]


def _serves(pid: int, data_dir: Path) -> bool:
    # A number may have gone to another program, or to another installation's process.
    command = process_command(pid)
    if command is None or "-m zstack_mgmt" not in command:
        return False
    if not LINUX:
        return True
    try:
        return f"DATA_DIR={data_dir}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _source_folder() -> str:
    return str(Path(zstack_mgmt.__file__).resolve().parent.parent)


def _listeners(port: int) -> int:
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                count += fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    return count


async def _answers(host: str, port: int, path: str) -> bool:
    # One request on a connection of its own, without the cost of loading an HTTP client into the supervisor.
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]
