"""Jobs that run after others."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite import (
    InvalidOption,
    JobCancelled,
    JobClient,
    JobNotAllowed,
    JobNotFound,
    JobRunner,
    Jobs,
    ResultTimeout,
    Status,
)
from aiojobs_lite.errors import BatchClosed
from aiojobs_lite.model.job import Held
from aiojobs_lite.telemetry.facts import JobBecameCancelled
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.mail import dies
from tests.helpers.waiting import next_fact, quiet

JOBS = Jobs()


@JOBS.job
async def part(number: int) -> int:
    return number


@JOBS.job
async def whole(number: int) -> int:
    return number


@pytest.fixture
def runner(database: Path, clock: FakeClock) -> JobRunner:
    return JobRunner(database, jobs=[JOBS, dies], clock=clock)


async def test_a_job_runs_when_the_others_have_ended(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        parts = await runner.enqueue_many([part.using(delay=f"{n}m").bind(n) for n in (1, 2)])
        later = await runner.enqueue(whole.using(after=parts, delay="1m"), 3)
        last = await runner.enqueue(whole.using(after=[later]), 4)
        clock.advance("1m")
        await runner.run_until_idle()
        job = await later.job()
        assert (job.status, job.held, runner.stats().held) == (Status.PENDING, Held.AFTER, 2)
        said = await runner.jobs.explain(later.id)
        assert said == f"job 3 of whole waits: it runs after other jobs, which have not all ended ({parts[1].id})."
        with pytest.raises(ResultTimeout, match="it waits for attempt 1 of 5, held: after"):
            await later.result(timeout=0)
        with pytest.raises(JobNotAllowed, match="it runs after other jobs"):
            await runner.jobs.run_now(later.id)
        clock.advance("1m")
        await runner.run_until_idle()
        assert (await later.job()).held is None
        clock.advance("1m")
        await runner.run_until_idle()
        assert [await handle.result() for handle in (later, last)] == [3, 4]


async def test_it_is_cancelled_or_runs_anyway_if_one_dies(runner: JobRunner) -> None:
    async with runner:
        dead = await runner.enqueue(dies.using(delay="1h"), 1)
        cancelled, anyway = await runner.enqueue_many(
            [whole.using(after=[dead]).bind(1), whole.using(after=[dead], after_failed="run").bind(2)]
        )
        await runner.jobs.run_now(dead.id)
        await runner.run_until_idle()
        assert await anyway.result() == 2
        with pytest.raises(JobCancelled, match=f"job {dead.id}, which it was to run after, is dead"):
            await cancelled.result()
        with pytest.raises(JobCancelled):
            await (await runner.enqueue(whole.using(after=[dead]), 1)).result()


async def test_a_caller_that_awaits_it_is_woken_when_it_is_cancelled(runner: JobRunner) -> None:
    async with runner:
        watch = runner.watch()
        first = await runner.enqueue(dies.using(delay="1h"), 1)
        later = await runner.enqueue(whole.using(after=[first]), 2)
        last = await runner.enqueue(whole.using(after=[later]), 2)
        waiting = [asyncio.ensure_future(handle.result()) for handle in (later, last)]
        await quiet()
        await runner.jobs.run_now(first.id)
        for task, how in zip(waiting, ("is dead", "is cancelled"), strict=True):
            with pytest.raises(JobCancelled, match=how):
                await task
        assert [(await next_fact(watch, JobBecameCancelled)).job_id for _ in range(2)] == [later.id, last.id]


async def test_jobs_that_are_not_there_are_refused(runner: JobRunner) -> None:
    async with runner:
        gone = await runner.enqueue(part, 1)
        await runner.run_until_idle()
        await runner.jobs.delete(gone.id)
        with pytest.raises(JobNotFound):
            await runner.enqueue(whole.using(after=[gone]), 1)
        with pytest.raises(JobNotFound):
            await runner.enqueue_many([part.bind(1), whole.using(after=[gone]).bind(1)])
        assert await runner.jobs.list() == []


async def test_it_is_refused_in_a_transaction_of_the_callers_own(runner: JobRunner, database: Path) -> None:
    async with runner:
        first = await runner.enqueue(part, 1)
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            jobs = [part.bind(2), whole.using(after=[first]).bind(3)]
            with pytest.raises(InvalidOption, match=r"commit it, then `enqueue` the job that runs after others"):
                await runner.enqueue_many_in(connection, jobs)
            connection.execute("COMMIT")
        assert [job.id for job in await runner.jobs.list()] == [first.id]


async def test_it_may_be_in_a_batch(runner: JobRunner) -> None:
    async with runner:
        async with runner.batches.open() as batch:
            first = await batch.enqueue(part.using(delay="1h"), 1)
            later = await batch.enqueue(whole.using(after=[first]), 2)
            (last,) = await batch.enqueue_many([whole.using(after=[later]).bind(3)])
        with pytest.raises(BatchClosed):
            await batch.enqueue(whole.using(after=[first]), 2)
        with pytest.raises(BatchClosed):
            await (await runner.batches.get(batch.id)).enqueue(whole.using(after=[first]), 2)
        assert (await batch.stats()).unfinished == 3
        await first.cancel()
        stats = await batch.stats()
        assert (stats.cancelled, stats.is_complete) == (3, True)
        assert (await last.job()).status is Status.CANCELLED


def test_a_client_enqueues_it(database: Path) -> None:
    with JobClient(database, jobs=[JOBS]) as client:
        first = client.enqueue(part, 1)
        later = client.enqueue(whole.using(after=[first]), 2)
        assert client.get(later.id).held is Held.AFTER
        with pytest.raises(JobNotFound):
            client.enqueue(whole.using(after=[client.get(later.id), type(first)(99, "", is_new=True)]), 2)
