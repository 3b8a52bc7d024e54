"""Deadlines of tasks: which are cancelled, when, and what the tasks learn of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite.http.deadlines import Deadlines
from tests.helpers.pauses import work_for
from tests.helpers.waiting import until

SOON_S = 0.02
NEVER_S = 3600.0


async def wait(deadlines: Deadlines, seconds: float, until_then: asyncio.Event) -> bool:
    """Waits for an event; returns whether that took too long."""
    task: Any = asyncio.current_task()
    before, is_late = task.cancelling(), False
    deadlines.begin(task, seconds)
    try:
        await until_then.wait()
    except asyncio.CancelledError:
        if not deadlines.end(task, seconds, before):
            raise
        is_late = True
    else:
        is_late = deadlines.end(task, seconds, before)
    assert task.cancelling() == before
    return is_late


async def test_a_task_that_takes_too_long_is_cancelled_and_goes_on() -> None:
    deadlines, never = Deadlines(), asyncio.Event()
    begun = asyncio.get_running_loop().time()
    assert [await wait(deadlines, SOON_S, never) for _ in range(3)] == [True] * 3
    assert asyncio.get_running_loop().time() - begun >= 3 * SOON_S


async def test_a_task_that_ends_in_time_is_left_alone() -> None:
    deadlines, done = Deadlines(), asyncio.Event()
    done.set()
    assert not await wait(deadlines, SOON_S, done)
    await work_for(2 * SOON_S)
    assert not await wait(deadlines, SOON_S, done)


async def test_each_task_of_a_line_has_its_own_deadline_and_each_line_its_own() -> None:
    deadlines, never, loop = Deadlines(), asyncio.Event(), asyncio.get_running_loop()
    ended: list[tuple[str, float]] = []

    async def late(name: str, seconds: float) -> None:
        begun = loop.time()
        assert await wait(deadlines, seconds, never)
        ended.append((name, loop.time() - begun - seconds))

    async with asyncio.TaskGroup() as group:
        forever = group.create_task(wait(deadlines, NEVER_S, done := asyncio.Event()))
        group.create_task(late("long", 5 * SOON_S))
        group.create_task(late("first", SOON_S))
        await work_for(SOON_S / 2)
        group.create_task(late("second", SOON_S))
        await until(lambda: len(ended) == 3)
        done.set()
    assert [name for name, _ in ended] == ["first", "second", "long"]
    assert min(over for _, over in ended) >= 0
    assert forever.result() is False


async def test_a_task_that_is_cancelled_for_something_else_as_well_stays_cancelled() -> None:
    deadlines, never = Deadlines(), asyncio.Event()
    for seconds in (NEVER_S, SOON_S):
        task = asyncio.ensure_future(wait(deadlines, seconds, never))
        await asyncio.sleep(0)
        if seconds == SOON_S:
            await until(lambda: task.cancelling() == 1)  # noqa: B023  # it is looked at in this round
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_task_that_is_being_cancelled_already_learns_of_its_deadline() -> None:
    async def clean_up() -> bool:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await wait(Deadlines(), SOON_S, asyncio.Event())
        return False

    task = asyncio.ensure_future(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task


async def test_after_the_close_none_is_cancelled() -> None:
    deadlines, done = Deadlines(), asyncio.Event()
    task = asyncio.ensure_future(wait(deadlines, SOON_S, done))
    await asyncio.sleep(0)
    deadlines.close()
    await work_for(3 * SOON_S)
    done.set()
    assert not await task
