"""Where a job stands, in a few words."""

from __future__ import annotations

import re

import pytest

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.runner.states import state_of
from aiojobs_lite.testing import JobKit


async def test_a_job_that_waits_for_its_next_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(backoff=Backoff(base="2s"))
    async def fails(ctx: JobContext = injected) -> None:
        raise ValueError(f"no {ctx.attempt}")

    async with job_kit(runner):
        handle = await runner.enqueue(fails.using(delay="90m"))
        assert state_of(await handle.job(), job_kit.clock.now()) == "it waits for attempt 1 of 5, due in 1 h 30 min"
        await job_kit.advance("90m")
        job, now = await handle.job(), job_kit.clock.now()
        text = r"it waits for attempt 2 of 5, again in [12]\.\d s; attempt 1 failed: ValueError: no 1"
        assert re.fullmatch(text, state_of(job, now))
        assert re.match(r"it waits for attempt 2 of 5, due since [34]\.\d s; ", state_of(job, now + 5_000_000))
        await job_kit.run_to_end()
        job = await handle.job()
        assert state_of(job, now) == "it is dead; attempt 5 failed: ValueError: no 5"


async def test_a_job_that_runs_and_one_that_is_held(job_kit: JobKit) -> None:
    runner, states = JobRunner(":memory:"), list[str]()

    @runner.job
    async def looks(ctx: JobContext = injected) -> None:
        states.append(state_of(await runner.jobs.get(ctx.id), job_kit.clock.now()))
        await runner.jobs.cancel(ctx.id)

    async with job_kit(runner):
        await runner.enqueue(looks)
        await runner.run_until_idle()
    assert states == ["attempt 1 of 5 runs"]


@pytest.mark.parametrize("seconds", [0, 0.4])
async def test_a_job_that_is_due(job_kit: JobKit, seconds: float) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def noop() -> None: ...

    async with job_kit(runner, run=False):
        handle = await runner.enqueue(noop)
        job_kit.clock.advance(seconds)
        text = f"it waits for attempt 1 of 5, due since {seconds:.1f} s"
        assert state_of(await handle.job(), job_kit.clock.now()) == text
