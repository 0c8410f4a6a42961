"""Tasks end although a cancellation got lost."""

import asyncio

import pytest

from zstack_mgmt import tasks


async def test_a_task_that_loses_its_first_cancellation_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_REPEAT_S", 0.01)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    lost = 0

    async def forever() -> None:
        nonlocal lost
        while True:
            try:
                await answer if not lost else await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost:
                    raise
                lost += 1  # as a client library does whose answer came in the same turn

    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.end(task)
    assert (task.cancelled(), lost) == (True, 1)


async def test_tasks_that_fail_or_have_ended_are_no_trouble():
    async def fails() -> None:
        raise ValueError("on purpose")

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on purpose")

    ended = asyncio.create_task(fails())
    await asyncio.sleep(0)
    ending = asyncio.create_task(fails_when_cancelled())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.end(ended, ending)
        await tasks.end()
    assert isinstance(ending.exception(), ValueError)
