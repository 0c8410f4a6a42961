"""Places that lanes take in turn."""

import asyncio

import pytest

from zstack_mgmt.turns import Turns


async def served(turns: Turns, asked: str) -> list[str]:
    """The order in which these lanes, a letter each, get the single place that is taken now."""
    order: list[str] = []

    async def ask(lane: str) -> None:
        async with turns.turn(lane):
            order.append(lane)
            await asyncio.sleep(0)

    async with turns.turn("busy"):
        tasks = [asyncio.create_task(ask(lane)) for lane in asked]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return order


async def test_lanes_take_turns_and_keep_their_own_order() -> None:
    assert "".join(await served(Turns(1), "aaaabbc")) == "abcabaa"


async def test_a_lane_leaves_places_to_others() -> None:
    turns = Turns(5, 4)
    for _ in range(4):
        await turns.take("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(turns.take("a"), 0.01)
    await asyncio.wait_for(turns.take("b"), 0.01)
    turns.give("b")
    await asyncio.wait_for(turns.take(""), 0.01)


async def test_a_place_passes_over_those_who_give_up_in_the_same_moment() -> None:
    turns = Turns(1)
    await turns.take("a")
    first, second = [asyncio.create_task(turns.take("a")) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    turns.give("a")  # the first has not noticed yet
    await asyncio.wait_for(second, 1)
    turns.give("a")
    assert turns.waiting("a") == 0
    await asyncio.wait_for(turns.take("b"), 0.01)


async def test_who_gives_up_takes_no_place() -> None:
    turns = Turns(1)
    await turns.take("a")
    waiting = [asyncio.create_task(turns.take(lane)) for lane in "abab"]
    await asyncio.sleep(0)
    turns.give("a")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert turns.waiting("a") == turns.waiting("b") == 0
    if any(task.done() and not task.cancelled() and task.exception() is None for task in waiting):
        turns.give("b")
    await asyncio.wait_for(turns.take("c"), 0.01)
