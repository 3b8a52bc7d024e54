"""Intervals in place of cron expressions, and the delays by which ticks spread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aiojobs_lite import CronSchedule, InvalidOption, JobClient, JobContext, JobRunner, injected, job
from aiojobs_lite.clock import LAST_INSTANT, to_datetime, to_micros
from aiojobs_lite.errors import InvalidSchedule
from aiojobs_lite.intervals import IntervalSchedule, delay_of_tick, read_schedule, split_jitter
from aiojobs_lite.policy.catch_up import schedule_of
from aiojobs_lite.schedules import every
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.instants import START
from tests.helpers.reports import Reports, minutes_pass, running
from tests.helpers.ticker import MINUTE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PHASES = {"tidy": 333, "report:42": 248, "sweep": 1198}  # seconds
DELAY = 18_947_463  # microseconds


def interval(text: str, name: str = "tidy") -> IntervalSchedule:
    found = read_schedule(text, "UTC", name)
    assert isinstance(found, IntervalSchedule)
    return found


# The text.


@pytest.mark.parametrize(
    ("given", "phase", "text"),
    [
        ("45m", None, "@every 45m"), (2700, None, "@every 45m"), (timedelta(minutes=90), None, "@every 1h30m"),
        ("45m", "600s", "@every 45m phase=10m"), ("45m", 0, "@every 45m phase=0s"), (1.5, None, "@every 1s500ms"),
        ("1w", None, "@every 7d"), ("365d", None, "@every 365d"),
    ],
)  # fmt: skip
def test_an_interval_has_one_text_however_it_is_written(given: Any, phase: Any, text: str) -> None:
    assert every(given, phase=phase) == text
    assert interval(text).normal == text
    assert interval(f"  {text.replace('every ', 'EVERY   ')} ").normal == text


@pytest.mark.parametrize(
    ("given", "phase", "problem"),
    [
        ("0.5s", None, "from 1s to a century"), ("366d", None, "at most 365 days"),
        (True, None, "seconds, a timedelta"),
        ("often", None, "seconds, a timedelta"), (1.00005, None, "whole milliseconds"),
        ("45m", "45m", "less than the interval"), ("45m", "-1s", "seconds, a timedelta"),
    ],
)  # fmt: skip
def test_an_interval_that_cannot_work_is_refused(given: Any, phase: Any, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        every(given, phase=phase)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("@every", "expression"), ("@every 5m 6m", "expression"), ("@every 5m tz=UTC", "expression"),
        ("@every often", "interval"), ("@every 0s", "interval"), ("@every 5m phase=5m", "phase"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_interval_is_refused(text: str, part: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        interval(text)
    assert str(caught.value).endswith('; write every("45m"), or every("45m", phase="10m")')
    assert ("an interval cannot be read" in str(caught.value)) is (part == "expression")
    assert caught.value.field == part


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="is not known") as caught:
        read_schedule("@every 5m", "Nowhere", "tidy")
    assert caught.value.field == "tz"


# The ticks.


def test_the_ticks_lie_at_whole_intervals_from_a_phase() -> None:
    found = interval(every("45m", phase="10m"))
    start = EPOCH + timedelta(minutes=10)
    assert found.upcoming(EPOCH, 3) == [start, start + 0.75 * HOUR, start + 1.5 * HOUR]
    assert found.next_after(start) == start + 0.75 * HOUR
    assert found.next_after(start - timedelta(microseconds=1)) == start
    assert found.next_after(EPOCH - HOUR) == start - 0.75 * HOUR  # before 1970 as well
    assert found.upcoming(EPOCH, 0) == []


def test_the_phase_is_derived_from_the_name() -> None:
    """The same for ever: another one would move the ticks of all schedules that are stored."""
    phases = {name: interval("@every 45m", name).phase // 1_000_000 for name in ("tidy", "report:42", "sweep")}
    assert phases == PHASES
    assert interval("@every 1s").phase == 0


def test_summer_time_moves_no_tick() -> None:
    london = ZoneInfo("Europe/London")
    ticks = interval("@every 45m").upcoming(datetime(2026, 10, 24, 22, tzinfo=london), 10)
    assert {later - earlier for earlier, later in pairwise(ticks)} == {0.75 * HOUR}
    assert {tick.tzinfo for tick in ticks} == {UTC}


def test_the_latest_ticks_of_a_period_are_found_however_long_it_is() -> None:
    found = interval(every("1s"))
    assert found.latest_between(EPOCH, START, 2) == [START - timedelta(seconds=1), START]
    assert found.latest_between(START - timedelta(seconds=1), START, 5) == [START]
    assert found.latest_between(START, START) == []


def test_an_instant_that_is_naive_or_the_last_one_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match=r"pass datetime.now\(UTC\)"):
        interval("@every 45m").next_after(START.replace(tzinfo=None))
    with pytest.raises(InvalidSchedule, match="no tick follows"):
        interval("@every 45m").next_after(to_datetime(LAST_INSTANT))
    assert schedule_of("tidy", "@every 45m", "UTC").next_after(LAST_INSTANT) == LAST_INSTANT


# Declared, and made at run time.


async def test_all_runners_and_all_starts_fire_at_the_same_instants(
    database: Path, clock: FakeClock
) -> None:  # fmt: skip
    ran: list[datetime | None] = []

    def release() -> JobRunner:
        runner = JobRunner(database, clock=clock)

        @runner.cron(every("2m", phase="1m"), tz="Europe/London")
        async def tidy(ctx: JobContext = injected) -> None:
            ran.append(ctx.tick)

        return runner

    assert release().schedules.preview("tidy", 2) == [START + MINUTE, START + 3 * MINUTE]
    async with release() as one, release() as two:
        await minutes_pass(clock, [one, two], 4)
        assert ran == [START + MINUTE, START + 3 * MINUTE]
        state = await one.schedules.get("tidy")
        assert (state.expression, state.tz) == ("@every 2m phase=1m", "Europe/London")
    async with release() as three:
        await minutes_pass(clock, [three], 2)
    assert ran == [START + MINUTE, START + 3 * MINUTE, START + 5 * MINUTE]


async def test_one_is_put_at_run_time_and_missed_ticks_run(database: Path, clock: FakeClock) -> None:
    reports = Reports()
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", every("2m", phase=0), reports.type.bind(1), catch_up="all", overlap="queue")
        assert await runner.schedules.upcoming("r", 2) == [START + 2 * MINUTE, START + 4 * MINUTE]
    clock.jump_to(START + 5 * MINUTE)
    async with running(database, clock, reports.type) as [runner]:
        await runner.run_until_idle()
    assert reports.minutes == [2, 4]


def test_a_client_puts_one(database: Path) -> None:
    with JobClient(database, jobs=[nothing]) as client:
        client.schedules.put("r", every("45m"), nothing.bind(), jitter="30s")
        assert client.schedules.get("r").expression == "@every 45m jitter=30s"
        first, second = client.schedules.upcoming("r", 2)
        assert second - first == 0.75 * HOUR


@job
async def nothing() -> None: ...


# Jitter.


def test_a_delay_is_derived_from_the_name_and_the_tick() -> None:
    delays = [delay_of_tick("@every 1m jitter=30s", "tidy", to_micros(START + n * MINUTE)) for n in range(200)]
    assert all(0 <= delay <= 30_000_000 for delay in delays)
    assert (len({*delays}) > 190, min(delays) < 3_000_000, max(delays) > 27_000_000) == (True, True, True)
    assert delays[0] == DELAY
    assert delays[0] != delay_of_tick("@every 1m jitter=30s", "sweep", to_micros(START))
    assert delay_of_tick("0 9 * * *", "tidy", 0) == 0


@pytest.mark.parametrize(
    ("expression", "jitter", "problem"),
    [
        ("0 9 * * *", "25h", "at most a day"), ("0 9 * * *", "soon", "seconds, a timedelta"),
        ("@every 5m", "5m", "less than the interval"), ("0 9 * * *", 1e-6, "whole milliseconds"),
    ],
)  # fmt: skip
def test_a_jitter_that_cannot_work_is_refused(expression: str, jitter: Any, problem: str) -> None:
    with pytest.raises(InvalidOption, match=problem):
        JobRunner(":memory:").cron(expression, jitter=jitter)


def test_a_jitter_is_stored_with_the_expression() -> None:
    found = schedule_of("tidy", CronSchedule("0 9 * * MON", "Asia/Tokyo"), "UTC", jitter="90s")
    assert found.rule == ("0 9 * * mon jitter=1m30s", "Asia/Tokyo")
    assert schedule_of("tidy", *found.rule).rule == found.rule
    assert split_jitter(found.rule[0]) == ("0 9 * * mon", "1m30s")
    assert schedule_of("tidy", "0 9 * * *", "UTC", jitter=0).rule == ("0 9 * * *", "UTC")


@pytest.mark.parametrize("kind", ["declared", "put"])
async def test_the_job_of_a_tick_is_due_later_and_knows_its_tick(
    database: Path, clock: FakeClock, kind: str
) -> None:  # fmt: skip
    ran: list[tuple[datetime | None, datetime]] = []

    @job(name="other")
    async def other(ctx: JobContext = injected) -> None:
        ran.append((ctx.tick, to_datetime(clock.now())))

    def release() -> JobRunner:
        runner = JobRunner(database, clock=clock, jobs=[other])
        if kind == "declared":
            runner.cron("* * * * *", name="tidy", jitter="30s")(other.handler)
        return runner

    later = timedelta(microseconds=delay_of_tick("* * * * * jitter=30s", "tidy", to_micros(START + MINUTE)))
    async with release() as one, release() as two:
        if kind == "put":
            await one.schedules.put("tidy", "* * * * *", other.bind(), jitter="30s")
        await minutes_pass(clock, [one, two], 1)
        assert (ran, later > timedelta(0)) == ([], True)
        (made,) = await one.jobs.list()
        assert (made.tick, made.scheduled_at) == (START + MINUTE, START + MINUTE + later)
        clock.advance(later.total_seconds())
        await one.run_until_idle()
        await two.run_until_idle()
    assert ran == [(START + MINUTE, START + MINUTE + later)]


async def test_a_tick_that_is_late_waits_no_longer(database: Path, clock: FakeClock) -> None:
    reports = Reports()
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", "0 * * * *", reports.type.bind(1), jitter="30s")
    clock.jump_to(START + 1.5 * HOUR)
    async with running(database, clock, reports.type) as [runner]:
        await runner.run_until_idle()
    assert reports.minutes == [60]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)
