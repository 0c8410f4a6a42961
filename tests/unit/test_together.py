"""Questions that share looks: fresh, bounded, and of use to each who asks."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from zstack_mgmt.together import Together


class World:
    """What is looked at: a number that changes. Looks wait at the gate while it is closed."""

    def __init__(self, most: int = 4) -> None:
        self.now = 0
        self.looks: list[set[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False
        self.together = Together(self.look, most)

    async def look(self, keys: Collection[str]) -> Mapping[str, int]:
        self.looks.append(set(keys))
        seen = self.now
        await self.gate.wait()
        if self.broken:
            raise OSError("away")
        return dict.fromkeys(keys, seen)

    def ask(self, *keys: str, lane: str = "") -> "asyncio.Task[Mapping[str, int]]":
        return asyncio.create_task(self.together.find(lane, keys))  # pyright: ignore[reportArgumentType]

    async def looking(self, count: int) -> None:
        """Wait until so many looks have begun."""
        async with asyncio.timeout(2):
            while len(self.looks) < count:
                await asyncio.sleep(0)


async def test_those_who_ask_at_once_share_one_look() -> None:
    world = World()
    answers = await asyncio.gather(world.ask("a", "b"), world.ask("b", "c"), world.ask("a"))
    assert world.looks == [{"a", "b", "c"}]
    assert all(answer["a"] == 0 for answer in (answers[0], answers[2]))


async def test_no_answer_is_older_than_its_question() -> None:
    world = World()
    world.gate.clear()
    early = world.ask("a")
    await world.looking(1)
    world.now = 1
    late = [world.ask("a") for _ in range(3)]
    await asyncio.sleep(0)
    world.gate.set()
    assert await early == {"a": 0}
    assert [await one for one in late] == [{"a": 1}] * 3
    assert len(world.looks) == 2


async def test_a_look_has_so_many_keys() -> None:
    world = World(most=4)
    asked = [(f"{n}", f"{n}'") for n in range(5)]
    answers = await asyncio.gather(*(world.ask(*keys) for keys in asked))
    assert [len(keys) for keys in world.looks] == [4, 4, 2]
    assert all(set(keys) <= answer.keys() for keys, answer in zip(asked, answers, strict=True))


async def test_a_lane_waits_for_no_other() -> None:
    world = World()
    world.gate.clear()
    first, second = world.ask("a", lane="1"), world.ask("b", lane="2")
    await world.looking(2)
    world.gate.set()
    assert (await first, await second) == ({"a": 0}, {"b": 0})


async def test_an_error_is_told_to_all_who_asked_and_to_nobody_later() -> None:
    world = World()
    world.broken = True
    told = await asyncio.gather(world.ask("a"), world.ask("b"), return_exceptions=True)
    assert [type(error) for error in told] == [OSError, OSError]
    world.broken = False
    assert await world.ask("a") == {"a": 0}


async def test_who_gives_up_takes_nobody_along() -> None:
    world = World()
    world.gate.clear()
    one, other = world.ask("a"), world.ask("a")
    await world.looking(1)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    world.gate.set()
    assert await other == {"a": 0}
    assert len(world.looks) == 1
