"""Steps in threads: an attempt that is stopped does not end while the thread of its step runs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiojobs_lite import JobCancelled, JobContext, JobRunner, Status, injected
from aiojobs_lite.engine import calls
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import quiet, until


class Work:
    """A function that runs until it may end.

    Attributes:
        begun: How often it was called.
        most: The most calls that ran at once.
        may_end: Whether it may.
    """

    def __init__(self) -> None:
        self.begun = self.most = self._running = 0
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        self._running += 1
        self.most = max(self.most, self._running)
        self.may_end.wait()
        self._running -= 1


async def test_a_job_is_cancelled_when_the_thread_of_its_step_has_ended() -> None:
    work, runner = Work(), JobRunner(":memory:", drain_timeout=0.01, cancel_grace=0.01)

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("work", work)

    async with runner:
        handle = await runner.enqueue(handler)
        await until(lambda: work.begun == 1)
        await handle.cancel()
        await quiet(beside_database=True)
        assert (await handle.job()).status is Status.PROCESSING
        work.may_end.set()
        with pytest.raises(JobCancelled):
            await handle.result()
    assert work.begun == 1


async def test_a_step_that_takes_too_long_is_tried_again_when_its_thread_has_ended(job_kit: JobKit) -> None:
    work, runner = Work(), JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step(Step("work", timeout="1s"), work)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await until(lambda: work.begun == 1)
        job_kit.clock.advance(3600)
        await quiet(beside_database=True)
        assert (await handle.job()).status is Status.PROCESSING
        assert work.begun == 1
        work.may_end.set()
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED
    assert (work.begun, work.most) == (2, 1)


async def test_a_thread_that_has_not_begun_never_calls_the_function_of_a_cancelled_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, runner, threads = (
        Work(),
        JobRunner(":memory:", drain_timeout=0.01, cancel_grace=0.01),
        list[UnawaitedThread](),
    )

    class Late(UnawaitedThread):
        def start(self) -> None:
            threads.append(self)

    monkeypatch.setattr(calls, "UnawaitedThread", Late)

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("work", work)

    async with runner:
        handle = await runner.enqueue(handler)
        await until(lambda: bool(threads))
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result()
    (thread,) = threads
    UnawaitedThread.start(thread)
    thread.join()
    assert work.begun == 0


async def test_a_thread_that_never_ends_keeps_neither_the_drain_nor_the_event_loop() -> None:
    work, runner = Work(), JobRunner(":memory:", drain_timeout=0.01, cancel_grace=0.01)

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("work", work)

    async with runner:
        await runner.enqueue(handler)
        await until(lambda: work.begun == 1)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()  # as the end of the event loop does
    await asyncio.gather(*left, return_exceptions=True)
    assert work.most == 1
    work.may_end.set()
