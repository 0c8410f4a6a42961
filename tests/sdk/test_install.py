"""A user's environment: a new one with the SDK alone runs the README's script."""

import asyncio
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from app import Service
from sdk.conftest import InThread

pytestmark = pytest.mark.asyncio(loop_scope="session")
SDK = Path(__file__).parents[2] / "sdk"


def script() -> str:
    """The README's first Python block."""
    return re.findall(r"^```python\n(.*?)^```$", (SDK / "README.md").read_text(), re.MULTILINE | re.DOTALL)[0]


def environment(folder: Path) -> Path:
    """A new environment with the SDK as a wheel, and nothing else; its Python."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "wheel", SDK]
    subprocess.run(wheel, check=True, capture_output=True)
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    made = next((folder / "wheel").glob("*.whl"))
    subprocess.run([*pip, "--python", python, "install", made], check=True, capture_output=True)
    return python


async def test_the_script_of_the_readme_needs_the_sdk_alone(
    service: Service, blocking: InThread, tmp_path: Path
) -> None:
    assert len(script().strip().splitlines()) <= 10
    python = await blocking(environment, tmp_path)
    program = script().replace("http://127.0.0.1:8080", service.origin)
    process = await asyncio.create_subprocess_exec(
        python, "-W", "error", "-c", program, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert re.fullmatch(r"[0-9a-f]{32}\nsdk-zone Enabled\n", output.decode())
    listing = "from importlib.metadata import distributions; print(*(d.name for d in distributions()))"
    listed = subprocess.run([python, "-c", listing], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == ["zstack-mgmt-sdk"]
