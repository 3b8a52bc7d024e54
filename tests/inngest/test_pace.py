"""What one app may take of the event loop, on the real clock: it is the event loop that is taken."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from aiojobs_lite.inngest.pace import LARGEST_QUICK_BYTES, Pace
from aiojobs_lite.inngest.slices import Steps
from tests.helpers.pauses import work_for
from tests.helpers.waiting import quiet

LARGE = LARGEST_QUICK_BYTES + 1
TOOK_S = 0.005
AHEAD_S = 0.05  # of the event loop, which an app may take before it rests


def take(seconds: float) -> None:
    """Takes the event loop, and so much of the processor."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def rested(pace: Pace) -> float:
    """How long an app rests."""
    begun = time.monotonic()
    await pace.rest()
    return time.monotonic() - begun


async def is_resting(pace: Pace) -> bool:
    """Whether an app would have to wait now."""
    task = asyncio.create_task(pace.rest())
    await quiet()
    is_waiting = not task.done()
    task.cancel()
    return is_waiting


async def test_an_app_rests_ten_times_as_long_as_it_took_when_it_took_more_than_a_little() -> None:
    pace, other = Pace(), Pace()
    pace.charge(AHEAD_S / 2)
    assert not await is_resting(pace)
    pace.charge(AHEAD_S + TOOK_S)
    assert await rested(pace) >= 5 * TOOK_S
    assert not await is_resting(other)


async def test_the_calls_that_come_after_a_rest_come_one_by_one() -> None:
    pace, ends = Pace(), list[float]()

    async def call() -> None:
        await pace.rest()
        ends.append(time.monotonic())

    pace.charge(AHEAD_S + TOOK_S)
    await asyncio.gather(*[call() for _ in range(5)])
    assert all(after - before >= 0.004 for before, after in pairwise(ends))


async def test_large_answers_are_read_one_by_one_with_rests_also_those_that_cannot_be_read() -> None:
    pace, spans = Pace(), list[tuple[float, float]]()
    pace.charge(AHEAD_S)

    def steps() -> Steps[None]:
        yield
        begun = time.monotonic()
        take(TOOK_S)
        spans.append((begun, time.monotonic()))
        raise ValueError

    await asyncio.gather(*[pace.read(LARGE, steps()) for _ in range(3)], return_exceptions=True)
    assert len(spans) == 3
    assert all(begun - ended >= 10 * TOOK_S for (_, ended), (begun, _) in pairwise(spans))


async def test_small_answers_are_read_at_once() -> None:
    pace = Pace()
    pace.charge(AHEAD_S + 100 * TOOK_S)

    def steps() -> Steps[str]:
        yield
        return "read"

    task = asyncio.create_task(pace.read(LARGEST_QUICK_BYTES, steps()))
    await quiet()
    assert task.done()
    assert await task == "read"
    assert await is_resting(pace)


async def test_eight_large_answers_are_received_at_once_and_not_faster_than_a_tenth_of_the_time() -> None:
    pace, most, at_once = Pace(), 0, 0

    async def receive() -> None:
        nonlocal most, at_once
        async with pace.receiving():
            at_once += 1
            most = max(most, at_once)
            await pace.received(7_500_000)
            at_once -= 1

    pace.charge(AHEAD_S)
    begun = time.monotonic()
    await asyncio.gather(*[receive() for _ in range(9)])
    assert time.monotonic() - begun >= 0.9
    assert most == 8


async def test_so_many_requests_are_made_at_once_and_those_that_fail_are_counted() -> None:
    pace, most, at_once = Pace(requests=2), 0, 0

    async def request() -> None:
        nonlocal most, at_once
        async with pace.requesting():
            at_once += 1
            most = max(most, at_once)
            await work_for(0)
            at_once -= 1
            raise ValueError

    pace.charge(AHEAD_S)
    found = await asyncio.gather(*[request() for _ in range(10)], return_exceptions=True)
    assert [type(one) for one in found] == [ValueError] * 10
    assert most == 2
    assert await rested(pace) >= 0.001


@pytest.mark.parametrize("count", [60, 1_100])
async def test_what_is_in_vain_is_answered_more_slowly_and_not_kept_without_end(count: int) -> None:
    """The first ones at once, up to a thousand one by one, and what comes then at once again."""
    pace = Pace()
    tasks = [asyncio.create_task(pace.hold_up()) for _ in range(count)]
    await quiet()
    done = sum(task.done() for task in tasks)
    assert done >= max(20, count - 1_000)
    assert done < count
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pace.charge(TOOK_S)
    again = asyncio.create_task(pace.hold_up())  # none is kept any more
    await quiet()
    assert not again.done()
    again.cancel()
