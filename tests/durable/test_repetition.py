"""How often the code between operations runs again: once for each attempt, and an attempt for each wait."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from aiojobs_lite.testing import JobKit

calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def noted(name: str) -> str:
    calls[f"step {name}"] += 1
    return name


async def test_code_between_waits_runs_once_more_for_each_wait_behind_it(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        for number in range(4):
            calls[f"code {number}"] += 1
            await ctx.step("note", noted, str(number))
            await ctx.sleep("nap", "1h")
        calls["end"] += 1

    async with job_kit(runner):
        await runner.enqueue(handler)
        await job_kit.run_to_end()
    assert calls == {f"code {number}": 5 - number for number in range(4)} | {f"step {n}": 1 for n in range(4)} | {
        "end": 1
    }


async def test_a_wait_that_is_over_and_a_step_that_returns_end_no_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        calls["code"] += 1
        await ctx.sleep("none", 0)
        for number in range(20):
            await ctx.step("note", noted, str(number))
        assert await ctx.wait_for_event("came", "e") is not None
        assert await ctx.wait_for_event("late", "never", timeout=0) is None
        await asyncio.gather(*[ctx.step("side by side", noted, "twenty") for _ in range(20)])

    async with job_kit(runner):
        handle = await runner.enqueue(handler.using(delay="1s"))
        await runner.send("e")
        await job_kit.run_to_end()
        assert (await handle.job()).snoozes == 0
    assert (calls["code"], calls["step twenty"]) == (1, 20)


async def test_waits_side_by_side_take_an_attempt_for_each_instant(job_kit: JobKit) -> None:
    """Those that end together take one together."""
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        calls["code"] += 1
        at = [1, 1, 1, 2, 2, 3]
        await asyncio.gather(*[ctx.sleep(f"nap {number}", f"{hours}h") for number, hours in enumerate(at)])

    async with job_kit(runner):
        await runner.enqueue(handler)
        await job_kit.run_to_end()
    assert calls["code"] == 4


async def test_many_children_that_end_together_wake_their_parent_a_few_times(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def child(number: int) -> int:
        return number

    @runner.job
    async def parent(ctx: JobContext = injected) -> int:
        calls["code"] += 1
        return sum(await ctx.gather("square", [child.using(delay="1h").bind(number) for number in range(200)]))

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end()
        assert await handle.result() == sum(range(200))
    assert calls["code"] < 20
