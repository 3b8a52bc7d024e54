"""`JobHandle`: how a caller awaits a job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobCancelled, JobDead, JobNotFound, JobRunner, ResultTimeout, job
from aiojobs_lite.errors import RecordedError, RunnerClosed, StoreUnavailable
from aiojobs_lite.model.writes import CancelJob
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.telemetry.facts import JobBecameCancelled
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import welcome
from tests.helpers.waiting import PATIENCE


async def test_a_result_is_awaited_before_during_and_after(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome, 1)
        results = await asyncio.gather(*(handle.result() for _ in range(20)))
        assert set(results) == {"1 unknown@example.org"}
        assert await handle.result(timeout=PATIENCE) == "1 unknown@example.org"
        waiting = await working.enqueue(welcome.using(delay="1h"), 2)
        with pytest.raises(
            ResultTimeout, match=r"did not finish within 10ms: it waits for attempt 1 of 5, due in 1 h\. "
        ):
            await waiting.result(timeout=0.01)
        task = asyncio.get_running_loop().create_task(waiting.result())
        await asyncio.sleep(0)
        await working.jobs.delete(waiting.id)
        with pytest.raises(JobNotFound, match="there is no job 2"):
            await task
        with pytest.raises(JobNotFound):
            await waiting.result()
        assert Probe(working).callers == 0


async def test_a_timeout_says_where_the_job_stands_and_what_failed(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def fails() -> None:
        raise ValueError("no.")

    async with job_kit(runner):
        handle = await runner.enqueue(fails)
        await runner.run_until_idle()
        with pytest.raises(ResultTimeout, match=r"it waits for attempt 2 of 5, again in .* ValueError: no") as caught:
            await handle.result(timeout=0)
        error = caught.value
        assert (error.job_id, error.timeout, error.status, error.error) == (1, 0, "pending", "ValueError: no.")
        assert "no.." not in str(error)  # the text of the error ends with a full stop of its own


async def test_a_timeout_in_a_test_says_how_the_clock_moves(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", jobs=[welcome])
    async with job_kit(runner):
        later = await runner.enqueue(welcome.using(delay="1h"), 1)
        with pytest.raises(ResultTimeout) as caught:
            await later.result(timeout=0)
    assert str(caught.value) == (
        "job 1 did not finish within 0s: it waits for attempt 1 of 5, due in 1 h. The clock of its runner is that of "
        "a test: `await job_kit.advance(...)` moves it. Await it again."
    )


async def test_a_handle_is_made_of_an_id(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", jobs=[welcome])

    @runner.job
    async def other() -> None: ...

    async with job_kit(runner):
        first = await runner.enqueue(welcome, 1)
        handle = await runner.jobs.handle(welcome, first.id)
        assert (handle.id, handle.key, handle.is_new) == (first.id, first.key, False)
        assert await handle.result() == "1 unknown@example.org"
        assert (await runner.jobs.handle(welcome.using(label="x"), first.id)).id == first.id
        with pytest.raises(InvalidOption, match=r"job_type=.*: expected the type of job 1, which is 'email.welcome'"):
            await runner.jobs.handle(other, first.id)
        with pytest.raises(InvalidOption, match=r"expected a job type \(a function with @runner\.job or @job\)"):
            await runner.jobs.handle("email.welcome", first.id)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(JobNotFound):
            await runner.jobs.handle(welcome, 99)


async def test_a_timeout_without_a_database_says_less(working: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()

    async with working:
        engine = Probe(working).engine
        ask = engine.ask

        async def ask_once(query: Any) -> Any:
            asked.append(query)
            if len(asked) > 1:
                raise StoreUnavailable("SQLITE_BUSY", "locked")
            return await ask(query)

        handle = await working.enqueue(welcome.using(delay="1h"), 2)
        monkeypatch.setattr(engine, "ask", ask_once)
        with pytest.raises(ResultTimeout, match=r"within 10ms: it goes on\.") as caught:
            await handle.result(timeout=0.01)
        assert (caught.value.status, caught.value.error) == (None, None)


async def test_a_dead_job_has_the_recorded_traceback_as_its_cause(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    def fails() -> None:
        raise KeyError("no such key")

    async with job_kit(runner):
        handle = await runner.enqueue(fails)
        for _ in range(2):  # awaited while it runs, and when it is dead
            with pytest.raises(JobDead) as caught:
                await handle.result()
        cause = caught.value.__cause__
    assert isinstance(cause, RecordedError)
    assert (cause.attempt, cause.error_type, cause.message) == (1, "KeyError", "'no such key'")
    lines = str(cause).splitlines()
    assert lines[:3] == [
        "attempt 1 of job 1 failed: KeyError: 'no such key'",
        '"""',
        "Traceback (most recent call last):",
    ]
    assert lines[-2:] == ["KeyError: 'no such key'", '"""']
    assert any("in fails" in line for line in lines)


async def test_a_dead_job_whose_attempts_did_not_raise_has_no_cause(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def crashes() -> None:
        await job_kit.crash()

    job_kit.replace(runner)
    for _ in range(3):
        async with runner:
            if not runner.stats().processing and not runner.stats().pending:
                await runner.enqueue(crashes)
            await runner.run_until_idle()
            job_kit.clock.advance("1h")
    async with runner:
        with pytest.raises(JobDead, match="crashed") as caught:
            await JobHandle(crashes, runner.jobs, 1, is_new=False).result()
    assert caught.value.__cause__ is None


async def test_a_cancel_that_is_committed_while_the_attempt_fails_ends_the_wait(database: Path) -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()

    @job
    async def fails() -> None:
        reached.set()
        await goes_on.wait()
        raise ValueError

    async with JobRunner(database, jobs=[fails]) as runner:
        handle = await runner.enqueue(fails)
        await reached.wait()
        waiting = asyncio.ensure_future(handle.result())
        facts = runner.watch()
        await Probe(runner).write(CancelJob(handle.id, None))  # its attempt is not stopped yet
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
