"""A `PerAttempt` resource is no argument of a step: the step stays done when the resource ends with the attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobContext, JobRunner, PerAttempt, Status, injected
from aiojobs_lite.testing import JobKit


class Session:
    async def commit(self) -> int:
        return 1


class Pool:
    """Is shared by all attempts."""


async def save(*_: object, **__: object) -> int:
    return 1


Act = Callable[[JobContext, Session, Pool], Awaitable[object]]
REFUSED: list[Act] = [
    lambda ctx, session, _: ctx.step("save", save, session),
    lambda ctx, session, _: ctx.step("save", save, session=session),
    lambda ctx, session, _: ctx.step("save", session.commit),
]
TAKEN: list[Act] = [
    lambda ctx, *_: ctx.step("save", save, Session(), None, 1, "text"),
    lambda ctx, _, pool: ctx.step("save", save, pool),
]


async def status_after(job_kit: JobKit, act: Act) -> tuple[Status, str | None]:
    runner = JobRunner(":memory:", deps={Session: PerAttempt(Session), Pool: Pool})

    @runner.job
    async def handler(*, ctx: JobContext = injected, session: Session = injected, pool: Pool = injected) -> None:
        await act(ctx, session, pool)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.run_until_idle()
        job = await handle.job()
        return job.status, job.error


@pytest.mark.parametrize("act", REFUSED)
async def test_a_step_is_given_no_resource_of_the_attempt(job_kit: JobKit, act: Act) -> None:
    status, error = await status_after(job_kit, act)
    assert status is Status.DEAD
    assert error is not None
    assert error.startswith("InvalidOption: resource=<")
    expected = (
        "none of PerAttempt, which ends with this attempt, while the step stays done: at a suspension or a failure"
    )
    assert expected in error
    assert error.endswith("Let the function of step 'save' open a session of its own, and commit it.")


@pytest.mark.parametrize("act", TAKEN)
async def test_a_step_is_given_any_other_object(job_kit: JobKit, act: Act) -> None:
    assert await status_after(job_kit, act) == (Status.COMPLETED, None)


async def test_a_value_that_others_may_be_as_well_is_no_resource(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", deps={str: PerAttempt(lambda: "text")})

    @runner.job
    async def handler(*, ctx: JobContext = injected, text: str = injected) -> Any:
        return await ctx.step("save", save, text)

    async with job_kit(runner):
        assert await (await runner.enqueue(handler)).result() == 1


async def test_the_handler_may_catch_it(job_kit: JobKit) -> None:
    async def act(ctx: JobContext, session: Session, _: Pool) -> None:
        with pytest.raises(InvalidOption, match="none of PerAttempt"):
            await ctx.step("save", save, session)

    assert await status_after(job_kit, act) == (Status.COMPLETED, None)
