"""`ctx.enqueue_with_end`: a job that is enqueued in the transaction in which an attempt ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Abandon, Backoff, Cancel, JobContext, JobRunner, Retry, Snooze, injected, job, testing
from aiojobs_lite.errors import InvalidOption, InvalidPayload, UnknownJobType, WrongEventLoop
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.unique import Unique
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import JobEnqueued
from tests.helpers.fault_store import IOERR, FaultStore
from tests.helpers.waiting import until

QUICK = Backoff(base=0.001, cap=0.001)


@job
async def follow(number: int) -> int:
    return number


@job
async def other() -> None: ...


async def followers(runner: JobRunner) -> list[Job]:
    return await runner.jobs.list(type="follow")


def runner_of(handler: Any, **options: Any) -> JobRunner:
    runner = JobRunner(":memory:", jobs=[follow])
    runner.job(name="first", backoff=QUICK, **options)(handler)
    return runner


async def test_a_job_follows_the_end_of_a_handler_that_returns() -> None:
    async def handler(ctx: JobContext = injected) -> str:
        ctx.enqueue_with_end(follow, 1)
        ctx.enqueue_with_end(follow.using(label="second", priority="low"), number=2)
        assert await followers(runner) == []
        return "returned"

    runner = runner_of(handler)
    async with runner:
        facts = runner.watch()
        handle = await runner.enqueue_named("first")
        assert await handle.result("5s") == "returned"
        await runner.run_until_idle()
        found = sorted([(one.payload["number"], one.label, one.status) for one in await followers(runner)])
        assert found == [(1, None, Status.COMPLETED), (2, "second", Status.COMPLETED)]
    published = [fact.type async for fact in facts if isinstance(fact, JobEnqueued)]
    assert sorted(published) == ["first", "follow", "follow"]


@pytest.mark.parametrize(
    ("raised", "ends"),
    [
        (ValueError("x"), 2), (Retry("x"), 2), (Abandon("x"), 1), (Snooze(0.001), 1), (Cancel("x"), 0),
    ],
)  # fmt: skip
async def test_a_job_follows_each_end_by_an_exception_of_its_handler_but_a_cancel(raised: Exception, ends: int) -> None:
    async def handler(ctx: JobContext = injected) -> None:
        if isinstance(raised, Snooze) and (await runner.jobs.get(ctx.id)).snoozes:
            return
        ctx.enqueue_with_end(follow, ctx.attempt)
        raise raised

    runner = runner_of(handler, max_attempts=2)
    async with runner:
        handle = await runner.enqueue_named("first")
        await until(lambda: runner.stats().by_type["first"].pending + runner.stats().by_type["first"].processing == 0)
        await runner.run_until_idle()
        assert [one.payload["number"] for one in reversed(await followers(runner))] == list(range(1, ends + 1))
        assert (await handle.job()).is_finished


async def test_nothing_follows_an_attempt_that_is_stopped() -> None:
    begun = asyncio.Event()

    async def handler(ctx: JobContext = injected) -> None:
        ctx.enqueue_with_end(follow, 1)
        begun.set()
        await asyncio.Event().wait()

    runner = runner_of(handler, max_attempts=1, timeout=0.05)
    async with runner:
        late = await runner.enqueue_named("first")
        await until(lambda: runner.stats().dead == 1)
        begun.clear()
        assert [attempt.outcome for attempt in (await late.job()).history] == ["timed_out"]
        stopped = await runner.enqueue_named("first")
        await begun.wait()
        await stopped.cancel()
        await until(lambda: runner.stats().cancelled == 1)
        assert await followers(runner) == []


async def test_an_interrupted_attempt_runs_again_and_one_job_follows_it(database: Path) -> None:
    begun, going = asyncio.Event(), asyncio.Event()
    runner = JobRunner(database, jobs=[follow], drain_timeout=0)

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        ctx.enqueue_with_end(follow, ctx.attempt)
        begun.set()
        await going.wait()

    async with runner:
        await runner.enqueue(handler)
        await begun.wait()
    going.set()
    async with runner:
        await runner.run_until_idle()
        assert [one.payload["number"] for one in await followers(runner)] == [1]


async def test_the_end_and_what_follows_it_are_one_transaction(database: Path) -> None:
    store = FaultStore(open_store(database, "normal"))
    runner = JobRunner(store, jobs=[follow])

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        ctx.enqueue_with_end(follow, 1)
        store.fail_next(IOERR)

    async with runner:
        handle = await runner.enqueue(handler)
        await handle.result("10s")
        await runner.run_until_idle()
        assert len(await followers(runner)) == 1


async def test_a_job_that_its_own_options_refuse_is_left_out_and_the_end_stands() -> None:
    async def handler(ctx: JobContext = injected) -> None:
        for _ in range(2):
            ctx.enqueue_with_end(follow.using(unique=Unique(scope="1h", on_conflict="raise")), 1)
            ctx.enqueue_with_end(follow.using(idempotency_key="once"), 2)

    runner = runner_of(handler)
    async with runner:
        await (await runner.enqueue_named("first")).result("5s")
        assert sorted(one.payload["number"] for one in await followers(runner)) == [1, 2]


async def test_what_cannot_be_enqueued_is_refused_where_it_is_called() -> None:
    raised: list[BaseException] = []
    wrong: Any = follow

    async def handler(ctx: JobContext = injected) -> None:
        calls: list[tuple[Any, Any]] = [(other, ()), (wrong, ("x",)), (wrong.using(after=[handle]), (1,)), ("a", ())]
        for called, args in calls:
            try:
                ctx.enqueue_with_end(called, *args)
            except Exception as error:
                raised.append(error)

    def in_a_thread(ctx: JobContext = injected) -> None:
        ctx.enqueue_with_end(follow, 1)

    runner = runner_of(handler)
    threaded = runner.job(max_attempts=1)(in_a_thread)
    async with runner:
        handle = await runner.enqueue(follow, 0)
        await (await runner.enqueue_named("first")).result("5s")
        assert [type(error) for error in raised] == [UnknownJobType, InvalidPayload, InvalidOption, InvalidOption]
        dead = await runner.enqueue(threaded)
        await until(lambda: runner.stats().dead == 1)
        (attempt,) = (await dead.job()).history
        assert attempt.error_type == WrongEventLoop.__name__
        assert [one.payload["number"] for one in await followers(runner)] == [0]


async def test_a_test_sees_what_its_handler_would_enqueue() -> None:
    async def handler(ctx: JobContext = injected) -> None:
        ctx.enqueue_with_end(follow.using(label="a"), 1)

    ctx = testing.context(job(handler))
    assert ctx.following == []
    await handler(ctx)
    assert ctx.following == [("follow", {"number": 1})]
