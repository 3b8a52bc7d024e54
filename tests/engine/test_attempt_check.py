"""Attempts, ends and slots that are left over: each is planted here, found within seconds, and given back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import Any, Final

import pytest

from aiojobs_lite import Outcome, Status, job
from aiojobs_lite.engine import evidence
from aiojobs_lite.model.ends import Again
from aiojobs_lite.telemetry.facts import DefectFound
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.calls import hangs, in_process, outside, pid_in
from tests.helpers.defects import expect_failed_task, fails_once, parts_of, quick, started, threaded
from tests.helpers.hosts import made_by
from tests.helpers.rings import slow
from tests.helpers.waiting import next_fact, quiet, until

pytestmark = pytest.mark.plants_defects
STARTS_OF_THREADS: Final = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"


def attempt_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "Executor._attempt" in repr(task.get_coro())]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there attempts begin within the making of their tasks")
async def test_the_task_of_an_attempt_that_is_cancelled_before_its_first_step() -> None:
    """As by a program that cancels all tasks that it finds."""
    clock = FakeClock()
    async with started(quick, clock=clock, max_running=1) as (runner, facts):
        handle = await runner.enqueue(quick)
        await until(lambda: attempt_tasks() != [])
        for task in attempt_tasks():
            task.cancel()
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, found.type, found.attempt) == (handle.id, "quick", 1)
        assert "entered=False" in found.parts
        await runner.run_until_idle()
        first = await handle.job()
        assert (first.status, first.attempts, first.history[0].outcome) == (Status.PENDING, 0, Outcome.INTERRUPTED)
        clock.advance("10s")
        assert await handle.result() == "done"


class Empty:
    """Stands for a task, and nothing of it can be asked."""

    def set_name(self, _: str) -> None: ...


class Unending(asyncio.Future[Any]):
    """Stands for a task, and never ends."""

    def set_name(self, _: str) -> None: ...


def drops_it(_loop: asyncio.AbstractEventLoop, coro: Any, **_: Any) -> Any:
    coro.close()
    return Empty()


def answers_for_it(loop: asyncio.AbstractEventLoop, _coro: Any, **_: Any) -> Any:
    return Unending(loop=loop)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("factory", [drops_it, answers_for_it])
async def test_a_task_factory_that_drops_the_coroutine(factory: Any) -> None:
    clock = FakeClock()

    def chosen(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        is_attempt = "Executor._attempt" in repr(coro)
        return factory(loop, coro, **options) if is_attempt else asyncio.Task(coro, loop=loop, **options)

    async with started(quick, clock=clock, max_running=1) as (runner, facts):
        with made_by(chosen):
            handle = await runner.enqueue(quick)
            assert (await next_fact(facts, DefectFound)).job_id == handle.id
        await runner.run_until_idle()
        assert (await handle.job()).attempts == 0
        clock.advance("10s")
        assert await handle.result() == "done"


async def test_a_task_factory_that_keeps_the_coroutine_for_ever_and_then_runs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The attempt was given back: its coroutine does nothing any more."""
    monkeypatch.setattr(evidence, "TASK_IS_SLOW", 3)
    clock, kept = FakeClock(), []

    def keeps(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        if "Executor._attempt" not in repr(coro):
            return asyncio.Task(coro, loop=loop, **options)
        kept.append(coro)
        return Unending(loop=loop)

    async with started(quick, clock=clock, max_running=1) as (runner, facts):
        with made_by(keeps):
            handle = await runner.enqueue(quick)
            assert (await next_fact(facts, DefectFound)).job_id == handle.id
        await runner.run_until_idle()
        await kept[0]
        assert (await handle.job()).status is Status.PENDING
        clock.advance("10s")
        assert await handle.result() == "done"


async def test_attempts_that_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    async with started(quick, clock=clock, max_running=1) as (runner, facts):
        executor = parts_of(runner).executor
        with monkeypatch.context() as patched:
            patched.setattr(executor._beginning, "start", lambda _: None)
            handle = await runner.enqueue(quick)
            await next_fact(facts, DefectFound)
        await runner.run_until_idle()
        clock.advance("10s")
        assert await handle.result() == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_task_that_ends_without_its_end_being_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(quick, max_running=1) as (runner, facts):
        expect_failed_task()
        fails_once(monkeypatch, parts_of(runner).executor, "_record", MemoryError())
        handle = await runner.enqueue(quick)
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, found.attempt) == (handle.id, 1)
        assert await handle.result() == "done"
        ended = await handle.job()
        assert (ended.attempts, ended.crashes, ended.history[0].outcome) == (2, 1, Outcome.LOST)
        assert "its end was not recorded" in (ended.history[0].message or "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_end_that_never_comes_to_the_committer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(quick, max_running=1) as (runner, facts):
        expect_failed_task()
        fails_once(monkeypatch, parts_of(runner).executor._recorder, "record", MemoryError())
        handle = await runner.enqueue(quick)
        assert (await next_fact(facts, DefectFound)).job_id == handle.id
        await Probe(runner).rescue()  # as every two seconds
        assert await handle.result() == "done"


async def test_an_end_of_a_lost_attempt_that_never_comes_to_the_committer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(quick) as (runner, facts):
        recorder = parts_of(runner).executor._recorder
        end = Again(7, 1, "dead", "quick", Outcome.LOST, 0)
        with monkeypatch.context() as patched:
            patched.setattr(parts_of(runner).committer, "keep", lambda *_: None)
            saved = asyncio.ensure_future(recorder.record_lost(end))
            await quiet()
        assert (await next_fact(facts, DefectFound)).job_id == 7
        assert await saved is False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_ends_without_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    calls_back, failed = loop.call_soon_threadsafe, list[int]()

    def fails(*args: Any, **options: Any) -> Any:
        if threading.current_thread().name != "aiojobs_lite threaded" or failed:  # others have answers to give as well
            return calls_back(*args, **options)
        failed.append(1)
        raise MemoryError

    async with started(threaded, max_running=1) as (runner, facts):
        monkeypatch.setattr(loop, "call_soon_threadsafe", fails)
        handle = await runner.enqueue(threaded)
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, "its thread has ended" in found.what) == (handle.id, True)
        assert await handle.result() == "aiojobs_lite threaded"
        ended = await handle.job()
        assert (ended.attempts, ended.history[0].outcome) == (2, Outcome.LOST)
        assert runner.stats().running == 0


async def test_a_thread_that_never_makes_its_first_step_holds_up_neither_the_loop_nor_its_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where memory is short."""
    clock = FakeClock()
    async with started(threaded, quick, clock=clock, max_running=1) as (runner, facts):
        with monkeypatch.context() as patched:
            patched.setattr(threading, STARTS_OF_THREADS, lambda *_, **__: None)
            handle = await runner.enqueue(threaded)
            found = await next_fact(facts, DefectFound)
            assert (found.job_id, "first step" in found.what) == (handle.id, True)
            assert await (await runner.enqueue(quick)).result() == "done"
        assert (await handle.job()).attempts == 0
        clock.advance("10s")
        assert await handle.result() == "aiojobs_lite threaded"
    threading._limbo.clear()  # type: ignore[attr-defined]  # what never started stays there


@slow
async def test_a_worker_process_that_died_unnoticed(tmp_path: Any) -> None:
    handler = in_process(hangs, max_attempts=1)
    async with started(handler) as (runner, facts):
        handle = await runner.enqueue(handler, str(tmp_path / "note"))
        pid = await pid_in(tmp_path / "note")
        run = Probe(runner).attempt(handle.id)
        assert run is not None
        worker = run.worker
        assert worker is not None
        asyncio.get_running_loop().remove_reader(worker._watched)
        os.kill(pid, signal.SIGKILL)
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, "worker process has ended" in found.what) == (handle.id, True)
        await outside(lambda: runner.stats().dead == 1)
        worker._look_for_end()


async def test_slots_that_no_attempt_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    @job(concurrency=1)
    async def alone() -> str:
        return "done"

    async with started(alone, max_running=1) as (runner, facts):
        fails_once(monkeypatch, parts_of(runner).executor, "start", MemoryError())
        handle = await runner.enqueue(alone)
        found = await next_fact(facts, DefectFound)
        assert "1 in all for 0, 1 of alone for 0" in found.what
        await Probe(runner).rescue()  # as every two seconds
        assert await handle.result() == "done"


async def test_an_attempt_that_was_given_up_is_ended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task may still end; what it returns is ignored."""
    go = asyncio.Event()

    @job(max_attempts=1)
    async def waits() -> None:
        await go.wait()

    async with started(waits, max_running=1) as (runner, _):
        handle = await runner.enqueue(waits)
        await until(lambda: (run := Probe(runner).attempt(handle.id)) is not None and run.is_entered)
        run = Probe(runner).attempt(handle.id)
        assert run is not None
        assert parts_of(runner).executor.give_up(run, "why")
        go.set()
        await quiet()
        await runner.run_until_idle()
        ended = await handle.job()
        assert (ended.status, len(ended.history)) == (Status.DEAD, 1)
        assert runner.stats().running == 0
        assert runner.stats().refused_ends == 0
