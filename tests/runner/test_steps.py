"""What is shown of the operations of durable handlers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiojobs_lite import Backoff, JobContext, JobDead, JobNotFound, JobRunner, injected
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.runner.steps import LONGEST_SHOWN_RESULT_CHARS
from aiojobs_lite.steps import JobStep, ParentStep, Step
from aiojobs_lite.testing import JobKit


def long_text() -> str:
    return "x" * LONGEST_SHOWN_RESULT_CHARS


def refused() -> None:
    raise ConnectionError("refused")


async def test_operations_are_shown_as_they_stand(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def child(number: int) -> int:
        if number < 0:
            raise ValueError("negative")
        return number

    @runner.job(max_attempts=2, backoff=Backoff(base="1h"))
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("long", long_text)
        with pytest.raises(StepFailed):
            await ctx.step(Step("refused", max_attempts=1), refused)
        await ctx.invoke("child", child, 7)
        with pytest.raises(JobDead):
            await ctx.invoke("dead", child, -1)
        await ctx.enqueue_once("later", child.using(delay="1d"), 1)
        await ctx.sleep("nap", "10s")
        await ctx.wait_for_event("came", "user/left", timeout="1m")
        await ctx.wait_for_event("late", "user/none", timeout="1s")
        await ctx.step("retried", refused)

    async with job_kit(runner):
        start = job_kit.clock.time
        made = await runner.enqueue(handler)
        await job_kit.advance(20)
        await runner.send("user/left", {"n": 1}, id="left")
        await job_kit.advance(5)
        steps = {step.name: step for step in await runner.jobs.steps(made.id)}
        await _check(runner, steps, start)
        later = steps["later"].child_id
        assert later is not None
        assert await runner.jobs.parent(later) == ParentStep(made.id, "later")
        assert (await runner.jobs.parent(made.id), await runner.jobs.steps(later)) == (None, [])
        for read in (runner.jobs.steps, runner.jobs.parent):
            with pytest.raises(JobNotFound):
                await read(99)
        await runner.jobs.cancel(made.id)
        await runner.jobs.cancel(later)


async def _check(runner: JobRunner, steps: dict[str, JobStep], start: Any) -> None:
    shown = [(step.name, step.kind, step.state, step.attempts, step.error) for step in steps.values()]
    assert shown == [
        ("long", "run", "done", 1, None),
        ("refused", "run", "failed", 1, "ConnectionError: refused"),
        ("child", "child", "done", 0, None),
        ("dead", "child", "failed", 0, "ValueError: negative"),
        ("later", "run", "done", 1, None),
        ("nap", "sleep", "done", 0, None),
        ("came", "event", "done", 0, None),
        ("late", "event", "done", 0, None),
        ("retried", "run", "waiting", 1, "ConnectionError: refused"),
    ]
    traced = {step.name: step.traceback for step in steps.values() if step.traceback is not None}
    assert traced.keys() == {"refused", "retried"}
    assert all('raise ConnectionError("refused")' in trace for trace in traced.values())
    results = {step.name: step.result_json for step in steps.values() if step.result_json is not None}
    assert results.pop("long") == f'"{long_text()}"'[:LONGEST_SHOWN_RESULT_CHARS]
    assert results.pop("came").startswith('{"id":"left","name":"user/left","data":{"n":1}')
    assert results == {"child": "7", "later": f'{{"id":{steps["later"].child_id},"is_new":true}}', "late": "null"}
    assert [steps[name].event_id for name in ("came", "late")] == ["left", None]
    assert [(await runner.jobs.get(steps[name].child_id or 0)).status for name in ("child", "dead", "later")] == [
        "completed", "dead", "pending",
    ]  # fmt: skip
    assert steps["nap"].until == start + timedelta(seconds=10)
    assert steps["nap"].started_at == start
    assert (steps["nap"].ended_at or start) >= start + timedelta(seconds=10)
    assert steps["retried"].ended_at is None
    assert (steps["retried"].until or start) > start + timedelta(minutes=29)
