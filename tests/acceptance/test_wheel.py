"""The wheel works away from the checkout, and claims no name but ours."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from zstack_mgmt import __version__, bootstrap
from zstack_mgmt.config import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the content of the wheel."""
    built, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, code: str, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment that has the wheel's content and not the checkout."""
    ours = {
        "PYTHONPATH": str(installed),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "REDIS_PREFIX": settings.redis_prefix,
        "DATA_DIR": str(settings.data_dir),
    }
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=installed,
        env=os.environ | ours,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_claims_one_import_name_and_has_its_licence(installed: Path) -> None:
    about = f"zstack_mgmt-{__version__}.dist-info"
    assert {entry.name for entry in installed.iterdir()} == {"zstack_mgmt", about}
    metadata = PathDistribution(installed / about)
    assert metadata.metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in (installed / about / "licenses/LICENSE").read_text()
    (script,) = metadata.entry_points
    assert (script.group, script.name) == ("console_scripts", "zstack-mgmt")
    assert callable(getattr(__import__("zstack_mgmt.__main__", fromlist=["x"]), script.attr))


def test_its_files_are_the_checkouts(installed: Path) -> None:
    for part in ("schema.sql", "migrations", "ui", "workers"):
        source, copy = ROOT / part, installed / "zstack_mgmt" / part
        files = [source] if source.is_file() else [file for file in source.rglob("*.*") if file.is_file()]
        for file in files:
            if "__pycache__" not in file.parts and file.name != ".npmrc":
                assert (copy / file.relative_to(source)).read_bytes() == file.read_bytes()


async def test_a_worker_of_the_wheel_starts_and_stops(installed: Path, settings: Settings) -> None:
    await bootstrap.prepare_database(settings)
    code = """
import asyncio, sys
from zstack_mgmt import __main__, process
runner = __main__._workers_runner()
assert runner.__name__ == "zstack_mgmt.workers.runner", runner
stop = asyncio.Event()
stop.set()
asyncio.run(runner.run_worker(__main__.Settings.from_env(), sys.argv[1], stop))
assert "workers" not in sys.modules
"""
    for queue in ("jobs", "webhooks"):
        ended = run(installed, code, settings, queue)
        assert ended.returncode == 0, ended.stderr
        assert "worker stopped" in ended.stdout
