"""The last writes of a drain: they have its whole time, and what even that does not save costs no attempt."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status, job
from aiojobs_lite.engine import last_writes as module
from aiojobs_lite.engine.last_writes import LastWrites
from aiojobs_lite.model.ends import Again, Complete
from aiojobs_lite.stores.sqlite.owners import OWNERS_OF_THIS_PROCESS
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import faulty
from tests.helpers.fault_store import FULL, Fault, holding
from tests.helpers.machine import promised
from tests.helpers.programs import rescue
from tests.helpers.waiting import PATIENCE, until

MANY = 100


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last writes may take in any case is soon over."""
    monkeypatch.setattr(module, "LAST_WRITES_LEAST_S", 0.02)


@job(max_attempts=1)
async def waits(n: int) -> None:
    await asyncio.Event().wait()


async def started(runner: JobRunner) -> None:
    """Many jobs run."""
    await runner.enqueue_many([waits.bind(n) for n in range(MANY)])
    await until(lambda: runner.stats().running == MANY)


async def costs_no_attempt(database: Path, files: Callable[[], list[str]]) -> None:
    """A start finds all jobs again, as if they had not begun, and cleans up."""
    async with JobRunner(database, max_running=0, jobs=[waits]) as looking:
        found = await looking.jobs.list(limit=MANY)
        assert {(one.status, one.attempts, one.crashes, one.interruptions) for one in found} == {
            (Status.PENDING, 0, 0, 1)
        }
        assert len(found) == MANY
        await rescue(looking)
        assert len(files()) == 1
    assert files() == []


def leave(runner: JobRunner) -> asyncio.Task[None]:
    """Leaves a runner, in a task of its own."""
    return asyncio.ensure_future(runner.__aexit__(None, None, None))


async def test_the_last_writes_have_the_time_of_the_whole_drain(
    database: Path, owner_files: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program writes for longer than they may take in any case."""
    begun, save = asyncio.Event(), LastWrites.save

    async def saves(last_writes: LastWrites, hurry: asyncio.Event) -> None:
        begun.set()
        await save(last_writes, hurry)

    monkeypatch.setattr(module, "LAST_WRITES_LEAST_S", 0)
    monkeypatch.setattr(LastWrites, "save", saves)
    runner = JobRunner(database, jobs=[waits], drain_timeout=0, cancel_grace=PATIENCE)
    await runner.__aenter__()
    await started(runner)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        leaving = leave(runner)
        await begun.wait()
        other.execute("ROLLBACK")
    await leaving
    assert owner_files() == []  # nothing had to be noted
    await costs_no_attempt(database, owner_files)


@pytest.mark.slow
async def test_ten_thousand_running_jobs_are_saved_by_a_drain(database: Path) -> None:
    count = 10_000
    runner = JobRunner(database, jobs=[waits], max_running=count, drain_timeout=0, cancel_grace=9 * PATIENCE)
    async with runner:
        await runner.enqueue_many([waits.bind(n) for n in range(count)])
        await until(lambda: runner.stats().running == count)
    async with JobRunner(database, max_running=0, jobs=[waits]) as looking:
        assert looking.stats().pending == count
    with closing(sqlite3.connect(database)) as connection:
        (stored,) = connection.execute(
            "SELECT status, attempts, interruptions, count(*) FROM aiojobs_jobs GROUP BY 1, 2, 3"
        )
        assert stored == ("pending", 0, 1, count)


@pytest.mark.usefixtures("little_time")
async def test_what_cannot_be_saved_in_that_time_is_noted_beside_the_database(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    """Another program writes until after the drain."""
    runner = JobRunner(database, jobs=[waits], drain_timeout=0, cancel_grace=0.1)
    await runner.__aenter__()
    await started(runner)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with promised(0.1 + 1.0):
            await leave(runner)
        other.execute("ROLLBACK")
    (name,) = owner_files()
    assert database.with_name(name).stat().st_blocks == 0  # on a disk that is full
    await costs_no_attempt(database, owner_files)


@pytest.mark.usefixtures("little_time")
async def test_a_handler_that_goes_on_and_cannot_be_marked_costs_no_attempt_either(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    entered, release = threading.Event(), threading.Event()

    @job(max_attempts=1)
    def blocks() -> None:
        entered.set()
        release.wait(PATIENCE)

    store = faulty(database)
    runner = JobRunner(store, jobs=[blocks], drain_timeout=0, cancel_grace=0)
    await runner.__aenter__()
    handle = await runner.enqueue(blocks)
    await until(entered.is_set)
    store.faults = [Fault(error=FULL)]
    await leave(runner)
    async with JobRunner(database, jobs=[waits], max_running=0) as looking:
        for is_over in (False, True):
            if is_over:
                release.set()
                await until(lambda: len(OWNERS_OF_THIS_PROCESS) == 1)
            await rescue(looking)
            found = await looking.jobs.get(handle.id)
            expected = (Status.PENDING, 0, 1) if is_over else (Status.PROCESSING, 1, 0)
            assert (found.status, found.attempts, found.interruptions) == expected
        await rescue(looking)
    assert owner_files() == []


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("is_over", [False, True])
async def test_a_drain_that_is_to_hurry_waits_no_longer_for_the_store_than_for_jobs(
    database: Path, owner_files: Callable[[], list[str]], is_over: bool
) -> None:
    """Whether its jobs are over when it is to hurry, or not."""
    release = asyncio.Event()

    @job(max_attempts=1)
    async def held() -> None:
        await release.wait()

    store = faulty(database)
    runner = JobRunner(store, jobs=[held], drain_timeout=5 * PATIENCE, cancel_grace=0.1)
    await runner.__aenter__()
    handle = await runner.enqueue(held)
    await until(lambda: runner.stats().running == 1)
    store.faults = [Fault(error=FULL, when=holding(Again, Complete))]
    leaving = leave(runner)
    if is_over:
        release.set()
        await until(lambda: store.was_met(store.faults[0]))
    else:
        await until(lambda: Probe(runner).is_draining)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with JobRunner(database, jobs=[waits], max_running=0) as looking:
        found = await looking.jobs.get(handle.id)
        assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 1)
        await rescue(looking)
    assert owner_files() == []
