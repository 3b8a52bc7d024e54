"""`run_to_end` while handlers wait for other jobs, which wait for a time."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.errors import JobDead
from aiojobs_lite.testing import JobKit, moves


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
