"""Plays the stories of the documentation against a running service."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import ADMIN, Answer, Client, Service
from zstack_mgmt.reference.examples import FIXED, Step, fill, shown_uuid

PRELUDE = [Step(**step) for step in json.loads((Path(__file__).parent / "docs/small_cloud.json").read_text())]
"""Makes a small cloud, up to a VM that runs, for the stories that use its variables."""
NAME = re.compile(r"\{(\w+)\}")
UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M"), "Nov 14, 2026 10:30:00 AM"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)"), "2026-11-14T10:30:00+00:00"),
    (re.compile(r"whsec_[A-Za-z0-9+/=]+"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
]
MAC = re.compile(r"fa(:[0-9a-f]{2}){5}")
HOUR_MS = 3_600_000
MOMENT_MS = 1_794_652_200_000  # Nov 14, 2026 10:30
MOMENTS = {"startTime": MOMENT_MS, "endTime": MOMENT_MS + HOUR_MS, "dateEnd": MOMENT_MS + HOUR_MS}
NUMBERS = {"durationMs": 12, "id": 1, "bytes": 12_000_000, "connections": 19, "clients": 13, "sessions": 1}
NUMBERS |= {
    "oldestSeconds": 0.016,
    "executeTime": 12,
    "acceptedPerMinute": 4,
    "finishedPerMinute": 4,
    "consoleProxyPort": 4900,
}
HOURLY = 0.05
"""What a stretch of use costs in the stories, which have one price."""
TEXTS = {"process": "node-1:4711:0f3a9c1e", "serverVersion": "15.14"}
TEXTS |= {"requestId": "6f1c0a52d7e94b3c", "expiredDate": "Nov 14, 2026 12:30:00 PM"}


@dataclass
class Normaliser:
    """Replaces what differs from run to run. The same value gets the same replacement throughout a story."""

    salt: str
    known: dict[str, str] = field(default_factory=dict)
    unnamed: int = 0
    macs: dict[str, str] = field(default_factory=dict)

    def __call__(self, value: Any, *, trim: bool = False) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            kept = value[:2] if trim and len(value) > 2 else value
            return [self(item, trim=trim) for item in kept] + (["…"] if len(kept) < len(value) else [])
        if isinstance(value, dict):
            return {self.text(key): self.member(key, item, trim) for key, item in value.items()}
        return value

    def member(self, key: str, value: Any, trim: bool) -> Any:
        if key in NUMBERS and isinstance(value, int):
            return NUMBERS[key]
        if key in MOMENTS and isinstance(value, int):
            return MOMENTS[key]
        if key in ("spending", "total") and isinstance(value, float):
            return HOURLY if value else 0.0
        return TEXTS[key] if key in TEXTS else self(value, trim=trim)

    def text(self, text: str) -> str:
        for real, replacement in self.known.items():
            text = text.replace(real, replacement)
        for pattern, replacement in RULES:
            text = pattern.sub(replacement, text)
        return UUID.sub(self.uuid, MAC.sub(self.mac, text))

    def mac(self, match: re.Match[str]) -> str:
        return self.macs.setdefault(match[0], f"fa:00:00:00:00:{len(self.macs) + 1:02x}")

    def uuid(self, match: re.Match[str]) -> str:
        if match[0] in self.known.values():
            return match[0]
        self.unnamed += 1
        self.known[match[0]] = shown_uuid(f"{self.salt} {self.unnamed}")
        return self.known[match[0]]


class Player:
    """One run of one story."""

    def __init__(self, service: Service, receiver: str, salt: str, directory: str) -> None:
        self.service = service
        self.variables = {
            "root": service.admin.token,
            "admin": ADMIN,
            "origin": service.origin,
            "receiver": receiver,
            "directory": directory,
        }
        self.normalise = Normaliser(salt)
        self.normalise.known = {receiver: FIXED["receiver"], service.origin: FIXED["origin"], ADMIN: ADMIN}
        self.normalise.known[directory] = FIXED["directory"]
        self.normalise.known |= {
            receiver.removeprefix("http://"): FIXED["receiver"].removeprefix("http://"),
            service.admin.token: shown_uuid("root"),
        }
        self.normalise.known[f"127.0.0.1:{service.settings.console_port}"] = "127.0.0.1:4900"
        self.lock: Any = None

    async def prepare(self, story: list[Step]) -> None:
        """Play as much of the prelude as the story's variables need."""
        used = wanted(story)
        last = max((n for n, step in enumerate(PRELUDE, 1) if used & step.keep.keys()), default=0)
        for step in PRELUDE[:last]:
            status, answer = await self.play(step)
            assert status == 200, f"{step.call} answers {status}: {answer}"

    async def play(self, step: Step) -> tuple[int, Any]:
        """Make the call; its status and its normalised answer."""
        if step.hold is not None:
            await self.hold(step.hold)
        for literal in UUID.findall(json.dumps(step.body)):
            self.normalise.known[literal] = literal  # the story's own words
        answer = await self.exchange(step)
        for name, place in step.keep.items():
            value = answer.headers["X-Job-UUID"] if place == "@job" else find(answer.body, place)
            self.variables[name] = value
            self.normalise.known[value] = shown_uuid(name)
        body = answer.body.decode() if isinstance(answer.body, bytes) else answer.body
        return answer.status, self.normalise(body, trim=step.trim)

    async def exchange(self, step: Step) -> Answer:
        of: Callable[[str], str] = self.variables.__getitem__
        client = self.service.anonymous
        if step.session:
            client = Client(client.http, client.base, self.variables[step.session])
        call = client.call if step.accepted else client.job
        async with asyncio.timeout(20):
            while True:
                answer = await call(
                    step.method, fill(step.path, of), fill(step.body, of), headers=fill(step.headers, of)
                )
                if all(find(answer.body, place) == value for place, value in step.until.items()):
                    return answer
                await asyncio.sleep(0.05)

    async def hold(self, table: str) -> None:
        """Lock a table, so that jobs which change it stay unfinished; an empty name lets go."""
        if self.lock is not None:
            await self.lock.rollback()
            self.lock = None
        if table:
            self.lock = self.service.db.transaction()
            await self.lock.start()
            await self.service.db.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')


def wanted(story: list[Step]) -> set[str]:
    """The variables that a story uses and does not keep itself before."""
    kept: set[str] = set()
    used: set[str] = set()
    for step in story:
        sent = json.dumps([step.path, step.headers, step.body])
        used |= set(NAME.findall(sent)) - kept
        kept |= step.keep.keys()
    return used


def find(body: Any, place: str) -> Any:
    """The value at a dotted place, `inventories.0.uuid`; None if there is none."""
    for part in place.split("."):
        try:
            body = body[int(part)] if isinstance(body, list) else body[part]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def pretty(steps: list[dict[str, Any]]) -> str:
    """A story as its file holds it."""
    return json.dumps(steps, indent=1, ensure_ascii=False) + "\n"
