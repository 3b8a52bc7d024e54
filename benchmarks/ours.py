"""The library at work: what the workloads measure of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiojobs_lite import Backoff, JobContext, JobRunner, injected
from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Insert, PauseType
from aiojobs_lite.runner.batches import BatchHandle
from aiojobs_lite.stores.open import open_store
from benchmarks.harness import Durability

DAY = 86_400 * MICROSECONDS


class Noop:
    """A runner whose jobs do nothing but count.

    Args:
        path: The database.
        durability: Of the runner.
        types: How many job types it has.
        concurrency: Limit of each, or None.
        options: More options of `JobRunner`.

    Attributes:
        runner: The runner.
        jobs: Its job types.
        started_at: When the latest handler began, by `time.perf_counter`.
        count: How many handlers have run.
    """

    def __init__(
        self, path: Path, durability: Durability, types: int = 1, concurrency: int | None = None, **options: Any
    ) -> None:
        self.runner = JobRunner(path, durability=durability, **options)
        self.jobs: Sequence[JobType[..., None]] = [self._job(name_of(n), concurrency) for n in range(types)]
        self.started_at = 0.0
        self._expected = 0
        self.count = 0
        self._enough = asyncio.Event()

    async def wait_for(self, count: int) -> None:
        """Returns when so many handlers have run."""
        self._expected = count
        if self.count < count:
            await self._enough.wait()

    def _job(self, name: str, concurrency: int | None) -> JobType[..., None]:
        @self.runner.job(name=name, concurrency=concurrency)
        async def noop(n: int, text: str = "") -> None:  # noqa: ARG001  # a payload like any other
            self.started_at = time.perf_counter()
            self.count += 1
            if self.count == self._expected:
                self._enough.set()

        return noop


def name_of(number: int) -> str:
    """The name of a job type, by its number."""
    return f"noop{number or ''}"


async def sequential_enqueue(path: Path, durability: Durability, jobs: int) -> float:
    """Jobs per second of one producer; nothing runs them."""
    noop = Noop(path, durability, max_running=0)
    async with noop.runner as runner:
        started = time.perf_counter()
        for n in range(jobs):
            await runner.enqueue(noop.jobs[0], n=n)
        return jobs / (time.perf_counter() - started)


async def enqueue_many(path: Path, durability: Durability, jobs: int, at_once: int) -> float:
    """Jobs per second by `enqueue_many`, their validation included; nothing runs them."""
    noop = Noop(path, durability, max_running=0)
    async with noop.runner as runner:
        started = time.perf_counter()
        for first in range(0, jobs, at_once):
            await runner.enqueue_many([noop.jobs[0].bind(n=n) for n in range(first, first + at_once)])
        return jobs / (time.perf_counter() - started)


async def concurrent_enqueue(path: Path, durability: Durability, jobs: int, producers: int) -> float:
    """Jobs per second of many producers, each of which awaits each of its commits; nothing runs them."""
    noop = Noop(path, durability, max_running=0)
    async with noop.runner:
        started = time.perf_counter()
        await _produce(noop, jobs, producers)
        return jobs / (time.perf_counter() - started)


async def end_to_end(
    path: Path, durability: Durability, jobs: int, producers: int, *, text: str = "", types: int = 1,
    alike: int = 1, concurrency: int | None = None,
) -> float:  # fmt: skip
    """Jobs per second from the first enqueue to the last commit of a finish; `alike` of one type follow each other."""
    noop = Noop(path, durability, types, concurrency)
    async with noop.runner as runner:
        await runner.run_until_idle()  # else the first producers meet what the start still writes, or not
        started = time.perf_counter()
        await _produce(noop, jobs, producers, text, alike)
        await runner.run_until_idle()
        seconds = time.perf_counter() - started
        assert runner.stats().completed == jobs
    return jobs / seconds


async def in_batches(path: Path, durability: Durability, jobs: int, producers: int, size: int) -> float:
    """The same as `end_to_end` where all jobs are in batches of a size, each with a callback; 0: in none.

    One batch of all is filled by all producers, smaller ones by one producer each.
    """
    noop = Noop(path, durability)
    enqueued, batches = noop.jobs[0], jobs // size if size else 0

    @noop.runner.job
    async def callback(batch_id: int) -> None: ...

    async def produce(batch: BatchHandle, first: int, step: int) -> None:
        for n in range(first, min(size, jobs), step):
            await batch.enqueue(enqueued, n=n, text="")

    async def produce_batches(first: int) -> None:
        for _ in range(first, batches, producers):
            async with noop.runner.batches.open(on_complete=callback) as batch:
                await produce(batch, 0, 1)

    async with noop.runner as runner:
        await runner.run_until_idle()
        started = time.perf_counter()
        if not batches:
            await _produce(noop, jobs, producers)
        elif batches == 1:
            async with runner.batches.open(on_complete=callback) as batch:
                await asyncio.gather(*[produce(batch, first, producers) for first in range(producers)])
        else:
            await asyncio.gather(*map(produce_batches, range(producers)))
        while runner.stats().completed < jobs + batches:
            await runner.run_until_idle()
        return jobs / (time.perf_counter() - started)


async def with_failures(path: Path, durability: Durability, jobs: int, producers: int, every: int) -> float:
    """The same where each `every`-th job fails once and is tried again after a millisecond or less."""
    runner = JobRunner(path, durability=durability)

    @runner.job(backoff=Backoff(base=0.001))
    async def flaky(n: int, *, ctx: JobContext = injected) -> None:
        if n % every == 0 and ctx.attempt == 1:
            raise RuntimeError("the network")

    async def produce(first: int) -> None:
        for n in range(first, jobs, producers):
            await runner.enqueue(flaky, n=n)

    async with runner:
        started = time.perf_counter()
        await asyncio.gather(*map(produce, range(producers)))
        while runner.stats().completed < jobs:
            await runner.run_until_idle()
            await asyncio.sleep(0.001)
        return jobs / (time.perf_counter() - started)


async def idle_latencies(path: Path, durability: Durability, jobs: int) -> list[float]:
    """Seconds from calling `enqueue` to the first line of the handler, one job at a time; sorted."""
    noop = Noop(path, durability)
    latencies = []
    async with noop.runner as runner:
        for n in range(jobs):
            called_at = time.perf_counter()
            handle = await runner.enqueue(noop.jobs[0], n=n)
            await handle.result()
            latencies.append(noop.started_at - called_at)
    return sorted(latencies)


async def fill(path: Path, due: int, later: int, types: int = 1, alike: int = 1) -> None:
    """Writes pending rows, some due, some tomorrow, of types that are paused until the clock starts; `alike` of one
    type follow each other.
    """
    names = [name_of(n) for n in range(types)]
    store = open_store(path, "normal")
    await store.open()
    now = time.time_ns() // 1000
    try:
        for scheduled_at, count in ((now, due), (now + DAY, later)):
            rows = [NewJob(name, '{"n":1}', 1, scheduled_at, 5, now) for name in names]
            for first in range(0, count, 10_000):
                some = tuple(rows[n // alike % types] for n in range(first, min(first + 10_000, count)))
                await store.apply([(Insert(some),)], now)
        await store.apply([tuple(PauseType(name, paused=True) for name in names)], now)
    finally:
        await store.close()


@dataclass(frozen=True)
class Backlog:
    """What was measured of a runner that finds jobs waiting. Times in seconds."""

    start: float
    rate: float
    look: float


async def backlog(path: Path, durability: Durability, jobs: int, slots: int = 100, types: int = 1) -> Backlog:
    """Starts a runner on a filled database and runs `jobs` of what waits there; the rest waits again after it."""
    noop = Noop(path, durability, types, max_running=slots)
    names = [name_of(n) for n in range(types)]
    entering = time.perf_counter()
    async with noop.runner as runner:
        entered = time.perf_counter()
        await asyncio.gather(*map(runner.types.resume, names))
        resumed, begun = time.perf_counter(), noop.count  # to resume a thousand types takes its time
        await noop.wait_for(jobs)
        done = time.perf_counter()
        await asyncio.gather(*map(runner.types.pause, names))
        looked = time.perf_counter()
        for _ in range(100):
            runner.stats()
        looked = (time.perf_counter() - looked) / 100
    return Backlog(entered - entering, (jobs - begun) / (done - resumed), looked)


async def _produce(noop: Noop, jobs: int, producers: int, text: str = "", alike: int = 1) -> None:
    async def produce(first: int) -> None:
        for n in range(first, jobs, producers):
            await noop.runner.enqueue(noop.jobs[n // alike % len(noop.jobs)], n=n, text=text)

    await asyncio.gather(*map(produce, range(producers)))
