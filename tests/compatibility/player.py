"""Plays what other people's clients sent to a service again, byte for byte, over a plain socket.

A file of `exchanges/` holds the requests of one client as they came over the wire. `<name>` stands for what
differs from run to run: `<host>`, `<hook>`, `<in_an_hour>`, and what earlier answers gave (`keep`). In a body
it has the length that it had, so that `Content-Length` stays right, unless that is `<length>`. A step with
`sign` has a new `<date>` in that zone, and the `<signature>` of its method, date and path.
"""

import asyncio
import base64
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from receivers import Received, Receiver

EXCHANGES = Path(__file__).parent / "exchanges"
VARIABLE = re.compile(r"<(\w+)>")
PATIENCE_S = 20
ZONES = {"CST": "Asia/Shanghai", "PRC": "Asia/Shanghai", "ICT": "Asia/Ho_Chi_Minh"}


@dataclass
class Played:
    """One exchange and what became of it. With a webhook the outcome is what the webhook brought."""

    exchange: dict[str, Any]
    sent: bytes
    status: int
    headers: dict[str, str]
    text: bytes
    waited: list[int] = field(default_factory=list)  # statuses of the polls before the last one
    hook: Received | None = None

    @property
    def line(self) -> str:
        """What a failing test calls it."""
        return " | ".join(filter(None, (self.exchange["request"][0], self.exchange.get("note"))))

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def outcome(self) -> Any:
        """What the client takes for the result: the body, the webhook's, or the reply in a message's."""
        if self.hook is not None:
            return json.loads(self.hook.body)
        result = self.body.get("result")
        return next(iter(json.loads(result).values())) if isinstance(result, str) else self.body

    @property
    def is_waiting(self) -> bool:
        """Whether the client asks again."""
        return self.status == 202 or self.body.get("state") == "Processing"

    def header(self, name: str) -> str | None:
        """The value of a header of the request."""
        found = re.search(rb"^" + name.encode() + rb": (.*?)\r$", self.sent, re.MULTILINE | re.IGNORECASE)
        return None if found is None else found[1].decode()


class Wire:
    """A connection that is kept open as long as client and server want."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers with names in lower case, and body."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(*self.address)
        reader, writer = self.streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        if b"\r\nConnection: close\r\n" in request or headers.get("connection") == "close":
            await self.close()
        return int(head[0].split(" ")[1]), headers, body

    async def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            await self.streams[1].wait_closed()
        self.streams = None


class Player:
    """Plays one file against a service."""

    def __init__(self, origin: str, receiver: Receiver) -> None:
        self.host = origin.removeprefix("http://")
        name, _, port = self.host.rpartition(":")
        self.wire = Wire(name, int(port))
        self.receiver = receiver
        self.variables = {
            "host": self.host,
            "hook": f"{receiver.url}/hook",
            "in_an_hour": str(int(time.time()) + 3600),
        }

    async def play(self, exchanges: list[dict[str, Any]]) -> list[Played]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return [await self.step(exchange) for exchange in exchanges]
        finally:
            await self.wire.close()

    async def step(self, exchange: dict[str, Any]) -> Played:
        request = self.request(exchange)
        played = Played(exchange, request, *await self.wire.exchange(request))
        while exchange.get("until_done") and played.is_waiting:
            waited = [*played.waited, *([202] if played.status == 202 else [])]
            played = Played(exchange, request, *await self.wire.exchange(request), waited)
        if "webhook" in exchange:
            played.hook = await self.hook_of(played.header("X-Job-UUID"))
        for name, place in exchange.get("keep", {}).items():
            self.variables[name] = str(value_at(played.outcome, place)).rpartition("/")[2]
        return played

    def request(self, exchange: dict[str, Any]) -> bytes:
        """The bytes that the client sends."""
        head = "\r\n".join([*exchange["request"], "", ""])
        if "sign" in exchange:
            self.sign(exchange["sign"], exchange["request"][0])
        self.variables["length"] = str(len(VARIABLE.sub(self.value, exchange.get("body", ""))))
        made = VARIABLE.sub(self.value, head).encode()
        body = VARIABLE.sub(self.value, exchange.get("body", "")).encode()
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", made)
        assert len(body) == (int(length[1]) if length else 0), (
            f"{exchange['request'][0]}: a value has another length"
        )
        return made + body

    def sign(self, zone: str, line: str) -> None:
        """Sign the request as an access key does, with a date as the client writes it."""
        method, target, _ = VARIABLE.sub(self.value, line).split(" ")
        now = datetime.now(ZoneInfo(ZONES.get(zone, zone)))
        self.variables["date"] = date = f"{now:%a, %d %b %Y %H:%M:%S} {zone}"
        path = target.partition("?")[0].removeprefix("/zstack")
        made = hmac.new(self.variables["secret"].encode(), f"{method}\n{date}\n{path}".encode(), "sha1")
        self.variables["signature"] = base64.b64encode(made.digest()).decode()

    def value(self, match: re.Match[str]) -> str:
        return self.variables[match[1]]

    async def hook_of(self, job: str | None) -> Received:
        """The webhook of a job, once it has come."""
        seen = 0
        while True:
            await self.receiver.wait_for(seen + 1, PATIENCE_S)
            found = self.receiver.requests[seen]
            if found.headers.get("x-job-uuid") == job:
                return found
            seen += 1


def load(name: str) -> dict[str, Any]:
    return json.loads((EXCHANGES / f"{name}.json").read_text("utf-8"))


def value_at(body: Any, path: str) -> Any:
    """The value at a path such as `inventories[0].name`. Raises KeyError or IndexError if there is none."""
    for index, name in re.findall(r"\[(\d+)\]|(\w+)", path):
        body = body[name] if name else body[int(index)]
    return body
