"""What becomes of the operations of an attempt when that ends: reports of handlers that went another way."""

from __future__ import annotations

import asyncio
import gc

import pytest

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.durable.waits import Waits
from aiojobs_lite.errors import AttemptNotOwned
from aiojobs_lite.telemetry.facts import StepsSkipped, SuspensionSwallowed
from aiojobs_lite.testing import JobKit


async def fetch() -> int:
    return 1


async def test_a_handler_that_swallows_its_suspension_is_reported_and_goes_on_later(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    attempts: list[str] = []

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        try:
            await ctx.sleep("nap", "1h")
        except asyncio.CancelledError:
            attempts.append("swallowed")
            return "too early"
        attempts.append("awake")
        return "awake"

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        (fact,) = [fact for fact in facts.take() if isinstance(fact, SuspensionSwallowed)]
        assert (fact.job_id, fact.problem) == (handle.id, "returned")
        await job_kit.advance("1h")
        assert await handle.result() == "awake"
    assert attempts == ["swallowed", "awake"]


async def test_operations_that_a_handler_did_not_ask_for_again_are_reported(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    attempts: list[int] = []

    @runner.job(backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> None:
        attempts.append(ctx.attempt)
        if len(attempts) == 1:
            await ctx.step("fetch", fetch)
            raise ConnectionError
        await ctx.step("other", fetch)

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        found = [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]
    assert found == [StepsSkipped(handle.id, "handler", "fetch")]


@pytest.mark.parametrize("renamed", ["step", "sleep", "event"])
async def test_a_deploy_that_removed_an_operation_is_reported_once_its_job_completes(
    job_kit: JobKit, renamed: str
) -> None:
    """Neither an attempt that fails nor one that is suspended says anything: it may ask for it yet."""
    runner, attempts = JobRunner(":memory:"), list[str]()

    async def before(ctx: JobContext) -> None:
        await ctx.step("step", fetch)
        await ctx.sleep("sleep", "1s")
        await ctx.wait_for_event("event", "never", timeout="1s")
        await ctx.sleep("until the deploy", "1h")

    async def after(ctx: JobContext) -> None:
        if renamed != "step":
            await ctx.step("step", fetch)
        if renamed != "sleep":
            await ctx.sleep("sleep", "1s")
        if len(attempts) == 5:
            raise ConnectionError
        await ctx.sleep("new", "1h")
        if renamed != "event":
            await ctx.wait_for_event("event", "never", timeout="1s")
        await ctx.sleep("until the deploy", "1h")

    @runner.job(backoff=Backoff(base="1m", cap="1m"))
    async def handler(ctx: JobContext = injected) -> None:
        attempts.append("attempt")
        await (before if len(attempts) < 4 else after)(ctx)

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.advance("10m")
        await job_kit.advance("58m")
        assert not [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]
        await job_kit.run_to_end()
        found = [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]
    assert found == [StepsSkipped(handle.id, "handler", renamed)]


async def test_operations_that_are_asked_for_in_another_order_are_found(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    order = ["first", "second", "third"]

    @runner.job(backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> list[int]:
        found = [await ctx.step(name, fetch) for name in order]
        if order[0] == "first":
            order.reverse()
            raise ConnectionError
        return found

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == [1, 1, 1]
        assert not [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]


async def test_an_attempt_that_has_ended_has_no_operations(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    contexts: list[JobContext] = []

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        contexts.append(ctx)

    async with job_kit(runner):
        await (await runner.enqueue(handler)).result()
        with pytest.raises(AttemptNotOwned):
            contexts[0].step("fetch", fetch).close()


async def test_an_attempt_leaves_nothing_to_the_garbage_collector(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("fetch", fetch)

    async with job_kit(runner):
        gc.collect()
        gc.disable()
        try:
            await (await runner.enqueue(handler)).result()
            await runner.run_until_idle()
            assert not any(type(one) is Waits for one in gc.get_objects())  # objects of others may lie of their class
        finally:
            gc.enable()
