"""One running service for all of these tests, and what calls it as a user's program does."""

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
import pytest_asyncio

from app import Service, service_of_its_own
from services import Services
from zstack_sdk import Client

InThread = Callable[..., Awaitable[Any]]
Terminal = Callable[..., Any]
SOURCES = Path(__file__).parents[2] / "sdk/src"
PROGRAM = "from zstack_cli.main import main; main()"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service_of_its_own(services, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """A client of the SDK with the admin's session."""
    with Client(service.origin, session_id=service.admin.token) as made:
        yield made


@pytest.fixture
def blocking() -> InThread:
    """Runs a function that blocks, while the service goes on in the test's own event loop."""
    return asyncio.to_thread


@pytest.fixture
def environment(service: Service, tmp_path: Path) -> dict[str, str]:
    """What the commands find: a home of their own, and `zstack-cli` on the PATH."""
    program = tmp_path / "bin/zstack-cli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCES),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "ZSTACK_URL": service.origin,
    }


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    """Starts commands in terminals."""
    started: list[Any] = []

    def start(*command: str, columns: int = 100, **more: str) -> Any:
        child = pexpect.spawn(
            "/usr/bin/env",
            ["--default-signal=INT", *command],  # a shell lets what it starts with `&` ignore it
            env=environment | more,
            dimensions=(40, columns),
            encoding="utf-8",
            timeout=30,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)
