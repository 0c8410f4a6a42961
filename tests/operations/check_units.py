"""The units of `deploy/systemd/`: systemd takes them, and what they start exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from operations.processes import ROOT, program
from zstack_mgmt import __main__

UNITS = sorted((ROOT / "deploy/systemd").iterdir())
PROGRAM = "/opt/zstack-mgmt/bin/zstack-mgmt"


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    there = tmp_path / "zstack-mgmt"  # in a path without spaces, wherever the checkout is
    there.symlink_to(sys.executable)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, str(there)))
    names = [str(tmp_path / unit.name.replace("@.", "@8080.")) for unit in UNITS]
    for unit in UNITS:  # instances, as `systemctl enable` would make them
        if "@." in unit.name:
            (tmp_path / unit.name.replace("@.", "@8080.")).symlink_to(tmp_path / unit.name)
    verify = [program("systemd-analyze"), "verify", "--man=no", *names]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "zstack-mgmt.target").write_text("[Unit]\nWants=\nNonsense=1\n[Service")
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "zstack-mgmt.target" in done.stderr, "the check can fail"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    for command in re.findall(rf"^ExecStart={PROGRAM} (.+)$", unit.read_text(), re.MULTILINE):
        assert re.search(rf"^{command.split()[0]}\b", __main__.__doc__ or "", re.MULTILINE)
    assert ("ExecStart=" in unit.read_text()) == unit.name.endswith(".service")
