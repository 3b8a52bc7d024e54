"""Progress, logs and watchers in a whole runner."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aiojobs_lite import (
    Abandon,
    Cancel,
    InvalidOption,
    Job,
    JobContext,
    JobNotFound,
    JobRunner,
    Retry,
    RunnerClosed,
    RunnerError,
    Snooze,
    Status,
    current_job,
    injected,
)
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.progress import JobLog
from aiojobs_lite.testing import JobKit
from tests.helpers.engine import engine_of
from tests.helpers.waiting import PATIENCE, until

ENDS: dict[str, Any] = {
    "returns": None, "fails": ValueError("no"), "again": Retry(after=60), "snoozes": Snooze(60), "dies": Abandon("no"),
    "cancels": Cancel("no"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["async", "thread"])
@pytest.mark.parametrize("end", ENDS)
async def test_the_last_report_is_stored_with_the_end_however_it_ends(job_kit: JobKit, mode: str, end: str) -> None:
    runner, error = JobRunner(":memory:"), ENDS[end]

    async def on_the_loop(ctx: JobContext = injected) -> None:
        for number in range(10):
            await ctx.progress(number / 10)
        in_thread(ctx)

    def in_thread(ctx: JobContext = injected) -> None:
        ctx.progress(1, "done")
        ctx.log("the last line")
        if error is not None:
            raise error

    handler = runner.job(on_the_loop if mode == "async" else in_thread)
    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.run_until_idle()
        job = await handle.job()
        assert job.progress is not None
        assert (job.progress.fraction, job.progress.text, job.progress.attempt) == (1.0, "done", 1)
        log = await runner.jobs.log(handle.id)
        assert [(line.number, line.attempt, line.text) for line in log.lines] == [(1, 1, "the last line")]
        assert TypeAdapter(Job).dump_python(job, mode="json")["progress"]["text"] == "done"
        assert (await runner.jobs.list())[0].progress is None
        await runner.jobs.delete(handle.id)
        with pytest.raises(JobNotFound):
            await runner.jobs.log(handle.id)


async def test_a_tight_loop_is_cheap_and_writes_little(database: Path) -> None:
    runner = JobRunner(database, durability="normal")

    @runner.job
    async def counts() -> None:
        job = current_job()
        assert job is not None
        for number in range(10_000):
            await job.progress(number / 10_000, f"row {number}")
            job.log(f"row {number}")

    async with asyncio.timeout(PATIENCE), runner:
        before = engine_of(runner).commits.transactions
        handle = await runner.enqueue(counts)
        await handle.result()
        assert engine_of(runner).commits.transactions - before < 30
        progress, log = (await handle.job()).progress, await runner.jobs.log(handle.id)
        assert progress is not None
        assert (progress.text, log.lines[-1].text, log.dropped) == ("row 9999", "row 9999", 9_000)


async def test_progress_outlives_a_retry_and_says_of_which_attempt_it_is(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def imports(ctx: JobContext = injected) -> None:
        if ctx.attempt == 2:
            raise ValueError("no")
        await ctx.progress(0.5 if ctx.attempt == 1 else 0.25)
        if ctx.attempt == 1:
            raise ValueError("no")

    async with job_kit(runner):
        handle = await runner.enqueue(imports)
        found = []
        for _ in range(3):
            await runner.run_until_idle()
            progress = (await handle.job()).progress
            assert progress is not None
            found.append((progress.fraction, progress.attempt))
            job_kit.clock.advance("1h")
        assert found == [(0.5, 1), (0.5, 1), (0.25, 3)]


async def test_a_watcher_sees_a_job_from_its_enqueue_to_its_end(job_kit: JobKit) -> None:
    runner, go = JobRunner(":memory:"), asyncio.Event()

    @runner.job
    async def renders(ctx: JobContext = injected) -> str:
        await ctx.progress(0.4, "rendering")
        ctx.log("page 1")
        await go.wait()
        return "done"

    async with asyncio.timeout(PATIENCE), job_kit(runner):
        handle = await runner.enqueue(renders.using(delay="1h"))
        watch = handle.watch()
        assert [(await anext(watch)).status] == [Status.PENDING]
        job_kit.clock.advance("1h")
        changes = []
        async for change in watch:
            changes.append(change)
            if change.progress is not None:
                go.set()
        assert [change.status for change in changes][-1] is Status.COMPLETED
        assert {change.status for change in changes[:-1]} == {Status.PROCESSING}
        lines = [line.text for change in changes for line in change.lines]
        assert (lines, changes[-1].attempts) == (["page 1"], 1)
        (only,) = [change async for change in runner.jobs.watch(handle.id, from_start=True)]
        assert [line.text for line in only.lines] == ["page 1"]


async def test_a_watcher_sees_what_a_person_does_to_a_job(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def waits() -> None: ...

    async with asyncio.timeout(PATIENCE), job_kit(runner):
        handle = await runner.enqueue(waits.using(delay="1h"))
        watch, other = handle.watch(), handle.watch()
        await anext(watch)
        await handle.cancel("not needed")
        change = await anext(watch)
        assert (change.status, change.reason, change.is_finished) == (Status.CANCELLED, "not needed", True)
        await runner.jobs.redrive(handle.id)
        assert (await anext(other)).status is not Status.CANCELLED  # as it stands now
        waiting = await runner.enqueue(waits.using(delay="1h"))
        watch = waiting.watch()
        await anext(watch)
        await runner.jobs.delete(waiting.id)
        with pytest.raises(JobNotFound):
            await anext(watch)


async def test_a_runner_that_stops_ends_its_watchers_before_its_jobs(database: Path) -> None:
    runner, go = JobRunner(database, durability="normal", drain_timeout=PATIENCE), asyncio.Event()

    @runner.job
    async def waits() -> None:
        await go.wait()

    async with asyncio.timeout(PATIENCE):
        await runner.start()
        handle = await runner.enqueue(waits)
        watch = handle.watch()
        await anext(watch)
        leaving = asyncio.ensure_future(runner.stop())
        with pytest.raises(RunnerClosed):
            _ = [change async for change in watch]
        assert not leaving.done()
        go.set()
        await leaving


async def test_an_attempt_that_was_lost_reports_nothing_more(database: Path) -> None:
    runner, go, ended = JobRunner(database, durability="normal"), asyncio.Event(), asyncio.Event()

    @runner.job(max_attempts=1)
    async def imports(ctx: JobContext = injected) -> None:
        await ctx.progress(0.1)
        await go.wait()
        await ctx.progress(0.9)
        ctx.log("late")
        ended.set()

    async with asyncio.timeout(PATIENCE), runner:
        handle = await runner.enqueue(imports)
        job = await handle.job()
        while job.progress is None:
            job = await handle.job()
        assert job.owner is not None
        lost = Again(job.id, 1, job.owner, job.type, Outcome.LOST, 2**52)
        assert await engine_of(runner).write(lost) is Status.PENDING  # as another runner does it
        go.set()
        await ended.wait()
        await until(lambda: not engine_of(runner).attempts.unsaved)
        job, log = await handle.job(), await runner.jobs.log(handle.id)
        assert job.progress is not None
        assert (job.progress.fraction, log) == (0.1, JobLog())


async def test_bad_calls_are_refused(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    with pytest.raises(RunnerError):
        runner.jobs.watch(1)
    async with job_kit(runner):
        bad: Any = "yes"
        with pytest.raises(InvalidOption, match=r"^from_start="):
            runner.jobs.watch(1, from_start=bad)
        with pytest.raises(InvalidOption, match=r"^job_id="):
            runner.jobs.watch(bad)
        for job_id in (7, 2**70):
            with pytest.raises(JobNotFound):
                await anext(runner.jobs.watch(job_id))
            with pytest.raises(JobNotFound):
                await runner.jobs.log(job_id)
