"""How attempts come to their first step, whatever makes the tasks of the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from aiojobs_lite import JobContext, JobDead, JobRunner, Outcome, Status, injected, job
from aiojobs_lite.telemetry.facts import JobInterrupted
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import engine_of
from tests.helpers.hosts import made_by
from tests.helpers.waiting import PATIENCE, next_fact

Factory = Callable[..., Any]
USER: contextvars.ContextVar[str] = contextvars.ContextVar("USER", default="unknown")
FAULTS: Final = [TypeError("no"), MemoryError(), RuntimeError("can't start new thread")]


@job(max_attempts=1)
async def looks() -> str:
    await asyncio.sleep(0)
    return USER.get()


@job(max_attempts=1)
async def tells(ctx: JobContext = injected) -> int:
    return ctx.attempt


@asynccontextmanager
async def started(*handlers: Any, **options: Any) -> AsyncIterator[JobRunner]:
    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=handlers, **options) as runner:
        yield runner


def classic(loop: asyncio.AbstractEventLoop, coro: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop)


def modern(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop, **options)


def forgetful(loop: asyncio.AbstractEventLoop, coro: Any, **_: Any) -> asyncio.Task[Any]:
    return asyncio.Task(coro, loop=loop)


class Bare:
    """No task of asyncio: nothing of it can be asked."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task


def wrapped(loop: asyncio.AbstractEventLoop, coro: Any, **_: Any) -> Any:
    task = asyncio.Task(coro, loop=loop)
    return Bare(task) if is_attempt(coro) else task


FACTORIES: dict[str, Factory] = {"classic": classic, "modern": modern, "forgetful": forgetful}
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = asyncio.eager_task_factory
else:  # later event loops ask what a factory makes to take a name, so that it must be a task
    FACTORIES["wrapped"] = wrapped


def is_attempt(coro: Any) -> bool:
    return getattr(coro, "__qualname__", "").startswith("Executor.")


@pytest.mark.parametrize("kind", FACTORIES)
async def test_attempts_begin_with_every_task_factory_and_in_an_empty_context(kind: str) -> None:
    USER.set("the request")
    async with started(looks, max_running=1) as runner:
        with made_by(FACTORIES[kind]):
            handles = [await runner.enqueue(looks) for _ in range(3)]
            assert [await handle.result() for handle in handles] == ["unknown"] * 3
        assert runner.stats().running == 0


async def test_attempts_begin_although_the_class_of_tasks_knows_no_eager_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class Classic(asyncio.Task[Any]):
        def __init__(self, coro: Any, *, loop: asyncio.AbstractEventLoop, name: str | None = None) -> None:
            super().__init__(coro, loop=loop, name=name)

    USER.set("the request")
    async with started(looks, max_running=1) as runner:
        monkeypatch.setattr(asyncio, "Task", Classic)
        handles = [await runner.enqueue(looks) for _ in range(3)]
        assert [await handle.result() for handle in handles] == ["unknown"] * 3
        assert runner.stats().running == 0


async def test_the_task_of_an_attempt_bears_the_name_of_its_job_type_in_the_end() -> None:
    @job
    async def named() -> str:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        return task.get_name() if task else ""

    async with started(named) as runner:
        with made_by(classic):
            assert await (await runner.enqueue(named)).result() == "named"


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_an_attempt_for_which_no_task_can_be_made_is_given_back_and_the_others_begin(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    faults, clock = [fault], FakeClock()

    def fails_once(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if is_attempt(coro) and faults:
            raise faults.pop()
        return asyncio.Task(coro, loop=loop, **options)

    async with started(tells, max_running=2, clock=clock) as runner:
        facts = runner.watch()
        with made_by(fails_once):
            handles = await runner.enqueue_many([tells.bind() for _ in range(5)])
            interrupted = await next_fact(facts, JobInterrupted)
            await runner.run_until_idle()
            jobs = {handle.id: await handle.job() for handle in handles}
            assert runner.stats().running == 0
            late = jobs.pop(interrupted.job_id)
            assert {one.status for one in jobs.values()} == {Status.COMPLETED}
            assert (late.status, late.attempts, late.interruptions) == (Status.PENDING, 0, 1)
            assert late.history[0].error_type == type(fault).__name__
            assert late.scheduled_at > clock.time  # not at once: it would fail again and again
            clock.advance("2s")
            await runner.run_until_idle()
            assert [await handle.result() for handle in handles] == [1] * 5
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"tells job {late.id} attempt 1 could not begin" in record.getMessage()


async def test_a_factory_that_always_fails_takes_no_slot_for_ever_and_in_the_end_the_job_is_dead() -> None:
    clock = FakeClock()

    def fails(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if is_attempt(coro):
            raise OSError("none to be had")
        return asyncio.Task(coro, loop=loop, **options)

    async with started(looks, max_running=1, clock=clock) as runner:
        with made_by(fails):
            handle = await runner.enqueue(looks)
            for _ in range(21):
                await runner.run_until_idle()
                clock.advance("1h")
            with pytest.raises(JobDead, match="interrupted 21 times; last error: OSError: none to be had"):
                await handle.result()
        assert runner.stats().running == 0
        assert await (await runner.enqueue(looks)).result() == "unknown"


async def test_a_task_that_fails_after_it_was_scheduled_does_not_run_its_attempt_a_second_time() -> None:
    ran: list[int] = []
    clock = FakeClock()

    @job
    async def counts(ctx: JobContext = injected) -> None:
        ran.append(ctx.attempt)

    def schedules_and_fails(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **options)
        if is_attempt(coro) and not given:
            given.append(task)
            raise LookupError("after all")
        return task

    given: list[asyncio.Task[Any]] = []
    async with started(counts, clock=clock) as runner:
        with made_by(schedules_and_fails):
            handle = await runner.enqueue(counts)
            await runner.run_until_idle()
            await asyncio.wait(given)
            assert (ran, (await handle.job()).status) == ([], Status.PENDING)
            clock.advance("2s")
            await runner.run_until_idle()
            assert (ran, (await handle.job()).status) == ([1], Status.COMPLETED)
        assert isinstance(given[0].exception(), RuntimeError)  # its coroutine was closed before its first step


async def test_an_attempt_whose_task_is_cancelled_before_its_first_step_is_given_back() -> None:
    """As by a program that cancels all tasks that it finds."""
    clock = FakeClock()
    cancelled: list[int] = []

    def cancels(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **options)
        if is_attempt(coro) and not cancelled:
            cancelled.append(1)
            task.cancel()
        return task

    async with started(tells, max_running=1, clock=clock) as runner:
        with made_by(cancels):
            handles = [await runner.enqueue(tells) for _ in range(2)]
            await runner.run_until_idle()
            found = await handles[0].job()
            assert (found.status, found.attempts, found.history[0].outcome) == (
                Status.PENDING, 0, Outcome.INTERRUPTED,
            )  # fmt: skip
            assert found.history[0].message == "its task was cancelled before its first step"
            assert await handles[1].result() == 1
            clock.advance("2s")
            assert await handles[0].result() == 1


async def test_a_job_that_cannot_even_be_registered_frees_its_slot_and_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    async with started(tells, max_running=1, clock=clock) as runner:
        attempts = engine_of(runner).attempts

        def fails(_: Any) -> None:
            monkeypatch.undo()
            raise MemoryError

        monkeypatch.setattr(attempts, "add", fails)
        handles = [await runner.enqueue(tells) for _ in range(2)]
        assert await handles[1].result() == 1
        clock.advance("3s")  # the janitor looks
        assert await handles[0].result() == 1
