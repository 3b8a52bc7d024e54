"""A wall clock that steps while jobs wait for it, and ticks that were missed, through the runner."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from aiojobs_lite import JobContext, JobRunner, StoreUnavailable, injected, job
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.policy.outcomes import Snooze
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.facts import Fact, JobSnoozed, StoreDegraded, StoreRecovered, TickFired, TickSkipped
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import faulty
from tests.helpers.fault_store import FULL, Fault, holding
from tests.helpers.instants import START
from tests.helpers.waiting import MovedClock, next_fact, until


@job
async def quick(n: int = 0) -> int:
    return n


async def test_a_delayed_job_runs_at_its_new_time_when_the_clock_steps_forward() -> None:
    clock, tries = MovedClock(), count()

    @job(max_attempts=1)
    async def snoozes_once() -> str:
        if next(tries) == 0:
            raise Snooze("1h")
        return "woken"

    async with JobRunner(":memory:", jobs=[quick, snoozes_once], clock=clock) as runner:
        events = runner.watch()
        snoozed = await runner.enqueue(snoozes_once)
        await next_fact(events, JobSnoozed)
        delayed = await runner.enqueue(quick.using(delay="1h"), 9)
        await runner.run_until_idle()
        clock.offset += 3599.5  # not quite: neither is due yet, and the wait for it is a new one
        assert await delayed.result() == 9
        assert await snoozed.result() == "woken"


async def test_a_store_recovers_after_its_pause_when_the_clock_steps_back(database: Path) -> None:
    clock, store = MovedClock(), faulty(database)
    async with JobRunner(store, jobs=[quick], clock=clock) as runner:
        events = runner.watch()
        store.faults = [Fault(error=FULL, when=holding(Insert))]
        with pytest.raises(StoreUnavailable):
            await runner.enqueue(quick)
        await next_fact(events, StoreDegraded)
        clock.offset -= 3600  # within the first pause, or in one of those that follow
        store.faults.clear()
        await next_fact(events, StoreRecovered)
        assert await (await runner.enqueue(quick, 5)).result() == 5


@pytest.mark.parametrize("missed", [1, 5])
async def test_ticks_that_were_missed_do_not_skip_each_other(database: Path, missed: int) -> None:
    clock, go, ran = FakeClock(START), asyncio.Event(), list[datetime]()
    runner = JobRunner(database, clock=clock)

    @runner.cron("* * * * *", catch_up="all")
    async def minutely(ctx: JobContext = injected) -> None:
        assert ctx.tick is not None
        ran.append(ctx.tick)
        await go.wait()

    async with runner:
        pass
    clock.advance(missed * 60)
    async with runner:
        await until(lambda: len(ran) == missed)
        assert sorted(ran) == [START + timedelta(minutes=n + 1) for n in range(missed)]
        assert runner.stats().skipped_ticks == 0
        events = runner.watch()
        clock.advance(60)  # on time, and those before it have not ended
        assert await next_tick_fact(events) == TickSkipped
        go.set()
        await runner.run_until_idle()
        clock.advance(60)
        assert await next_tick_fact(events) == TickFired
        await runner.run_until_idle()
        assert runner.stats().completed == missed + 1


async def next_tick_fact(listener: Watch) -> type[Fact]:
    """What became of the next tick."""
    while not isinstance(event := await anext(listener), TickFired | TickSkipped):
        pass
    return type(event)
