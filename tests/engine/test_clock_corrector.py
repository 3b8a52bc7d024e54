"""A wall clock that was years ahead and is set right: what it has written does not wait for years."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import JobContext, JobRunner, Retry, Snooze, Status, injected, job
from aiojobs_lite.engine import clock_corrector as module
from aiojobs_lite.model.ahead import ListAhead, MoveBack
from aiojobs_lite.telemetry.facts import JobsMovedBack, TickFired
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import engine_of, published_on
from tests.helpers.instants import START
from tests.helpers.stores import connected
from tests.helpers.waiting import PATIENCE, next_fact, until

YEARS = timedelta(days=3650)


@job
async def quick(n: int = 0) -> int:
    return n


@job(max_attempts=3)
async def picky(n: int, *, ctx: JobContext = injected) -> str:
    if ctx.scheduled_at == ctx.created_at:
        raise Snooze("1h") if n else Retry("busy", after="1h")
    return "done"


@asynccontextmanager
async def running(database: Path, clock: FakeClock) -> AsyncIterator[JobRunner]:
    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[quick, picky], clock=clock) as runner:
        yield runner


async def test_a_backlog_is_due_when_the_clock_is_set_back(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(START + YEARS)
    async with running(database, clock) as runner:
        await runner.types.pause("quick")
        events = runner.watch()
        handles = [await runner.enqueue(quick, n) for n in range(3)]
        later = await runner.enqueue(quick.using(delay="1m"), 3)
        clock.jump_to(START)
        moved = await next_fact(events, JobsMovedBack)
        assert (moved.jobs, moved.seconds) == (4, YEARS.total_seconds())
        await runner.types.resume("quick")
        assert [await handle.result() for handle in handles] == [0, 1, 2]
        assert (await runner.jobs.get(later.id)).scheduled_at == START + timedelta(minutes=1)
        clock.advance("1m")
        assert await later.result() == 3
    text = "moved back: 4 jobs, by 315360000.0 s at most; the clock was ahead when they were written"
    assert (logging.WARNING, text) in {(line.levelno, line.message) for line in caplog.records}


async def test_a_start_moves_back_what_the_last_run_left(database: Path) -> None:
    async with running(database, FakeClock(START + YEARS)) as runner:
        await runner.types.pause("quick")
        jobs = [await runner.enqueue(quick, n) for n in range(3)]
        done = await runner.enqueue(picky, 1)
        await runner.run_until_idle()
        again = await runner.jobs.get(done.id)
        assert again.scheduled_at == START + YEARS + timedelta(hours=1)
    clock = FakeClock(START)
    async with running(database, clock) as runner:
        await runner.types.resume("quick")
        assert [(await runner.jobs.wait(one.id)).status for one in jobs] == [Status.COMPLETED] * 3
        await until(lambda: engine_of(runner).stats().pending == 1)
        assert (await runner.jobs.get(done.id)).scheduled_at == START + timedelta(hours=1)
        clock.advance("1h")
        assert (await runner.jobs.wait(done.id)).status is Status.COMPLETED


@pytest.mark.parametrize("kind", [0, 1], ids=["retry", "snooze"])
async def test_a_retry_and_a_snooze_wait_as_long_as_they_were_to(database: Path, kind: int) -> None:
    clock = FakeClock(START + YEARS)
    async with running(database, clock) as runner:
        events = runner.watch()
        handle = await runner.enqueue(picky, kind)
        await runner.run_until_idle()
        clock.jump_to(START)
        await next_fact(events, JobsMovedBack)
        assert (await runner.jobs.get(handle.id)).scheduled_at == START + timedelta(hours=1)
        clock.advance("1h")
        assert await handle.result() == "done"


async def test_what_another_process_was_still_writing_is_moved_by_the_second_look(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.2)
    ahead, clock = FakeClock(START + YEARS), FakeClock(START)
    async with running(database, ahead) as other:
        await other.types.pause("quick")
        async with running(database, clock) as runner:
            events = runner.watch()
            handle = await other.enqueue(quick, 7)
            await next_fact(events, JobsMovedBack)
            await runner.types.resume("quick")
            assert await handle.result() == 7


async def test_instants_of_the_calendar_and_small_differences_stay(database: Path) -> None:
    clock = FakeClock(START + timedelta(seconds=4))
    instant = START + timedelta(days=30)
    async with running(database, clock) as runner:
        take = published_on(engine_of(runner).bus)
        dated = await runner.enqueue(quick.using(at=instant), 1)
        soon = await runner.enqueue(quick.using(delay="1h"), 1)
        clock.jump_to(START)
        await correct(runner)
        assert (await runner.jobs.get(dated.id)).scheduled_at == instant
        assert (await runner.jobs.get(soon.id)).scheduled_at == START + timedelta(seconds=3604)
        clock.jump_to(START + timedelta(hours=2))  # ahead by two hours
        past = await runner.enqueue(quick.using(at=instant), 1)
        clock.jump_to(START)
        await correct(runner)
        assert (await runner.jobs.get(past.id)).scheduled_at == instant
        assert not [fact for fact in take() if isinstance(fact, JobsMovedBack)]


async def correct(runner: JobRunner) -> None:
    """Has the runner look now."""
    (part,) = [part for part in Probe(runner).parts.others if isinstance(part, module.ClockCorrector)]
    await part.correct()


async def test_many_jobs_are_moved_in_steps(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_PAGE", 7)
    clock = FakeClock(START + YEARS)
    async with running(database, clock) as runner:
        await runner.types.pause("quick")
        await runner.enqueue_many([quick.using(priority="low" if n % 2 else "high").bind(n) for n in range(40)])
        await runner.enqueue_many([picky.bind(0) for _ in range(20)])
        await until(lambda: engine_of(runner).stats().retrying == 20)
        events = runner.watch()
        clock.jump_to(START)
        assert (await next_fact(events, JobsMovedBack)).jobs == 60
        page = await engine_of(runner).ask(ListAhead(clock.now(), 100))
        assert page.ids == ()


async def test_finished_jobs_are_kept_as_long_as_they_were_to_be(database: Path) -> None:
    clock = FakeClock(START + YEARS)
    async with running(database, clock) as runner:
        handle = await runner.enqueue(quick, 1)
        await handle.result()
        events = runner.watch()
        clock.jump_to(START)
        await next_fact(events, JobsMovedBack)
        assert (await runner.jobs.get(handle.id)).completed_at == START
        clock.advance("3d")
        await Probe(runner).prune()
        assert await runner.jobs.list() == []


async def test_a_schedule_catches_up_after_a_clock_that_was_ahead(database: Path) -> None:
    """The stored tick is years ahead; what a runner misses after the clock was set right is caught up."""
    clock = FakeClock(START + YEARS)

    def scheduled() -> JobRunner:
        runner = JobRunner(database, clock=clock)

        @runner.cron("0 * * * *")
        async def hourly() -> None: ...

        return runner

    async with scheduled() as runner:
        events = runner.watch()
        clock.advance("1h")
        await next_fact(events, TickFired)
        await runner.run_until_idle()
        clock.jump_to(START)
        await until(lambda: stored_tick(database) == START + timedelta(hours=1), 0.01)
    clock.jump_to(START + timedelta(minutes=90))
    async with scheduled() as runner:
        events = runner.watch()
        await until(lambda: runner.stats().completed == 2)
        assert stored_tick(database) == START + timedelta(hours=2)


def stored_tick(database: Path) -> datetime:
    with connected(database) as connection:
        ((tick,),) = connection.execute("SELECT next_tick FROM aiojobs_schedules").fetchall()
    return datetime.fromtimestamp(tick / 1_000_000, UTC)


async def test_a_clock_that_was_right_costs_no_write(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(START)
    async with running(database, clock) as runner:
        await runner.enqueue_many([quick.using(delay="1d").bind(n) for n in range(9)])
        clock.advance("1h")
        await runner.run_until_idle()
        with monkeypatch.context() as patch:
            patch.setattr(engine_of(runner).commits, "write", None)
            await correct(runner)
        assert await engine_of(runner).write(MoveBack((1, 2, 3))) == (0, 0)


async def test_a_clock_at_the_end_of_time_ends_no_start(database: Path) -> None:
    clock = FakeClock(datetime.max.replace(tzinfo=UTC) - timedelta(seconds=30))
    runner = JobRunner(database, jobs=[quick], clock=clock)

    @runner.cron("* * * * *")
    async def minutely() -> None: ...

    async with runner:
        handle = await runner.enqueue(quick, 4)
        assert await handle.result() == 4
