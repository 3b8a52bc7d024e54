"""What a drain reports: of each attempt what was stored of it, and only when it was."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Abandon, Cancel, JobContext, JobRunner, JobType, Status, injected, job
from aiojobs_lite.model.ends import Again
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted
from aiojobs_lite.testing.probe import Probe, stopping_of
from tests.helpers.engine import faulty
from tests.helpers.fault_store import FULL, Fault, holding
from tests.helpers.programs import rescue
from tests.helpers.waiting import PATIENCE, next_fact, until


@job
async def abandons() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise Abandon("not now") from None


@job
async def cancels() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise Cancel("not now") from None


@job(max_attempts=2)
async def fails() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("not now")


@job
def completes(ctx: JobContext = injected) -> None:
    stopping_of(ctx).wait(PATIENCE)


@job
async def stops() -> None:
    await asyncio.Event().wait()


JOBS: list[JobType[..., Any]] = [abandons, cancels, fails, completes, stops]


def statuses(database: Path) -> dict[int, str]:
    """The status of each job, as any program reads it."""
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT id, status FROM aiojobs_jobs").fetchall())


async def given_back(database: Path) -> None:
    """The next runner finds the job pending, and nothing is left beside the database."""
    async with JobRunner(database, jobs=JOBS, max_running=0) as looking:
        await rescue(looking)
        assert set(statuses(database).values()) == {"pending"}


@asynccontextmanager
async def locked(database: Path) -> AsyncIterator[sqlite3.Connection]:
    """Another program writes for the block."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        other.execute("ROLLBACK")


async def test_a_drain_reports_each_attempt_as_what_was_stored_of_it(database: Path) -> None:
    runner = JobRunner(database, jobs=JOBS, drain_timeout=0, cancel_grace=PATIENCE)
    async with runner:
        facts = runner.watch()
        ids = {one.name: (await runner.enqueue(one)).id for one in JOBS}
        await until(lambda: runner.stats().running == len(JOBS))
    finished = await next_fact(facts, DrainFinished)
    found = {name: Status(statuses(database)[job_id]) for name, job_id in ids.items()}
    assert finished.interrupted == tuple(ids[name] for name in ids if found[name] is Status.PENDING)
    assert ids["stops"] in finished.interrupted
    assert found["abandons"] is Status.DEAD
    assert found["completes"] is Status.COMPLETED
    assert (finished.left, finished.unsaved) == ((), ())


async def test_an_end_that_was_not_stored_is_no_interruption(database: Path) -> None:
    runner = JobRunner(database, jobs=JOBS, drain_timeout=0, cancel_grace=0.1)
    await runner.__aenter__()
    facts = runner.watch()
    job_id = (await runner.enqueue(stops)).id
    await until(lambda: runner.stats().running == 1)
    async with locked(database):
        await runner.__aexit__(None, None, None)
        finished = await next_fact(facts, DrainFinished)
        assert (finished.interrupted, finished.left, finished.unsaved) == ((), (), (job_id,))
        assert "1 not stored (job 1), given back by the next runner" in str(finished)
    assert statuses(database) == {job_id: "processing"}
    await given_back(database)


async def test_an_end_that_is_stored_while_the_runner_closes_is_reported_as_stored(database: Path) -> None:
    """The transaction in flight is answered after the time of the drain is over."""
    store = faulty(database)
    runner = JobRunner(store, jobs=JOBS, drain_timeout=0, cancel_grace=0)
    released, is_in_flight = asyncio.Event(), asyncio.Event()
    apply, close = store.apply, store.close

    async def late(units, now):  # type: ignore[no-untyped-def]  # as it is
        if any(isinstance(write, Again) for unit in units for write in unit):
            is_in_flight.set()
            await released.wait()
        return await apply(units, now)

    async def closed() -> None:
        released.set()
        await until(lambda: statuses(database) != {job_id: "processing"})
        await close()

    await runner.__aenter__()
    facts = runner.watch()
    job_id = (await runner.enqueue(stops)).id
    await until(lambda: runner.stats().running == 1)
    store.apply, store.close = late, closed  # type: ignore[method-assign]
    await runner.__aexit__(None, None, None)
    finished = await next_fact(facts, DrainFinished)
    assert is_in_flight.is_set()
    assert statuses(database) == {job_id: "pending"}
    assert (finished.interrupted, finished.unsaved) == ((job_id,), ())
    await given_back(database)


@pytest.mark.parametrize("is_left", [False, True])
async def test_while_the_host_stays_the_drain_is_finished_when_the_last_end_is_stored(
    database: Path, is_left: bool
) -> None:
    """If the store recovers before the host leaves; else when it has left."""
    store = faulty(database)
    runner = JobRunner(store, jobs=JOBS, drain_timeout=0, cancel_grace=0.1)
    async with runner:
        facts = runner.watch()
        job_id = (await runner.enqueue(stops)).id
        await until(lambda: runner.stats().running == 1)
        store.faults = [Fault(error=FULL, when=holding(Again))]
        Probe(runner).drain()
        await until(lambda: store.was_met(store.faults[0]))
        assert not [fact for fact in facts.take() if isinstance(fact, DrainFinished)]
        assert statuses(database) == {job_id: "processing"}
        if not is_left:
            store.faults = []
            assert (await next_fact(facts, DrainFinished)).interrupted == (job_id,)
            assert statuses(database) == {job_id: "pending"}
    found = [fact for fact in facts.take() if isinstance(fact, DrainFinished)]
    assert [fact.unsaved for fact in found] == ([(job_id,)] if is_left else [])
    await given_back(database)


async def test_what_runs_on_is_left_and_named(database: Path, owner_files: Callable[[], list[str]]) -> None:
    entered, release = threading.Event(), threading.Event()

    @job
    def blocks() -> None:
        entered.set()
        release.wait(PATIENCE)

    runner = JobRunner(database, jobs=[blocks], drain_timeout=0, cancel_grace=0)
    async with runner:
        facts = runner.watch()
        job_id = (await runner.enqueue(blocks)).id
        await until(entered.is_set)
    finished = await next_fact(facts, DrainFinished)
    assert (finished.interrupted, finished.left, finished.unsaved) == ((), (job_id,), ())
    release.set()
    await until(lambda: owner_files() == [])


async def test_the_start_of_a_drain_says_what_is_waited_for_and_until_when(database: Path) -> None:
    runner = JobRunner(database, jobs=JOBS, drain_timeout="200ms")
    async with runner:
        facts = runner.watch()
        for one in (stops, cancels, stops):
            await runner.enqueue(one)
        await until(lambda: runner.stats().running == 3)
        Probe(runner).drain()
        started = await next_fact(facts, DrainStarted)
    assert (started.running, started.types, started.timeout) == (3, "stops (2), cancels (1)", 0.2)
