"""Work in slices, on the real clock where the event loop is to be taken for at least so long."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from aiojobs_lite.inngest import slices as module
from aiojobs_lite.inngest.slices import SLICE_S, Slices, Steps, finish

STEPS = 10


def take(seconds: float) -> None:
    """Takes the event loop, and so much of the processor."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def working(seconds: float, error: Exception | None = None) -> Steps[str]:
    """A computation of so many steps, each of which takes so long."""
    for _ in range(STEPS):
        take(seconds)
        yield
    if error is not None:
        raise error
    return "done"


async def run_beside(slices: Slices, steps: Steps[str]) -> tuple[str, int]:
    """What comes of a computation, and how often others went on meanwhile."""
    loop, task, count = asyncio.get_running_loop(), asyncio.create_task(slices.run(steps)), 0

    def go_on() -> None:
        nonlocal count
        if not task.done():
            count += 1
            loop.call_soon(go_on)

    go_on()
    return await task, count


async def test_others_go_on_behind_each_slice() -> None:
    slices = Slices()
    found, count = await run_beside(slices, working(SLICE_S))
    assert found == "done"
    assert count > STEPS
    assert slices.taken >= STEPS * SLICE_S


async def test_they_go_on_for_twice_as_long_as_a_slice() -> None:
    begun = time.monotonic()
    await Slices().run(working(SLICE_S))
    assert time.monotonic() - begun >= 3 * STEPS * SLICE_S


@pytest.mark.parametrize(("took", "rested"), [(SLICE_S / 2, []), (0.25, [0.5]), (60.0, [1.0])])
async def test_others_do_not_go_on_for_long_behind_what_only_waited(
    monkeypatch: pytest.MonkeyPatch, took: float, rested: list[float]
) -> None:
    rests, now = list[float](), [0.0]

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    waits = Slices(monotonic=lambda: now[-1])
    now.append(took)  # in an await between two steps
    await waits.rest()
    assert rests == rested


async def test_what_is_short_is_done_in_one_slice() -> None:
    at_once = Slices(monotonic=lambda: 0.0)  # however long the machine gives its processor to others
    assert await run_beside(at_once, working(0)) == ("done", 1)


async def test_the_time_of_a_computation_that_fails_is_counted() -> None:
    slices = Slices()
    with pytest.raises(ValueError, match="no"):
        await slices.run(working(SLICE_S, ValueError("no")))
    assert slices.taken >= STEPS * SLICE_S


def test_a_computation_may_be_finished_without_rests() -> None:
    assert finish(working(0)) == "done"
