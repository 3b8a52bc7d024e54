"""Steps that return what cannot be stored: one error, at the same place in each attempt."""

from __future__ import annotations

import re

from aiojobs_lite import JobContext, JobRunner, Status, injected
from aiojobs_lite.errors import StepFailed, StepNotStored
from aiojobs_lite.testing import JobKit


async def test_what_cannot_be_stored_fails_for_good(job_kit: JobKit) -> None:
    runner, calls = JobRunner(":memory:"), list[str]()

    async def big() -> str:
        calls.append("big")
        return "x" * 300_000

    @runner.job(max_attempts=3)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("big", big)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await runner.jobs.get(handle.id)
        assert (job.status, job.attempts) == (Status.DEAD, 1)
        assert job.error is not None
        assert re.match("StepNotStored: what step 'big' .* 300,000 bytes, .* Store the data elsewhere, and", job.error)
    assert calls == ["big"]


async def test_what_cannot_be_stored_is_the_same_error_in_each_attempt(job_kit: JobKit) -> None:
    runner, caught = JobRunner(":memory:"), list[str]()

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        try:
            await ctx.step("odd", object)
        except StepNotStored as error:
            caught.append(f"{error.name}: {error}")
        await ctx.sleep("cool-off", "3d")
        return "fallback"

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "fallback"
    assert len(caught) == 2
    assert caught[0] == caught[1]
    assert "this object is no JSON: Unable to serialize unknown type" in caught[0]


async def test_a_step_in_a_step_that_cannot_be_stored_makes_the_outer_one_fail(job_kit: JobKit) -> None:
    runner, caught = JobRunner(":memory:"), list[str]()

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        async def outer() -> None:
            await ctx.step("inner", object)

        try:
            await ctx.step("outer", outer)
        except StepFailed as error:
            caught.append(error.error_type)
        await ctx.sleep("cool-off", "3d")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        await handle.result()
    assert caught == ["StepNotStored", "StepNotStored"]
