"""Steps and children of an attempt before whose functions say by now that they return something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Status, injected
from aiojobs_lite.errors import StepUnfit
from aiojobs_lite.testing import JobKit

calls: Counter[str] = Counter()


async def text() -> str:
    calls["step"] += 1
    return "one"


async def number() -> int:
    calls["step"] += 1
    return 1


async def either() -> int | str:
    calls["step"] += 1
    return 1


@pytest.mark.parametrize("is_child", [False, True])
async def test_what_does_not_fit_any_more_makes_the_job_dead_at_once_and_a_redriven_one_goes_on(
    job_kit: JobKit, is_child: bool
) -> None:
    calls.clear()
    runner, deployed = JobRunner(":memory:"), list[Callable[[], Awaitable[Any]]]([text])
    children: dict[Any, Any] = {function: runner.job(function) for function in (text, number, either)}

    @runner.job(max_attempts=5)
    async def handler(ctx: JobContext = injected) -> None:
        function = deployed[-1]
        found = await (ctx.invoke("fetch", children[function]) if is_child else ctx.step("fetch", function))
        calls[repr(found)] += 1
        await ctx.sleep("nap", "1h")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        deployed.append(number)
        await job_kit.advance("2h")
        job = await handle.job()
        assert (job.status, job.attempts) == (Status.DEAD, 1)
        assert job.reason == f"{StepUnfit.__name__} is not to be tried again"
        assert f"what 'fetch' of job {handle.id} returned in an attempt before does not fit" in (job.error or "")
        deployed.append(either)
        await runner.jobs.redrive(handle.id)
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED
    assert calls["step"] == 1
    assert calls["'one'"] >= 2
