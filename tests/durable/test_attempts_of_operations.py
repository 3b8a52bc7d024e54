"""Attempts count per operation: what is newly stored gives the code after it all of them again, a replay does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from aiojobs_lite import (
    Backoff,
    Cancel,
    JobCancelled,
    JobContext,
    JobDead,
    JobRunner,
    Outcome,
    ResultTimeout,
    Status,
    injected,
    job,
)
from aiojobs_lite.errors import JobError
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import PATIENCE

calls: Counter[str] = Counter()
MINUTE = Backoff(base="1m", cap="1m")


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def noted(name: str) -> str:
    calls[name] += 1
    return name


def flaky(name: str, failures: int) -> None:
    """Raises so many times."""
    calls[name] += 1
    if calls[name] <= failures:
        raise ConnectionError(name)


async def test_the_code_after_each_operation_has_all_attempts(job_kit: JobKit) -> None:
    """Five pieces of code, each of which fails as often as the job allows in all."""
    runner = JobRunner(":memory:")

    @runner.job
    async def child() -> str:
        return "child"

    @runner.job(max_attempts=3, backoff=MINUTE)
    async def parent(ctx: JobContext = injected) -> list[str]:
        flaky("first", 2)
        found = [await ctx.step("step", noted, "step")]
        flaky("after a step", 2)
        await ctx.sleep("sleep", "1h")
        flaky("after a sleep", 2)
        event = await ctx.wait_for_event("event", "e")
        flaky("after an event", 2)
        found.append("no event" if event is None else event.name)
        late = await ctx.wait_for_event("late", "never", timeout="1h")
        flaky("after an event that did not come", 2)
        found.append("late" if late is None else late.name)
        found.append(await ctx.invoke("child", child))
        flaky("after a child", 2)
        return found

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.advance("70m")
        await runner.send("e")
        await job_kit.run_to_end()
        assert await handle.result() == ["step", "e", "late", "child"]
        assert len((await handle.job()).history) == 12
    assert calls["step"] == 1


@pytest.mark.parametrize("of", ["step", "event", "child", "sleep"])
async def test_the_code_after_an_operation_has_no_more_attempts_than_all(job_kit: JobKit, of: str) -> None:
    """What was stored is found again by each attempt, and gives no further attempts."""
    runner = JobRunner(":memory:")

    @runner.job
    async def child() -> str:
        return "child"

    @runner.job(max_attempts=3, backoff=MINUTE)
    async def parent(ctx: JobContext = injected) -> None:
        if of == "step":
            await ctx.step("one", noted, "step")
        elif of == "event":
            await ctx.wait_for_event("one", "e")
        elif of == "child":
            await ctx.invoke("one", child)
        else:
            await ctx.sleep("one", "1m")
        flaky("always", 99)

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.advance(1)
        await runner.send("e")
        await job_kit.run_to_end()
        job = await handle.job()
        assert (job.status, job.reason) == (Status.DEAD, "all 3 attempts used up")
    assert calls["always"] == 3


async def test_a_step_that_is_tried_again_gives_the_code_before_it_no_attempts(job_kit: JobKit) -> None:
    """That code fails in every second attempt; the step fails in the others, and ends at its last attempt."""
    runner = JobRunner(":memory:")

    async def fails() -> None:
        calls["step"] += 1
        raise ConnectionError

    @runner.job(max_attempts=3, backoff=MINUTE)
    async def handler(ctx: JobContext = injected) -> None:
        calls["handler"] += 1
        if calls["handler"] % 2 == 0:
            raise ConnectionError("every second time")
        await ctx.step(Step("step", max_attempts=99, backoff=MINUTE), fails)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert (await handle.job()).reason == "all 3 attempts used up"
    assert calls == {"handler": 6, "step": 3}


async def test_an_event_that_comes_before_a_retry_leaves_what_was_done(job_kit: JobKit) -> None:
    """It was waited for beside code that failed in the first attempt."""
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3, backoff=MINUTE)
    async def handler(ctx: JobContext = injected) -> str:
        await ctx.step("step", noted, "step")
        waiting = asyncio.ensure_future(ctx.wait_for_event("event", "e"))
        await asyncio.sleep(0)
        await ctx.uuid()  # it is stored after the other
        try:
            flaky("beside", 1)
        except ConnectionError:
            waiting.cancel()
            raise
        event = await waiting
        flaky("after", 1)
        return "" if event is None else event.name

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(1)
        assert (await handle.job()).attempts == 1
        await runner.send("e")
        await job_kit.run_to_end()
        assert await handle.result() == "e"
    assert calls == {"step": 1, "beside": 3, "after": 2}


@pytest.mark.parametrize("is_in_group", [False, True])
async def test_a_step_that_failed_for_good_and_is_not_caught_ends_its_job_at_once(
    job_kit: JobKit, is_in_group: bool
) -> None:
    """A further attempt would only find it again."""
    runner = JobRunner(":memory:")

    async def fails() -> None:
        calls["step"] += 1
        raise ConnectionError("refused")

    @runner.job(max_attempts=5, backoff=MINUTE)
    async def handler(ctx: JobContext = injected) -> None:
        calls["handler"] += 1
        if not is_in_group:
            await ctx.step(Step("step", max_attempts=2), fails)
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.step(Step("step", max_attempts=2), fails))

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await handle.job()
        assert (job.status, job.reason) == (
            Status.DEAD,
            "StepFailed is not to be tried again",
        )
        assert "refused" in str(job.error)
    assert calls == {"handler": 2, "step": 2}


async def dies(ctx: JobContext) -> None:
    await ctx.invoke("child", dead)


async def dies_among_others(ctx: JobContext) -> None:
    await ctx.gather("children", [fine.bind(), dead.bind(), fine.bind()])


async def is_cancelled(ctx: JobContext) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ctx.invoke("child", gone))


async def is_late(ctx: JobContext) -> None:
    await ctx.invoke(Step("child", timeout="1h"), late)


@job
async def fine() -> None: ...


@job(max_attempts=1)
async def dead() -> None:
    raise ConnectionError("refused")


@job
async def gone() -> None:
    raise Cancel("gone")


@job
async def late(ctx: JobContext = injected) -> None:
    await ctx.sleep("long", "2h")


@pytest.mark.parametrize(
    ("waits", "error"),
    [(dies, JobDead), (dies_among_others, JobDead), (is_cancelled, JobCancelled), (is_late, ResultTimeout)],
)
async def test_the_end_of_a_child_that_is_not_caught_ends_its_parent_at_once(
    job_kit: JobKit, waits: Callable[[JobContext], Awaitable[None]], error: type[JobError]
) -> None:
    """A further attempt would only find it again; a redriven one starts another child."""
    runner = JobRunner(":memory:")
    runner.register(fine, dead, gone, late)

    @runner.job(max_attempts=5, backoff=MINUTE)
    async def parent(ctx: JobContext = injected) -> None:
        await waits(ctx)

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end()
        found = await handle.job()
        assert (found.status, found.reason) == (Status.DEAD, f"{error.__name__} is not to be tried again")
        assert found.attempts == 1
        started = len(await runner.jobs.list())
        await runner.jobs.redrive(handle.id)
        await job_kit.run_to_end()
        assert len(await runner.jobs.list()) == started + 1


async def test_the_death_of_a_job_that_no_operation_awaits_is_tried_again(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    runner.register(dead)

    @runner.job(max_attempts=3, backoff=MINUTE)
    async def asks(ctx: JobContext = injected) -> None:
        calls["asks"] += 1
        handle = await ctx.enqueue(dead)
        await handle.result()

    async with job_kit(runner):
        handle = await runner.enqueue(asks)
        await job_kit.run_to_end()
        assert (await handle.job()).reason == "all 3 attempts used up"
    assert calls["asks"] == 3


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
async def test_a_step_that_ends_its_process_each_time_ends_dead(job_kit: JobKit, max_attempts: int) -> None:
    """Although a step before it is found again, and a sleep has ended, in each attempt."""
    runner = JobRunner(":memory:")

    async def poison() -> None:
        calls["poison"] += 1
        await job_kit.crash()

    @runner.job(max_attempts=max_attempts)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("before", noted, "before")
        await ctx.sleep("nap", "1s")
        await ctx.step(Step("poison", max_attempts=99), poison)

    job_id, crashes, job = 0, -1, None
    while crashes < calls["poison"]:  # the one before this one crashed
        crashes = calls["poison"]
        async with job_kit(runner):
            job_id = job_id or (await runner.enqueue(handler)).id
            await job_kit.advance(5, patience=PATIENCE)
            if crashes == calls["poison"]:
                job = await runner.jobs.get(job_id)
    assert job is not None
    assert job.status is Status.DEAD
    assert calls == {"before": 1, "poison": min(max_attempts, 3)}


@pytest.mark.parametrize("of", ["step", "event", "child", "sleep"])
async def test_a_crash_after_each_operation_is_the_first_one_of_what_follows(job_kit: JobKit, of: str) -> None:
    """Five crashes, each after another operation, and as many attempts as two of them use."""
    runner = JobRunner(":memory:")

    @runner.job
    async def child() -> None: ...

    @runner.job(max_attempts=2)
    async def handler(ctx: JobContext = injected) -> None:
        for number in range(5):
            if of == "step":
                await ctx.step(f"step {number}", noted, f"step {number}")
            elif of == "event":
                await ctx.wait_for_event("event", "e", timeout="1s")
            elif of == "child":
                await ctx.invoke("child", child)
            else:
                await ctx.sleep("sleep", "1s")
            calls[f"after {number}"] += 1
            if calls[f"after {number}"] == 1:
                await job_kit.crash()

    job_id, job = 0, None
    for life in range(6):
        async with job_kit(runner):
            job_id = job_id or (await runner.enqueue(handler)).id
            await job_kit.advance(3, patience=PATIENCE)
            if life == 5:
                job = await runner.jobs.get(job_id)
    assert job is not None
    assert (job.status, job.crashes) == (Status.COMPLETED, 1)
    assert [one.outcome for one in job.history] == [Outcome.LOST] * 5


async def test_a_step_that_ends_its_process_each_time_ends_dead_by_a_clock_that_no_test_moves(job_kit: JobKit) -> None:
    """What was stored before a crash counts for the attempt before it alone."""
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("before", noted, "before")
        calls["poison"] += 1
        await job_kit.crash()

    for life in range(4):
        async with job_kit(runner):
            job_id = 1 if life else (await runner.enqueue(handler)).id
            await runner.run_until_idle()
            if life == 3:
                job = await runner.jobs.get(job_id)
                assert (job.status, job.reason, job.crashes) == (Status.DEAD, "crashed", 3)
    assert calls == {"before": 1, "poison": 3}


async def test_the_last_attempt_is_that_of_the_code_after_the_last_operation(job_kit: JobKit) -> None:
    """The context says in each place what a failure there does."""
    runner, said = JobRunner(":memory:"), list[tuple[int, bool]]()

    @runner.job(max_attempts=2, backoff=MINUTE)
    async def import_users(ctx: JobContext = injected) -> None:
        said.append((ctx.attempt, ctx.is_last_attempt))
        flaky("before", 1)
        await ctx.step("step", noted, "step")
        said.append((ctx.attempt, ctx.is_last_attempt))
        flaky("after", 2)

    async with job_kit(runner):
        handle = await runner.enqueue(import_users)
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.DEAD
    # It failed before the step, and was not dead; after it, and was not dead; and after the replay of it, and was.
    assert said == [(1, False), (2, True), (2, False), (2, True), (2, True)]


async def test_a_job_with_one_attempt_has_its_last_one_after_a_step_too(job_kit: JobKit) -> None:
    runner, said = JobRunner(":memory:"), list[bool]()

    @runner.job(max_attempts=1)
    async def once(ctx: JobContext = injected) -> None:
        await ctx.step("step", noted, "step")
        said.append(ctx.is_last_attempt)

    async with job_kit(runner):
        await runner.enqueue(once)
        await job_kit.run_to_end()
    assert said == [True]
