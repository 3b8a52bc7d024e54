"""What `runner.jobs.explain` says of jobs that are suspended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Retry, injected
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.steps import Awaited, StepKind, StepRow, StepState
from aiojobs_lite.runner.awaited import what_ends
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit
from tests.helpers.instants import SECOND
from tests.helpers.stores import NOW

Wait = Callable[[JobContext], Awaitable[Any]]


async def child() -> None:
    await asyncio.get_running_loop().create_future()


async def busy() -> None:
    raise Retry("no courier\nat this hour", after="10m")


async def sleeps(ctx: JobContext) -> None:
    await ctx.sleep("nap", "42m")


async def waits(ctx: JobContext) -> None:
    await ctx.wait_for_event("answer", "user/replied", match={"user.id": 7, "text": "yes"}, timeout="1h")


async def waits_for_ever(ctx: JobContext) -> None:
    await ctx.wait_for_event("answer", "user/replied")


async def retries(ctx: JobContext) -> None:
    await ctx.step("ship", busy)


async def several(ctx: JobContext) -> None:
    await asyncio.gather(sleeps(ctx), waits_for_ever(ctx))


@pytest.mark.parametrize(
    ("wait", "reason"),
    [
        (sleeps, "the sleep 'nap' ends in 42 min (00:42:00 UTC)"),
        (
            waits,
            "the wait 'answer' ends by the event 'user/replied' with text = \"yes\" and user.id = 7, "
            "or in 1 h (01:00:00 UTC)",
        ),
        (waits_for_ever, "the wait 'answer' ends by the event 'user/replied'"),
        (
            retries,
            "the step 'ship' is tried again in 10 min (00:10:00 UTC) after its attempt 1 failed "
            "(Retry: no courier at this hour)",
        ),
        (
            several,
            "the sleep 'nap' ends in 42 min (00:42:00 UTC) or the wait 'answer' ends by the event 'user/replied'",
        ),
    ],
)
async def test_a_suspended_job_says_what_it_waits_for(job_kit: JobKit, wait: Wait, reason: str) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await wait(ctx)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(0)
        assert await runner.jobs.explain(handle.id) == (
            f"job {handle.id} of handler waits: it is suspended until {reason}."
        )


@pytest.mark.parametrize(("timeout", "end"), [(None, ""), ("1h", ", or in 1 h (01:00:00 UTC)")])
async def test_one_that_waits_for_a_job_names_it(job_kit: JobKit, timeout: str | None, end: str) -> None:
    runner = JobRunner(":memory:")
    started = runner.job(child)

    @runner.job
    async def parent(ctx: JobContext = injected) -> None:
        await ctx.invoke(Step("inner", timeout=timeout), started.using(delay="1d"))

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.advance(0)
        inner = (await runner.jobs.list(type="child"))[0].id
        assert await runner.jobs.explain(handle.id) == (
            f"job {handle.id} of parent waits: it is suspended until job {inner} of 'inner' ends{end}."
        )


async def test_one_that_was_made_due_later_or_waits_for_its_retry_says_when_it_is_due(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(fails: bool, ctx: JobContext = injected) -> None:
        nap = asyncio.ensure_future(ctx.sleep("nap", "42m"))
        await asyncio.sleep(0)
        await ctx.uuid()  # it is stored after the other
        if fails:
            nap.cancel()
            raise Retry("outside of steps", after="10m")
        await nap

    async with job_kit(runner):
        sleeper, failing = await runner.enqueue(handler, False), await runner.enqueue(handler, True)
        await job_kit.advance(0)
        await runner.jobs.reschedule(sleeper.id, at=to_datetime(job_kit.clock.now() + 7200 * SECOND))
        text = await runner.jobs.explain(sleeper.id)
        assert "waits: it is suspended until the sleep 'nap' ends in 2 h (02:00:00 UTC)." in text
        text = await runner.jobs.explain(failing.id)
        assert "waits: it is due in 10 min (00:10:00 UTC) after attempt 1 failed (Retry: outside of steps)." in text


@pytest.mark.parametrize(("hours", "end"), [(2, "in 2 h (02:00:00 UTC)"), (0.5, "in 1 h (01:00:00 UTC)")])
async def test_a_wait_that_was_rescheduled_says_what_ends_it_at_once(job_kit: JobKit, hours: float, end: str) -> None:
    """To later puts its timeout off. To earlier does nothing: the wait goes on."""
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> bool:
        return await ctx.wait_for_event("answer", "user/replied", timeout="1h") is not None

    async with job_kit(runner):
        handles = [await runner.enqueue(handler), await runner.enqueue(handler)]
        await job_kit.advance(0)
        for handle in handles:
            at = to_datetime(job_kit.clock.now() + round(hours * 3600) * SECOND)
            await runner.jobs.reschedule(handle.id, at=at)
        text = await runner.jobs.explain(handles[0].id)
        assert f"suspended until the wait 'answer' ends by the event 'user/replied', or {end}." in text
        await job_kit.advance(45 * 60)
        await runner.send("user/replied")
        assert [await handle.result() for handle in handles] == [True, True]


async def test_the_timeout_of_a_wait_that_was_put_off_passes_when_its_job_is_due(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> bool:
        return await ctx.wait_for_event("answer", "user/replied", timeout="1h") is not None

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(0)
        await runner.jobs.reschedule(handle.id, at=to_datetime(job_kit.clock.now() + 7200 * SECOND))
        await job_kit.advance("119m")
        assert (await handle.job()).status == "pending"
        await job_kit.advance("2m")
        assert await handle.result() is False


def test_of_very_many_operations_some_are_named() -> None:
    step = StepRow("s", StepKind.SLEEP, StepState.WAITING, None, None, 0, NOW, NOW, None, None)
    found = [Awaited(step._replace(name=f"s{number}", until=NOW - number), None, None) for number in range(12)]
    text = what_ends(found, to_datetime(NOW - 11), to_datetime(NOW))
    assert text.startswith("the sleep 's0' ends at once or ")
    assert text.endswith("the sleep 's9' ends at once or 2 further operations ends")
    planned = Awaited(step._replace(name="p", kind=StepKind.PLANNED), None, None)
    assert what_ends([planned], to_datetime(NOW), to_datetime(NOW)) == "the step 'p' has run"
    assert not what_ends((), to_datetime(NOW), to_datetime(NOW))
