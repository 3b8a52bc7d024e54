"""Schedules that are made at run time: one job a tick, in whatever runner, whatever becomes of the schedule."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    CronSchedule,
    InvalidOption,
    InvalidPayload,
    JobContext,
    JobRunner,
    Jobs,
    Status,
    UnknownJobType,
    injected,
    job,
)
from aiojobs_lite.engine import ticker
from aiojobs_lite.errors import InvalidSchedule, QueueFull, ScheduleNotFound, ScheduleTaken
from aiojobs_lite.limits import Limit
from aiojobs_lite.policy.catch_up import CatchUp, Overlap
from aiojobs_lite.schedules import SchedulePut
from aiojobs_lite.telemetry.facts import Fact, JobEnqueued, TickFired, TickSkipped
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import engine_of, faulty
from tests.helpers.instants import START
from tests.helpers.mail import welcome
from tests.helpers.reports import Reports, minutes_pass, running
from tests.helpers.schedules import EACH_MINUTE
from tests.helpers.ticker import MINUTE
from tests.helpers.waiting import next_fact, quiet, until


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def reports() -> Reports:
    return Reports()


# One job a tick.


async def test_each_tick_makes_one_job_over_all_runners(database: Path, clock: FakeClock, reports: Reports) -> None:
    async with running(database, clock, reports.type, count=2) as runners:
        put = await runners[0].schedules.put("report:42", EACH_MINUTE, reports.type.bind(42))
        assert put == SchedulePut("report:42", is_new=True, next_tick=START + MINUTE)
        await minutes_pass(clock, runners, 5)
        assert reports.ran == [(42, minute) for minute in range(1, 6)]
        (made,) = await runners[1].jobs.list(limit=1)
        assert (made.schedule, made.tick, made.payload) == ("report:42", START + 5 * MINUTE, {"org_id": 42})


async def test_a_runner_fires_what_another_one_makes_while_it_waits(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    sender = JobRunner(database, jobs=[reports.type], clock=clock, max_running=0)
    async with running(database, clock, reports.type) as [runner], sender:
        await runner.schedules.put("daily", "0 0 * * *", reports.type.bind(1))
        await until(lambda: (Probe(runner).parts.ticker.first_stored or 0) > 0)
        facts = runner.watch()
        await sender.schedules.put("earlier", EACH_MINUTE, reports.type.bind(2))
        first = Probe(runner).parts.ticker
        await until(lambda: first.first_stored == engine_of(runner).now() + 60_000_000)
        await sender.stop()
        clock.advance("1m")
        assert await next_fact(facts, TickFired) == TickFired("earlier", START + MINUTE, 1)
        await runner.run_until_idle()
        assert reports.ran == [(2, 1)]


async def test_a_runner_that_does_not_have_the_type_leaves_its_ticks_to_the_others(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("report:42", EACH_MINUTE, reports.type.bind(42), catch_up="all")
    async with running(database, clock) as [stranger]:
        await minutes_pass(clock, [stranger], 2)
        assert (await stranger.schedules.get("report:42")).next_tick == START + MINUTE
        with pytest.raises(UnknownJobType):
            await stranger.schedules.run_now("report:42")
    async with running(database, clock, reports.type) as [runner]:
        await runner.run_until_idle()
        assert reports.minutes == [1, 2]


async def test_many_that_are_due_at_once_all_fire(
    database: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are read together, twice over."""
    monkeypatch.setattr(ticker, "DUE_PAGE", 10)
    reports = Reports(keep_result=False)
    async with running(database, clock, reports.type) as [runner]:
        for n in range(25):
            await runner.schedules.put(f"report:{n:03}", "*/5 * * * *", reports.type.bind(n))
        clock.advance("5m")
        await runner.run_until_idle()
        assert sorted(reports.ran) == [(n, 5) for n in range(25)]


@pytest.mark.parametrize(
    ("catch_up", "expected"), [("latest", [5]), ("skip", [5]), ("all", [1, 2, 3, 4, 5])]
)  # fmt: skip
async def test_ticks_that_were_missed_are_made_up_for_at_the_next_start(
    database: Path, clock: FakeClock, reports: Reports, catch_up: CatchUp, expected: list[int]
) -> None:
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1), catch_up=catch_up, overlap="queue")
    clock.jump_to(START + 5.5 * MINUTE)
    async with running(database, clock, reports.type) as [runner]:
        await runner.run_until_idle()
        assert reports.minutes == expected
        assert runner.stats().skipped_ticks == 5 - len(expected)


@pytest.mark.parametrize(("overlap", "expected"), [("skip", 1), ("queue", 3)])
async def test_a_tick_whose_predecessor_is_not_finished_is_skipped_or_queued(
    clock: FakeClock, reports: Reports, overlap: Overlap, expected: int
) -> None:
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.types.pause("report")
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1), overlap=overlap)
        facts = runner.watch()
        for _ in range(3):
            clock.advance("1m")
            tick = await next_fact(facts, Fact)
            assert isinstance(tick, TickFired | TickSkipped)
        assert runner.stats().pending == expected
        assert runner.stats().skipped_ticks == 3 - expected


async def test_a_clock_that_goes_back_fires_no_tick_twice(database: Path, clock: FakeClock, reports: Reports) -> None:
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
        await minutes_pass(clock, [runner], 3)
        clock.jump_to(START)
        Probe(runner).parts.ticker.clock_jumped()
        await minutes_pass(clock, [runner], 5)
        assert reports.minutes == [1, 2, 3, 4, 5]


async def test_a_tick_that_a_clock_years_ahead_has_written_is_not_waited_for(
    database: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more schedules than are read together."""
    monkeypatch.setattr(ticker, "DUE_PAGE", 10)
    ahead = FakeClock(START + timedelta(days=3650))
    async with running(database, ahead, reports.type) as [runner]:
        for n in range(15):
            await runner.schedules.put(f"r{n}", EACH_MINUTE, reports.type.bind(n))
    clock = FakeClock(START)
    async with running(database, clock, reports.type) as [runner]:
        while {state.next_tick for state in await runner.schedules.list(limit=200)} != {START + MINUTE}:
            await quiet()
        clock.advance("1m")
        await runner.run_until_idle()
        assert sorted(reports.ran) == [(n, 1) for n in range(15)]


async def test_a_tick_that_waited_while_the_clock_was_set_back_is_not_waited_for(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    store = faulty(database)
    async with running(store, clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
        store.gate.clear()
        enqueuing = asyncio.create_task(runner.enqueue(reports.type, 2))
        await quiet()
        clock.advance("1m")
        await quiet()
        assert not Probe(runner).parts.ticker.is_idle  # the tick waits for the transaction that is under way
        clock.jump_to(START - timedelta(hours=1))
        store.gate.set()
        await enqueuing
        while (await runner.schedules.get("r")).next_tick != START - timedelta(minutes=59):
            await quiet()
        await minutes_pass(clock, [runner], 1)
        assert reports.ran == [(2, None), (1, 1), (1, -59)]


async def test_a_day_that_the_clocks_are_changed_on_has_its_ticks(database: Path, reports: Reports) -> None:
    clock = FakeClock(datetime.fromisoformat("2026-10-24T12:00:00+00:00"))
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", "30 1 * * *", reports.type.bind(1), tz="Europe/London")
        upcoming = await runner.schedules.upcoming("r", 3)
        for _ in range(72):
            clock.advance("1h")
            await runner.run_until_idle()
        ticks = [START + minute * MINUTE for minute in reports.minutes if minute is not None]
        assert ticks == upcoming
        assert [f"{tick:%d %H:%M}" for tick in ticks] == ["25 00:30", "26 01:30", "27 01:30"]


# Changing a schedule.


async def test_a_schedule_is_replaced_wholly(clock: FakeClock, reports: Reports) -> None:
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.using(label="eu").bind(1), overlap="queue")
        await minutes_pass(clock, [runner], 1)
        put = await runner.schedules.put("r", " */2  * * * *", reports.type.bind(2), catch_up="skip")
        assert put == SchedulePut("r", is_new=False, next_tick=START + 2 * MINUTE)
        state = await runner.schedules.get("r")
        assert (state.expression, state.options, state.payload) == ("*/2 * * * *", {}, {"org_id": 2})
        assert (state.catch_up, state.overlap) == ("skip", "skip")
        await minutes_pass(clock, [runner], 3)
        assert reports.ran == [(1, 1), (2, 2), (2, 4)]


async def test_a_schedule_that_is_put_at_each_start_loses_no_tick(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    for minute, expected in ((0, []), (3.5, [3]), (5.5, [3, 5])):
        clock.jump_to(START + minute * MINUTE)
        async with running(database, clock, reports.type) as [runner]:
            await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
            await runner.run_until_idle()
            assert reports.minutes == expected


async def test_a_tick_that_was_read_before_a_change_makes_no_job(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    store = faulty(database)
    async with running(store, clock, reports.type) as [runner], running(database, clock, reports.type) as [other]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
        await runner.types.pause("report")
        store.gate.clear()
        Probe(other).parts.ticker.drain()
        clock.advance("1m")
        await quiet()
        assert not Probe(runner).parts.ticker.is_idle  # it has read the schedule
        await other.schedules.put("r", EACH_MINUTE, reports.type.bind(2))
        store.gate.set()
        await until(lambda: runner.stats().pending == 1)
        await runner.types.resume("report")
        await runner.run_until_idle()
        assert reports.ran == [(2, 1)]


async def test_a_deleted_schedule_fires_no_more(clock: FakeClock, reports: Reports) -> None:
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
        await minutes_pass(clock, [runner], 1)
        await runner.schedules.delete("r")
        await minutes_pass(clock, [runner], 2)
        assert reports.minutes == [1]
        for call in (runner.schedules.get, runner.schedules.delete, runner.schedules.pause, runner.schedules.resume):
            with pytest.raises(ScheduleNotFound, match="there is no schedule 'r': never made, or deleted"):
                await call("r")
        for other in (runner.schedules.run_now, runner.schedules.upcoming):
            with pytest.raises(ScheduleNotFound):
                await other("r")


@pytest.mark.parametrize(("catch_up", "expected"), [("latest", [3]), ("skip", []), ("all", [1, 2, 3])])
async def test_a_paused_schedule_makes_no_job_and_its_ticks_count_as_missed(
    clock: FakeClock, reports: Reports, catch_up: CatchUp, expected: list[int]
) -> None:
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1), catch_up=catch_up, overlap="queue")
        await runner.schedules.pause("r", by="Ada")
        await minutes_pass(clock, [runner], 3)
        state = await runner.schedules.get("r")
        assert (state.paused_by, state.paused_since, state.next_tick) == ("Ada", START, START + MINUTE)
        assert reports.ran == []
        clock.jump_to(START + 4.5 * MINUTE if catch_up == "skip" else START + 3 * MINUTE)
        await runner.schedules.pause("r", by="Bob")
        assert (await runner.schedules.get("r")).paused_by == "Ada"
        if catch_up == "skip":  # a tick that is at most a minute late is not missed
            expected = [4]
        await runner.schedules.resume("r")
        await runner.run_until_idle()
        assert reports.minutes == expected


async def test_a_declared_schedule_is_paused_for_every_runner(database: Path, clock: FakeClock) -> None:
    ran: list[datetime | None] = []

    def declaring() -> JobRunner:
        runner = JobRunner(database, clock=clock)

        @runner.cron(EACH_MINUTE)
        async def tidy(ctx: JobContext = injected) -> None:
            ran.append(ctx.tick)

        return runner

    runners = [declaring(), declaring()]
    async with runners[0], runners[1], JobRunner(database, clock=clock) as third:
        await minutes_pass(clock, runners, 1)
        await third.schedules.pause("tidy")
        await minutes_pass(clock, runners, 3)
        assert ran == [START + MINUTE]
        state = await third.schedules.get("tidy")
        assert (state.is_declared, state.type, state.payload, state.next_tick) == (True, "tidy", {}, START + 2 * MINUTE)
        await third.schedules.resume("tidy")
        for runner in runners:
            ticker = Probe(runner).parts.ticker
            await until(lambda ticker=ticker: ticker.next_ticks["tidy"] == engine_of(third).now() + 60_000_000)  # type: ignore[misc]
            await runner.run_until_idle()
        assert ran == [START + MINUTE, START + 4 * MINUTE]
        await minutes_pass(clock, runners, 1)
        assert len(ran) == 3


async def test_a_declared_schedule_that_starts_paused_waits(database: Path, clock: FakeClock) -> None:
    runner = JobRunner(database, clock=clock)

    @runner.cron(EACH_MINUTE)
    async def tidy() -> None: ...

    async with runner:
        await runner.schedules.pause("tidy")
    async with runner:
        await minutes_pass(clock, [runner], 2)
        assert runner.stats().completed == 0
        await runner.schedules.resume("tidy")
        await runner.run_until_idle()
        assert runner.stats().completed == 1


# Running between the ticks.


async def test_a_schedule_is_run_at_once(clock: FakeClock, reports: Reports) -> None:
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.schedules.put("r", "0 9 * * *", reports.type.using(label="eu").bind(7))
        await runner.schedules.pause("r")
        facts = runner.watch()
        handle = await runner.schedules.run_now("r")
        assert await next_fact(facts, JobEnqueued) == JobEnqueued(handle.id, "report")
        assert await handle.result() == 7
        made = await handle.job()
        assert (made.schedule, made.tick, made.label) == ("r", None, "eu")
        state = await runner.schedules.get("r")
        assert (state.latest_job, state.last_tick, state.ticks) == (handle.id, None, ())


async def test_a_declared_schedule_is_run_at_once(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", clock=clock)

    @runner.cron("0 9 * * *")
    async def tidy(ctx: JobContext = injected) -> str:
        return str(ctx.tick)

    async with runner:
        assert await (await runner.schedules.run_now("tidy")).result() == "None"
        assert (await runner.schedules.get("tidy")).latest_job == 1


async def test_what_the_options_of_the_type_refuse_is_not_run(clock: FakeClock) -> None:
    reports = Reports(max_pending=1)
    async with running(":memory:", clock, reports.type) as [runner]:
        await runner.types.pause("report")
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1), overlap="queue")
        await runner.schedules.run_now("r")
        with pytest.raises(QueueFull):
            await runner.schedules.run_now("r")
        facts = runner.watch()
        clock.advance("1m")
        assert await next_fact(facts, TickSkipped) == TickSkipped("r", START + MINUTE, "refused")
        assert runner.stats().skipped_ticks == 1


# What is read.


async def test_what_is_read_says_when_it_fired_and_how_its_jobs_stand(clock: FakeClock) -> None:
    @job(max_attempts=1)
    async def fails(org_id: int) -> None:
        if org_id:
            raise ValueError("no")

    async with running(":memory:", clock, fails) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, fails.bind(1))
        await minutes_pass(clock, [runner], 2)
        await runner.types.pause("fails")
        clock.advance("1m")
        await until(lambda: runner.stats().pending == 1)
        state = await runner.schedules.get("r")
        assert (state.last_tick, state.next_tick) == (START + 3 * MINUTE, START + 4 * MINUTE)
        assert [(tick.tick, tick.job_id, tick.status) for tick in state.ticks] == [
            (START + 3 * MINUTE, 3, Status.PENDING),
            (START + 2 * MINUTE, 2, Status.DEAD),
            (START + 1 * MINUTE, 1, Status.DEAD),
        ]
        assert (state.created_at, state.updated_at, state.type) == (START, START, "fails")


async def test_schedules_are_listed_by_pages(clock: FakeClock, reports: Reports) -> None:
    runner = JobRunner(":memory:", jobs=[reports.type], clock=clock)

    @runner.cron("0 9 * * *")
    async def tidy() -> None: ...

    async with runner:
        for n in range(3):
            await runner.schedules.put(f"report:{n}", EACH_MINUTE, reports.type.bind(n))
        listed = await runner.schedules.list()
        assert [(one.name, one.is_declared) for one in listed] == [
            ("report:0", False), ("report:1", False), ("report:2", False), ("tidy", True),
        ]  # fmt: skip
        page = await runner.schedules.list(prefix="report:", after="report:0", limit=1)
        assert [one.name for one in page] == ["report:1"]
        assert runner.schedules.names() == ("tidy",)
        with pytest.raises(UnknownJobType):
            runner.schedules.preview("report:0")
        assert await runner.schedules.upcoming("report:0", 2) == [START + MINUTE, START + 2 * MINUTE]
        assert await runner.schedules.upcoming("tidy", 1) == runner.schedules.preview("tidy", 1)


# What is refused.


async def test_what_cannot_work_is_refused_and_nothing_is_stored(clock: FakeClock, reports: Reports) -> None:
    @job
    async def stranger() -> None: ...

    @job(limits=[Limit(1, key="weight")])
    async def weighed(weight: float) -> None: ...

    bound = reports.type.bind(1)
    async with running(":memory:", clock, reports.type, weighed) as [runner]:
        schedules = runner.schedules
        calls: list[tuple[type[Exception], tuple[Any, ...], dict[str, Any]]] = [
            (InvalidOption, ("", EACH_MINUTE, bound), {}),
            (InvalidOption, (7, EACH_MINUTE, bound), {}),
            (InvalidOption, ("n" * 201, EACH_MINUTE, bound), {}),
            (InvalidOption, ("a\nb", EACH_MINUTE, bound), {}),
            (InvalidSchedule, ("r", "* * *", bound), {}),
            (InvalidSchedule, ("r", "0 0 31 2 *", bound), {}),
            (InvalidSchedule, ("r", EACH_MINUTE, bound), {"tz": "Mars/Base"}),
            (InvalidOption, ("r", EACH_MINUTE, bound), {"catch_up": "some"}),
            (InvalidOption, ("r", EACH_MINUTE, bound), {"overlap": "some"}),
            (InvalidOption, ("r", EACH_MINUTE, reports.type), {}),
            (InvalidOption, ("r", EACH_MINUTE, reports.type.using(idempotency_key="k").bind(1)), {}),
            (UnknownJobType, ("r", EACH_MINUTE, stranger.bind()), {}),
            (InvalidPayload, ("r", EACH_MINUTE, weighed.bind(1.5)), {}),  # it gives no key
        ]
        for kind, args, options in calls:
            with pytest.raises(kind):
                await schedules.put(*args, **options)
        for wrong in ({"prefix": 7}, {"after": ""}, {"limit": 0}, {"limit": 1001}):
            with pytest.raises(InvalidOption):
                await schedules.list(**wrong)
        with pytest.raises(InvalidOption):
            await schedules.get(7)  # type: ignore[arg-type]  # what is refused
        assert await schedules.list() == []
        await schedules.put("r", EACH_MINUTE, bound)
        with pytest.raises(InvalidOption, match="count"):
            await schedules.upcoming("r", 1001)


async def test_the_name_of_a_declared_schedule_is_taken(database: Path, clock: FakeClock, reports: Reports) -> None:
    declaring = JobRunner(database, jobs=[reports.type], clock=clock)

    @declaring.cron("0 9 * * *")
    async def tidy() -> None: ...

    async with declaring, JobRunner(database, jobs=[reports.type], clock=clock) as other:
        for runner in (declaring, other):
            with pytest.raises(ScheduleTaken, match="code declares a schedule of this name") as caught:
                await runner.schedules.put("tidy", EACH_MINUTE, reports.type.bind(1))
            assert (caught.value.schedule, caught.value.is_declared) == ("tidy", True)
        with pytest.raises(ScheduleTaken):
            await declaring.schedules.delete("tidy")
        assert (await other.schedules.get("tidy")).is_declared


async def test_a_schedule_that_no_code_declares_any_more_is_deleted(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    before = JobRunner(database, clock=clock)

    @before.cron("0 9 * * *")
    async def tidy() -> None: ...

    async with before:
        pass
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.delete("tidy")
        assert (await runner.schedules.put("tidy", EACH_MINUTE, reports.type.bind(1))).is_new
    with pytest.raises(
        ScheduleTaken, match=r"was made at run time\. Give the job type another name, or delete"
    ) as caught:
        await before.__aenter__()
    assert (caught.value.schedule, caught.value.is_declared) == ("tidy", False)
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.delete("tidy")
    async with before:
        assert (await before.schedules.get("tidy")).is_declared


async def test_a_secret_argument_of_a_schedule_reaches_its_jobs_and_nothing_else(clock: FakeClock) -> None:
    given: list[str] = []

    @job(secret=["token"])
    async def deliver(token: str) -> None:
        given.append(token)

    async with running(":memory:", clock, deliver) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, deliver.bind("s3cret"))
        assert "s3cret" not in repr(await runner.schedules.get("r"))
        await minutes_pass(clock, [runner], 1)
        assert given == ["s3cret"]


async def test_a_payload_that_no_longer_fits_is_held(database: Path, clock: FakeClock, reports: Reports) -> None:
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))

    @job(name="report")
    async def of_the_next_version(region: str) -> None: ...

    async with running(database, clock, of_the_next_version) as [runner]:
        clock.advance("1m")
        await until(lambda: runner.stats().held == 1)
        (held,) = await runner.jobs.list(held="payload")
        assert (held.schedule, held.tick, held.attempts) == ("r", START + MINUTE, 0)


async def test_in_a_test_whose_clock_stands_still_each_tick_fires_at_its_own_time(job_kit: JobKit) -> None:
    reports = Reports()
    runner = JobRunner(":memory:", jobs=[reports.type])
    async with job_kit(runner):
        await runner.schedules.put("r", "*/2 * * * *", reports.type.bind(7))
        await job_kit.advance("5m")
        await runner.schedules.run_now("r")
        assert [(made.schedule, made.arguments) for made in job_kit.enqueued] == [("r", {"org_id": 7})] * 3
        await job_kit.advance("1m")
        assert reports.minutes == [2, 4, None, 6]


async def test_a_cron_schedule_stands_where_an_expression_is_taken() -> None:
    nightly = CronSchedule("30 1 * * *", tz="Europe/London")
    jobs = Jobs()

    @jobs.cron(nightly)
    async def declared() -> None: ...

    with pytest.raises(InvalidOption, match=r"none beside a CronSchedule: it has its own, 'Europe/London'"):
        jobs.cron(nightly, tz="Asia/Tokyo")
    async with JobRunner(":memory:", jobs=[jobs, welcome], max_running=0) as runner:
        await runner.schedules.put("nightly", nightly, welcome.bind(1))
        assert not (await runner.schedules.put("nightly", "30 1 * * *", welcome.bind(1), tz="Europe/London")).is_new
        for name in ("declared", "nightly"):
            state = await runner.schedules.get(name)
            assert (state.expression, state.tz) == ("30 1 * * *", "Europe/London")
