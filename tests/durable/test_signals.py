"""What a step raises to decide: it is stored as all else that a step does, and the same in each attempt."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

import pytest

from aiojobs_lite import Abandon, Backoff, Cancel, JobContext, JobRunner, Retry, Snooze, Status, injected
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durations import LONGEST_S
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.steps import Step
from aiojobs_lite.telemetry.facts import StepGivenUp, StepSnoozed
from aiojobs_lite.testing import JobKit

calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def refuse() -> str:
    calls["refuse"] += 1
    raise Abandon("card refused")


async def withdraw() -> str:
    calls["withdraw"] += 1
    raise Cancel("the customer has withdrawn it")


async def postpone() -> str:
    """Is not ready in the first two calls, and fails in those that follow."""
    calls["postpone"] += 1
    if calls["postpone"] <= 2:
        raise Snooze("10m", "not ready")
    raise ConnectionError("refused")


async def undo() -> str:
    return "undone"


async def test_abandon_in_a_step_can_be_compensated_and_the_step_never_runs_again(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3)
    async def saga(ctx: JobContext = injected) -> str:
        try:
            return await ctx.step("charge", refuse)
        except StepFailed as error:
            calls[f"{error.error_type}: {error.message} ({error.attempts})"] += 1
        await ctx.sleep("cool-off", "1d")
        return await ctx.step("undo", undo)

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(saga)
        await job_kit.run_to_end()
        assert await handle.result() == "undone"
        given_up = [fact for fact in facts.take() if isinstance(fact, StepGivenUp)]
    assert given_up == [StepGivenUp(handle.id, "saga", "charge", 1, "Abandon: card refused")]
    assert calls == {"refuse": 1, "Abandon: card refused (1)": 2}


async def test_abandon_in_a_step_that_is_not_caught_makes_the_job_dead_at_once(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("charge", refuse)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await handle.job()
        assert (job.status, job.attempts) == (Status.DEAD, 1)
        assert "Abandon: card refused" in (job.error or "")
    assert calls == {"refuse": 1}


@pytest.mark.parametrize("is_caught", [False, True])
async def test_cancel_in_a_step_is_raised_at_its_place_in_each_attempt(job_kit: JobKit, is_caught: bool) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        try:
            await ctx.step("charge", withdraw)
        except Cancel as cancel:
            calls[str(cancel)] += 1
            if not is_caught:
                raise
        await ctx.sleep("cool-off", "1d")

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await handle.job()
        assert job.status is (Status.COMPLETED if is_caught else Status.CANCELLED)
        assert job.reason == (None if is_caught else "the customer has withdrawn it")
        assert not [fact for fact in facts.take() if isinstance(fact, StepGivenUp)]
    assert calls == {"withdraw": 1, "the customer has withdrawn it": 1 + is_caught}


async def test_snooze_in_a_step_is_not_seen_by_its_handler_and_uses_no_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3)
    async def handler(ctx: JobContext = injected) -> str:
        calls["handler"] += 1
        try:
            return await ctx.step(Step("fetch", max_attempts=2, backoff=Backoff(base="1m")), postpone)
        except Exception as error:
            return f"{type(error).__name__} {calls['postpone']}"

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.advance("9m")
        assert calls == {"handler": 1, "postpone": 1}
        (step,) = await runner.jobs.steps(handle.id)
        assert (step.state, step.attempts, step.error) == ("waiting", 0, None)
        shown = await runner.jobs.explain(handle.id)
        assert "until the step 'fetch', which its function snoozed, runs again in 1 min" in shown
        await job_kit.run_to_end()
        assert await handle.result() == "StepFailed 4"
        snoozed = [fact for fact in facts.take() if isinstance(fact, StepSnoozed)]
        assert [(fact.step, fact.wait) for fact in snoozed] == [("fetch", 600), ("fetch", 600)]
        assert str(snoozed[0]).startswith(f"step snoozed: fetch of handler job {handle.id}, to run again in 10 min")


@pytest.mark.parametrize("asked", [math.inf, math.nan, 1e300, 10**400], ids=["inf", "nan", "large", "huge"])
@pytest.mark.parametrize("is_in_step", [True, False])
async def test_a_delay_that_no_clock_reaches_is_a_century_in_a_step_as_in_a_handler(
    job_kit: JobKit, asked: float, is_in_step: bool
) -> None:
    class Later(Retry):
        after = asked

    runner = JobRunner(":memory:")

    async def limited() -> str:
        raise Later("429")

    @runner.job(max_attempts=2)
    async def fetch(ctx: JobContext = injected) -> str:
        return await ctx.step("limited", limited) if is_in_step else await limited()

    async with job_kit(runner):
        handle = await runner.enqueue(fetch)
        await runner.run_until_idle()
        found = await handle.job()
        assert found.scheduled_at - to_datetime(job_kit.clock.now()) == timedelta(seconds=LONGEST_S)
