"""A real directory for the tests, on a free port, with certificates of its own.

It is OpenLDAP's slapd. Where that cannot be had, a server in Python on ldaptor serves the same tests, and the
summary of the run says so. TEST_DIRECTORY=slapd or TEST_DIRECTORY=ldaptor leaves no choice.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import ldap3

from authority import Authority
from directory_data import AD_BASE, AD_SERVICE, BASE, MANAGER_PASSWORD, SERVICE, ad_data, generated_data
from slapd import Slapd, SlapdMissing


class DirectoryMissing(Exception):
    """The directory does not run: the tests fail, they do not skip."""


class Server(Protocol):
    """A program that serves the data of the tests."""

    @property
    def name(self) -> str: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    def prepare(self, folder: Path) -> None:
        """Write its settings and data beside server.crt, server.key and authority.pem."""
        ...

    def command(self, folder: Path, port: int, tls_port: int) -> Sequence[str | Path]: ...


@dataclass
class Ldaptor:
    """The directory in Python, which every machine has."""

    why: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"ldaptor, in Python: {self.why}"

    def prepare(self, folder: Path) -> None:
        trees = [
            {
                "ldif": f"{number}.ldif",
                "manager": f"cn=manager,{base}",
                "password": MANAGER_PASSWORD,
                "secret": f"ou=bulk,{base}",
                "reader": service,
            }
            for number, (base, service) in enumerate(((BASE, SERVICE), (AD_BASE, AD_SERVICE)))
        ]
        (folder / "trees.json").write_text(json.dumps(trees))
        for number, data in enumerate((generated_data(), ad_data())):
            (folder / f"{number}.ldif").write_text(data)

    def command(self, folder: Path, port: int, tls_port: int) -> Sequence[str | Path]:
        program = Path(__file__).with_name("ldaptor_server.py")
        return [sys.executable, program, folder, str(port), str(tls_port)]


@dataclass
class Directory:
    """A directory with all its data, running between `start` and `kill` or `stop`."""

    folder: Path
    program: Server
    port: int
    tls_port: int
    authority: Authority
    stranger: Authority  # has issued nothing here
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def server(self) -> str:
        """Which server it is, for the summary of the run."""
        return self.program.name

    @property
    def url(self) -> str:
        """The certificate is for `localhost`, and not for the address."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @contextmanager
    def as_manager(self) -> Iterator[ldap3.Connection]:
        """A connection that may change everything under BASE."""
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        with ldap3.Connection(
            server, f"cn=manager,{BASE}", MANAGER_PASSWORD, raise_exceptions=True
        ) as connection:
            yield connection

    def add(self, ldif: str) -> str:
        """Add one entry; its name."""
        lines = [line.partition(": ") for line in ldif.strip().splitlines()]
        attributes: dict[str, list[str]] = {}
        for name, _, value in lines[1:]:
            attributes.setdefault(name, []).append(value)
        with self.as_manager() as connection:
            connection.add(lines[0][2], attributes=attributes)
        return lines[0][2]

    def remove(self, dn: str) -> None:
        with self.as_manager() as connection:
            connection.delete(dn)

    def move(self, dn: str, superior: str) -> str:
        """Put the entry somewhere else; its new name."""
        rdn = dn.partition(",")[0]
        with self.as_manager() as connection:
            connection.modify_dn(dn, rdn, new_superior=superior)
        return f"{rdn},{superior}"

    def change(self, dn: str, **attributes: str) -> None:
        changes = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in attributes.items()}
        with self.as_manager() as connection:
            connection.modify(dn, changes)

    def start(self) -> None:
        """Start it, for the first time or again. Raises DirectoryMissing."""
        command = self.program.command(self.folder, self.port, self.tls_port)
        log = self.folder / "server.log"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=os.environ | self.program.environment,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), timeout=1).close()
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    said = log.read_text(errors="replace").strip()[-500:]
                    raise DirectoryMissing(f"{self.server} does not start: {said or error}") from error
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def prepare_directory(folder: Path) -> Directory:
    """Choose the server, and write its settings and data. Raises DirectoryMissing."""
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    for file, name in zip(authority.issue("localhost"), ("server.crt", "server.key"), strict=True):
        file.rename(folder / name)
    chosen = os.environ.get("TEST_DIRECTORY", "")
    if chosen not in ("", "slapd", "ldaptor"):
        raise DirectoryMissing("TEST_DIRECTORY takes slapd or ldaptor")
    program: Server = Ldaptor("TEST_DIRECTORY wants it")
    if chosen != "ldaptor":
        try:
            program = Slapd()
            program.prepare(folder)
        except SlapdMissing as error:
            if chosen:
                raise DirectoryMissing(f"The directory tests need OpenLDAP: {error}") from None
            program = Ldaptor(str(error))
    if isinstance(program, Ldaptor):
        program.prepare(folder)
    return Directory(folder, program, *_free_ports(), authority, stranger)


@contextmanager
def running_directory(folder: Path) -> Iterator[Directory]:
    """A directory that ends with the block."""
    directory = prepare_directory(folder)
    directory.start()
    try:
        yield directory
    finally:
        directory.stop()


def _free_ports() -> tuple[int, int]:
    host = "127.0.0.1"
    with socket.create_server((host, 0)) as one, socket.create_server((host, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stand_in(behaviour: Behaviour) -> AsyncIterator[int]:
    """The port of a server that does what a test tells it, for what slapd cannot be made to do."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
