"""The line that tells how a job stands while a command waits for it."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from zstack_cli.desk import Desk

_EVERY_S = 0.25
_FIRST_S = 0.3  # most jobs have ended by then
_ASK_S = 1.0
_SAMPLE = 20


class Progress:
    """A line on stderr, from a moment after the start to the end of the block; silent without a terminal."""

    def __init__(self, desk: Desk, api: str, job_uuid: str) -> None:
        self._desk = desk
        self._api = api
        self._job = job_uuid
        self._state = "running"
        self._usual_s: float | None = None
        self._behind = ""
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def on_wait(self, _job_uuid: str, state: str) -> None:
        """A request has shown the state of the job."""
        self._state = state or self._state

    def __enter__(self) -> Self:
        if self._desk.shows_progress:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=1)

    def text(self) -> str:
        """What the line says now."""
        say = self._desk.say
        elapsed = time.monotonic() - self._began
        told = say("running", api=self._api, state=say.state(self._state), elapsed=elapsed)
        if self._behind and self._state == "queued":
            told += say("behind", job=self._behind[:8])
        if self._usual_s:
            percent = min(99.0, 100 * elapsed / self._usual_s)
            told += say("usually", usual=self._usual_s, percent=percent)
        return told + say("leave")

    def _run(self) -> None:
        pause = _FIRST_S
        asked = shown = False
        while not self._over.wait(pause):
            pause = _EVERY_S
            sys.stderr.write(f"\r\x1b[K{fitting(self.text(), shutil.get_terminal_size().columns - 1)}")
            sys.stderr.flush()
            shown = True
            if not asked and time.monotonic() - self._began > _ASK_S:
                asked = True
                self._ask()
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _ask(self) -> None:
        """Learn how long such jobs took lately, and which job this one waits for; or nothing of it."""
        from zstack_sdk import GetApiJobAction, ListApiJobsAction, ZStackError

        client = self._desk.client
        try:
            listed = ListApiJobsAction(api=self._api, state="succeeded", limit=_SAMPLE).call(client)
            rows = [] if listed.error else listed.value.inventories
            lasted = [
                _seconds(row.startedAt, row.finishedAt) for row in rows if row.startedAt and row.finishedAt
            ]
            self._usual_s = median(lasted) if lasted else None
            details = GetApiJobAction(uuid=self._job).call(client)
            if details.error is None:
                self._behind = str(details.value.inventory.waitsFor or "")
        except ZStackError:
            pass


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def fitting(text: str, cells: int) -> str:
    """As much of a text as fits into so many cells of a terminal.

    >>> fitting("CreateZone 运行中", 14)
    'CreateZone 运'
    """
    from wcwidth import wcwidth

    used = 0
    for i, character in enumerate(text):
        used += max(wcwidth(character), 0)
        if used > cells:
            return text[:i]
    return text
