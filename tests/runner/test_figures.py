"""`runner.figures`: over all processes, by type and hour, with errors; and how the database stands."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import Abandon, Backoff, InvalidOption, JobRunner, Snooze, Status
from aiojobs_lite.figures import BoundedCount, Durations, TypeFigures
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.testing import FakeClock
from tests.helpers.waiting import quiet

SHORT = Backoff(base=0.001, cap=0.001)


class World:
    """A runner whose handlers do what their payload says."""

    def __init__(self, database: Path | str, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.runner = JobRunner(database, clock=self.clock)

        @self.runner.job(max_attempts=2, backoff=SHORT)
        async def work(how: str) -> None:
            if how == "snooze":
                raise Snooze("1h")
            if how == "abandon":
                raise Abandon("no")
            if how == "fail":
                raise ValueError(how)
            if how == "wait":
                await asyncio.Event().wait()

        self.work = work

    async def do(self, *ways: str) -> None:
        """Enqueues a job for each way, and works until all are done."""
        for how in ways:
            await self.runner.enqueue(self.work, how)
        await self.runner.run_until_idle()
        self.clock.advance(1)
        await self.runner.run_until_idle()

    async def of_work(self, **period: str) -> TypeFigures:
        (found,) = await self.runner.figures.types(**period)  # type: ignore[arg-type]  # a duration
        assert found.type == "work"
        return found


async def test_ends_are_counted_by_type_and_outcome() -> None:
    world = World(":memory:")
    async with world.runner:
        assert await world.runner.figures.types() == ()
        await world.do("do", "do", "do", "fail", "abandon", "snooze")
        found = await world.of_work()
        assert found.outcomes == {Outcome.SUCCEEDED: 3, Outcome.FAILED: 3, Outcome.SNOOZED: 1}
        assert (found.completed, found.failed, found.dead, found.cancelled) == (3, 3, 2, 0)
        assert found.failure_rate == 0.5
        assert found.durations.count == 6


async def test_a_cancel_is_no_failure() -> None:
    world = World(":memory:")
    async with world.runner:
        runs = await world.runner.enqueue(world.work, "wait")
        await runs.cancel()
        pending = await world.runner.enqueue(world.work.using(delay="1h"), "do")
        await pending.cancel()
        await world.runner.run_until_idle()
        found = await world.of_work()
    assert (found.cancelled, found.failed, found.failure_rate) == (1, 0, None)  # the other one had no attempt


async def test_they_are_those_of_all_processes_and_stay(database: Path) -> None:
    one, two = World(database), World(database)
    async with one.runner, two.runner:
        await one.do("do")
        await two.do("fail", "do")
        await one.runner.figures.types()  # has its own ends written
        assert (await two.of_work()).completed == 2
    async with one.runner:
        found = await one.of_work()
        assert (found.completed, found.failed, found.dead) == (2, 2, 1)


async def test_a_drain_writes_what_is_gathered(database: Path) -> None:
    world = World(database)
    async with world.runner:
        await world.runner.enqueue(world.work, "do")
        await world.runner.run_until_idle()
    async with World(database).runner as reader:
        (found,) = await reader.figures.types()
    assert found.completed == 1


async def test_hours_are_those_of_utc_and_none_is_left_out() -> None:
    clock = FakeClock(datetime(2026, 3, 28, 23, 59, tzinfo=UTC))  # the clocks of Europe go forward in an hour
    world = World(":memory:", clock)
    async with world.runner:
        for _ in range(3):
            await world.do("do")
            clock.advance("30m")
        found = await world.runner.figures.hours("work", since="2h")
        assert [(one.hour.isoformat(), one.completed) for one in found] == [
            ("2026-03-28T23:00:00+00:00", 1), ("2026-03-29T00:00:00+00:00", 2), ("2026-03-29T01:00:00+00:00", 0),
        ]  # fmt: skip
        assert {one.type for one in found} == {"work"}
        of_all = await world.runner.figures.hours(since=clock.time - timedelta(hours=2))
        assert [(one.type, one.completed) for one in of_all] == [(None, 1), (None, 2), (None, 0)]
        assert await world.runner.figures.hours(since=clock.time, until=clock.time - timedelta(hours=2)) == ()
        (first,) = await world.runner.figures.hours(since="2h", until=datetime(2026, 3, 29, tzinfo=UTC))
        assert first.durations.count == 1


async def test_a_period_begins_with_a_whole_hour_and_is_no_longer_than_what_is_kept() -> None:
    world = World(":memory:")
    async with world.runner:
        await world.do("do")
        world.clock.advance("5h")
        assert await world.runner.figures.types(since="4h") == ()
        assert (await world.of_work(since="5h")).completed == 1
        assert len(await world.runner.figures.hours(since="3650d")) == 30 * 24 + 1
        with pytest.raises(InvalidOption, match="an aware datetime"):
            await world.runner.figures.types(until=datetime(2026, 1, 1))  # noqa: DTZ001  # the point
        with pytest.raises(InvalidOption):
            await world.runner.figures.types(since="soon")


async def test_a_page_of_very_many_types_asks_for_the_names_that_it_has() -> None:
    world = World(":memory:")
    async with world.runner:
        await world.do("do")
        for names, found in ((("work", "work"), 1), (("a", "x"), 1), (("x", "z"), 0), (("a", "b"), 0)):
            assert len(await world.runner.figures.types(names=names)) == found, names
            assert len(await world.runner.figures.totals(names=names)) == found, names
        for wrong in ("work", ("work",), ("a", 1), ["a", "b"]):
            with pytest.raises(InvalidOption, match="the names of the first type and of the last one, or None"):
                await world.runner.figures.types(names=wrong)  # type: ignore[arg-type]  # the point
            with pytest.raises(InvalidOption, match="the names of the first type and of the last one, or None"):
                await world.runner.figures.totals(names=wrong)  # type: ignore[arg-type]  # the point


async def test_errors_are_grouped_those_with_the_most_attempts_first() -> None:
    world = World(":memory:")
    async with world.runner:
        await world.do("fail", "abandon", "fail", "do")
        value_error, abandon = await world.runner.figures.errors()
        assert (value_error.type, value_error.error_type, value_error.attempts, value_error.dead) == (
            "work", "ValueError", 4, 2,
        )  # fmt: skip
        assert value_error.first_at < value_error.last_at <= world.clock.time
        assert (abandon.error_type, abandon.attempts) == ("Abandon", 1)
        assert await world.runner.figures.errors("work", limit=1) == (value_error,)
        assert await world.runner.figures.errors("other") == ()
        with pytest.raises(InvalidOption, match="limit"):
            await world.runner.figures.errors(limit=1001)


async def test_totals_only_grow_while_old_hours_are_pruned() -> None:
    world = World(":memory:")
    async with world.runner:
        await world.do("do", "fail")
        world.clock.advance("31d")
        await world.do("do")
        (found,) = await world.runner.figures.totals()
        assert (found.completed, found.failed, found.durations.count) == (2, 2, 4)
        assert (await world.of_work(since="30d")).completed == 1


async def test_what_a_clock_that_was_ahead_has_counted_is_in_the_totals_and_in_its_hour() -> None:
    world = World(":memory:")
    async with world.runner:
        now = world.clock.time
        await world.do("do")
        world.clock.jump_to(now + timedelta(hours=9))
        await world.do("do")
        world.clock.jump_to(now)
        await world.do("do")
        assert (await world.of_work()).completed == 2
        (found,) = await world.runner.figures.totals()
        assert found.completed == 3
        world.clock.jump_to(now + timedelta(hours=9))
        assert (await world.of_work()).completed == 3


async def test_it_says_how_the_database_stands(database: Path) -> None:
    world = World(database)
    idle = JobRunner(database, clock=world.clock, max_running=0)

    @idle.job
    async def strange() -> None: ...

    async with world.runner, idle:
        await world.do("do", "abandon")
        await world.runner.types.pause("work")
        await idle.enqueue(strange)
        await world.runner.enqueue(world.work, "do")
        await world.runner.enqueue(world.work.using(delay="1h"), "do")
        world.clock.advance(5)
        found = await world.runner.figures.now()
        assert found.at == world.clock.time
        assert found.counts["work"] == {
            Status.PENDING: 2, Status.PROCESSING: 0, Status.COMPLETED: 1, Status.DEAD: 1, Status.CANCELLED: 0,
        }  # fmt: skip
        assert (found.total(Status.PENDING), found.processing) == (3, 0)
        assert str(found.due) == "1"
        assert (found.oldest_due_age, list(found.oldest_due_by_type)) == (5.0, ["strange"])
        assert list(found.paused) == ["work"]
        assert {one.max_running for one in found.runners} == {0, 100}
        assert found.unclaimed == {"strange": 1}
    async with idle:
        found = await idle.figures.now()
        assert (found.unclaimed, len(found.runners)) == ({}, 1)  # no runner lives that runs anything


async def test_jobs_that_wait_for_a_limit_by_key_are_held_and_not_due() -> None:
    runner = JobRunner(":memory:", clock=FakeClock(), max_running=5)
    goes_on = asyncio.Event()

    @runner.job(limits=[Limit(1, key="key")])
    async def limited(key: int) -> None:
        await goes_on.wait()

    async with runner:
        for key in (1, 1, 1, 2, 2):
            await runner.enqueue(limited, key)
        await quiet()
        found = await runner.figures.now()
        assert (found.processing, found.total(Status.PENDING), found.due.count) == (2, 3, 0)
        assert found.held == {"lane": BoundedCount(3, is_more=False)}
        assert list(found.oldest_waiting["lane"]) == ["limited"]
        goes_on.set()
        await runner.run_until_idle()
        found = await runner.figures.now()
        assert (found.due.count, found.held, found.oldest_due_at, found.oldest_due_age) == (0, {}, None, 0.0)


async def test_of_a_free_lane_the_first_job_is_due() -> None:
    clock = FakeClock()
    runner = JobRunner(":memory:", clock=clock, max_running=0)
    enqueued_at = clock.time

    @runner.job(limits=[Limit(1, key="key", ordered=True)])
    async def ordered(key: int) -> None: ...

    async with runner:
        for key in (1, 1, 1, 2):
            await runner.enqueue(ordered, key)
        clock.advance(7)
        found = await runner.figures.now()
        assert (found.due.count, found.oldest_due_at, found.oldest_due_age) == (2, enqueued_at, 7.0)
        assert found.held == {"lane": BoundedCount(4, is_more=False)}
        assert found.oldest_waiting == {}  # those behind it wait no longer
        await runner.types.pause("ordered")
        found = await runner.figures.now()
        assert (found.oldest_waiting, found.waiting_age("paused")) == ({"paused": {"ordered": enqueued_at}}, 7.0)
        assert (found.due.count, found.oldest_due_at) == (0, None)


async def test_what_waits_behind_a_job_of_its_key_that_is_tried_later_is_seen() -> None:
    clock = FakeClock()
    runner = JobRunner(":memory:", clock=clock, max_running=0)

    @runner.job(limits=[Limit(1, key="key", ordered=True)])
    async def ordered(key: int) -> None: ...

    async with runner:
        first, _ = [await runner.enqueue(ordered, 1) for _ in range(2)]
        await runner.jobs.reschedule(first.id, at=clock.time + timedelta(hours=1))
        clock.advance(7)
        found = await runner.figures.now()
        assert (found.due.count, found.waiting_age("lane")) == (0, 7.0)


def test_durations_add_up() -> None:
    one, more = Durations(2, 3.0, ((4, 1), (9, 1))), Durations(1, 0.5, ((4, 1),))
    assert one + more == Durations(3, 3.5, ((4, 2), (9, 1)))
    assert (one + more).mean == pytest.approx(3.5 / 3)
    assert (Durations().mean, Durations().p50, Durations().p99) == (None, None, None)
    assert one.p50 is not None
    assert one.p95 is not None
    assert one.p50 < 0.002 < one.p95


def test_buckets_are_those_of_prometheus_each_twice_as_wide_and_cumulative() -> None:
    found = Durations(3, 1.0, ((0, 1), (5, 1), (999, 1))).buckets
    assert list(found)[:3] == [0.001, 0.002, 0.004]
    assert [*found.values()][:4] == [1, 1, 2, 2]
    assert [*found.items()][-2:] == [(pytest.approx(0.001 * 2**26), 2), (math.inf, 3)]
