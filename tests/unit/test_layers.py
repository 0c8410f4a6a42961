"""`make check` refuses a package that nobody has put into a layer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, for import-linter alone."""
    for name in ("zstack_mgmt", "workers", "sdk/src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "place", ["zstack_mgmt", "zstack_mgmt/compute", "sdk/src/zstack_sdk", "sdk/src/zstack_cli"]
)
def test_a_new_package_must_be_named_in_a_layer(house: Path, place: str) -> None:
    (house / place / "novelty").mkdir()
    (house / place / "novelty/__init__.py").touch()
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=house,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(house), str(house / "sdk/src")))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert f"{Path(place).name}.novelty" in done.stdout
