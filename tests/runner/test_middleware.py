"""Middleware around enqueues and attempts: the order, what it may change, and what its mistakes mean."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Jobs, Snooze, Status, injected
from aiojobs_lite.errors import MiddlewareMisused, QueueFull, RecordedError
from aiojobs_lite.runner.middleware import JobToEnqueue, Middleware, Surrounding
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.testing import FakeClock, JobKit
from tests.helpers.calls import in_process, started
from tests.helpers.fault_store import FaultStore
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

REQUEST: ContextVar[str] = ContextVar("request", default="-")
LEFT: list[asyncio.Future[Any]] = []  # calls of `proceed` that a middleware has not awaited


class Noting(Middleware):
    """Notes where it is around something."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        self.notes.append(f"{self.name} enqueues {' '.join(job.type for job in jobs)}")
        await proceed()
        self.notes.append(f"{self.name} enqueued {' '.join(str(job.handle and job.handle.id) for job in jobs)}")

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        self.notes.append(f"{self.name} before {ctx.type}")
        try:
            return await proceed()
        finally:
            self.notes.append(f"{self.name} after {ctx.type}")


class RequestIds(Middleware):
    """Takes the request along with its jobs."""

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        for job in jobs:
            job.metadata.setdefault("request", REQUEST.get())
        await proceed()

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        REQUEST.set(ctx.metadata["request"])
        return await proceed()


class Step(Middleware):
    """One that does what the test says."""

    def __init__(self, attempt: Any = None, enqueue: Any = None) -> None:
        self._attempt, self._enqueue = attempt, enqueue

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        await (self._enqueue(proceed) if self._enqueue else proceed())

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        return await (self._attempt(proceed) if self._attempt else proceed())


async def twice(proceed: Callable[[], Awaitable[Any]]) -> Any:
    await proceed()
    return await proceed()


async def not_at_all(_proceed: object) -> str:
    return "not called"


async def changed(proceed: Callable[[], Awaitable[Any]]) -> Any:
    return f"changed {await proceed()}"


async def refuses(_proceed: object) -> None:
    raise PermissionError("not now")


async def test_the_runners_is_around_the_groups_and_the_first_is_the_outermost(job_kit: JobKit) -> None:
    notes = list[str]()
    group = Jobs(middleware=[Noting("group", notes)])
    runner = JobRunner(":memory:", jobs=[group], middleware=[Noting("first", notes), Noting("second", notes)])

    @group.job
    async def inner() -> None:
        notes.append("inner runs")

    @runner.job
    async def outer() -> None:
        notes.append("outer runs")

    async with job_kit(runner):
        await runner.enqueue_many([outer.bind(), inner.bind()])
        await runner.run_until_idle()
    assert notes[:6] == [
        "first enqueues outer inner", "second enqueues outer inner", "group enqueues inner", "group enqueued 2",
        "second enqueued 1 2", "first enqueued 1 2",
    ]  # fmt: skip
    of_inner = [note for note in notes[6:] if "inner" in note]
    assert of_inner == [
        "first before inner", "second before inner", "group before inner", "inner runs", "group after inner",
        "second after inner", "first after inner",
    ]  # fmt: skip
    assert [note for note in notes[6:] if "outer" in note and "group" in note] == []


async def test_it_is_around_the_enqueues_of_a_batch_and_not_around_its_callback(job_kit: JobKit) -> None:
    notes, are_in = list[str](), asyncio.Event()
    runner = JobRunner(":memory:", middleware=[Noting("one", notes)])

    @runner.job
    async def member(*, ctx: JobContext = injected) -> None:
        await are_in.wait()
        if ctx.id == 1:
            await (await ctx.batch()).enqueue(member)

    @runner.job
    async def report(batch_id: int) -> None:
        notes.append(f"report of {batch_id}")

    async with job_kit(runner):
        async with runner.batches.open(on_complete=report) as batch:
            await batch.enqueue(member)
            await batch.enqueue_many([member.bind(), member.bind()])
            are_in.set()
        await runner.run_until_idle()
    assert [note for note in notes if "enqueue" in note or "of" in note] == [
        "one enqueues member", "one enqueued 1", "one enqueues member member", "one enqueued 2 3",
        "one enqueues member", "one enqueued 4", "report of 1",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_a_request_id_rides_along_to_the_handler(job_kit: JobKit, mode: str) -> None:
    runner = JobRunner(":memory:", middleware=[RequestIds()])

    async def on_the_loop() -> str:
        return REQUEST.get()

    def in_thread() -> str:
        return REQUEST.get()

    handler = runner.job(on_the_loop if mode == "async" else in_thread)
    async with job_kit(runner):
        REQUEST.set("r-17")
        handles = [
            await runner.enqueue(handler),
            *await runner.enqueue_many([handler.bind(), handler.using(metadata={"request": "own"}).bind()]),
            await asyncio.to_thread(runner.enqueue_threadsafe, handler.using(metadata={"a": 1})),
        ]
        await runner.run_until_idle()
        assert [await handle.result() for handle in handles] == ["r-17", "r-17", "own", "r-17"]
        assert (await handles[3].job()).metadata == {"a": 1, "request": "r-17"}
    REQUEST.set("-")


async def test_jobs_see_their_payload_and_bad_metadata_is_refused(job_kit: JobKit) -> None:
    seen = list[Any]()

    class Reads(Middleware):
        async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
            seen.extend((job.type, dict(job.payload), job.metadata, repr(job)) for job in jobs)
            if jobs[0].payload["number"] == 2:
                jobs[0].metadata["bad"] = object()
            await proceed()

    runner = JobRunner(":memory:", middleware=[Reads()])

    @runner.job
    async def counts(number: int) -> None: ...

    async with job_kit(runner, run=False):
        await runner.enqueue(counts.using(metadata={"a": 1}), 1)
        with pytest.raises(ValueError, match=r"^metadata="):
            await runner.enqueue(counts, 2)
        assert len(await runner.jobs.list()) == 1
    assert seen[0] == ("counts", {"number": 1}, {"a": 1}, "<JobToEnqueue 'counts'>")


async def test_what_an_enqueue_is_refused_with_reaches_its_caller(job_kit: JobKit) -> None:
    steps = {"refuses": refuses, "not at all": not_at_all, "twice": twice}
    for name, step in steps.items():
        runner = JobRunner(":memory:", middleware=[Step(enqueue=step)])

        @runner.job
        async def waits() -> None: ...

        async with job_kit(runner, run=False):
            error, match = {
                "refuses": (PermissionError, "not now"),
                "not at all": (MiddlewareMisused, "Raise an exception to refuse it"),
                "twice": (
                    MiddlewareMisused,
                    r"Step awaited `proceed\(\)` twice: a job is enqueued once, and an attempt",
                ),
            }[name]
            with pytest.raises(error, match=match):
                await runner.enqueue(waits)
            if name == "not at all":
                with pytest.raises(MiddlewareMisused, match="returned from around_enqueue without `await proceed"):
                    await runner.enqueue_many([waits.bind()])
            assert len(await runner.jobs.list()) == (name == "twice")  # it was there before the mistake


async def catches(proceed: Callable[[], Awaitable[Any]]) -> None:
    with suppress(Exception):
        await proceed()


async def cancels(proceed: Callable[[], Awaitable[Any]]) -> None:
    call = asyncio.ensure_future(proceed())
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])


async def leaves(proceed: Callable[[], Awaitable[Any]]) -> None:
    LEFT.append(asyncio.ensure_future(proceed()))
    await asyncio.sleep(0)


async def leaves_unbegun(proceed: Callable[[], Awaitable[Any]]) -> None:
    LEFT.append(asyncio.ensure_future(proceed()))


async def test_what_an_enqueue_raises_reaches_its_caller_though_a_middleware_catches_it(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", middleware=[Noting("outer", notes := list[str]()), Step(enqueue=catches)])

    @runner.job(max_pending=1)
    async def waits() -> None: ...

    async with job_kit(runner, run=False):
        await runner.enqueue(waits)
        with pytest.raises(QueueFull):
            await runner.enqueue(waits)
        with pytest.raises(QueueFull):
            await runner.enqueue_many([waits.bind()])
    assert notes == ["outer enqueues waits", "outer enqueued 1", "outer enqueues waits", "outer enqueues waits"]


@pytest.mark.parametrize("step", [leaves, cancels])
async def test_an_enqueue_that_has_not_ended_when_its_middleware_returns_is_in_doubt(
    step: Callable[..., Awaitable[None]],
) -> None:
    store = FaultStore(open_store(":memory:", "normal"))
    runner = JobRunner(store, middleware=[Step(enqueue=step)], max_running=0)

    @runner.job
    async def waits() -> None: ...

    async with runner:
        for enqueue in (lambda: runner.enqueue(waits), lambda: runner.enqueue_many([waits.bind()])):
            store.gate.clear()  # so that it cannot end
            with pytest.raises(MiddlewareMisused, match="without the end of `proceed") as caught:
                await enqueue()
            store.gate.set()
            assert str(caught.value).endswith("enqueued or not. Await it, and cancel it by an exception only.")
        await asyncio.gather(*LEFT)
    LEFT.clear()


async def test_what_a_middleware_leaves_behind_enqueues_nothing_later(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", middleware=[Step(enqueue=leaves_unbegun)])

    @runner.job
    async def waits() -> None: ...

    async with job_kit(runner, run=False):
        with pytest.raises(MiddlewareMisused, match="without `await proceed"):
            await runner.enqueue(waits)
        with pytest.raises(MiddlewareMisused, match="after it had returned: nothing was enqueued by that"):
            await LEFT.pop()
        assert await runner.jobs.list() == []


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_what_a_middleware_does_to_an_attempt(job_kit: JobKit, mode: str) -> None:
    async def on_the_loop() -> str:
        ran.append(1)
        return "result"

    def in_thread() -> str:
        ran.append(1)
        return "result"

    async def snoozes(_proceed: object) -> None:
        raise Snooze("1h")

    for step, status, result, runs in (
        (changed, Status.COMPLETED, "changed result", 1),
        (not_at_all, Status.COMPLETED, "not called", 0),
        (refuses, Status.PENDING, None, 0),
        (snoozes, Status.PENDING, None, 0),
        (twice, Status.PENDING, None, 1),
    ):
        ran = list[int]()
        runner = JobRunner(":memory:", middleware=[Step(attempt=step)])
        handler = runner.job(on_the_loop if mode == "async" else in_thread)
        async with job_kit(runner):
            handle = await runner.enqueue(handler)
            await runner.run_until_idle()
            job = await handle.job()
            assert (job.status, job.result, len(ran)) == (status, result, runs)
            assert job.snoozes == (step is snoozes)
            if step is twice:
                assert job.error is not None
                assert job.error.startswith("MiddlewareMisused: the middleware Step awaited `proceed()` twice")


async def test_a_timeout_counts_the_middleware_too_and_stops_it_after_a_thread(job_kit: JobKit) -> None:
    stopped = asyncio.Event()

    async def hangs(proceed: Callable[[], Awaitable[Any]]) -> Any:
        await proceed()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    runner = JobRunner(":memory:", middleware=[Step(attempt=hangs)])

    @runner.job(timeout="5s", max_attempts=1)
    def in_thread() -> None: ...

    async with asyncio.timeout(PATIENCE), job_kit(runner):
        handle = await runner.enqueue(in_thread)
        while not stopped.is_set():
            job_kit.clock.advance("1s")
            await asyncio.sleep(0)
        await runner.run_until_idle()
        assert (await handle.job()).status is Status.DEAD


async def test_where_no_middleware_is_given_nothing_is_around(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", middleware=[Middleware()])  # it overrides nothing

    @runner.job
    async def quick(ctx: JobContext = injected) -> int:
        return (await ctx.enqueue(other)).id

    @runner.job
    async def other() -> None: ...

    async with job_kit(runner):
        surrounding = Surrounding([Middleware()], [quick, other])
        assert (surrounding.attempts, surrounding.has_enqueues) == ({}, False)
        handle = await runner.enqueue(quick)
        await runner.run_until_idle()
        assert await handle.result() == 2


def answers(number: int) -> dict[str, int]:
    if number == 13:
        raise ValueError("unlucky")
    return {"number": number}


@slow
async def test_it_is_around_a_handler_in_a_process_as_well() -> None:
    raised = list[str]()

    async def adds(proceed: Callable[[], Awaitable[Any]]) -> Any:
        try:
            found = await proceed()
        except RecordedError as error:
            raised.append(f"{error.error_type}: {error.message}")
            raise
        return found if found["number"] == 1 else {**found, "more": 2}

    handler = in_process(answers, max_attempts=1)
    async with started(FakeClock(), handler, middleware=[Step(attempt=adds)]) as runner:
        handles = [await runner.enqueue(handler, number) for number in (1, 2, 13)]
        assert [await handle.result() for handle in handles[:2]] == [{"number": 1}, {"number": 2, "more": 2}]
        finished = await runner.jobs.wait(handles[2].id)
        assert (finished.status, finished.error) == (Status.DEAD, "ValueError: unlucky")
    assert raised == ["ValueError: unlucky"]


async def test_middleware_is_around_jobs_of_a_transaction_too(database: Path) -> None:
    notes: list[str] = []
    runner = JobRunner(database, middleware=[Noting("first", notes)], max_running=0)

    @runner.job
    async def note() -> None: ...

    async with runner:
        with closing(sqlite3.connect(database)) as connection:
            handle = await runner.enqueue_in(connection, note)
            assert await runner.enqueue_many_in(connection, []) == []
            connection.commit()
        assert (await handle.job()).status is Status.PENDING
    assert notes == ["first enqueues note", f"first enqueued {handle.id}"]
