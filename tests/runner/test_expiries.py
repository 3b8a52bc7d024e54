"""Jobs that expire, for their callers: handles, facts, retries, limits, deploys."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import JobCancelled, JobContext, JobRunner, Jobs, Retry, Status, injected
from aiojobs_lite.flow import Debounce, Unique
from aiojobs_lite.telemetry.facts import JobBecameCancelled
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.waiting import until

jobs = Jobs()
HOUR = 3600
began: list[int] = []


@jobs.job(expires="1h", unique=Unique("user_id"))
async def remind(user_id: int) -> int:
    return user_id


@jobs.job
async def plain(n: int) -> int:
    return n


@jobs.job(max_attempts=9)
async def fails(ctx: JobContext = injected) -> None:
    began.append(ctx.attempt)
    raise Retry(after="40m")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runner(clock: FakeClock) -> JobRunner:
    return JobRunner(":memory:", jobs=[jobs], clock=clock, max_running=1)


async def test_a_job_that_is_not_begun_in_time_is_cancelled(runner: JobRunner, clock: FakeClock) -> None:
    facts = runner.watch()
    async with runner:
        assert await (await runner.enqueue(remind, 1)).result("10s") == 1
        await runner.types.pause("remind")
        late = await runner.enqueue(remind, 2)
        waits = asyncio.ensure_future(late.result())
        await until(lambda: runner.stats().pending == 1)
        clock.advance(HOUR)
        with pytest.raises(JobCancelled, match="expired"):
            await waits
        job = await late.job()
        assert (job.status, job.reason) == (Status.CANCELLED, "expired")
        assert [fact.reason for fact in facts.take() if isinstance(fact, JobBecameCancelled)] == ["expired"]
        assert (await runner.enqueue(remind, 2)).is_new
        assert "expired" in await runner.jobs.explain(late.id)


async def test_it_is_cancelled_although_no_slot_is_free(runner: JobRunner, clock: FakeClock) -> None:
    free = asyncio.Event()

    @runner.job
    async def takes_long() -> None:
        await free.wait()

    async with runner:
        first = await runner.enqueue(takes_long.using(expires="1s"))
        await until(lambda: runner.stats().running == 1)
        second = await runner.enqueue(plain.using(expires="10m"), 1)
        clock.advance(600)
        with pytest.raises(JobCancelled):
            await second.result("10s")
        free.set()
        await first.result("10s")  # it began before
        assert await (await runner.enqueue(plain.using(expires="10m"), 2)).result("10s") == 2


async def test_it_counts_from_when_the_job_is_due(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        handle = await runner.enqueue(remind.using(delay="2h"), 1)
        clock.advance(2 * HOUR)
        assert await handle.result("10s") == 1


async def test_a_retry_does_not_begin_later(runner: JobRunner, clock: FakeClock) -> None:
    began.clear()
    async with runner:
        handle = await runner.enqueue(fails.using(expires="1h"))
        await until(lambda: runner.stats().retrying == 1)
        clock.advance(40 * 60)
        await until(lambda: runner.stats().retrying == 1 and began == [1, 2])
        clock.advance(20 * 60)
        with pytest.raises(JobCancelled):
            await handle.result("10s")
        assert began == [1, 2]
        assert len((await handle.job()).history) == 2


async def test_a_debounced_job_expires_after_its_last_call(runner: JobRunner, clock: FakeClock) -> None:
    late = plain.using(debounce=Debounce("10m"), expires="5m")
    async with runner:
        await runner.types.pause("plain")
        first = await runner.enqueue(late, 1)
        clock.advance(9 * 60)
        assert (await runner.enqueue(late, 2)).id == first.id
        clock.advance(10 * 60)
        assert runner.stats().pending == 1
        clock.advance(5 * 60)
        await until(lambda: runner.stats().cancelled == 1)


async def test_explain_says_when_it_expires(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        await runner.types.pause("remind")
        handle = await runner.enqueue(remind, 1)
        assert (await runner.jobs.explain(handle.id)).endswith("; it expires in 1 h (01:00:00 UTC).")
