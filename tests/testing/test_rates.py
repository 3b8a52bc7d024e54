"""The testing kit moves the clock over rates: each job runs when its rate lets it."""

from __future__ import annotations

import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from aiojobs_lite.limits import Rate
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.errors import JobsNotFinished

Seen = list[tuple[int, str]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def runner(job_kit: JobKit, seen: Seen) -> JobRunner:
    runner = JobRunner()

    @runner.job(limits=[Rate(2, per="1m", key="key")])
    async def rated(key: int) -> int:
        seen.append((key, f"{job_kit.clock.time:%H:%M}"))
        return key

    @runner.job
    async def parent(count: int, ctx: JobContext = injected) -> int:
        handles = [await ctx.enqueue_named("rated", key=1) for _ in range(count)]
        return sum([await handle.result() for handle in handles])

    @runner.job
    async def durable_parent(count: int, ctx: JobContext = injected) -> int:
        return sum(await ctx.gather("all", [rated.bind(1) for _ in range(count)]))

    return runner


async def test_rated_jobs_run_to_their_end(job_kit: JobKit, runner: JobRunner, seen: Seen) -> None:
    async with job_kit(runner):
        for key in (1, 1, 1, 1, 1, 2):
            await runner.enqueue_named("rated", key=key)
        await job_kit.run_to_end()
        assert runner.stats().completed == 6
    assert sorted(seen) == [(1, "00:00"), (1, "00:00"), (1, "00:01"), (1, "00:01"), (1, "00:02"), (2, "00:00")]


async def test_rated_jobs_run_at_their_times_while_the_clock_is_advanced(
    job_kit: JobKit, runner: JobRunner, seen: Seen
) -> None:
    async with job_kit(runner):
        for _ in range(5):
            await runner.enqueue_named("rated", key=1)
        await job_kit.advance("90s")
        assert seen == [(1, "00:00"), (1, "00:00"), (1, "00:01"), (1, "00:01")]
        await job_kit.advance("5m")
        assert seen[4:] == [(1, "00:02")]
        assert f"{job_kit.clock.time:%H:%M:%S}" == "00:06:30"


@pytest.mark.parametrize("name", ["parent", "durable_parent"])
async def test_the_clock_moves_on_while_a_handler_waits_for_rated_jobs(
    job_kit: JobKit, runner: JobRunner, seen: Seen, name: str
) -> None:
    async with job_kit(runner):
        handle = await runner.enqueue_named(name, count=5)
        await job_kit.run_to_end(timeout=5)
        assert await handle.result() == 5
    assert [at for _, at in seen] == ["00:00", "00:00", "00:01", "00:01", "00:02"]


async def test_a_rate_that_frees_nothing_is_no_reason_to_move_the_clock_for_ever(
    job_kit: JobKit, runner: JobRunner, seen: Seen
) -> None:
    async with job_kit(runner):
        for _ in range(3):
            await runner.enqueue_named("rated", key=1)
        await job_kit.advance("1s")
        await runner.types.pause("rated")
        with pytest.raises(JobsNotFinished, match=r"cannot run, .* job 3 of rated waits: its type is paused"):
            await job_kit.run_to_end()
    assert len(seen) == 2


async def test_what_an_unfinished_handler_waits_for_is_named(job_kit: JobKit) -> None:
    runner = JobRunner()

    @runner.job
    async def waits(ctx: JobContext = injected) -> None:
        await ctx.wait_for_event("paid", "order/paid")

    async with job_kit(runner):
        for _ in range(12):
            await runner.enqueue(waits)
        with pytest.raises(JobsNotFinished, match=r"the event 'order/paid'; job .*; and 2 more jobs") as caught:
            await job_kit.run_to_end()
        assert len(caught.value.jobs) == 12
