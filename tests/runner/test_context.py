"""Handlers that enqueue further jobs, and the runner that is injected."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidPayload, JobContext, JobDead, JobRunner, Jobs, RunnerError, injected, job
from aiojobs_lite.errors import WrongEventLoop
from aiojobs_lite.handlers.context import AttemptContext
from aiojobs_lite.model.job import Claimed
from tests.helpers.waiting import until

CLAIMED = Claimed(7, "t", "{}", 1, 0, 1, 5, 0, 0, 0, 0, 0, None, "me")
children = Jobs()


class OwnRunner(JobRunner): ...


class OwnContext(JobContext):
    @property
    def greeting(self) -> str:
        return f"hello from job {self.id}"


@children.job
async def child(number: int) -> int:
    return number + 1


async def test_an_async_handler_enqueues_further_jobs() -> None:
    @children.job(name="parent")
    async def parent(*, ctx: JobContext = injected) -> list[int]:
        one = await ctx.enqueue(child.using(label="one"), number=1)
        named = await ctx.enqueue_named("child", 2)
        many = await ctx.enqueue_many([child.bind(3), child.bind(4)])
        with pytest.raises(InvalidPayload, match="number"):
            await ctx.enqueue(child)  # type: ignore[call-arg]  # what is tested
        with pytest.raises(WrongEventLoop, match=r"Use `await runner\.enqueue"):
            ctx.enqueue_threadsafe(child, 1)
        return [await handle.result() for handle in (one, named, *many)]

    async with JobRunner(":memory:", jobs=[child, parent]) as runner:
        assert await (await runner.enqueue(parent)).result() == [2, 3, 4, 5]
        assert len(await runner.jobs.list(label="one")) == 1


async def test_a_handler_in_a_thread_enqueues_further_jobs() -> None:
    @job
    def parent(*, ctx: JobContext = injected) -> int:
        for call in (ctx.enqueue, ctx.enqueue_many, ctx.enqueue_named):
            given: Any = [] if call == ctx.enqueue_many else child
            with pytest.raises(
                WrongEventLoop, match=r"plain `def`, runs in a thread and cannot await\. Use ctx\.enqueue_th"
            ):
                call(given)  # it is not awaited
        return ctx.enqueue_threadsafe(child, number=4).id

    async with JobRunner(":memory:", jobs=[child, parent]) as runner:
        job_id = await (await runner.enqueue(parent)).result()
        await runner.run_until_idle()
        assert (await runner.jobs.get(job_id)).result == 5


@pytest.mark.parametrize("name", ["enqueue", "enqueue_many", "enqueue_named", "enqueue_threadsafe"])
def test_without_a_runner_it_says_what_to_do(name: str) -> None:
    with pytest.raises(
        WrongEventLoop, match=r"no runner at hand, .* \(process=True\)\. Return the data, and let"
    ) as caught:
        getattr(JobContext(CLAIMED), name)("x")
    assert isinstance(caught.value, RunnerError)


async def test_a_handler_in_the_drain_still_enqueues(database: Path) -> None:
    entered, going_on = asyncio.Event(), asyncio.Event()

    @job
    async def parent(*, ctx: JobContext = injected, runner: JobRunner = injected) -> int:
        entered.set()
        await until(lambda: runner.stats().draining)
        handle = await ctx.enqueue(child, number=1)
        going_on.set()
        return handle.id

    runner = JobRunner(database, jobs=[child, parent])
    async with runner:
        handle = await runner.enqueue(parent)
        await entered.wait()
    assert going_on.is_set()
    async with JobRunner(database, jobs=[child, parent], max_running=0) as later:
        done = await later.jobs.get(handle.id)
        assert (await later.jobs.get(done.result)).status == "pending"
    async with runner:
        await runner.run_until_idle()
        assert (await runner.jobs.get(done.result)).result == 2


async def test_the_runner_itself_is_injected() -> None:
    @job
    async def asks(*, runner: JobRunner = injected, own: OwnRunner = injected, ctx: JobContext = injected) -> bool:
        return runner is own and ctx.get(JobRunner) is runner

    @job
    def in_a_thread(*, runner: JobRunner = injected) -> int:
        return runner.enqueue_threadsafe(child, 1).id

    runner = OwnRunner(":memory:", jobs=[asks, in_a_thread, child])
    async with runner:
        assert await (await runner.enqueue(asks)).result() is True
        assert (await runner.jobs.get(await (await runner.enqueue(in_a_thread)).result())).type == "child"


async def test_a_context_of_the_applications_own_class_is_made_of_its_annotation() -> None:
    @job
    async def greets(*, ctx: OwnContext = injected) -> str:
        return ctx.greeting

    @job
    async def bare(*, ctx: AttemptContext = injected) -> str:
        return type(ctx).__name__

    async with JobRunner(":memory:", jobs=[greets, bare]) as runner:
        assert await (await runner.enqueue(greets)).result() == "hello from job 1"
        assert await (await runner.enqueue(bare)).result() == "AttemptContext"


async def test_the_child_of_an_attempt_that_failed_stays() -> None:
    @job(max_attempts=1)
    async def parent(*, ctx: JobContext = injected) -> None:
        await ctx.enqueue(child, number=1)
        raise ValueError("after it")

    async with JobRunner(":memory:", jobs=[child, parent]) as runner:
        with pytest.raises(JobDead):
            await (await runner.enqueue(parent)).result()
        await runner.run_until_idle()
        assert [found.result for found in await runner.jobs.list(type="child")] == [2]
