"""Handlers that wait for other jobs, which wait for a time; or for their timeout; or in vain."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.errors import JobDead
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted
from aiojobs_lite.testing import JobKit, moves, replacement
from tests.helpers.waiting import PATIENCE, next_fact


@pytest.fixture
def runner() -> JobRunner:
    return JobRunner()


@pytest.mark.parametrize("glance", [0.001, 0.05])  # how soon a look finds that the handlers are not there yet
@pytest.mark.parametrize("children", [1, 2])
async def test_the_clock_moves_on_over_the_backoff_of_a_child(
    job_kit: JobKit, runner: JobRunner, children: int, glance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "GLANCE_S", glance)

    @runner.job(max_attempts=3, backoff=Backoff(base="1m"))
    async def child(ctx: JobContext = injected) -> int:
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt

    @runner.job(max_attempts=1)
    async def parent(ctx: JobContext = injected) -> int:
        handles = [await ctx.enqueue(child) for _ in range(children)]
        if children == 1:
            return await handles[0].result()
        return sum(await asyncio.gather(*[handle.result() for handle in handles]))

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end(timeout=2)
        assert await handle.result() == 3 * children
        assert (await handle.job()).attempts == 1


async def test_a_handler_that_waits_is_timed_out_before_a_child_that_comes_later(
    job_kit: JobKit, runner: JobRunner
) -> None:
    @runner.job
    async def child() -> None: ...

    @runner.job(max_attempts=1, timeout="1m")
    async def parent(ctx: JobContext = injected) -> None:
        await (await ctx.enqueue(child.using(delay="1h"))).result()

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end(timeout=2)
        with pytest.raises(JobDead, match="TimeoutError"):
            await handle.result()
        assert runner.stats().completed == 1


async def test_a_handler_that_hangs_does_not_keep_the_end_of_the_block_for_as_long_as_a_drain_may_take(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacement, "DRAIN_S", 0.01)
    runner, entered = JobRunner(":memory:", drain_timeout=PATIENCE), asyncio.Event()

    @runner.job
    async def hangs() -> None:
        entered.set()
        await asyncio.Event().wait()

    facts = runner.watch()
    async with job_kit(runner):
        await runner.enqueue(hangs)
        await entered.wait()
    assert (await next_fact(facts, DrainStarted)).timeout == 0.01
    assert (await next_fact(facts, DrainFinished)).interrupted == (1,)


async def test_a_handler_that_waits_for_its_timeout_gets_it(job_kit: JobKit) -> None:
    """However short the patience with it: it has begun."""
    runner, entered = JobRunner(":memory:"), asyncio.Event()

    @runner.job(timeout="30s", max_attempts=1)
    async def hangs() -> None:
        entered.set()
        await asyncio.Event().wait()

    async with job_kit(runner):
        handle = await runner.enqueue(hangs)
        await entered.wait()
        await job_kit.advance("29s", patience=0.001)
        assert (await handle.job()).status is Status.PROCESSING
        await job_kit.advance("1s", patience=0.001)
        async with asyncio.timeout(PATIENCE):
            await runner.run_until_idle()
        assert (await handle.job()).history[0].outcome is Outcome.TIMED_OUT
