"""Machines that are network namespaces: each has an address, and a link that can be cut in silence.

Needs root, iproute2 and iptables. This machine plays the one with PostgreSQL, Redis, nginx and the receivers:
what a machine sends to its gateway arrives at our loopback interface.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from operations.processes import Process, Processes, answers, program

NETWORK = "10.213.0.0/16"
API_PORTS = (8080, 8081)


async def run(*command: str) -> None:
    """Run a program of the system; the test fails with what it says."""
    done = await asyncio.to_thread(
        subprocess.run, [program(command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@dataclass
class Machine:
    """One of them, and what runs on it."""

    running: Processes
    number: int
    folder: str

    @property
    def name(self) -> str:
        return f"zstack-{self.number}"

    @property
    def address(self) -> str:
        return f"10.213.{self.number}.2"

    @property
    def gateway(self) -> str:
        """This machine, as that one reaches it."""
        return f"10.213.{self.number}.1"

    @property
    def link(self) -> str:
        """Our end of its link."""
        return f"zs{self.number}"

    @property
    def log(self) -> str:
        """The log of its worker, as far as it is written."""
        return (self.running.folder / f"{self.name}-worker-jobs").read_text()

    def here(self, url: str) -> str:
        """A URL of our loopback interface, as that machine reaches it."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.replace("127.0.0.1", self.gateway)))

    async def service(self, python: str, *command: str, **env: str) -> Process:
        """Start a process of the service there."""
        own = {
            "DATABASE_URL": self.here(self.running.env["DATABASE_URL"]),
            "REDIS_URL": self.here(self.running.env["REDIS_URL"]),
            "DATA_DIR": self.folder,
            "HOST": self.address,
        }
        inside = ("netns", "exec", self.name, python, "-m", "zstack_mgmt", *command)
        log = "-".join((self.name, *command))
        return await self.running.run(program("ip"), *inside, log=log, **(own | env))

    async def api(self, python: str, port: int, **env: str) -> Process:
        """Start an API process there, and wait until it answers."""
        process = await self.service(python, "serve", PORT=str(port), **env)
        await answers(f"http://{self.address}:{port}/healthz", process)
        return process

    @asynccontextmanager
    async def cut_off(self, port: int) -> AsyncIterator[None]:
        """Drop every packet between it and our port meanwhile; nobody is told."""
        rules = (("OUTPUT", "--dport"), ("INPUT", "--sport"))
        for chain, direction in rules:
            await self._inside("-A", chain, "-p", "tcp", direction, str(port), "-j", "DROP")
        try:
            yield
        finally:
            for chain, direction in rules:
                await self._inside("-D", chain, "-p", "tcp", direction, str(port), "-j", "DROP")

    async def _inside(self, *rule: str) -> None:
        await run("ip", "netns", "exec", self.name, program("iptables"), *rule)

    async def connect(self) -> None:
        """Make the namespace and its link to us."""
        await run("ip", "netns", "add", self.name)
        await run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        await run("ip", "addr", "add", f"{self.gateway}/24", "dev", self.link)
        await run("ip", "link", "set", self.link, "up")
        inside = ("ip", "-n", self.name)
        await run(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        await run(*inside, "link", "set", "eth0", "up")
        await run(*inside, "link", "set", "lo", "up")
        await run(*inside, "route", "add", "default", "via", self.gateway)
        await run("sysctl", "-q", f"net.ipv4.conf.{self.link}.route_localnet=1")

    async def remove(self) -> None:
        await run(
            "ip", "link", "del", self.link
        )  # a namespace may outlive its name, as long as sockets linger
        await run("ip", "netns", "del", self.name)


_TO_LOOPBACK = (
    ("PREROUTING", "-s", NETWORK, "-d", NETWORK, "-p", "tcp", "-j", "DNAT", "--to-destination", "127.0.0.1"),
    ("INPUT", "-s", NETWORK, "-d", "127.0.0.1", "-p", "tcp", "-j", "SNAT", "--to-source", "127.0.0.1"),
)


@asynccontextmanager
async def machines(running: Processes, count: int) -> AsyncIterator[list[Machine]]:
    """Machines for the time of a block. End their processes before it ends."""
    made: list[Machine] = []
    for rule in _TO_LOOPBACK:
        await run("iptables", "-t", "nat", "-A", *rule)
    try:
        for number in range(1, count + 1):
            folder = running.folder / f"machine-{number}"
            folder.mkdir()
            machine = Machine(running, number, str(folder))
            made.append(machine)
            await machine.connect()
        yield made
    finally:
        for machine in made:
            await machine.remove()
        for rule in _TO_LOOPBACK:
            await run("iptables", "-t", "nat", "-D", *rule)
