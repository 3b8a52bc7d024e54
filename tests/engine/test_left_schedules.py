"""Schedules that code declared: those that no live runner's code declares stop, are named once, and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import JobContext, JobRunner, Jobs, StoreUnavailable, injected
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.left_schedules import LeftSchedules
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.runners import SetRunner, runner_of
from aiojobs_lite.model.schedule_rows import GetSchedule
from aiojobs_lite.model.schedules import DeleteSchedule, SetSchedule, StopSchedules
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import SchedulesLeft
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.instants import START
from tests.helpers.memory_store import MemoryStore
from tests.helpers.pauses import pause
from tests.helpers.reports import minutes_pass
from tests.helpers.stores import at, one
from tests.helpers.ticker import MINUTE
from tests.helpers.waiting import PATIENCE, next_fact

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


class Releases:
    """Runners of an application, of which each release declares some schedules.

    Attributes:
        ran: The ticks of `tidy` that ran.
    """

    def __init__(self, database: Path, clock: FakeClock) -> None:
        self._database = database
        self._clock = clock
        self.ran: list[datetime | None] = []

    def release(self, *schedules: str) -> JobRunner:
        runner = JobRunner(self._database, clock=self._clock, drain_timeout=0, cancel_grace=0)
        for name in schedules:

            @runner.cron("* * * * *", name=name)
            async def handler(ctx: JobContext = injected) -> None:
                self.ran.append(ctx.tick)

        @runner.job(name="other")
        async def other() -> None: ...

        return runner


@pytest.fixture
def app(database: Path, clock: FakeClock) -> Releases:
    return Releases(database, clock)


async def stopped(runner: JobRunner) -> None:
    """It has found that `tidy` has left the code."""
    async with asyncio.timeout(PATIENCE):
        while (await runner.schedules.get("tidy")).is_declared:
            await pause()


async def test_one_that_left_the_code_is_named_once_and_makes_no_jobs(app: Releases, clock: FakeClock) -> None:
    async with app.release("tidy", "sweep", "kept"):
        pass
    without = app.release("kept")
    facts = without.watch()
    async with without:
        assert await next_fact(facts, SchedulesLeft) == SchedulesLeft("sweep, tidy")
        await minutes_pass(clock, [without], 2)
        state = await without.schedules.get("tidy")
        assert (state.is_declared, state.left_at, state.updated_at) == (False, START, None)
        assert (state.next_tick, state.last_tick, state.type) == (START + MINUTE, None, "tidy")
        kept = await without.schedules.get("kept")
        assert (kept.is_declared, kept.left_at) == (True, None)
        assert app.ran == [START + MINUTE, START + 2 * MINUTE]  # of the kept one


async def test_one_that_comes_back_after_hours_does_not_fire_for_the_time_between(
    app: Releases, clock: FakeClock
) -> None:
    async with app.release("tidy"):
        pass
    async with app.release() as without:
        await stopped(without)
    clock.jump_to(START + 2 * HOUR)
    async with app.release("tidy") as back:
        await back.run_until_idle()
        assert app.ran == []
        assert (await back.schedules.get("tidy")).is_declared
        await minutes_pass(clock, [back], 1)
        assert app.ran == [START + 2 * HOUR + MINUTE]


async def test_one_that_is_back_within_an_hour_makes_up_for_what_it_missed(app: Releases, clock: FakeClock) -> None:
    """Programs of one file that restart one after the other lose no tick."""
    async with app.release("tidy"):
        pass
    async with app.release() as without:
        await stopped(without)
    clock.jump_to(START + 2.5 * MINUTE)
    async with app.release("tidy") as back:
        await back.run_until_idle()
    assert app.ran == [START + 2 * MINUTE]


async def test_one_goes_on_while_an_older_release_declares_it_and_stops_with_that(
    app: Releases, clock: FakeClock
) -> None:
    older, newer = app.release("tidy"), app.release()
    facts = newer.watch()
    async with newer:
        async with older:
            await minutes_pass(clock, [older, newer], 2)
            assert app.ran == [START + MINUTE, START + 2 * MINUTE]
            assert (await newer.schedules.get("tidy")).is_declared
        async with asyncio.timeout(PATIENCE):
            while (await newer.schedules.get("tidy")).left_at is None:
                clock.advance("1m")  # the look before may still be under way
                await pause()
        assert await next_fact(facts, SchedulesLeft) == SchedulesLeft("tidy")


def declaring(*names: str) -> Registry:
    """The job types of code that declares these schedules."""
    registry = Registry()
    for name in names:
        registry.add(Jobs().cron("* * * * *", name=name)(nothing))
    return registry


async def nothing() -> None: ...


@dataclass
class Looking:
    """A look at a store of plain Python, whose writes may fail once."""

    store: MemoryStore = field(default_factory=MemoryStore)
    bus: Bus = field(default_factory=Bus)
    writes: int = 0
    fault: StoreUnavailable | None = None

    async def write(self, write: StopSchedules) -> tuple[str, ...]:
        self.writes += 1
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return await one(self.store, write, 5)

    def part(self, registry: Registry, max_running: int = 5) -> LeftSchedules:
        return LeftSchedules(
            store=self.store, commits=self, bus=self.bus,  # type: ignore[arg-type]  # no more of it
            identity=Identity(max_running, registry.limits), registry=registry,
        )  # fmt: skip

    async def stopped(self) -> bool:
        row = await self.store.ask(GetSchedule("tidy"))
        assert row is not None
        return row.updated_at is not None


@pytest.fixture
async def looking() -> AsyncIterator[Looking]:
    made = Looking()
    await made.store.open()
    await one(made.store, SetSchedule("tidy", "* * * * *", "UTC", at(60)))
    yield made
    await made.store.close()


@pytest.mark.parametrize(
    ("registry", "max_running", "stops"),
    [
        (declaring("other"), 5, True),
        (declaring("tidy"), 5, False),
        (declaring("other"), 0, False),
        (Registry(), 5, False),
    ],
    ids=["a judge", "its code", "without slots", "without types"],
)
async def test_a_runner_that_runs_nothing_is_no_judge(
    looking: Looking, registry: Registry, max_running: int, stops: bool
) -> None:
    await looking.part(registry, max_running).look([], ())
    assert (await looking.stopped(), looking.writes) == (stops, int(stops))


async def test_what_could_not_be_stored_is_noted_at_the_next_look(looking: Looking) -> None:
    part = looking.part(declaring("other"))
    looking.fault = StoreUnavailable("app.db", "full")
    with pytest.raises(StoreUnavailable):
        await part.look([], ())
    assert not await looking.stopped()
    await part.look([], ())
    assert await looking.stopped()


async def test_it_looks_again_only_when_a_runner_has_ended(looking: Looking) -> None:
    other = runner_of(SetRunner("other", 1, "web1", 5, "{}"), at(0), None, is_draining=False, running=0)
    part = looking.part(declaring("other"))
    await one(looking.store, DeleteSchedule("tidy"))
    await part.look([other], ())
    await one(looking.store, SetSchedule("tidy", "* * * * *", "UTC", at(60)))
    await part.look([other], ())
    assert looking.writes == 0
    await part.look([replace(other, is_alive=False)], ("other",))
    assert looking.writes == 1
