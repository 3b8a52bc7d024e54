"""Entering and leaving at bad moments: a locked file, many who enqueue, one who waits, a start that is given up."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from anyio.abc import TaskGroup

from aiojobs_lite import JobHandle, JobRunner, RunnerError, Status, StoreError, job
from aiojobs_lite.engine import guard
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.startup import Startup
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Held
from aiojobs_lite.model.writes import Claim, Release, Unit
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.telemetry.facts import JobEnqueued
from tests.helpers.engine import engine_of, faulty
from tests.helpers.fault_store import Fault, holding
from tests.helpers.machine import promised
from tests.helpers.programs import program, rescue
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact, quiet, until


@job
async def quick(n: int = 0) -> int:
    return n


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another connection holds the write lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def leave(runner: JobRunner) -> None:
    """Leaves a runner whose timeouts are half a second each, in no more time than that may take."""
    with promised(0.5 + 0.5 + 1):
        await runner.__aexit__(None, None, None)


# Entering.


@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_no_handler_begins_before_its_application_has_entered_the_runner(
    database: Path, durability: Durability, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs are due at the start: their handlers may need what the application makes there."""
    is_entered, begun, begin = False, list[bool](), Startup.begin

    async def begins_slowly(startup: Startup, group: TaskGroup) -> None:
        await begin(startup, group)
        for _ in range(3):
            await engine_of(runner).write(Release((), Held.PAYLOAD))  # its transaction could take a claim along
        await quiet()

    @job
    async def looks() -> None:
        begun.append(is_entered)

    async with JobRunner(database, jobs=[looks], max_running=0) as before:
        await before.enqueue_many([looks.bind() for _ in range(5)])
    monkeypatch.setattr(Startup, "begin", begins_slowly)
    runner = JobRunner(database, jobs=[looks], durability=durability)
    async with runner:
        is_entered = True
        await runner.run_until_idle()
    assert begun == [True] * 5


# Leaving.


@slow
async def test_leaving_beside_a_lock_takes_no_longer_than_it_may_and_answers_what_is_in_flight(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    entered = asyncio.Event()

    @job
    async def endless() -> None:
        entered.set()
        await asyncio.Event().wait()

    runner = JobRunner(database, jobs=[quick, endless], drain_timeout=0.5, cancel_grace=0.5)
    await runner.__aenter__()
    running = await runner.enqueue(endless)
    await entered.wait()
    commits = engine_of(runner).commits
    await until(lambda: commits.is_idle)
    with locked(database):
        in_flight = asyncio.ensure_future(runner.enqueue(quick))
        await until(lambda: not commits.is_idle)
        behind_it = [asyncio.ensure_future(runner.enqueue(quick)) for _ in range(3)]
        await leave(runner)
        ends = await asyncio.gather(in_flight, *behind_it, return_exceptions=True)
        assert all(isinstance(end, StoreError | RunnerError | JobHandle) for end in ends), ends
    async with JobRunner(database, jobs=[endless], max_running=0) as looking:  # its rescue finds what was not saved
        found = await looking.jobs.get(running.id)
        assert (found.status, len(found.history)) == (Status.PENDING, 1)
        await until(lambda: len(owner_files()) == 1)  # the note of the first owner is not needed any more


@pytest.mark.parametrize("is_locked", [False, True])
async def test_all_who_enqueue_in_a_loop_while_the_runner_is_left_are_answered(database: Path, is_locked: bool) -> None:
    async def enqueues() -> None:
        while True:
            await runner.enqueue(quick)

    runner = JobRunner(database, jobs=[quick], drain_timeout=0.5, cancel_grace=0.5, durability="normal")
    await runner.__aenter__()
    events = runner.watch()
    tasks = [asyncio.ensure_future(enqueues()) for _ in range(50)]
    for _ in range(500):
        await next_fact(events, JobEnqueued)
    if is_locked:
        with locked(database):
            await leave(runner)
    else:
        await leave(runner)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, StoreError | RunnerError) for end in ends), ends
    async with JobRunner(database, jobs=[quick], max_running=0) as looking:
        await rescue(looking)  # removes what was noted
        found = await looking.jobs.list(limit=1000)
    assert all(one.attempts == (one.status is Status.COMPLETED) for one in found)  # none was spent


async def test_what_waits_for_idleness_is_let_go_when_the_runner_is_left(database: Path) -> None:
    entered, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @job
    def stuck() -> None:
        loop.call_soon_threadsafe(entered.set)
        release.wait(PATIENCE)

    runner = JobRunner(database, jobs=[stuck], drain_timeout=0, cancel_grace=0)
    try:
        async with asyncio.timeout(PATIENCE):
            await runner.__aenter__()
            await runner.enqueue(stuck)
            await entered.wait()
            waiting = asyncio.ensure_future(runner.run_until_idle())
            await quiet()
            await runner.__aexit__(None, None, None)
            assert runner.stats().running == 1
            await waiting
    finally:
        release.set()
    await until(lambda: runner.stats().running == 0)


@slow
@pytest.mark.parametrize("body", ["", "loop.run_until_complete(runner.enqueue(waits))"])
async def test_a_program_that_drops_its_event_loop_ends_by_itself(database: Path, body: str) -> None:
    script = f"""if True:
        import asyncio
        from aiojobs_lite import JobRunner
        runner = JobRunner({str(database)!r})
        @runner.job
        async def waits() -> None:
            await asyncio.Event().wait()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(runner.__aenter__())
        {body}
        print("the script ends", flush=True)
    """
    async with program("-c", script) as child:
        await child.line("the script ends")
        assert await child.ended() == 0
    async with JobRunner(database, max_running=0) as looking:
        assert looking.stats().pending == bool(body)
        assert looking.stats().processing == 0


@slow
async def test_a_runner_whose_event_loop_was_closed_over_it_can_be_entered_again(database: Path) -> None:
    script = f"""if True:
        import asyncio, logging, threading
        from aiojobs_lite import JobRunner
        logging.disable()
        threading.excepthook = lambda _: None  # aiosqlite's own thread may have an answer for the closed loop
        runner = JobRunner({str(database)!r})
        begun = []
        @runner.job
        async def waits(number: int) -> int:
            begun.append(number)
            if number == 1:
                await asyncio.Event().wait()
            return number
        async def enter() -> None:
            await runner.__aenter__()
            await runner.enqueue(waits, 1)
            while not begun:
                await asyncio.sleep(0)
        async def enter_again() -> None:
            async with runner:
                print(await (await runner.enqueue(waits, 2)).result(), begun, flush=True)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(enter())
        loop.close()
        asyncio.run(enter_again())
    """
    async with program("-c", script) as child:
        await child.line("2 [1, 2]")  # what ran in the closed loop is not taken for the job of a dead process
        assert await child.ended() == 0
    async with JobRunner(database, max_running=0) as looking:
        await until(lambda: looking.stats().pending == 1, 0.01)  # but it is when the process has ended


# Entering.


async def test_no_job_starts_before_the_start_is_complete(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    @job
    async def notes(n: int) -> None:
        started.append(n)

    async with JobRunner(database, jobs=[notes], max_running=0) as before:
        handles = await before.enqueue_many([notes.bind(n) for n in range(3)])
    rescuing, go_on = asyncio.Event(), asyncio.Event()

    async def slow_rescue(_janitor: Janitor) -> None:
        rescuing.set()
        await go_on.wait()

    runner = JobRunner(database, jobs=[notes])
    with monkeypatch.context() as patched:
        patched.setattr(Janitor, "rescue", slow_rescue)
        async with asyncio.timeout(PATIENCE):
            entering = asyncio.ensure_future(runner.__aenter__())
            await rescuing.wait()
            for _ in range(3):
                await engine_of(runner).write(Release((), Held.PAYLOAD))  # its transaction could take a claim along
            assert started == []
            entering.cancel()
            await until(lambda: engine_of(runner).is_draining)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await entering
    assert started == []
    async with JobRunner(database, jobs=[notes], max_running=0) as looking:
        for handle in handles:
            found = await looking.jobs.get(handle.id)
            assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 0)
    async with runner:
        await runner.run_until_idle()
    assert sorted(started) == [0, 1, 2]


# A claim that is rejected.


async def test_a_claim_that_is_rejected_alone_is_published_and_tried_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guard, "RESTART_PAUSE_S", 0.1)
    store, tries = faulty(database), list[float]()

    def claims(units: Sequence[Unit]) -> bool:
        if not holding(Claim)(units) or len(tries) > 100:  # that would be spinning
            return False
        if len(units) == 1:
            tries.append(time.monotonic())
        return True

    async with JobRunner(store, jobs=[quick]) as runner:
        await runner.run_until_idle()
        store.faults = [Fault(error=StoreRejected("SQLITE_CONSTRAINT: not this time"), when=claims)]
        handle = await runner.enqueue(quick, 7)  # saved, though its transaction was rejected
        await until(lambda: len(tries) >= 4, 0.01)
        assert (await handle.job()).status is Status.PENDING
        store.faults.clear()
        assert await handle.result() == 7
    assert min(later - earlier for earlier, later in pairwise(tries)) >= 0.1
    assert caplog.text.count("not this time") == 1  # not one a try
