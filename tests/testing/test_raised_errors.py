"""`raise_errors=True` where the exception of the handler stays in another process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobContext, JobRunner, Retry, injected
from aiojobs_lite.errors import RecordedError
from aiojobs_lite.testing import JobKit
from tests.helpers.calls import in_process
from tests.helpers.waiting import PATIENCE


def reads(path: str) -> str:
    """A handler that fails if there is no such file."""
    return Path(path).read_text()


def asks_once(ctx: JobContext = injected) -> int:
    """A handler that wants to be called again."""
    if ctx.attempt == 1:
        raise Retry("later", after="1m")
    return ctx.attempt


@pytest.mark.slow
async def test_the_record_of_an_exception_in_another_process_is_raised(job_kit: JobKit) -> None:
    job_type = in_process(reads, max_attempts=1)
    runner = JobRunner(jobs=[job_type])

    async def failing() -> None:
        async with asyncio.timeout(3 * PATIENCE), job_kit(runner, raise_errors=True):
            await runner.enqueue(job_type, "no/such/file")
            await runner.run_until_idle()

    with pytest.raises(RecordedError) as caught:
        await failing()
    error = caught.value
    assert (error.job_id, error.attempt, error.error_type) == (1, 1, "FileNotFoundError")
    assert "no/such/file" in error.message
    assert "in reads" in error.traceback
    assert "in reads" in str(error)
    assert error.__notes__ == ["raised by reads job 1, attempt 1 of 1"]


@pytest.mark.slow
async def test_what_a_handler_in_another_process_asks_for_is_no_error(job_kit: JobKit) -> None:
    job_type = in_process(asks_once)
    runner = JobRunner(jobs=[job_type])
    async with asyncio.timeout(3 * PATIENCE), job_kit(runner, raise_errors=True):
        handle = await runner.enqueue(job_type)
        await job_kit.run_to_end()
        assert await handle.result() == 2
