"""Errors that each attempt would get again: a handler that does not catch one is not tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobContext, JobRunner, Status, injected
from aiojobs_lite.durable.memos import MOST_STEPS
from aiojobs_lite.model.job import Job
from aiojobs_lite.testing import JobKit

Work = Callable[[JobContext], Awaitable[object]]


async def one() -> int:
    return 1


async def unstorable() -> Callable[[], int]:
    return lambda: 1


class Rig:
    """A job whose handler does what its latest version says."""

    def __init__(self, job_kit: JobKit, work: Work) -> None:
        self._job_kit = job_kit
        self.runner, self.versions = JobRunner(":memory:"), [work]
        self.attempts = 0

        @self.runner.job(max_attempts=5)
        async def handler(ctx: JobContext = injected) -> None:
            self.attempts += 1
            await self.versions[-1](ctx)

        self.handler = handler

    async def to_end(self) -> Job:
        """Enqueues it, and returns it at its end."""
        handle = await self.runner.enqueue(self.handler)
        await self._job_kit.run_to_end()
        return await handle.job()


async def test_a_name_of_another_kind_makes_the_job_dead_at_once_and_a_deploy_and_a_redrive_help(
    job_kit: JobKit,
) -> None:
    async def before(ctx: JobContext) -> None:
        await ctx.step("fetch", one)
        await ctx.sleep("nap", "1h")

    rig = Rig(job_kit, before)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.handler)
        await job_kit.advance("1m")
        rig.versions.append(lambda ctx: ctx.sleep("fetch", "1s"))
        await job_kit.run_to_end()
        job = await handle.job()
        assert (job.status, job.attempts, len(job.history)) == (Status.DEAD, 1, 1)
        assert job.reason == "StepMismatch is not to be tried again"
        assert "stored as a step (done), and the handler asks for a sleep" in (job.error or "")
        rig.versions.append(lambda ctx: ctx.sleep("pause", "1s"))
        await rig.runner.jobs.redrive(job.id)
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED


async def test_an_operation_too_many_makes_the_job_dead_at_once(job_kit: JobKit) -> None:
    async def work(ctx: JobContext) -> None:
        await asyncio.gather(*[ctx.step("one", one) for _ in range(MOST_STEPS + 1)])

    rig = Rig(job_kit, work)
    async with job_kit(rig.runner):
        job = await rig.to_end()
    assert (job.status, rig.attempts) == (Status.DEAD, 1)
    assert job.reason == "TooManySteps is not to be tried again"


WRONG: list[Callable[[JobContext], Any]] = [
    lambda ctx: ctx.step("one", one()),  # type: ignore[call-overload]  # a call
    lambda ctx: ctx.step("one", 7),  # type: ignore[call-overload]
    lambda ctx: ctx.step("one", JobRunner(":memory:").job(one)),
    lambda ctx: ctx.step("one", unstorable),
    lambda ctx: ctx.step("", one),
    lambda ctx: ctx.step(7, one),  # type: ignore[call-overload]
    lambda ctx: ctx.sleep("one#2", "1s"),
    lambda ctx: ctx.invoke("one", "handler"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_call_that_is_written_wrong_makes_the_job_dead_at_once(job_kit: JobKit, wrong: Work) -> None:
    rig = Rig(job_kit, wrong)
    async with job_kit(rig.runner):
        job = await rig.to_end()
    assert (job.status, rig.attempts) == (Status.DEAD, 1)
    assert job.reason == "InvalidOption is not to be tried again"


async def test_an_option_that_the_time_may_make_right_is_tried_again(job_kit: JobKit) -> None:
    rig = Rig(job_kit, lambda ctx: ctx.sleep("nap", -1 if rig.attempts < 3 else 1))
    async with job_kit(rig.runner):
        job = await rig.to_end()
    assert (job.status, rig.attempts) == (Status.COMPLETED, 4)  # the last one is behind the sleep


async def test_a_handler_may_catch_what_is_not_tried_again(job_kit: JobKit) -> None:
    async def work(ctx: JobContext) -> None:
        with pytest.raises(InvalidOption) as caught:
            await ctx.step("one", unstorable)
        assert caught.value.is_final

    rig = Rig(job_kit, work)
    async with job_kit(rig.runner):
        assert (await rig.to_end()).status is Status.COMPLETED
