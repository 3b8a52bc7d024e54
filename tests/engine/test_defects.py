"""The monitor of the engine's own defects: each is planted here, found within seconds, and what it held up goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from aiojobs_lite import JobRunner, Outcome, Status, job
from aiojobs_lite.engine import defect_monitor, evidence
from aiojobs_lite.engine.defect_monitor import DefectMonitor
from aiojobs_lite.engine.maintenance import Maintenance
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.engine.suspects import Defect
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.model.ends import Again
from aiojobs_lite.telemetry.bus import Bus, Watch
from aiojobs_lite.telemetry.facts import DefectFound
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.calls import hangs, in_process, outside, pid_in
from tests.helpers.engine import going, turns
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact, until

pytestmark = pytest.mark.plants_defects
STARTS_OF_THREADS: Final = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"


@job(max_attempts=2)
async def quick() -> str:
    await asyncio.sleep(0)
    return "done"


@job(max_attempts=2)
def threaded() -> str:
    return threading.current_thread().name


@pytest.fixture(autouse=True)
def looks_come_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defect_monitor, "DEFECTS_EVERY_S", 0.01)


@asynccontextmanager
async def started(*handlers: Any, **options: Any) -> AsyncIterator[tuple[JobRunner, Watch]]:
    async with asyncio.timeout(3 * PATIENCE), JobRunner(":memory:", jobs=handlers, **options) as runner:
        yield runner, runner.watch()


def parts_of(runner: JobRunner) -> Parts:
    return Probe(runner)._parts


async def nothing_to_do(runner: JobRunner) -> None:
    """No transaction is in flight, and none is to come by itself."""
    committer = parts_of(runner).committer
    await until(lambda: committer._alarm._waiter is not None and not committer._alarm._waiter.done())


def attempt_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "Executor._attempt" in repr(task.get_coro())]


def fails_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: BaseException) -> None:
    """A call of a part fails; the next one is as it was."""
    found = getattr(owner, name)

    def fails(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, found)
        raise error

    monkeypatch.setattr(owner, name, fails)


@contextlib.contextmanager
def made_by(factory: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        yield
    finally:
        loop.set_task_factory(None)


# Attempts.


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
    monkeypatch.setattr(evidence, "_TASK_IS_SLOW", 3)
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
            patched.setattr(executor, "_begin", lambda *_: None)
            handle = await runner.enqueue(quick)
            await next_fact(facts, DefectFound)
        await runner.run_until_idle()
        clock.advance("10s")
        assert await handle.result() == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_task_that_ends_without_its_end_being_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(quick, max_running=1) as (runner, facts):
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
            await turns(2)
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


def test_a_thread_that_was_called_off_does_nothing_even_if_it_begins_late() -> None:
    done: list[int] = []
    thread = UnawaitedThread(lambda: done.append(1), "late")
    assert thread.call_off()
    thread.start()
    thread.join(PATIENCE)
    assert done == []
    assert not thread.call_off()


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


# Slots and lanes.


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


async def test_due_jobs_for_which_no_claim_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def writes_nothing(_: Maintenance) -> None: ...

    monkeypatch.setattr(Maintenance, "prune", writes_nothing)  # each transaction says what is due
    clock = FakeClock()
    async with started(quick, clock=clock) as (runner, facts):
        handle = await runner.enqueue(quick.using(delay="5s"))
        await nothing_to_do(runner)
        parts_of(runner).dispatcher._next = None
        clock.advance("8s")
        found = await next_fact(facts, DefectFound)
        assert (found.job_id, found.type) == (handle.id, "quick")
        assert await handle.result() == "done"


async def test_a_type_that_is_taken_for_paused_or_full_and_is_not() -> None:
    @job(concurrency=1)
    async def alone() -> str:
        return "done"

    for handler in (quick, alone):
        clock = FakeClock()
        async with started(handler, clock=clock) as (runner, facts):
            dispatcher = parts_of(runner).dispatcher
            await nothing_to_do(runner)
            dispatcher._limited_types[handler.name] = 1
            dispatcher._offer(handler.name)
            handle = await runner.enqueue(handler)
            clock.advance("3s")
            assert (await next_fact(facts, DefectFound)).job_id == handle.id
            assert await handle.result() == "done"


async def test_a_write_that_nothing_carries_out() -> None:
    async with started(quick) as (runner, facts):
        committer = parts_of(runner).committer
        await nothing_to_do(runner)
        future = asyncio.get_running_loop().create_future()
        committer._waiting.append(((), future, None))
        assert "writes wait" in (await next_fact(facts, DefectFound)).what
        await future


async def test_a_caller_whose_job_has_ended() -> None:
    async with started(quick) as (runner, facts):
        handle = await runner.enqueue(quick)
        await handle.result()
        waits = Probe(runner).engine.waiters.add(handle.id)
        assert (await next_fact(facts, DefectFound)).job_id == handle.id
        assert (await waits).result == '"done"'


async def test_a_transaction_that_fails_as_no_store_may_answers_its_callers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(quick) as (runner, _):
        committer = parts_of(runner).committer
        await nothing_to_do(runner)
        fails_once(monkeypatch, committer, "_deliver", IndexError())
        waits = committer._queue(())
        with pytest.raises(Exception, match="IN_DOUBT: it failed while it was being written: it may be there or not"):
            await waits
        assert await (await runner.enqueue(quick)).result() == "done"
    assert "a part of the runner failed, for a defect of the library" in caplog.text


async def test_a_check_that_fails_again_and_again_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[Exception | None] = [LookupError("a"), LookupError("b"), None, LookupError("c"), ValueError("d")]

    class Check:
        async def look(self) -> list[Defect]:
            error = looks.pop(0) if looks else None
            if error is not None:
                raise error
            return []

    monkeypatch.setattr(defect_monitor, "DEFECTS_EVERY_S", 0)
    monitor = DefectMonitor(bus=Bus(), attempts=AttemptRegister(), checks=[Check()], describe=str)
    async with asyncio.timeout(PATIENCE), going(monitor.run):
        await until(lambda: not looks)
        await turns()
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in logged] == ["a", "c", "d"]


# What is no defect.


async def test_what_only_looks_like_a_defect(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Handlers that ignore their stop, that wait, and that hold a thread; a type that is paused or full; a clock that
    stands still; an end that the store cannot take now.
    """
    release, leave = asyncio.Event(), threading.Event()

    @job(concurrency=1, timeout="1s")
    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    @job(timeout="1s")
    def holds() -> None:
        leave.wait(PATIENCE)

    clock = FakeClock()
    async with started(stubborn, holds, quick, clock=clock, cancel_grace="1s") as (runner, _):
        await runner.types.pause("quick")
        handles = [await runner.enqueue(one) for one in (stubborn, stubborn, holds, quick)]
        waits = [asyncio.ensure_future(handle.result()) for handle in handles]
        for _ in range(3):
            await asyncio.sleep(0.2)  # twenty looks
            clock.advance("5s")
        assert runner.stats().stuck == 2
        release.set()
        leave.set()
        await runner.types.resume("quick")
        while not all(waiting.done() for waiting in waits):
            clock.advance("1h")
            await runner.run_until_idle()
        await asyncio.gather(*waits, return_exceptions=True)
    assert "a defect of aiojobs_lite" not in caplog.text


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
        await turns()
        await runner.run_until_idle()
        ended = await handle.job()
        assert (ended.status, len(ended.history)) == (Status.DEAD, 1)
        assert runner.stats().running == 0
        assert runner.stats().refused_ends == 0


def test_a_report_has_no_payload_and_says_how_to_go_on() -> None:
    text = str(DefectFound("something", 7, "mail", 2, 3.0, "parts"))
    assert (
        text == "a defect of aiojobs_lite, please report this line: something; mail job 7 attempt 2, for 3.0 s; parts"
    )
