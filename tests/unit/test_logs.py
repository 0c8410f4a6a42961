"""Lines for machines are JSON, lines on a terminal are for people; each tells its process."""

import json
import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from zstack_mgmt import logs
logs.configure("info", {style!r}, "worker-jobs")
log = structlog.get_logger()
log.info("job ended", action="job", api="CreateZone", account_uuid="", name="\\ud800 ünï")
try:
    secret = "hidden"
    raise ValueError("told")
except ValueError as error:
    log.error("it failed", exc_info=error)
"""


def written(style: str, *, terminal: bool) -> tuple[int, str]:
    """Process id and output of a process that logs to a terminal, or to a pipe."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(style=style)], stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # what Linux says at the end of a terminal
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert process.wait() == 0
    return process.pid, text.decode()


@pytest.mark.parametrize(("style", "terminal"), [("auto", False), ("json", True)])
def test_machines_get_an_object_a_line(style, terminal):
    pid, text = written(style, terminal=terminal)
    first, second = (json.loads(line) for line in text.splitlines())
    assert (first["event"], first["pid"], first["process"]) == ("job ended", pid, "worker-jobs")
    assert first["level"] == "info"
    assert second["exception"][0]["exc_value"] == "told"
    assert "hidden" not in text


@pytest.mark.parametrize(("style", "terminal"), [("auto", True), ("text", False)])
def test_people_get_lines_to_read(style, terminal):
    pid, text = written(style, terminal=terminal)
    first = text.splitlines()[0]
    assert "job ended" in first
    assert "CreateZone" in first
    assert str(pid) in first
    assert "account_uuid" not in first, "nothing is said of empty fields"
    assert ("\x1b[" in text) == terminal, "colours are for terminals"
    assert "ValueError: told" in text
    assert "hidden" not in text.replace('secret = "hidden"', "")
