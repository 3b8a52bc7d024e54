"""`runner.batches`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    Abandon,
    InvalidOption,
    JobCancelled,
    JobContext,
    JobRunner,
    Jobs,
    Status,
    UnknownJobType,
    injected,
)
from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.errors import BatchClosed, BatchNotFound
from aiojobs_lite.runner.batches import BatchHandle, BatchStatus
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import JobBecameCancelled, JobEnqueued
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.fault_store import Fault, FaultStore
from tests.helpers.mail import welcome
from tests.helpers.waiting import next_fact, until


class Program:
    """A program with batches.

    Attributes:
        runner: Its runner.
        done: What its callbacks were given, in the order of their runs.
        bad: The numbers whose jobs die.
    """

    def __init__(self, database: Path | FaultStore, clock: Clock, **options: Any) -> None:
        self.done: list[tuple[str, int]] = []
        self.bad: set[int] = set()
        jobs = Jobs()

        @jobs.job
        async def work(number: int, more: int = 0, *, ctx: JobContext = injected) -> None:
            if number in self.bad:
                raise Abandon("bad")
            for one in range(more):
                await (await ctx.batch()).enqueue(work, number + one + 1)

        @jobs.job
        async def report(batch_id: int) -> None:
            self.done.append(("complete", batch_id))

        @jobs.job
        async def good(batch_id: int) -> None:
            self.done.append(("success", batch_id))

        @jobs.job
        async def bad(batch_id: int) -> None:
            self.done.append(("dead", batch_id))

        self.work, self.report = work, report
        self.callbacks = {"on_complete": report, "on_success": good, "on_dead": bad}
        self.runner = JobRunner(database, jobs=[jobs, welcome], clock=clock, **options)


@pytest.fixture
def program(database: Path, clock: FakeClock) -> Program:
    return Program(database, clock)


async def test_the_callbacks_run_once_when_all_jobs_have_ended(program: Program) -> None:
    async with program.runner as runner:
        async with runner.batches.open(**program.callbacks) as batch:
            handle = await batch.enqueue(program.work, 1, more=2)
            await handle.result()  # it runs while the block is open
            handles = await batch.enqueue_many([program.work.bind(n) for n in (20, 30)])
            assert [one.is_new for one in handles] == [True, True]
            assert await batch.enqueue_many([]) == []
            await runner.run_until_idle()
            assert program.done == []
        await runner.run_until_idle()
        assert program.done == [("complete", batch.id), ("success", batch.id)]
        stats = await batch.stats()
        assert (stats.total, stats.completed, stats.unfinished, stats.status) == (5, 5, 0, BatchStatus.SUCCEEDED)
        assert [found.id for found in await runner.jobs.list(batch=batch.id, limit=2)] == [5, 4]
        with pytest.raises(BatchClosed, match=f"batch {batch.id} takes no more jobs"):
            await batch.enqueue(program.work, 1)


async def test_an_empty_batch_has_its_callback_at_once_and_it_may_have_arguments_of_its_own(
    program: Program,
) -> None:
    async with program.runner as runner:
        watch = runner.watch()
        async with runner.batches.open(on_complete=welcome.using(label="x").bind(7)) as batch:
            pass
        assert (await next_fact(watch, JobEnqueued)).type == "email.welcome"
        await runner.run_until_idle()
        (found,) = await runner.jobs.list(label="x")
        assert (found.payload["user_id"], found.status) == (7, Status.COMPLETED)
        assert (await batch.stats()).is_complete


async def test_a_death_is_reported_and_a_redrive_brings_the_success_later(program: Program) -> None:
    program.bad = {2}
    async with program.runner as runner:
        async with runner.batches.open(**program.callbacks) as batch:
            await batch.enqueue(program.work, 1)
            dies = await batch.enqueue(program.work, 2)
        await runner.run_until_idle()
        assert program.done == [("complete", batch.id), ("dead", batch.id)]
        program.bad = set()
        await runner.jobs.redrive(dies.id)
        await runner.run_until_idle()
        assert program.done[2:] == [("success", batch.id)]


async def test_a_block_that_fails_enqueues_no_callback_and_its_jobs_go_on(program: Program) -> None:
    async with program.runner as runner:
        opened: list[BatchHandle] = []

        async def fail() -> None:
            async with runner.batches.open(**program.callbacks) as batch:
                opened.append(batch)
                await batch.enqueue(program.work.using(delay="1h"), 1)
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await fail()
        (batch,) = opened
        (handle,) = await runner.jobs.list(batch=batch.id)
        assert (await batch.stats()).status is BatchStatus.ABANDONED
        await runner.jobs.run_now(handle.id)
        await runner.run_until_idle()
        assert (await runner.jobs.get(handle.id)).status is Status.COMPLETED
        assert program.done == []
        assert (await batch.stats()).is_abandoned


async def test_a_block_that_is_cancelled_abandons_its_batch(program: Program) -> None:
    async with program.runner as runner:
        opened: list[BatchHandle] = []

        async def block() -> None:
            async with runner.batches.open(**program.callbacks) as batch:
                opened.append(batch)
                await asyncio.Event().wait()

        task = asyncio.create_task(block())
        await until(lambda: bool(opened))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await opened[0].stats()).is_abandoned


async def test_batches_lie_in_batches(program: Program) -> None:
    async with program.runner as runner:
        async with runner.batches.open(on_success=program.callbacks["on_success"]) as outer:
            async with outer.open(on_complete=program.report) as inner:
                await inner.enqueue(program.work, 1)
            await outer.enqueue(program.work, 2)
        with pytest.raises(BatchClosed):
            async with outer.open():
                raise AssertionError
        await runner.run_until_idle()
        assert program.done == [("complete", inner.id), ("success", outer.id)]
        stats = await outer.stats()
        assert (stats.total, stats.batches) == (2, 1)  # the callback of the inner one is a job of the outer one
        assert (await inner.stats()).parent == outer.id


async def test_another_runner_finds_a_batch_and_cancels_what_waits(
    program: Program, database: Path, clock: FakeClock
) -> None:
    other = Program(database, clock, max_running=0)
    async with program.runner as runner, other.runner as second:
        watch = second.watch()
        async with runner.batches.open(**program.callbacks) as batch:
            handles = await batch.enqueue_many([program.work.using(delay="1h").bind(n) for n in range(3)])
            found = await second.batches.get(batch.id)
            await found.enqueue(other.work.using(delay="1h"), 9)
            assert (await next_fact(watch, JobEnqueued)).job_id == 4
        with pytest.raises(BatchClosed):
            await found.enqueue(other.work, 9)
        assert (found.id, repr(found)) == (batch.id, f"<BatchHandle {batch.id}>")
        assert await found.cancel("not needed") == 4
        assert (await next_fact(watch, JobBecameCancelled)).reason == "not needed"
        with pytest.raises(JobCancelled, match="not needed"):
            await handles[0].result()
        await until(lambda: program.done == [("complete", batch.id)], 0.01)  # the first one notices the commit
        stats = await found.stats()
        assert (stats.cancelled, stats.status) == (4, BatchStatus.FAILED)
        assert [await second.batches.find(job_id) is None for job_id in (handles[0].id, 99)] == [False, True]


async def test_many_jobs_are_cancelled_page_by_page(program: Program) -> None:
    async with program.runner as runner:
        async with runner.batches.open(**program.callbacks) as batch:
            await batch.enqueue_many([program.work.using(delay="1h").bind(n) for n in range(501)])
        assert await batch.cancel() == 501
        assert await batch.cancel() == 0
        await runner.run_until_idle()
        assert program.done == [("complete", batch.id)]


async def test_the_batch_of_a_runner_that_has_ended_is_abandoned(
    program: Program, database: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    block = program.runner.batches.open(**program.callbacks)
    async with program.runner:
        batch = await block.__aenter__()
        await batch.enqueue(program.work.using(delay="1h"), 1)
    other = Program(database, clock, max_running=0)
    async with other.runner as second:
        found = await second.batches.get(batch.id)
        await until(lambda: "is abandoned: its runner or client ended before its block" in caplog.text)
        assert (await found.stats()).is_abandoned
    async with program.runner:
        with pytest.raises(BatchClosed):
            await block.__aexit__(None, None, None)
    await block.__aexit__(ValueError, ValueError(), None)  # the runner is closed: what the block raises goes on
    assert "was not abandoned when its block failed" in caplog.text


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_batch_is_abandoned_later_if_the_database_cannot_be_written_when_its_block_fails(
    database: Path, is_cancelled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store = FaultStore(open_store(database, "normal"))
    program = Program(store, SystemClock())
    async with program.runner as runner:
        block = runner.batches.open(**program.callbacks)
        batch = await block.__aenter__()
        await batch.enqueue(program.work, 1)
        store.faults = [Fault()]
        leaving = asyncio.ensure_future(block.__aexit__(ValueError, ValueError(), None))
        if is_cancelled:
            await asyncio.sleep(0)
            leaving.cancel()
        await asyncio.wait([leaving])
        await until(lambda: runner.stats().degraded is not None)
        assert leaving.cancelled() == is_cancelled
        assert ("was not abandoned when its block failed" in caplog.text) != is_cancelled
        store.faults = []
        await runner.run_until_idle()
        assert (await batch.stats()).is_abandoned
    assert program.done == []


async def test_a_batch_that_was_not_closed_can_be_closed_again(program: Program) -> None:
    async with program.runner as runner:
        async with runner.batches.open(**program.callbacks) as batch:
            await batch.close()
            with pytest.raises(BatchClosed):
                await batch.enqueue(program.work, 1)
        await batch.close()
        await runner.run_until_idle()
        assert program.done == [("complete", batch.id), ("success", batch.id)]
        await batch.abandon()  # it is too late
        assert not (await batch.stats()).is_abandoned


async def test_a_block_is_entered_once(program: Program) -> None:
    async with program.runner as runner:
        block = runner.batches.open()
        async with block:
            pass
        with pytest.raises(BatchClosed):
            await block.__aenter__()


async def test_what_cannot_be_is_refused(program: Program) -> None:
    async with program.runner as runner:
        with pytest.raises(InvalidOption, match="on_dead"):
            runner.batches.open(on_dead="report")  # type: ignore[arg-type]  # what is refused
        with pytest.raises(UnknownJobType):
            runner.batches.open(on_complete=Program(Path("other.db"), FakeClock()).report)
        for wrong in ("1", True, None):
            with pytest.raises(InvalidOption, match="the id of a batch, a whole number"):
                await runner.batches.get(wrong)  # type: ignore[arg-type]  # what is refused
        for missing in (0, 99, 2**70):
            with pytest.raises(BatchNotFound, match="there is no batch"):
                await runner.batches.get(missing)
        with pytest.raises(InvalidOption, match="the id of a batch"):
            await runner.jobs.list(batch=True)
        alone = await runner.enqueue(program.work, 1, more=1)
        await runner.run_until_idle()
        assert "is in no batch" in ((await alone.job()).error or "")
        await runner.jobs.cancel(alone.id)
