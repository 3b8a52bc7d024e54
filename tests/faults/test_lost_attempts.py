"""A durable attempt that goes on after its runner was taken for dead: nothing that it does counts."""

from __future__ import annotations

import asyncio

from aiojobs_lite import JobContext, JobRunner, Outcome, Status, injected
from aiojobs_lite.clock import after
from aiojobs_lite.errors import AttemptNotOwned
from aiojobs_lite.testing.probe import Probe, claimed_of
from tests.helpers.stores import again
from tests.helpers.waiting import PATIENCE


async def test_an_attempt_does_not_use_the_operations_of_one_that_its_runner_has_lost() -> None:
    runner = JobRunner(":memory:")
    calls: list[int] = []
    attempts: list[JobContext] = []
    begun, free = asyncio.Event(), asyncio.Event()

    async def count() -> int:
        calls.append(1)
        return len(calls)

    @runner.job
    async def handler(ctx: JobContext = injected) -> list[int]:
        attempts.append(ctx)
        found = [await ctx.step("count", count)]
        begun.set()
        if ctx.attempt == 1:
            await free.wait()
        return [*found, await ctx.step("count", count)]

    async with runner:
        handle = await runner.enqueue(handler)
        await begun.wait()
        rescue = again(claimed_of(attempts[0]), Outcome.LOST)  # as of another runner, which took this one for dead
        assert await Probe(runner).engine.write(rescue) is Status.PENDING
        assert await handle.result(PATIENCE) == [1, 2]
        free.set()
    assert len(calls) == 2


async def test_an_attempt_that_its_runner_has_lost_sends_nothing() -> None:
    runner = JobRunner(":memory:")
    refused: list[AttemptNotOwned] = []
    ended = asyncio.Event()

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        later = after(claimed_of(ctx).scheduled_at, 3_600)
        rescue = again(claimed_of(ctx), Outcome.LOST, scheduled_at=later)  # as of a runner that took this one for dead
        assert await Probe(runner).engine.write(rescue) is Status.PENDING
        try:
            await ctx.send("tell", "news")
        except AttemptNotOwned as error:
            refused.append(error)
        ended.set()

    async with runner:
        await runner.enqueue(handler)
        await ended.wait()
        assert await runner.events.list() == []
    assert len(refused) == 1
