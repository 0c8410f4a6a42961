"""Fixtures of the console tests."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "compute"))
sys.path.insert(0, str(Path(__file__).parent))

from world import World, build

from app import running_agent, running_service
from zstack_mgmt.config import Settings


@pytest.fixture
async def lonely(settings: Settings) -> AsyncIterator[World]:
    """The cloud without an agent."""
    async with running_service(settings) as service:
        yield await build(service)


@pytest.fixture
async def world(lonely: World, settings: Settings) -> AsyncIterator[World]:
    """The cloud with an agent."""
    async with running_agent(settings):
        yield lonely
