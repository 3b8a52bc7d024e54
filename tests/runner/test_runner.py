"""`JobRunner` as its users call it."""

from __future__ import annotations

from pathlib import Path

from aiojobs_lite import JobContext, JobRunner


async def test_a_job_runs_and_its_result_comes_back(database: Path) -> None:
    runner = JobRunner(database)

    @runner.job
    async def greet(ctx: JobContext, name: str) -> str:
        return f"hello {name}, attempt {ctx.attempt}"

    async with runner:
        handle = await runner.enqueue(greet, name="ann")
        assert await handle.result("5s") == "hello ann, attempt 1"
        assert runner.stats().completed == 1
