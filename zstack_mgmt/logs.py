"""Structured logs on standard error, constant messages with fields: a JSON object a line, or for people."""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import structlog


def _dumps(event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_UTC_Z)
    except TypeError:  # a text that is no Unicode, as a file name can be
        return json.dumps(event, default=str).encode()


class _BufferedLogger:
    """Writes lines in groups: a system call per line would cost more than making the line.

    What is worse than information is written at once, with everything before it; the rest within `FLUSH_S`.
    """

    FLUSH_S = 0.1
    MAX_BYTES = 32 * 1024

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0
        self._lock = threading.Lock()
        self._work = threading.Event()
        threading.Thread(target=self._flush_forever, name="log", daemon=True).start()
        atexit.register(self.flush)

    def info(self, line: bytes) -> None:
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
        if self._bytes > self.MAX_BYTES:
            self.flush()
        elif not self._work.is_set():
            self._work.set()

    debug = info

    def error(self, line: bytes) -> None:
        self.info(line)
        self.flush()

    warning = warn = critical = exception = fatal = error

    def flush(self) -> None:
        with self._lock:
            lines, self._lines, self._bytes = self._lines, [], 0
            if lines:
                os.write(2, b"\n".join([*lines, b""]))

    def _flush_forever(self) -> None:
        while True:
            self._work.wait()
            time.sleep(self.FLUSH_S)
            self._work.clear()
            self.flush()


@cache
def _shared_logger() -> _BufferedLogger:
    return _BufferedLogger()


def flush() -> None:
    """Write what is still buffered, as the interpreter does at its end by itself."""
    _shared_logger().flush()


def configure(level: str, style: str = "json", process: str = "") -> None:
    """Set the process's logging up; call once, before the first log line.

    Args:
        style: json; text, for people; auto: text on a terminal, that of `run` for its children.
        process: its kind, which stands in each line beside its id.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    terminal = os.isatty(2)
    readable = style == "text" or (style == "auto" and terminal)
    named: dict[str, Any] = {"process": process} if process else {}
    named["pid"] = os.getpid()
    colors = terminal and "NO_COLOR" not in os.environ
    structlog.configure(
        processors=_for_people(named, colors=colors) if readable else [_for_machines(named)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_shared_logger,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(threshold, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s"
    )


def _for_machines(named: Mapping[str, Any]) -> Any:
    """A JSON object, made in one step: each call of an API has a line."""
    exceptions = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # locals hold passwords
    )

    def line(logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
        event.update(level=level, timestamp=datetime.now(UTC), **named)
        return _dumps(exceptions(logger, level, event) if "exc_info" in event else event)

    return line


def _for_people(named: Mapping[str, Any], *, colors: bool) -> list[Any]:
    """A line that one reads: time, level, event, then what there is to say; nothing for empty fields."""

    def told(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(named)
        return {key: value for key, value in event.items() if value not in ("", None) and key != "action"}

    console = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=30, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )

    def line(logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
        return str(console(logger, name, event)).encode(errors="backslashreplace")

    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return [structlog.processors.add_log_level, stamp, told, line]
