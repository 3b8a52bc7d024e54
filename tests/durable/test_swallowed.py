"""Handlers that do not let their suspension pass, and scopes around operations: nothing is lost, and nothing hangs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from aiojobs_lite.telemetry.facts import SuspensionSwallowed
from aiojobs_lite.testing import JobKit
from tests.helpers.kits import move_when_quiet

calls: Counter[str] = Counter()
Handler = Callable[[JobContext], Coroutine[Any, Any, str]]


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def noted(name: str) -> str:
    calls[name] += 1
    return name


async def returns(ctx: JobContext) -> str:
    try:
        await ctx.sleep("nap", "1h")
    except asyncio.CancelledError:
        return "swallowed"
    return await ctx.step("after", noted, "after")


async def raises(ctx: JobContext) -> str:
    try:
        await ctx.sleep("nap", "1h")
    finally:
        if not calls["raised"]:
            calls["raised"] += 1
            raise ConnectionError("the clean-up failed")
    return await ctx.step("after", noted, "after")


async def goes_on_alone(ctx: JobContext) -> str:
    """Has something else to do after it has swallowed it, without operations."""
    with suppress(asyncio.CancelledError):
        await ctx.sleep("nap", "1h")
    await asyncio.sleep(0)
    return await ctx.step("after", noted, "after")


async def asks_for_more(ctx: JobContext) -> str:
    with suppress(asyncio.CancelledError):
        await ctx.sleep("nap", "1h")
    found = "swallowed"
    with suppress(asyncio.CancelledError):
        found = await ctx.step("after", noted, "after")
    return found


async def never_gives_up(ctx: JobContext) -> str:
    """Asks again and again, as a loop around an unreliable call does."""
    for _ in range(10_000):
        calls["asked"] += 1
        with suppress(asyncio.CancelledError):
            return await ctx.step("after", noted, "after") if calls["slept"] else await sleeps(ctx)
    return "given up"


async def sleeps(ctx: JobContext) -> str:
    await ctx.sleep("nap", "1h")
    calls["slept"] += 1
    return await ctx.step("after", noted, "after")


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (returns, "returned"),
        (raises, "raised ConnectionError"),
        (goes_on_alone, ""),
        (asks_for_more, "returned"),
        (never_gives_up, "returned"),
    ],
)
async def test_a_suspension_that_is_swallowed_is_reported_and_the_job_goes_on_when_it_is_due(
    job_kit: JobKit, handler: Handler, problem: str
) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def swallows(ctx: JobContext = injected) -> str:
        calls["begun"] += 1
        await ctx.step("before", noted, "before")
        return await handler(ctx)

    async with job_kit(runner):
        facts = runner.watch()
        handle = await runner.enqueue(swallows)
        await job_kit.advance("59m")
        found = [fact.problem for fact in facts.take() if isinstance(fact, SuspensionSwallowed)]
        assert found == [problem] * bool(problem)
        assert (calls["begun"], calls["after"]) == (1, 0)
        await job_kit.advance("1m")
        assert await handle.result() == "after"
        assert (await handle.job()).history == ()
    assert (calls["begun"], calls["before"], calls["after"]) == (2, 1, 1)


async def test_a_loop_that_swallows_each_suspension_leaves_the_event_loop_to_others(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    turns: list[int] = []

    async def others() -> None:
        while not turns or turns[-1] < 100:
            turns.append(calls["asked"])
            await asyncio.sleep(0)

    @runner.job
    async def loops(ctx: JobContext = injected) -> None:
        while calls["asked"] < 100:
            calls["asked"] += 1
            with suppress(asyncio.CancelledError):
                await ctx.sleep("nap", "1h")
                return

    async with job_kit(runner):
        await runner.enqueue(loops)
        other = asyncio.ensure_future(others())
        await job_kit.advance("1m")
        await other
    assert len(set(turns)) > 50


async def test_a_shield_of_anyio_does_not_keep_an_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        calls["begun"] += 1
        with anyio.CancelScope(shield=True):
            await ctx.sleep("nap", "1h")
        return await ctx.step("after", noted, "after")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        assert runner.stats().running == 0
        await job_kit.advance("59m")
        assert await handle.result() == "after"
    assert calls["begun"] == 2


async def test_a_shield_of_asyncio_keeps_the_attempt_and_its_slot_until_the_wait_is_over(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_when_quiet(monkeypatch)
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        calls["begun"] += 1
        await asyncio.shield(ctx.sleep("nap", "1h"))
        return await ctx.step("after", noted, "after")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        assert runner.stats().running == 1
        await job_kit.advance("59m")
        assert await handle.result(timeout=5) == "after"
    assert calls["begun"] == 1


@pytest.mark.parametrize("scope", [lambda: asyncio.timeout(5), lambda: anyio.fail_after(5)])
async def test_a_timeout_around_a_wait_is_of_each_attempt_alone(job_kit: JobKit, scope: Callable[[], Any]) -> None:
    """The attempt is suspended before it is over, and the wait has no time of an attempt."""
    runner = JobRunner(":memory:")

    async def enter(ctx: JobContext) -> None:
        found = scope()
        if hasattr(found, "__aenter__"):
            async with found:
                await ctx.sleep("nap", "1h")
        else:
            with found:
                await ctx.sleep("nap", "1h")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        await enter(ctx)
        return await ctx.step("after", noted, "after")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        assert runner.stats().running == 0
        await job_kit.advance("59m")
        assert await handle.result() == "after"


async def test_a_timeout_around_a_wait_counts_while_another_branch_is_busy(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        async def waits() -> str:
            try:
                async with asyncio.timeout(0.05):
                    await ctx.sleep("nap", "1h")
            except TimeoutError:
                return await ctx.step("too late", noted, "too late")
            return "awake"

        waiting = asyncio.ensure_future(waits())
        for _ in range(10**9):  # busy
            await asyncio.sleep(0)
            if waiting.done():
                break
        return await waiting

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        assert await handle.result(timeout=5) == "too late"
