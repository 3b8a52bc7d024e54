"""Cron: which ticks are fired after a pause, how often over all runners, and what a clock that jumps does."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import CronSchedule, JobContext, JobRunner, injected
from aiojobs_lite.clock import MICROSECONDS, to_micros
from aiojobs_lite.errors import InvalidJobType, InvalidSchedule, StoreRejected
from aiojobs_lite.model.schedule_rows import ScheduleRow
from aiojobs_lite.model.schedules import FireTick, ScheduleAnswer, SetSchedule, TickAnswer
from aiojobs_lite.policy.catch_up import CatchUp, Overlap, Schedule
from aiojobs_lite.telemetry.facts import StoreDegraded, TickFired, TickSkipped
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import faulty, going
from tests.helpers.fault_store import FULL, Fault, FaultStore, holding
from tests.helpers.instants import START
from tests.helpers.ticker import MINUTE, Rig, schedule, ticking, written
from tests.helpers.waiting import next_fact, quiet, until


class Failing(Schedule):
    """A schedule that raises what it was given, in turn: `faults` as it fires, `lost` as it looks for its next tick."""

    def __init__(self, name: str, catch_up: CatchUp = "latest") -> None:
        super().__init__(name, CronSchedule("* * * * *"), catch_up)
        self.__dict__.update(faults=list[Exception](), lost=list[Exception]())  # it is frozen

    faults: list[Exception]
    lost: list[Exception]

    def next_after(self, now: int) -> int:
        if self.lost:
            raise self.lost.pop(0)
        return super().next_after(now)

    def due(self, stored: int, now: int) -> list[int]:
        if self.faults:
            raise self.faults.pop(0)
        return super().due(stored, now)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


async def test_a_new_schedule_fires_at_its_next_instant_and_not_for_the_past(clock: FakeClock) -> None:
    clock.jump_to(START + timedelta(seconds=30))
    hourly = schedule("hourly", "0 * * * *")
    assert schedule().first(clock.now()) == SetSchedule("report", "* * * * *", "UTC", to_micros(START + MINUTE))
    async with ticking(clock, schedule(), hourly) as rig:
        clock.advance(29.999)
        await quiet()
        assert rig.ticks == []
        assert rig.ticker.is_idle
        clock.advance(0.001)
        assert not rig.ticker.is_idle
        await written(rig, 1)
        (tick,) = rig.ticks
        assert (tick.schedule, tick.tick, tick.next_tick, tick.skip_overlap) == (
            "report", to_micros(START + MINUTE), to_micros(START + 2 * MINUTE), True,
        )  # fmt: skip
        assert tick.job is not None
        row = tick.job.row
        assert (row.type, row.schedule, row.tick, row.scheduled_at) == (
            "report", "report", tick.tick, clock.now(),
        )  # fmt: skip
        assert rig.published() == [TickFired("report", START + MINUTE, 1)]
        clock.advance("1m")
        await written(rig, 2)
        assert rig.minutes() == [1, 2]


async def test_two_schedules_fire_each_at_its_own_time(clock: FakeClock) -> None:
    async with ticking(clock, schedule("two", "*/2 * * * *"), schedule("three", "*/3 * * * *")) as rig:
        for minute in range(1, 7):
            clock.advance("1m")
            await quiet()
            assert len(rig.ticks) == minute // 2 + minute // 3
        assert [tick.schedule for tick in rig.ticks] == ["two", "three", "two", "two", "three"]


@pytest.mark.parametrize(
    ("catch_up", "late", "expected"),
    [
        ("latest", 5, [5]),
        ("latest", 5.9, [5]),
        ("skip", 5.9, [5]),  # less than a minute late: not missed
        ("all", 5.9, [1, 2, 3, 4, 5]),
        ("all", 250, list(range(151, 251))),  # the oldest beyond a hundred are dropped
    ],
)
async def test_what_is_run_of_the_ticks_that_were_missed(
    clock: FakeClock, catch_up: CatchUp, late: float, expected: list[int]
) -> None:
    clock.advance(late * 60)
    async with ticking(clock, schedule(catch_up=catch_up), stored=1) as rig:
        await written(rig, len(expected))
        assert rig.minutes() == expected
        assert all(tick.job is not None for tick in rig.ticks)
        following = [*expected[1:], int(late) + 1]
        assert [tick.next_tick for tick in rig.ticks] == [to_micros(START + minute * MINUTE) for minute in following]
        clock.jump_to(START + (int(late) + 1) * MINUTE)
        await written(rig, len(expected) + 1)  # and then in time again


@pytest.mark.parametrize(
    ("catch_up", "hours", "runs"),
    [
        ("latest", 24, True),
        ("latest", 24.001, False),
        ("skip", 1 / 60, True),
        ("skip", 1.01 / 60, False),
        ("all", 23_000, True),
    ],
)
async def test_a_tick_that_is_too_late_makes_no_job_and_says_so(
    clock: FakeClock, catch_up: CatchUp, hours: float, runs: bool
) -> None:
    clock.advance(60 + hours * 3600)
    answer = TickAnswer("fired", 1) if runs else TickAnswer("skipped")
    yearly = schedule(expression="1 0 1 1 *", catch_up=catch_up)
    rig = Rig(clock, yearly)
    rig.answers = [answer] * 9
    rig.ticker.begin([ScheduleAnswer(to_micros(START + MINUTE))])
    async with going(rig.ticker.run):
        await until(lambda: len(rig.ticks) > 0)
        await quiet()
        assert rig.minutes()[0] == 1
        assert all((tick.job is not None) is runs for tick in rig.ticks)
        assert rig.metrics.skipped_ticks == (0 if runs else 1)
        assert rig.published()[0] == (
            TickFired("report", START + MINUTE, 1) if runs else TickSkipped("report", START + MINUTE, "too late")
        )


async def test_a_tick_of_another_owner_is_neither_published_nor_counted(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        rig.answers = [TickAnswer("duplicate"), TickAnswer("overlap")]
        clock.advance("1m")
        await written(rig, 1)
        assert (rig.published(), rig.metrics.skipped_ticks) == ([], 0)
        clock.advance("1m")
        await written(rig, 2)
        assert rig.published() == [TickSkipped("report", START + 2 * MINUTE, "overlap")]
        assert rig.metrics.skipped_ticks == 1


@pytest.mark.parametrize(("overlap", "skips"), [("skip", True), ("queue", False)])
async def test_what_overlap_means_is_for_the_store_to_say(clock: FakeClock, overlap: Overlap, skips: bool) -> None:
    async with ticking(clock, schedule(overlap=overlap)) as rig:
        clock.advance("1m")
        await written(rig, 1)
        assert rig.ticks[0].skip_overlap is skips


async def test_a_tick_that_could_not_be_written_is_soon_tried_again(clock: FakeClock) -> None:
    async with ticking(clock, schedule(catch_up="all")) as rig:
        rig.answers = [FULL, FULL, TickAnswer("fired", 7)]
        clock.advance("1m")
        await quiet()
        assert (rig.ticks, len(rig.answers)) == ([], 2)
        assert not rig.ticker.is_idle
        clock.advance(0.249)
        await quiet()
        assert len(rig.answers) == 2
        clock.advance(0.001)
        await quiet()
        assert len(rig.answers) == 1
        clock.advance(1)
        await written(rig, 1)
        assert rig.minutes() == [1]
        assert rig.published() == [TickFired("report", START + MINUTE, 7)]


async def test_of_many_missed_ticks_a_fault_loses_none(clock: FakeClock) -> None:
    async with ticking(clock, schedule(catch_up="all")) as rig:
        rig.answers = [TickAnswer("fired", 1), TickAnswer("fired", 2), FULL]
        clock.jump_to(START + 5 * MINUTE)
        await written(rig, 2)
        rig.answers = [TickAnswer("duplicate"), TickAnswer("duplicate")]  # as the store would say now
        clock.advance(1)
        await written(rig, 7)
        assert rig.minutes() == [1, 2, 1, 2, 3, 4, 5]
        assert len(rig.published()) == 5


async def test_ticks_that_were_missed_are_counted_once_however_often_the_write_is_repeated(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        rig.answers = [FULL, FULL]
        clock.jump_to(START + 5 * MINUTE)
        await quiet()
        assert (rig.published(), rig.metrics.skipped_ticks) == ([], 0)
        clock.advance(1)
        await quiet()
        clock.advance(1)
        await written(rig, 1)
        assert rig.published() == [
            TickSkipped("report", START + MINUTE, "catch_up", 4), TickFired("report", START + 5 * MINUTE, 1),
        ]  # fmt: skip
        assert rig.metrics.skipped_ticks == 4


async def test_a_tick_that_the_store_rejects_is_counted_and_published_once(clock: FakeClock) -> None:
    async with ticking(clock, schedule(catch_up="all")) as rig:
        rig.answers = [StoreRejected("no"), FULL, StoreRejected("no")]
        clock.jump_to(START + 2 * MINUTE)
        await quiet()
        clock.advance(1)
        await written(rig, 1)
        assert rig.published() == [
            TickSkipped("report", START + MINUTE, "rejected"), TickFired("report", START + 2 * MINUTE, 1),
        ]  # fmt: skip
        assert rig.metrics.skipped_ticks == 1


async def test_a_stored_tick_ahead_of_a_clock_that_went_back_is_not_waited_for(clock: FakeClock) -> None:
    async with ticking(clock, schedule(), stored=60 * 24 * 365) as rig:
        clock.advance("1m")
        await written(rig, 1)
        assert rig.minutes() == [1]


async def test_a_clock_that_goes_back_while_it_runs_fires_again_at_the_next_instant(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        clock.advance("1m")
        await written(rig, 1)
        clock.jump_to(START - timedelta(hours=1))
        rig.ticker.clock_jumped()
        await quiet()
        assert len(rig.ticks) == 1
        clock.advance("1m")
        await written(rig, 2)
        assert rig.minutes() == [1, -59]


async def test_a_clock_that_goes_back_while_a_tick_is_written_fires_again_at_the_next_instant(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        write = rig.write

        async def goes_back(tick: Any) -> Any:
            rig.write = write  # type: ignore[method-assign]  # put back
            clock.jump_to(START - timedelta(hours=1))
            rig.ticker.clock_jumped()
            return await write(tick)

        rig.write = goes_back  # type: ignore[method-assign, assignment]  # as above
        clock.advance("1m")
        await written(rig, 1)
        clock.advance("1m")
        await written(rig, 2)
        assert rig.minutes() == [1, -59]


async def test_a_clock_that_goes_forward_fires_what_is_due_now(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        clock.advance("3h")
        rig.ticker.clock_jumped()
        await written(rig, 1)
        assert rig.minutes() == [180]


async def test_a_closed_ticker_fires_nothing_more(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        rig.ticker.drain()
        clock.advance("1h")
        await quiet()
        assert rig.ticks == []
        assert rig.ticker.is_idle


@pytest.mark.parametrize("late", [5.5, 60.5], ids=["before its first tick", "after it"])
async def test_a_stored_tick_that_is_none_makes_no_job_and_stops_no_schedule(clock: FakeClock, late: float) -> None:
    clock.advance(late * 60)
    hourly, minutely = schedule("hourly", "0 * * * *"), schedule("minutely")
    async with ticking(clock, hourly, minutely, stored=0.5) as rig:
        await until(lambda: rig.ticker.is_idle)
        assert rig.minutes("hourly") == ([60] if late > 60 else [])
        assert rig.minutes("minutely") == [int(late)]
        clock.jump_to(START + timedelta(hours=2))
        rig.ticker.clock_jumped()
        await until(lambda: rig.ticker.is_idle)
        assert rig.minutes("hourly")[-1] == 120


async def test_a_stored_tick_ahead_that_is_none_makes_no_job(clock: FakeClock) -> None:
    async with ticking(clock, schedule(expression="*/10 * * * *"), stored=3.5) as rig:
        for minute in (3.5, 9.9, 10):
            clock.jump_to(START + minute * MINUTE)
            rig.ticker.clock_jumped()
            await until(lambda: rig.ticker.is_idle)
        assert rig.minutes() == [10]
        assert (rig.metrics.skipped_ticks, len(rig.published())) == (0, 1)


async def test_what_one_schedule_raises_ends_its_round_only(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    bad = Failing("bad", "all")
    async with ticking(clock, bad, schedule("good")) as rig:
        bad.faults.extend([RuntimeError("first"), RuntimeError("second")])
        clock.advance("1m")
        await until(lambda: rig.minutes("good") == [1])
        await quiet()
        assert [str(fault) for fault in bad.faults] == ["second"]  # it is not tried again at once
        assert rig.ticker.is_idle
        for minute in (2, 3):
            clock.advance("1m")
            await until(lambda last=minute: rig.minutes("good")[-1] == last)  # type: ignore[misc]  # a default
        await until(lambda: rig.ticker.is_idle)
        assert rig.minutes("bad") == [1, 2, 3]
        assert [record.getMessage() for record in caplog.records if record.exc_info] == [
            "the schedule bad could not fire; it is tried again in 60 s"
        ] * 2


async def test_a_schedule_that_raised_is_tried_again_when_the_clock_goes_back(clock: FakeClock) -> None:
    bad = Failing("bad", "latest")
    async with ticking(clock, bad) as rig:
        bad.faults.append(RuntimeError("once"))
        clock.advance("1m")
        await until(lambda: not bad.faults)
        clock.jump_to(START - timedelta(days=365))
        rig.ticker.clock_jumped()
        clock.advance("1m")
        await written(rig, 1)
        assert [tick.schedule for tick in rig.ticks] == ["bad"]


async def test_a_schedule_that_finds_no_next_tick_does_not_keep_the_others_from_starting(clock: FakeClock) -> None:
    bad = Failing("bad", "latest")
    rig = Rig(clock, bad, schedule("good"))
    bad.lost.append(InvalidSchedule("* * * * *", "instant", "no tick follows"))
    rig.ticker.begin([ScheduleAnswer(to_micros(START + MINUTE))] * 2)
    async with going(rig.ticker.run):
        clock.advance("1m")
        await written(rig, 2)
        assert (rig.minutes("good"), rig.minutes("bad")) == ([1], [1])


async def test_without_schedules_there_is_nothing_to_do(clock: FakeClock) -> None:
    async with ticking(clock) as rig:
        clock.advance("1h")
        await quiet()
        assert (rig.ticks, rig.ticker.is_idle, rig.ticker.first(clock.now())) == ([], True, [])


async def test_stored_schedules_that_could_not_be_read_are_soon_looked_at_again(clock: FakeClock) -> None:
    async with ticking(clock, schedule()) as rig:
        start = clock.now()
        minutely = ScheduleRow("r", "* * * * *", "UTC", start + 60 * MICROSECONDS, "report", "{}", revision=1)
        rig.rows.schedules["r"] = minutely
        rig.faults_of_reads = [FULL]
        rig.ticker.look_again()
        await quiet()
        assert (rig.faults_of_reads, rig.ticker.first_stored, rig.ticker.is_idle) == ([], None, False)
        clock.advance(0.25)
        await until(lambda: rig.ticker.first_stored == start + 60 * MICROSECONDS)
        assert rig.ticker.is_idle


# Through runners.


def cron_runner(database: Path | str | FaultStore, clock: FakeClock, ran: list[datetime], **options: Any) -> JobRunner:
    return report_runner(database, clock, ran, "* * * * *", **options)


def report_runner(
    database: Path | str | FaultStore, clock: FakeClock, ran: list[datetime], expression: str, **options: Any
) -> JobRunner:
    runner = JobRunner(database, clock=clock, drain_timeout=0, cancel_grace=0)

    @runner.cron(expression, **options)
    async def report(ctx: JobContext = injected) -> None:
        assert ctx.tick is not None
        ran.append(ctx.tick)

    return runner


async def test_two_runners_of_one_file_fire_each_tick_once(database: Path, clock: FakeClock) -> None:
    ran: list[datetime] = []
    runners = [cron_runner(database, clock, ran) for _ in range(2)]
    async with runners[0], runners[1]:
        events = [runner.watch() for runner in runners]
        for _ in range(10):
            clock.advance("1m")
            await asyncio.gather(*(runner.run_until_idle() for runner in runners))
            for runner in runners:
                await runner.run_until_idle()
        assert ran == [START + n * MINUTE for n in range(1, 11)]
        assert [runner.stats().skipped_ticks for runner in runners] == [0, 0]
    fired = [[event async for event in listener if isinstance(event, TickFired)] for listener in events]
    assert sum(map(len, fired)) == 10


async def test_an_old_version_that_still_runs_does_not_move_the_schedule_of_the_new_one(
    database: Path, clock: FakeClock
) -> None:
    ran: list[datetime] = []

    def version(expression: str) -> JobRunner:
        runner = JobRunner(database, clock=clock)

        @runner.cron(expression, catch_up="all", overlap="queue")
        async def report(ctx: JobContext = injected) -> None:
            assert ctx.tick is not None
            ran.append(ctx.tick)

        return runner

    async with version("30 * * * *") as old, version("*/10 * * * *") as new:
        for minute in (10, 20, 30):
            clock.jump_to(START + minute * MINUTE)
            for runner in (old, new, old, new):
                await runner.run_until_idle()
        assert sorted((tick - START) / MINUTE for tick in ran) == [10, 20, 30]  # one job an instant
    ran.clear()
    clock.jump_to(START + 65 * MINUTE)  # beyond what the old version would have waited for
    async with version("*/10 * * * *") as again:
        await again.run_until_idle()
    assert sorted((tick - START) / MINUTE for tick in ran) == [40, 50, 60]


@pytest.mark.parametrize(
    ("before", "after"),
    [("*/5 * * * *", " */5  *\t* * * "), ("*/5 * * * MON-FRI", "*/5 * * * mon-fri"), ("@hourly", "0 * * * *")],
)
async def test_an_expression_that_is_only_written_otherwise_keeps_the_overdue_tick(
    database: Path, clock: FakeClock, before: str, after: str
) -> None:
    ran: list[datetime] = []
    async with report_runner(database, clock, ran, before):
        pass
    clock.jump_to(START + 61 * MINUTE)
    async with report_runner(database, clock, ran, after) as runner:
        await runner.run_until_idle()
    assert ran == [START + 60 * MINUTE]


@pytest.mark.parametrize(("minute", "owed"), [(9, 0), (10, 1), (65, 6)])
async def test_what_a_changed_expression_drops_is_counted_and_published(
    database: Path, clock: FakeClock, minute: int, owed: int
) -> None:
    ran: list[datetime] = []
    async with report_runner(database, clock, ran, "*/10 * * * *"):
        pass
    clock.jump_to(START + minute * MINUTE)
    runner = report_runner(database, clock, ran, "0 9 * * *")
    events = runner.watch()
    async with runner:
        await runner.run_until_idle()
        assert (ran, runner.stats().skipped_ticks) == ([], owed)
    skips = [fact async for fact in events if isinstance(fact, TickSkipped)]
    assert skips == ([TickSkipped("report", START + 10 * MINUTE, "changed", owed)] if owed else [])


async def test_what_an_expression_drops_that_is_no_longer_taken_is_one_tick(clock: FakeClock) -> None:
    rig = Rig(clock, schedule())
    rig.ticker.begin([ScheduleAnswer(to_micros(START + MINUTE), ("*/90 * * * *", "UTC", clock.now()))])
    assert not rig.ticker.is_idle
    async with going(rig.ticker.run):
        await until(lambda: rig.ticker.is_idle)
    assert rig.published() == [TickSkipped("report", START, "changed")]
    assert rig.metrics.skipped_ticks == 1


async def test_what_an_expression_drops_is_published_by_a_start_that_ends_at_once(clock: FakeClock) -> None:
    rig = Rig(clock, schedule())
    rig.ticker.begin([ScheduleAnswer(to_micros(START + MINUTE), ("*/10 * * * *", "UTC", to_micros(START - MINUTE)))])
    rig.ticker.drain()
    assert rig.published() == [TickSkipped("report", START - MINUTE, "changed")]
    async with going(rig.ticker.run):
        await quiet()
    assert rig.published() == []


@pytest.mark.parametrize("is_changed", [False, True])
async def test_to_count_what_was_missed_leaves_the_event_loop_to_others(clock: FakeClock, is_changed: bool) -> None:
    clock.advance("7d")
    rig = Rig(clock, schedule())
    replaced = ("* * * * *", "UTC", to_micros(START)) if is_changed else None
    following = clock.now() + 60 * MICROSECONDS if is_changed else to_micros(START + MINUTE)
    rig.ticker.begin([ScheduleAnswer(following, replaced)])
    others = 0
    async with going(rig.ticker.run):
        while not rig.ticker.is_idle:
            others += 1
            await asyncio.sleep(0)
    assert rig.metrics.skipped_ticks == 1_000
    assert others >= 1_000 / 20


async def test_a_restart_fires_no_tick_twice_and_catches_up(database: Path, clock: FakeClock) -> None:
    ran: list[datetime] = []
    runner = cron_runner(database, clock, ran)
    for advance, expected in (("1m", 1), ("10s", 1), ("3m", 4)):
        async with runner:
            await runner.run_until_idle()
        clock.advance(advance)
        async with runner:
            await runner.run_until_idle()
        assert [(tick - START) / MINUTE for tick in ran][-1:] == [expected]
    assert [(tick - START) / MINUTE for tick in ran] == [1, 4]
    clock.jump_to(START)  # back: what was fired is not fired again
    async with runner:
        clock.advance("1m")
        await runner.run_until_idle()
    assert len(ran) == 2


async def test_a_catching_up_that_ends_half_way_is_gone_on_with_at_the_next_start(
    database: Path, clock: FakeClock
) -> None:
    store = faulty(database)
    ran: list[datetime] = []
    runner = cron_runner(store, clock, ran, catch_up="all", overlap="queue")
    third = to_micros(START + 3 * MINUTE)
    async with runner:
        store.faults = [Fault(error=FULL, when=holding(FireTick, tick=third))]
        events = runner.watch()
        clock.jump_to(START + 5 * MINUTE)
        await next_fact(events, StoreDegraded)  # and it never recovers: as if the process were killed now
    store.faults.clear()
    async with runner:
        await runner.run_until_idle()
        assert runner.stats().completed == 5
        await Probe(runner).rescue()  # removes what was noted
    assert sorted({(tick - START) / MINUTE for tick in ran}) == [1, 2, 3, 4, 5]  # those of the first start once more


@pytest.mark.parametrize(("overlap", "runs"), [("skip", 1), ("queue", 3)])
async def test_a_tick_whose_predecessor_still_runs_is_skipped_or_queued(
    clock: FakeClock, overlap: Overlap, runs: int
) -> None:
    runner = JobRunner(":memory:", clock=clock)
    entered, release = asyncio.Event(), asyncio.Event()
    ran: list[datetime | None] = []

    @runner.cron("* * * * *", overlap=overlap, concurrency=1)
    async def slow(ctx: JobContext = injected) -> None:
        ran.append(ctx.tick)
        entered.set()
        await release.wait()

    async with runner:
        events = runner.watch()
        clock.advance("1m")
        await entered.wait()
        assert (await next_fact(events, TickFired)).tick == START + MINUTE
        for minute in (2, 3):
            clock.advance("1m")
            if overlap == "queue":
                assert (await next_fact(events, TickFired)).tick == START + minute * MINUTE
            else:
                assert await next_fact(events, TickSkipped) == TickSkipped("slow", START + minute * MINUTE, "overlap")
        release.set()
        await runner.run_until_idle()
        assert len(ran) == runs
        assert runner.stats().skipped_ticks == 3 - runs
        clock.advance("1m")  # and the next one runs again
        await runner.run_until_idle()
        assert len(ran) == runs + 1


def test_a_cron_handler_that_needs_arguments_is_refused() -> None:
    runner = JobRunner(":memory:")

    async def greet(name: str, *, ctx: JobContext = injected) -> None: ...

    with pytest.raises(InvalidJobType, match="takes nothing but the context") as caught:
        runner.cron("* * * * *")(greet)
    assert caught.value.job_type == "greet"
    assert runner.schedules.names() == ()
