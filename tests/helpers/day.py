"""A day of an application: every kind of job, and a user who repeats what failed. Then what must be true after it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aiojobs_lite import (
    Backoff,
    JobCancelled,
    JobContext,
    JobDead,
    JobHandle,
    JobRunner,
    JobType,
    Snooze,
    Status,
    StoreError,
    injected,
    job,
)
from aiojobs_lite.errors import JobNotAllowed, ResultNotKept
from aiojobs_lite.model.job import Job, Outcome
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.fault_store import FaultStore, Kind
from tests.helpers.pauses import pause
from tests.helpers.waiting import PATIENCE

T = TypeVar("T")
SMALL = (
    ("plain", ["one"]),
    ("plain", ["crowd 1", "crowd 2", "crowd 3", "crowd 4"]),
    ("threaded", ["threaded"]),
    ("plain", ["another"]),
    ("flaky", ["flaky"]),
    ("sleepy", ["sleepy"]),
)  # the jobs without a key
KEYLESS = [label for _, labels in SMALL for label in labels]
COMPLETED = (*KEYLESS, "alone", "from a thread", "doomed", "paused", "after it", "left")
ENDS = {**dict.fromkeys(COMPLETED, Status.COMPLETED), "later": Status.CANCELLED, "stopped": Status.CANCELLED}
ATTEMPTS = {**dict.fromkeys(ENDS, 1), "flaky": 2, "later": 0}
CONCURRENCY = 2  # of the type `plain`
INLINE = 5  # transactions of a day at least that are done inline, where the store offers it


class World:
    """What the handlers did, and the time.

    Attributes:
        starts: How often each attempt was begun, by job id and number.
        wrong: What must not be.
        entered: Set when the job of a label has started.
        goes_on: What runs without end runs until it is set.
        is_repaired: What fails does so until then.
        tries: How often the user tried to enqueue the jobs that have no key, by label.
        redriven: The jobs that the user sent back to pending.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.starts: Counter[tuple[int, int]] = Counter()
        self.wrong: list[str] = []
        self.entered = {label: threading.Event() for label in (*ENDS, "nightly")}
        self.goes_on = asyncio.Event()
        self.is_repaired = False
        self.tries: Counter[str] = Counter()
        self.redriven: set[int] = set()
        self._snoozed: set[int] = set()
        self._running: dict[int, str] = {}

    @contextmanager
    def running(self, ctx: JobContext, label: str) -> Iterator[None]:
        """An attempt runs for the block."""
        self.starts[ctx.id, ctx.attempt] += 1
        if ctx.id in self._running:
            self.wrong.append(f"{label} runs twice at once")
        self._running[ctx.id] = ctx.type
        if list(self._running.values()).count("plain") > CONCURRENCY:
            self.wrong.append("more run than may")
        self.entered[label].set()
        try:
            yield
        finally:
            del self._running[ctx.id]

    def first(self, ctx: JobContext) -> bool:
        """Whether a job asks for the first time."""
        if ctx.id in self._snoozed:
            return False
        self._snoozed.add(ctx.id)
        return True

    async def patiently(self, work: Awaitable[T]) -> T:
        """Awaits something while the time goes by."""
        task = asyncio.ensure_future(work)
        async with asyncio.timeout(PATIENCE):
            while not (await asyncio.wait([task], timeout=0.001))[0]:
                self.clock.advance(0.5)
        return await task

    async def has_entered(self, label: str) -> None:
        """Returns when the job of a label has started."""
        while not self.entered[label].is_set():  # noqa: ASYNC110  # a turn of the loop each
            await asyncio.sleep(0)


@job(concurrency=CONCURRENCY)
async def plain(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        await asyncio.sleep(0)
        return label


@job(max_attempts=3, backoff=Backoff("1s", "1s"))
async def flaky(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        if ctx.attempt == 1:
            raise ValueError(label)
        return label


@job
async def sleepy(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        if world.first(ctx):
            raise Snooze("2s")
        return label


@job(max_attempts=2, backoff=Backoff("1s", "1s"))
async def doomed(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        if not world.is_repaired:
            raise ValueError(label)
        return label


@job
async def endless(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        await world.goes_on.wait()
        return label


@job
def threaded(label: str, *, ctx: JobContext = injected, world: World = injected) -> str:
    with world.running(ctx, label):
        return label


async def nightly(ctx: JobContext = injected, world: World = injected) -> None:
    with world.running(ctx, "nightly"):
        pass


TYPES: dict[str, JobType[..., Any]] = {made.name: made for made in (plain, flaky, sleepy, doomed, endless, threaded)}


def application(world: World, database: Path | FaultStore) -> JobRunner:
    """A runner with these handlers."""
    runner = JobRunner(
        database, jobs=TYPES.values(), deps={World: world}, clock=world.clock,
        drain_timeout=0.001, cancel_grace=PATIENCE,
    )  # fmt: skip
    runner.cron("0 1 * * *")(nightly)
    return runner


class Gone(Exception):
    """A call was cancelled by whom it was made for."""


class User:
    """A person who uses the application, does much at once, and repeats what failed, as the errors advise."""

    def __init__(self, world: World, store: FaultStore) -> None:
        self._world, self._store = world, store
        self._runner = application(world, store)
        self._calls: set[asyncio.Task[Any]] = set()
        store.lose_caller = lambda: [call.cancel() for call in self._calls]

    async def day(self) -> None:
        """Enters the runner, works with it, leaves it."""
        await self._insists(self._runner.__aenter__)
        async with asyncio.TaskGroup() as works:
            for name, labels in SMALL:
                works.create_task(self._small_jobs(name, labels))
            works.create_task(self._insists(lambda: asyncio.to_thread(self._from_a_thread)))
            works.create_task(self._repairs())
        async with asyncio.TaskGroup() as works:
            works.create_task(self._pauses())
            works.create_task(self._stops("endless", "stopped"))
            works.create_task(self._stops("plain", "later", delay="9d"))
        await self._alone()
        self._world.clock.advance("1h")
        await self._insists(lambda: self._runner.jobs.list(limit=3))
        await self._enqueues("endless", "left")
        await self._world.patiently(self._world.has_entered("left"))
        with suppress(Gone):
            await self._called(self._runner.__aexit__(None, None, None))

    async def _called(self, call: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        try:
            return await self._world.patiently(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Gone from None
            raise
        finally:
            self._calls.discard(task)

    async def _insists(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Calls until it is answered."""
        while True:
            try:
                return await self._called(call())
            except (StoreError, Gone):
                self._world.clock.advance(0.5)
                await pause(0.001)  # others of its calls go on

    async def _enqueues(self, name: str, label: str, **options: Any) -> JobHandle[Any]:
        """Enqueues a job under its label; a repeat finds the first."""
        using = TYPES[name].using(idempotency_key=label, **options)
        return await self._insists(lambda: self._runner.enqueue(using, label=label))

    async def _awaits(self, handle: JobHandle[Any]) -> None:
        """Awaits a result."""
        with suppress(ResultNotKept):  # of an end that the store has refused; it is looked at later
            await self._insists(handle.result)

    async def _small_jobs(self, name: str, labels: list[str]) -> None:
        """Enqueues jobs without a key, a repeat of which makes others if what had failed was done; learns of them."""
        bound = [TYPES[name].bind(label=label) for label in labels]

        async def tries() -> list[JobHandle[Any]]:
            self._world.tries.update(labels)
            if len(bound) > 1:
                return await self._runner.enqueue_many(bound)
            return [await self._runner.enqueue_named(name, label=labels[0])]

        for handle in await self._insists(tries):
            await self._awaits(handle)

    async def _alone(self) -> None:
        """Asks for one job again and again while hardly anything else is written, until so much was done inline."""
        handle = await self._enqueues("plain", "alone")
        async with asyncio.timeout(PATIENCE):
            while self._store.inline and len(self._store.inlined) < INLINE:
                await self._enqueues("plain", "alone")
        await self._awaits(handle)

    def _from_a_thread(self) -> None:
        using = TYPES["plain"].using(idempotency_key="from a thread")
        self._runner.enqueue_threadsafe(using, label="from a thread")

    async def _repairs(self) -> None:
        """What is dead is redriven."""
        handle = await self._enqueues("doomed", "doomed")
        with pytest.raises(JobDead):
            await self._awaits(handle)
        self._world.is_repaired = True
        self._world.redriven.add(handle.id)
        with suppress(JobNotAllowed):  # the repeat of one that was done
            await self._insists(lambda: self._runner.jobs.redrive(handle.id))
        await self._awaits(handle)

    async def _pauses(self) -> None:
        await self._insists(lambda: self._runner.types.pause("plain"))
        handle = await self._enqueues("plain", "paused")
        await self._awaits(await self._enqueues("threaded", "after it"))
        if self._world.entered["paused"].is_set():
            self._world.wrong.append("what is paused was run")
        await self._insists(lambda: self._runner.types.resume("plain"))
        await self._awaits(handle)

    async def _stops(self, name: str, label: str, **options: Any) -> None:
        """Cancels a job: one that runs, or one that waits."""
        handle = await self._enqueues(name, label, **options)
        if not options:
            await self._world.patiently(self._world.has_entered(label))
        with suppress(JobNotAllowed):  # as above
            await self._insists(handle.cancel)
        with pytest.raises(JobCancelled):
            await self._awaits(handle)


async def aftermath(world: World, database: Path) -> list[Job]:
    """Another runner, with a store that is well, brings everything to its end; returns all jobs with their history."""
    world.goes_on.set()
    runner = application(world, database)
    async with runner:
        while True:
            await world.patiently(runner.run_until_idle())
            jobs = await runner.jobs.list(limit=1000)
            if all(job.is_finished for job in jobs):
                break
            world.clock.advance(30)
        stats = runner.stats()
        for status in Status:
            assert getattr(stats, status.value) == sum(job.status is status for job in jobs), status
        return [await runner.jobs.get(job.id) for job in jobs]


def check(world: World, jobs: list[Job], kind: Kind | None) -> None:
    """What must be true at the end of the day, whatever went wrong in it."""
    assert world.wrong == []
    by_label: dict[str, list[Job]] = {label: [] for label in (*ENDS, "nightly")}
    for found in jobs:
        by_label[found.payload.get("label", "nightly")].append(found)
    assert len(by_label["nightly"]) == 1 or kind is Kind.REJECTED  # a tick that is refused as it stands is lost
    for label in ENDS:
        in_doubt = kind in {Kind.AFTER, Kind.GONE_BEFORE, Kind.GONE_AFTER}
        assert 1 <= len(by_label[label]) <= (world.tries[label] if in_doubt and label in KEYLESS else 1), label
    for label, end in ENDS.items():
        for found in by_label[label]:
            assert found.status is end, found
            assert found.attempts == ATTEMPTS[label] or (label == "left" and kind is not None), found
    for (job_id, attempt), started in world.starts.items():
        (found,) = (one for one in jobs if one.id == job_id)
        given_back = sum(past.outcome in {Outcome.INTERRUPTED, Outcome.SNOOZED} for past in found.history)
        assert started <= 1 + given_back + (job_id in world.redriven), (attempt, found)
