"""Fixtures of the compute tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from world import World, build

from app import Service


@pytest.fixture
async def world(service: Service) -> World:
    """The small cloud, all of the administrator."""
    return await build(service)


@pytest.fixture
async def shared_world(world: World) -> World:
    """The small cloud, open to every account."""
    await world.share()
    return world
