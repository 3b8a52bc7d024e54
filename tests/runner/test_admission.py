"""Unique jobs for their callers: handles, errors, retries, deaths, and the testing kit."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobNotAllowed, JobRunner, Jobs, Retry, Status, injected
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidKey, KeyReused, QueueFull, RunnerClosed, UniqueConflict
from aiojobs_lite.flow import Debounce, Throttle, Unique
from aiojobs_lite.telemetry.facts import JobEnqueued
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.kit import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.waiting import until

jobs = Jobs()
seen: list[int] = []


@jobs.job(unique=Unique("user_id"))
async def sync(user_id: int, full: bool = False, ctx: JobContext = injected) -> bool:
    if ctx.attempt == 1 and user_id < 0:
        raise Retry(after="1h")
    return full


@jobs.job(unique=Unique("user_id", scope="pending", on_conflict="replace"))
async def latest(user_id: int, value: int) -> int:
    return value


@jobs.job(max_attempts=1, unique=Unique())
async def dies(n: int) -> None:
    raise ValueError(n)


@jobs.job(unique=Unique("job_id", scope="1h"))
async def reports(job_id: int) -> None:
    seen.append(job_id)


@jobs.job(debounce=Debounce("5s", max_wait="12s", key="user_id"))
async def saves(user_id: int, text: str) -> str:
    return text


@jobs.job(throttle=Throttle("1m", key="user_id"))
async def warns(user_id: int, text: str = "") -> str:
    return text


@jobs.job(max_pending=3)
async def exports(n: int) -> int:
    return n


@pytest.fixture
def runner(clock: FakeClock) -> JobRunner:
    return JobRunner(":memory:", jobs=[jobs], clock=clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def still(clock: FakeClock) -> JobRunner:
    """One that runs nothing."""
    return JobRunner(":memory:", jobs=[jobs], clock=clock, max_running=0)


async def test_a_further_enqueue_returns_the_job_that_is_there(runner: JobRunner) -> None:
    async with runner:
        first = await runner.enqueue(sync.using(delay="1h"), 1)
        for handle in (
            await runner.enqueue(sync, 1, full=True),
            await runner.enqueue_named("sync", user_id=1),
            (await runner.enqueue_many([sync.bind(2), sync.bind(1)]))[1],
            await asyncio.to_thread(runner.enqueue_threadsafe, sync, 1),
        ):
            assert (handle.id, handle.is_new) == (first.id, False)
        assert len(await runner.jobs.list(type="sync")) == 2


async def test_only_a_new_job_is_reported(still: JobRunner) -> None:
    facts = still.watch()
    async with still:
        await still.enqueue_many([sync.bind(1), sync.bind(1)])
        await still.enqueue(sync, 1)
        assert [type(fact) for fact in facts.take() if isinstance(fact, JobEnqueued)] == [JobEnqueued]


async def test_a_thousand_enqueues_at_once_make_one_job(runner: JobRunner) -> None:
    async with runner:
        handles = await asyncio.gather(*(runner.enqueue(sync.using(delay="1h"), 1) for _ in range(1000)))
        assert len({handle.id for handle in handles}) == 1
        assert sum(handle.is_new for handle in handles) == 1
        assert runner.stats().pending == 1


async def test_a_conflict_that_raises_names_the_job(still: JobRunner) -> None:
    strict = sync.using(unique=Unique("user_id", on_conflict="raise"))
    async with still:
        first = await still.enqueue(strict, 1)
        with pytest.raises(UniqueConflict) as caught:
            await still.enqueue_many([strict.bind(2), strict.bind(1)])
        assert (caught.value.job_id, caught.value.status, caught.value.job_type) == (first.id, "pending", "sync")
        with pytest.raises(UniqueConflict, match="another job of this call"):
            await still.enqueue_many([strict.bind(3), strict.bind(3)])
        assert len(await still.jobs.list()) == 1


async def test_the_latest_payload_runs_once(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(latest.using(delay="1m"), 1, 1)
        for value in (2, 3):
            assert (await runner.enqueue(latest.using(delay="1m"), 1, value)).id == first.id
        clock.advance(60)
        assert await first.result("10s") == 3


async def test_a_retry_that_waits_keeps_its_key(runner: JobRunner) -> None:
    async with runner:
        first = await runner.enqueue(sync, -1)
        await until(lambda: runner.stats().retrying == 1)
        assert not (await runner.enqueue(sync, -1)).is_new
        assert await runner.jobs.cancel(first.id) is Status.CANCELLED
        assert (await runner.enqueue(sync.using(delay="1h"), -1)).is_new


async def test_a_dead_job_is_redriven_only_while_its_key_is_free(runner: JobRunner) -> None:
    async with runner:
        first = await runner.enqueue(dies, 1)
        await until(lambda: runner.stats().dead == 1)
        second = await runner.enqueue(dies.using(delay="1h"), 1)
        assert second.is_new
        with pytest.raises(JobNotAllowed, match="no other job has its unique key"):
            await runner.jobs.redrive(first.id)
        assert await runner.jobs.redrive_all() == 0
        await second.cancel()
        assert await runner.jobs.redrive_all() == 1


async def test_a_reaction_to_a_death_is_enqueued_once_for_each_key(runner: JobRunner) -> None:
    seen.clear()
    runner.on_dead(reports)
    async with runner:
        first = await runner.enqueue(dies, 1)
        await until(lambda: seen == [first.id])
        await runner.jobs.redrive(first.id)
        await until(lambda: runner.stats().dead == 1 and runner.stats().processing == 0)
        assert len(await runner.jobs.list(type="reports")) == 1


async def test_other_arguments_with_an_idempotency_key_are_refused(still: JobRunner) -> None:
    once = sync.using(idempotency_key="k")
    async with still:
        first = await still.enqueue(once, 1)
        assert (await still.enqueue(once, 1)).id == first.id
        with pytest.raises(KeyReused) as caught:
            await still.enqueue(once, 2)
        assert caught.value.job_id == first.id
        assert len(await still.jobs.list()) == 1


async def test_a_payload_without_a_key_writes_nothing(still: JobRunner) -> None:
    def fails(_payload: Any) -> int:
        raise ZeroDivisionError

    async with still:
        with pytest.raises(InvalidKey):
            await still.enqueue_many([sync.bind(1), sync.using(unique=Unique(fails)).bind(2)])
        assert await still.jobs.list() == []


async def test_the_kit_knows_what_was_enqueued_under_conditions(job_kit: JobKit) -> None:
    runner = JobRunner(jobs=[jobs])
    job_kit.replace(runner)
    async with runner:
        await runner.enqueue(latest.using(delay="1h"), 1, 2)
        await runner.enqueue(latest.using(delay="1h"), 1, 3)
        assert job_kit.assert_enqueued(latest).arguments == {"user_id": 1, "value": 2}


async def test_a_debounced_job_runs_once_with_the_last_arguments(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(saves, 1, "a")
        other = await runner.enqueue(saves, 2, "z")
        clock.advance(4)
        assert (await runner.enqueue(saves, 1, "b")).id == first.id
        clock.advance(1)
        assert await other.result("10s") == "z"
        assert (await first.job()).status is Status.PENDING
        clock.advance(4)
        assert await first.result("10s") == "b"
        assert (await runner.enqueue(saves, 1, "c")).is_new


async def test_a_stream_of_calls_does_not_put_a_debounced_job_off_for_ever(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(saves, 1, "0")
        for n in range(1, 4):
            clock.advance(3)
            assert (await runner.enqueue(saves, 1, str(n))).id == first.id
        clock.advance(3)
        assert await first.result("10s") == "3"


async def test_a_debounced_job_that_fails_is_tried_again_beside_its_successor(
    runner: JobRunner, clock: FakeClock
) -> None:
    calls: list[str] = []

    @runner.job(debounce=Debounce("5s"))
    async def fails_once(text: str, ctx: JobContext = injected) -> None:
        calls.append(text)
        if ctx.attempt == 1 and text == "a":
            raise Retry(after="1s")

    async with runner:
        await runner.enqueue(fails_once, "a")
        clock.advance(5)
        await until(lambda: runner.stats().retrying == 1)
        assert (await runner.enqueue(fails_once, "b")).is_new
        clock.advance(5)
        await until(lambda: runner.stats().completed == 2)
        assert sorted(calls) == ["a", "a", "b"]


async def test_of_many_calls_in_a_period_the_first_makes_a_job_and_the_others_are_counted(
    runner: JobRunner, clock: FakeClock
) -> None:
    async with runner:
        first = await runner.enqueue(warns, 1, "first")
        dropped = await runner.enqueue_many([warns.bind(1, "x"), warns.bind(1, "y"), warns.bind(2)])
        assert [handle.is_new for handle in dropped] == [False, False, True]
        assert dropped[0].id == first.id
        assert await dropped[0].result("10s") == "first"
        clock.advance(59)
        assert not (await runner.enqueue(warns, 1)).is_new
        assert runner.stats().by_type["warns"].throttled == 3
        clock.advance(1)
        assert (await runner.enqueue(warns, 1)).is_new
        assert runner.stats().by_type["warns"].throttled == 3


async def test_more_jobs_than_may_be_pending_are_refused_whole(still: JobRunner) -> None:
    async with still:
        await still.enqueue_many([exports.bind(n) for n in range(2)])
        with pytest.raises(QueueFull) as caught:
            await still.enqueue_many([exports.bind(n) for n in range(2)])
        assert (caught.value.pending, caught.value.max_pending, caught.value.job_type) == (3, 3, "exports")
        assert caught.value.retry_after == 1.0  # nothing was measured yet
        assert still.stats().pending == 2
        with pytest.raises(QueueFull, match="Enqueue at most 3 at once") as caught:  # it would never fit
            await still.enqueue_many([exports.bind(n) for n in range(4)])
        assert caught.value.retry_after == math.inf
        await still.enqueue(exports, 3)
        with pytest.raises(QueueFull):
            await still.enqueue(exports, 4)
        assert (await still.enqueue(exports.using(max_pending=4), 4)).is_new


async def test_only_what_would_be_new_is_too_much(runner: JobRunner) -> None:
    bounded = sync.using(max_pending=3, delay="1h")
    async with runner:
        await runner.enqueue_many([bounded.bind(n) for n in (1, 2)])
        with pytest.raises(QueueFull) as caught:  # of two more one fits
            await runner.enqueue_many([bounded.bind(n) for n in (1, 1, 3, 3, 4, 4)])
        assert (caught.value.pending, caught.value.retry_after) == (3, 1.0)
        handles = await runner.enqueue_many([bounded.bind(n) for n in (3, 3, 1, 2)])
        assert [handle.is_new for handle in handles] == [True, False, False, False]
        waiting = asyncio.ensure_future(runner.enqueue_many([bounded.using(on_full="wait").bind(4)] * 5))
        await until(lambda: Probe(runner).callers_that_wait_to_enqueue("sync") == 1)
        assert not waiting.done()
        await handles[0].cancel()
        assert len({handle.id for handle in await waiting}) == 1


async def test_callers_that_wait_are_let_in_one_after_the_other(runner: JobRunner) -> None:
    most = 0

    @runner.job(max_pending=3, on_full="wait", concurrency=1)
    async def slow(n: int) -> int:
        nonlocal most
        most = max(most, runner.stats().pending)
        await asyncio.sleep(0)
        return n

    async with runner:
        handles = await asyncio.gather(*(runner.enqueue(slow, n) for n in range(30)))
        assert [await handle.result("10s") for handle in handles] == list(range(30))
        assert 0 < most <= 3
        with pytest.raises(QueueFull):  # so many never fit
            await runner.enqueue_many([slow.bind(n) for n in range(4)])


@pytest.mark.parametrize("options", [{}, {"delay": "2s"}, {"at": datetime(2040, 1, 1, tzinfo=UTC)}])
async def test_the_instants_of_a_job_are_those_after_the_wait(
    still: JobRunner, clock: FakeClock, options: dict[str, Any]
) -> None:
    async with still:
        first = (await still.enqueue_many([exports.bind(n) for n in range(3)]))[0]
        wait = exports.using(on_full="wait", **options)
        waiting = asyncio.ensure_future(still.enqueue(wait, 3))
        await until(lambda: Probe(still).callers_that_wait_to_enqueue("exports") == 1)
        clock.advance(60)
        await first.cancel()
        found = await (await waiting).job()
        now = to_datetime(clock.now())
        due = options.get("at", now + timedelta(seconds=2 if "delay" in options else 0))
        assert (found.created_at, found.scheduled_at) == (now, due)


async def test_a_caller_that_waits_ends_with_the_runner_and_may_give_up(still: JobRunner) -> None:
    wait = exports.using(on_full="wait")
    async with still:
        await still.enqueue_many([exports.bind(n) for n in range(3)])
        given_up, waiting = (asyncio.ensure_future(still.enqueue(wait, n)) for n in (3, 4))
        await until(lambda: Probe(still).callers_that_wait_to_enqueue("exports") == 2)
        given_up.cancel()
        await until(lambda: Probe(still).callers_that_wait_to_enqueue("exports") == 1)
        assert still.stats().pending == 3
        assert (given_up.cancelled(), waiting.done()) == (True, False)
    with pytest.raises(RunnerClosed):
        await waiting
