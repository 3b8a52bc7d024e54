"""The engine as it is reached from outside: handles, `runner.jobs`, other loops, threads and processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobHandle, JobNotFound, JobRunner, ResultTimeout, Status, job
from aiojobs_lite.errors import (
    InvalidOption,
    JobNotAllowed,
    ResultNotKept,
    RunnerAlreadyStarted,
    RunnerClosed,
    RunnerNotStarted,
    StoreUnavailable,
    WrongEventLoop,
)
from aiojobs_lite.model.writes import DeleteJob
from aiojobs_lite.telemetry.facts import DrainStarted
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import engine_of, faulty
from tests.helpers.fault_store import FULL, Fault
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE, next_fact, unmeasured, until


@job
async def quick(n: int = 0) -> int:
    return n


@pytest.fixture
async def runner(database: Path) -> AsyncIterator[JobRunner]:
    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[quick]) as started:
        yield started


# Handles.


async def test_a_result_that_no_longer_fits_its_type_is_published_as_not_kept(database: Path) -> None:
    @job(name="answer")
    async def old() -> str:
        return "forty-two"

    @job(name="answer")
    async def new() -> int:
        return 42

    async with JobRunner(database, jobs=[old]) as before:
        await (await before.enqueue(old.using(idempotency_key="k"))).result()
    async with JobRunner(database, jobs=[new]) as after:
        handle = await after.enqueue(new.using(idempotency_key="k"))
        with pytest.raises(ResultNotKept, match="what is stored no longer fits 'answer'"):
            await handle.result()


async def test_a_handle_says_which_job_it_is(runner: JobRunner) -> None:
    keyed = quick.using(delay="1h", idempotency_key="k")
    first, again = await runner.enqueue(keyed), await runner.enqueue(keyed)
    assert repr(first) == "<JobHandle 'quick' job 1>"
    assert repr(again) == "<JobHandle 'quick' job 1 (seen before)>"


async def test_only_the_own_limit_is_a_result_timeout(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = await runner.enqueue(quick.using(delay="1h"))
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await handle.result(timeout="1h")
    assert not isinstance(caught.value, ResultTimeout)

    async def slow_disk(_job_id: int) -> object:
        raise TimeoutError("of something else")

    monkeypatch.setattr(runner.jobs, "wait", slow_disk)
    for timeout in (None, "1h"):
        with pytest.raises(TimeoutError, match="of something else"):
            await handle.result(timeout)


async def test_who_stops_awaiting_a_result_leaves_nothing_behind(runner: JobRunner) -> None:
    handle = await runner.enqueue(quick.using(delay="1h"))
    waiting = [asyncio.ensure_future(handle.result()) for _ in range(3)]
    waiters = engine_of(runner).waiters
    await until(lambda: len(waiters) == 3)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    assert len(waiters) == 1
    await runner.jobs.cancel(handle.id)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(waiters) == 0


# runner.jobs and runner.schedules.


async def test_a_processing_job_cannot_be_deleted_and_goes_on(database: Path) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    @job
    async def held() -> int:
        entered.set()
        await release.wait()
        return 7

    async with JobRunner(database, jobs=[held]) as runner:
        handle = await runner.enqueue(held)
        await entered.wait()
        with pytest.raises(
            JobNotAllowed, match="cannot be deleted: that takes a job that is not processing; cancel it first"
        ) as caught:
            await runner.jobs.delete(handle.id)
        assert caught.value.status is Status.PROCESSING
        release.set()
        assert await handle.result() == 7
        await runner.jobs.delete(handle.id)
        with pytest.raises(JobNotFound):
            await handle.result()


async def test_ids_that_no_job_has_have_that_answer(runner: JobRunner) -> None:
    calls: list[Any] = [runner.jobs.cancel, runner.jobs.delete, runner.jobs.redrive, runner.jobs.get]
    for call in calls:
        with pytest.raises(JobNotFound, match="there is no job 77"):
            await call(77)
        with pytest.raises(InvalidOption, match="a whole number"):
            await call("77")
    stranger: JobHandle[int] = JobHandle(quick, runner.jobs, 77, is_new=True)
    with pytest.raises(JobNotFound):
        await stranger.result()


async def test_a_page_takes_ids_and_sizes_only(runner: JobRunner) -> None:
    wrong: dict[str, Any]
    for wrong in ({"limit": 1001}, {"limit": "5"}, {"after": 1.5}):
        with pytest.raises(InvalidOption):
            await runner.jobs.list(**wrong)


async def test_a_job_that_is_deleted_while_its_redrive_is_published_has_no_type(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await runner.enqueue(quick.using(delay="1h"))
    await handle.cancel()
    listener = runner.watch()

    async def gone(_query: object) -> None:
        return None

    monkeypatch.setattr(engine_of(runner), "ask", gone)
    await runner.jobs.redrive(handle.id)
    assert "redriven: ? job 1" in [str(event) for event in listener.take()]


# Other loops, threads and processes.


async def test_a_thread_cannot_wait_inside_an_event_loop(runner: JobRunner) -> None:
    refusals: list[str] = []

    async def elsewhere() -> None:
        try:
            runner.enqueue_threadsafe(quick)
        except WrongEventLoop as error:
            refusals.append(str(error))

    await asyncio.to_thread(asyncio.run, elsewhere())
    with pytest.raises(WrongEventLoop, match="from its own event loop, which it would block"):
        runner.enqueue_threadsafe(quick)
    assert refusals
    assert "called inside an event loop" in refusals[0]


async def test_without_a_running_loop_the_runner_says_what_to_use(runner: JobRunner) -> None:
    refusals: list[BaseException] = []

    def plain_thread() -> None:
        try:
            runner.jobs.list().send(None)
        except WrongEventLoop as error:
            refusals.append(error)

    await asyncio.to_thread(plain_thread)
    assert "Use enqueue_threadsafe from a thread" in str(refusals[0])


async def test_a_fault_reaches_the_thread_that_enqueues(database: Path) -> None:
    store = faulty(database)
    async with JobRunner(store, jobs=[quick]) as runner:
        store.faults = [Fault(error=FULL)]
        with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
            await asyncio.to_thread(runner.enqueue_threadsafe, quick)
        store.faults.clear()
        await until(lambda: runner.stats().degraded is None)
        handle = await asyncio.to_thread(runner.enqueue_threadsafe, quick, 4)
        assert await handle.result() == 4


def test_a_thread_does_not_wait_for_a_loop_that_is_closed(database: Path) -> None:
    runner = JobRunner(database, jobs=[quick])
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runner.__aenter__())
    loop.run_until_complete(runner.__aexit__(None, None, None))
    runner._access._is_started = True  # noqa: SLF001  # as a loop that was closed over a started runner leaves it
    loop.close()
    with pytest.raises(RunnerClosed):
        runner.enqueue_threadsafe(quick)


def test_a_thread_that_waits_is_published_when_the_loop_ends_first(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_lite.runner.access.LOOP_CHECK_S", 0.01)
    runner = JobRunner(database, jobs=[quick])
    loop, refusals, waiting = asyncio.new_event_loop(), list[BaseException](), threading.Event()

    async def never(*_: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    def enqueue() -> None:
        try:
            runner.enqueue_threadsafe(quick)
        except StoreUnavailable as error:
            refusals.append(error)

    thread = threading.Thread(target=enqueue)

    async def main() -> None:
        async with runner:
            monkeypatch.setattr(runner, "enqueue_many", never)
            thread.start()
            await until(waiting.is_set)
        hung.extend(task for task in asyncio.all_tasks() if task is not asyncio.current_task())

    hung: list[asyncio.Task[Any]] = []
    loop.run_until_complete(main())
    loop.close()
    thread.join(PATIENCE)
    assert "its event loop ended meanwhile: it may be there or not" in str(refusals[0])
    for task in hung:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  # a loop was closed over it, on purpose


async def test_a_timeout_that_the_work_itself_raises_is_handed_on(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise TimeoutError("of the work")

    monkeypatch.setattr(runner, "enqueue_many", fails)
    with pytest.raises(TimeoutError, match="of the work"):
        await asyncio.to_thread(runner.enqueue_threadsafe, quick)


@slow
def test_a_forked_child_has_to_start_its_own(database: Path) -> None:
    script = f"""if True:
        import asyncio, json, os
        from aiojobs_lite import JobRunner, job
        @job
        async def quick() -> None: ...
        async def main():
            async with JobRunner({str(database)!r}, jobs=[quick]) as runner:
                read, write = os.pipe()
                pid = os.fork()
                if pid == 0:
                    refusals = []
                    for call in (lambda: runner.enqueue(quick).send(None), lambda: runner.enqueue_threadsafe(quick)):
                        try:
                            call()
                        except Exception as error:
                            refusals.append(f"{{type(error).__name__}}: {{error}}")
                    os.write(write, json.dumps(refusals).encode())
                    os._exit(0)
                os.waitpid(pid, 0)
                print(os.read(read, 10000).decode())
                await (await runner.enqueue(quick)).result()
        asyncio.run(main())
    """
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=unmeasured(), timeout=60, check=True)
    refusals: list[str] = json.loads(done.stdout)
    assert len(refusals) == 2
    assert all(
        "WrongEventLoop: this process was forked from the one that started the runner. Start runners after the fork, "
        "not before it; or use spawn or forkserver." in one
        for one in refusals
    )


# Starting, running, replacing.


async def test_running_for_ever_ends_when_the_drain_begins(database: Path) -> None:
    runner = JobRunner(database, jobs=[quick])
    events = runner.watch()
    for inside in (False, True):
        running = asyncio.ensure_future(_entered(runner) if inside else runner.run_forever())
        probe = Probe(runner)
        await until(lambda: probe.is_started and not probe.is_draining)  # noqa: B023  # called before the next turn
        await until(lambda: probe.is_saved)  # noqa: B023  # the same
        assert not running.done()
        probe.drain("a signal")
        await running
        assert not probe.is_started
        with pytest.raises(RunnerClosed):
            await runner.enqueue(quick)
    assert (await next_fact(events, DrainStarted)).why == "a signal"


async def _entered(runner: JobRunner) -> None:
    async with runner:
        await runner.run_forever()
        assert Probe(runner).is_started  # the caller that entered it leaves it


async def test_running_until_idle_enters_and_leaves_by_itself(database: Path) -> None:
    runner = JobRunner(database, jobs=[quick])
    async with JobRunner(database, jobs=[quick], max_running=0) as other:
        handles = [await other.enqueue(quick, n) for n in range(3)]
    await runner.run_until_idle()
    assert runner.stats().completed == 3
    with pytest.raises(RunnerClosed):
        await handles[0].job()


async def test_what_is_replaced_for_a_test_comes_back(database: Path, tmp_path: Path) -> None:
    runner, clock = JobRunner(database, jobs=[quick]), FakeClock()
    with runner.replaced(database=tmp_path / "other.db", clock=clock, deps={}):
        async with asyncio.timeout(PATIENCE), runner:
            handle = await runner.enqueue(quick.using(delay="1h"))
            assert (await handle.job()).scheduled_at == clock.time + timedelta(hours=1)
            with (
                pytest.raises(RunnerAlreadyStarted, match="given another database"),
                runner.replaced(database=":memory:", clock=clock, deps={}),
            ):
                raise AssertionError("it is started")
    assert not database.exists()
    async with runner:
        assert (await (await runner.enqueue(quick)).job()).scheduled_at != clock.time
    assert database.exists()


def test_before_its_start_a_runner_has_nothing_to_show() -> None:
    runner = JobRunner(":memory:", jobs=[quick])
    with pytest.raises(RunnerNotStarted, match="inside `async with runner:`"):
        runner.stats()
    with pytest.raises(RunnerNotStarted):
        runner.enqueue_threadsafe(quick)


async def test_a_write_after_the_end_is_refused_though_the_caller_kept_the_engine(database: Path) -> None:
    async with JobRunner(database, jobs=[quick]) as runner:
        engine = engine_of(runner)
    with pytest.raises(RunnerClosed, match="does nothing more"):
        await engine.write(DeleteJob(1))
    assert engine.is_draining
