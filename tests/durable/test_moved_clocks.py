"""Wall clocks that jump while durable jobs wait: each wait lasts as long as it was to, or is over with the clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Retry, Status, injected
from aiojobs_lite.telemetry.facts import JobsMovedBack, JobSuspended
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.instants import START
from tests.helpers.waiting import next_fact

YEARS = timedelta(days=3650)
calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def noted() -> None:
    calls["step"] += 1


async def fails_once() -> None:
    calls["failing"] += 1
    if calls["failing"] == 1:
        raise Retry("busy", after="1h")


async def sleeps(ctx: JobContext) -> None:
    await ctx.sleep("wait", "1h")


async def waits(ctx: JobContext) -> None:
    assert await ctx.wait_for_event("wait", "never", timeout="1h") is None


async def retries(ctx: JobContext) -> None:
    await ctx.step("wait", fails_once)


Wait = Callable[[JobContext], Coroutine[Any, Any, None]]


def runner_with(database: Path, clock: FakeClock, wait: Wait) -> JobRunner:
    runner = JobRunner(database, clock=clock)

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        await ctx.step("noted", noted)
        await wait(ctx)
        return "over"

    return runner


@pytest.mark.parametrize("wait", [sleeps, waits, retries])
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_wait_lasts_as_long_as_it_was_to_when_the_clock_is_set_back(
    database: Path, wait: Wait, restarts: bool
) -> None:
    clock = FakeClock(START + YEARS)
    runner = runner_with(database, clock, wait)
    async with runner:
        facts = runner.watch()
        job_id = (await runner.enqueue_named("handler")).id
        await next_fact(facts, JobSuspended)
        if not restarts:
            clock.jump_to(START)
            await next_fact(facts, JobsMovedBack)
            assert (await runner.jobs.get(job_id)).scheduled_at == START + timedelta(hours=1)
            clock.advance("1h")
            await runner.jobs.wait(job_id)
    if restarts:
        clock = FakeClock(START)
        runner = runner_with(database, clock, wait)
        facts = runner.watch()
        async with runner:
            await next_fact(facts, JobsMovedBack)
            clock.advance("59m")
            assert (await runner.jobs.get(job_id)).status is Status.PENDING
            clock.advance("1m")
            assert (await runner.jobs.wait(job_id)).status is Status.COMPLETED
    assert calls["step"] == 1


@pytest.mark.parametrize("wait", [sleeps, waits, retries])
async def test_a_wait_is_over_when_the_clock_has_come_to_its_end(database: Path, wait: Wait) -> None:
    clock = FakeClock(START)
    async with runner_with(database, clock, wait) as runner:
        facts = runner.watch()
        handle = await runner.enqueue_named("handler")
        await next_fact(facts, JobSuspended)
        clock.jump_to(START + YEARS)
        assert await handle.result() == "over"
    assert calls["step"] == 1


@pytest.mark.parametrize("wait", [sleeps, waits, retries])
async def test_a_wait_ends_at_its_instant_when_the_clock_goes_back_to_what_is_right_before_it(
    database: Path, wait: Wait
) -> None:
    """The clock was right when the wait began, was ahead for a while, and is right again."""
    clock = FakeClock(START)
    async with runner_with(database, clock, wait) as runner:
        facts = runner.watch()
        handle = await runner.enqueue_named("handler")
        await next_fact(facts, JobSuspended)
        clock.jump_to(START + timedelta(minutes=59))
        clock.jump_to(START + timedelta(minutes=1))
        assert (await handle.job()).scheduled_at == START + timedelta(hours=1)
        clock.jump_to(START + timedelta(minutes=60))
        assert await handle.result() == "over"
    assert calls["step"] == 1


@pytest.mark.parametrize("moved", [-YEARS, YEARS])
async def test_an_event_counts_by_when_it_was_stored_whatever_the_clock_of_its_sender_says(
    database: Path, moved: timedelta
) -> None:
    runner, begins = JobRunner(database, clock=FakeClock(START)), asyncio.Event()

    @runner.job
    async def handler(ctx: JobContext = injected) -> list[int]:
        await begins.wait()
        events = [await ctx.wait_for_event("wait", "sent", timeout="1h") for _ in range(2)]
        return [event.data["number"] for event in events if event is not None]

    async with runner, JobRunner(database, clock=FakeClock(START + moved), max_running=0) as sender:
        await sender.send("sent", {"number": 1})
        handle = await runner.enqueue(handler)
        await sender.send("sent", {"number": 2})
        begins.set()
        assert await handle.result() == [2, 2]
