"""`JobHandle`: how a caller awaits a job."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobCancelled, JobNotFound, JobRunner, ResultTimeout, job
from aiojobs_lite.errors import (
    RunnerClosed,
)
from aiojobs_lite.model.writes import CancelJob
from aiojobs_lite.telemetry.facts import JobBecameCancelled
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import welcome
from tests.helpers.waiting import PATIENCE


async def test_a_result_is_awaited_before_during_and_after(working: JobRunner) -> None:
    async with asyncio.timeout(PATIENCE), working:
        handle = await working.enqueue(welcome, 1)
        results = await asyncio.gather(*(handle.result() for _ in range(20)))
        assert set(results) == {"1 unknown@example.org"}
        assert await handle.result(timeout=0.5) == "1 unknown@example.org"
        waiting = await working.enqueue(welcome.using(delay="1h"), 2)
        with pytest.raises(ResultTimeout, match=r"did not finish within 0.01 s. It goes on"):
            await waiting.result(timeout=0.01)
        task = asyncio.get_running_loop().create_task(waiting.result())
        await asyncio.sleep(0)
        await working.jobs.delete(waiting.id)
        with pytest.raises(JobNotFound, match="there is no job 2"):
            await task
        with pytest.raises(JobNotFound):
            await waiting.result()
        assert Probe(working).callers == 0


async def test_a_cancel_that_is_committed_while_the_attempt_fails_ends_the_wait(database: Path) -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()

    @job
    async def fails() -> None:
        reached.set()
        await goes_on.wait()
        raise ValueError

    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[fails]) as runner:
        handle = await runner.enqueue(fails)
        await reached.wait()
        waiting = asyncio.ensure_future(handle.result())
        facts = runner.watch()
        await runner._access.engine.write(CancelJob(handle.id, None))  # its attempt is not stopped yet
        goes_on.set()
        with pytest.raises(JobCancelled):
            await waiting
        assert [type(fact) for fact in facts.take()] == [JobBecameCancelled]


async def test_callers_that_still_wait_when_the_runner_is_closed_get_an_error(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        task = asyncio.get_running_loop().create_task(handle.result())
        for _ in range(3):
            await working.jobs.get(handle.id)
    with pytest.raises(RunnerClosed):
        await task
