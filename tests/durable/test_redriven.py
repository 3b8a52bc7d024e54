"""Durable jobs that are sent back by a person: what is done stays done, what failed is tried anew."""

from __future__ import annotations

from collections import Counter

import pytest

from aiojobs_lite import Backoff, JobContext, JobRunner, Status, injected
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import PATIENCE

calls: Counter[str] = Counter()
MINUTE = Backoff(base="1m")


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def charge() -> str:
    calls["charge"] += 1
    return "payment"


async def ship() -> str:
    calls["ship"] += 1
    if calls["fixed"]:
        return "shipped"
    raise ConnectionError("no courier")


def order_runner(max_attempts: int = 1) -> JobRunner:
    """A runner with a job type `order` of two steps, the second of which fails until it is fixed."""
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=max_attempts, backoff=MINUTE)
    async def order(ctx: JobContext = injected) -> list[str]:
        calls["order"] += 1
        return [await ctx.step("charge", charge), await ctx.step(Step("ship", max_attempts=2, backoff=MINUTE), ship)]

    return runner


@pytest.mark.parametrize("many", [False, True])
async def test_a_redriven_job_goes_on_behind_its_last_finished_step(job_kit: JobKit, many: bool) -> None:
    async with job_kit(order_runner()) as runner:
        handle = await runner.enqueue_named("order")
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.DEAD
        assert (calls["charge"], calls["ship"]) == (1, 2)
        calls["fixed"] = 1
        await (runner.jobs.redrive_all() if many else runner.jobs.redrive(handle.id))
        await job_kit.run_to_end()
        assert await handle.result() == ["payment", "shipped"]
    assert (calls["charge"], calls["ship"]) == (1, 3)


async def test_a_failed_step_has_all_its_attempts_again_after_a_redrive(job_kit: JobKit) -> None:
    async with job_kit(order_runner()) as runner:
        handle = await runner.enqueue_named("order")
        for redriven in range(3):
            await job_kit.run_to_end()
            assert calls["ship"] == 2 * (redriven + 1)
            assert StepFailed.__name__ in str((await handle.job()).error)
            await runner.jobs.redrive(handle.id)
    assert calls["charge"] == 1


async def test_a_job_that_is_cancelled_in_mid_sleep_and_redriven_sleeps_anew(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def sleeper(ctx: JobContext = injected) -> str:
        await ctx.step("charge", charge)
        await ctx.sleep("nap", "1h")
        return "awake"

    async with job_kit(runner):
        handle = await runner.enqueue(sleeper)
        await job_kit.advance("30m")
        await handle.cancel()
        await job_kit.advance("1d")
        assert (await handle.job()).status is Status.CANCELLED
        await runner.jobs.redrive(handle.id)
        await job_kit.advance("59m")
        assert (await handle.job()).status is Status.PENDING
        await job_kit.advance("1m")
        assert await handle.result() == "awake"
    assert calls["charge"] == 1


async def test_a_job_that_died_by_crashes_goes_on_behind_its_steps_after_a_redrive(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def unlucky(ctx: JobContext = injected) -> str:
        payment = await ctx.step("charge", charge)
        if not calls["fixed"]:
            calls["crash"] += 1
            await job_kit.crash()
        return payment

    handle_id = None
    for _ in range(3):
        async with job_kit(runner):
            if handle_id is None:
                handle_id = (await runner.enqueue(unlucky)).id
            await job_kit.advance(1, patience=PATIENCE)
    async with job_kit(runner):
        await job_kit.advance(1)
        job = await runner.jobs.get(handle_id or 0)
        assert (job.status, job.reason, job.crashes) == (Status.DEAD, "crashed", 3)
        calls["fixed"] = 1
        await runner.jobs.redrive(job.id)
        await job_kit.run_to_end()
        assert (await runner.jobs.get(job.id)).status is Status.COMPLETED
    assert (calls["charge"], calls["crash"]) == (1, 3)


async def test_a_job_that_sleeps_and_is_made_due_sleeps_on(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def sleeper(ctx: JobContext = injected) -> str:
        calls["begun"] += 1
        await ctx.step("charge", charge)
        await ctx.sleep("nap", "1h")
        return "awake"

    async with job_kit(runner):
        handle = await runner.enqueue(sleeper)
        await job_kit.advance("30m")
        await runner.jobs.run_now(handle.id)
        await job_kit.advance("29m")
        assert (await handle.job()).status is Status.PENDING
        assert calls == {"begun": 2, "charge": 1}
        await job_kit.advance("1m")
        assert await handle.result() == "awake"
    assert calls["charge"] == 1
