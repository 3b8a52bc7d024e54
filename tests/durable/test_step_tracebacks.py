"""Where the traceback of a step that failed stands: in the log, in its error, and so in the record of its job."""

from __future__ import annotations

import logging
import re

import pytest

from aiojobs_lite import Abandon, Backoff, JobContext, JobDead, JobRunner, Retry, injected
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.errors import RecordedError, StepFailed, StepNotStored
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import until

LINE = 'raise LookupError(f"{seat} is taken")'
MINUTE = Backoff(base="1m")


async def reserve(seat: int) -> None:
    raise LookupError(f"{seat} is taken")


async def wait() -> None:
    raise Retry("busy")


async def refuse() -> None:
    raise Abandon("no such seat")


def lines(caplog: pytest.LogCaptureFixture, fact: str) -> list[str]:
    """What the log has of a kind of fact."""
    found = [record for record in caplog.records if getattr(record, "fact", "") == fact]
    return [logging.Formatter("%(message)s").format(record) for record in found]


async def test_the_log_has_each_traceback_of_steps_once(job_kit: JobKit, caplog: pytest.LogCaptureFixture) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=2, backoff=MINUTE)
    async def book(seat: int, ctx: JobContext = injected) -> None:
        with pytest.raises(StepFailed):
            await ctx.step("reserve", reserve, seat)

    async with job_kit(runner):
        for seat in (1, 2):
            await (await runner.enqueue(book, seat)).job()
            await job_kit.run_to_end()
    first, second = lines(caplog, "StepRetried")
    assert LINE in first
    assert first.endswith("LookupError: 1 is taken")
    assert second.endswith("traceback as of step reserve of job 1 attempt 1")
    assert [line.partition("; ")[2] for line in lines(caplog, "StepGivenUp")] == [
        "traceback as of step reserve of job 1 attempt 1"
    ] * 2


async def test_the_log_has_no_traceback_of_what_a_step_asked_for_or_returned(
    job_kit: JobKit, caplog: pytest.LogCaptureFixture
) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=2, backoff=MINUTE)
    async def handler(ctx: JobContext = injected) -> None:
        for function, error in ((wait, StepFailed), (refuse, StepFailed), (object, StepNotStored)):
            with pytest.raises(error):
                await ctx.step(function.__name__, function)

    async with job_kit(runner):
        await (await runner.enqueue(handler)).job()
        await job_kit.run_to_end()
    found = lines(caplog, "StepRetried") + lines(caplog, "StepGivenUp")
    assert len(found) == 4
    assert not any("\n" in line for line in found)


async def test_the_error_of_a_step_has_its_traceback_and_so_has_its_job() -> None:
    runner, deaths, causes = JobRunner(":memory:"), list[DeadJob](), list[BaseException | None]()

    @runner.job(max_attempts=1, on_dead=deaths.append)
    async def book(ctx: JobContext = injected) -> None:
        try:
            await ctx.step("reserve", reserve, 12)
        except StepFailed as error:
            causes.append(error.__cause__)
            raise

    async with runner:
        handle = await runner.enqueue(book)
        with pytest.raises(JobDead, match="LookupError: 12 is taken"):
            await handle.result()
        await until(lambda: bool(deaths))
        (attempt,) = (await runner.jobs.get(handle.id)).history
    (cause,), (dead,) = causes, deaths
    assert isinstance(cause, RecordedError)
    assert (cause.step, cause.attempt, cause.error_type, cause.message) == ("reserve", 1, "LookupError", "12 is taken")
    assert dead.error.__cause__ is cause
    assert re.findall('File "(.+)"', cause.traceback) == [__file__]
    for traceback in (cause.traceback, attempt.traceback, dead.traceback):
        assert LINE in (traceback or "")
