"""What each measurement does in its interpreter: one workload of one peer, and one line of JSON about it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.servers import syncs

SEQUENTIAL: Final = "sequential enqueue"
CONCURRENT: Final = "concurrent enqueue"
PRELOADED: Final = "preloaded run"
FUNCTIONS: Final = "functions of 3 steps, 100 at a time"  # enqueued durably, claimed, run
AWAITED_FUNCTIONS: Final = "functions of 3 steps, awaited by 100 callers"  # by the way that is quickest
SLOTS: Final = 100  # producers of the concurrent enqueue, and jobs that a worker may run at once
_LAST_WITHIN: Final = 100.0  # seconds for all handlers to have run


@dataclass(frozen=True, slots=True)
class Order:
    """What a child was told to measure.

    Attributes:
        workload: One of these.
        jobs: How many.
        folder: Empty, for the database.
        durability: The key of one of the peer's variants.
        url: Of an empty database on a server, if the peer needs one.
        strace: Where strace writes the fsyncs of this process or of the server; None: they are not counted.
    """

    workload: str
    jobs: int
    folder: Path
    durability: str
    url: str
    strace: Path | None

    @property
    def path(self) -> Path:
        """Of a database file that does not exist yet."""
        return self.folder / "jobs.db"


class Clock:
    """Seconds, those of the processor, and fsyncs from `start` to `stop`; the fsyncs up to `settle`, when all is
    written that will be.
    """

    def __init__(self, log: Path | None) -> None:
        self._log = log
        self._started = self._stopped = 0.0
        self._used_before = self._used = 0.0
        self._syncs = 0

    def start(self) -> None:
        """The measurement begins."""
        self._syncs = self._counted()
        self._used_before = time.process_time()
        self._started = time.perf_counter()

    def stop(self) -> None:
        """The measurement ends."""
        self._stopped = time.perf_counter()
        self._used = time.process_time()

    def settle(self) -> None:
        """No more writes belong to the measurement."""
        self._syncs = self._counted() - self._syncs

    def line(self) -> str:
        """The result, for the parent."""
        return json.dumps(
            {"seconds": self._stopped - self._started, "cpu": self._used - self._used_before, "fsyncs": self._syncs}
        )

    def _counted(self) -> int:
        return syncs(self._log) if self._log else 0


class Tally:
    """Counts the handlers that ran, each job for itself, and stops the clock at the last one.

    Args:
        jobs: How many there are, numbered from 0.
        clock: To be stopped.
    """

    def __init__(self, jobs: int, clock: Clock) -> None:
        self._runs = [0] * jobs
        self._left = jobs
        self._clock = clock
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._wake: Callable[[], object] = lambda: None

    def __call__(self, n: int) -> None:
        """Handler of job `n`."""
        with self._lock:  # some peers run it in threads; 0.1 us
            self._runs[n] += 1
            self._left -= 1
            if self._left == 0:
                self._clock.stop()
                self._done.set()
                self._wake()

    async def finished(self) -> None:
        """Returns when every handler has run; the event loop works on meanwhile."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(event.set)
        if not self._done.is_set():
            await asyncio.wait_for(event.wait(), _LAST_WITHIN)

    def wait(self) -> None:
        """The same, for a thread."""
        if not self._done.wait(_LAST_WITHIN):
            raise TimeoutError(f"{self._left} of {len(self._runs)} jobs did not run")

    def check(self) -> None:
        """Raises if not each job ran exactly once."""
        if wrong := sum(runs != 1 for runs in self._runs):
            raise AssertionError(f"{wrong} of {len(self._runs)} jobs did not run exactly once")


class Measured(ABC):
    """A peer as a child measures it."""

    threads = SLOTS  # producers, where they are threads

    def __init__(self, order: Order) -> None:
        self.order = order
        self.jobs = range(order.jobs)
        self.clock = Clock(order.strace)
        self.tally = Tally(order.jobs, self.clock)

    @abstractmethod
    def measure(self) -> None:
        """Does what was ordered."""


class AsyncPeer(Measured):
    """A peer with an asyncio interface."""

    @abstractmethod
    def producing(self) -> AbstractAsyncContextManager[object]:
        """Open for `enqueue`, with no worker."""

    @abstractmethod
    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""

    @abstractmethod
    async def work(self) -> None:
        """Opens a worker, starts the clock, runs all jobs, closes the worker."""

    async def preload(self) -> None:
        """Enqueues all jobs, as fast as may be."""
        await self._concurrently()

    def measure(self) -> None:
        """Does what was ordered; producers and worker have an event loop of the standard library each."""
        asyncio.run(self._produce())
        if self.order.workload == PRELOADED:
            asyncio.run(self.work())
            self.clock.settle()
            self.tally.check()

    async def _produce(self) -> None:
        async with self.producing():
            if self.order.workload == PRELOADED:
                await self.preload()
            else:
                await self._enqueue()

    async def _enqueue(self) -> None:
        self.clock.start()
        if self.order.workload == CONCURRENT:
            await self._concurrently()
        else:
            for n in self.jobs:
                await self.enqueue(n)
        self.clock.stop()
        self.clock.settle()

    async def _concurrently(self) -> None:
        async def produce(first: int) -> None:
            for n in self.jobs[first::SLOTS]:
                await self.enqueue(n)

        await asyncio.gather(*(produce(first) for first in range(SLOTS)))


class StepsPeer(Measured):
    """A peer with durable functions, each of three steps that return their argument."""

    steps: Final = ("one", "two", "three")

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[object]:
        """Open for functions."""

    @abstractmethod
    async def enqueue(self, n: int) -> object:
        """Makes function `n` durable; a worker of this process runs it, beside at most 99 others."""

    @abstractmethod
    async def call(self, n: int) -> object:
        """Runs function `n` from its first line to what it returned."""

    def measure(self) -> None:
        """Runs the functions: enqueued by 100 callers, until the last has run; or each caller waits for the result of
        one before it calls the next. One function of each caller runs before, which does not count.
        """
        asyncio.run(self._measure())
        self.clock.settle()
        self.tally.check()

    async def _measure(self) -> None:
        async with self.open():
            self.tally = Tally(SLOTS, self.clock)
            await self._run(range(SLOTS))  # before the clock starts: all that is done once, at the first function
            self.tally = Tally(self.order.jobs, self.clock)
            self.clock.start()
            await self._run(self.jobs)
            if self.order.workload == AWAITED_FUNCTIONS:
                self.clock.stop()

    async def _run(self, jobs: range) -> None:
        begin = self.call if self.order.workload == AWAITED_FUNCTIONS else self.enqueue

        async def some(first: int) -> None:
            for n in jobs[first::SLOTS]:
                await begin(n)

        await asyncio.gather(*map(some, range(SLOTS)))
        await self.tally.finished()


class ThreadPeer(Measured):
    """A peer with a blocking interface."""

    @abstractmethod
    def producing(self) -> AbstractContextManager[object]:
        """Open for `enqueue`, with no worker."""

    @abstractmethod
    def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""

    @abstractmethod
    def work(self) -> None:
        """Opens a worker, starts the clock, runs all jobs, closes the worker."""

    def preload(self) -> None:
        """Enqueues all jobs, as fast as may be."""
        self._sequentially()

    def measure(self) -> None:
        """Does what was ordered."""
        with self.producing():
            if self.order.workload == PRELOADED:
                self.preload()
            elif self.order.workload == CONCURRENT:
                self._concurrently()
            else:
                self.clock.start()
                self._sequentially()
                self.clock.stop()
                self.clock.settle()
        if self.order.workload == PRELOADED:
            self.work()
            self.clock.settle()
            self.tally.check()

    def _sequentially(self) -> None:
        for n in self.jobs:
            self.enqueue(n)

    def _concurrently(self) -> None:
        """The clock starts when all threads are there."""
        here = threading.Barrier(self.threads + 1)

        def produce(first: int) -> None:
            here.wait()
            for n in self.jobs[first :: self.threads]:
                self.enqueue(n)

        with ThreadPoolExecutor(self.threads) as pool:
            producers = [pool.submit(produce, first) for first in range(self.threads)]
            here.wait()
            self.clock.start()
            for producer in producers:
                producer.result()
            self.clock.stop()
            self.clock.settle()


def pragmas_of_every_connection(journal: str, synchronous: str) -> None:
    """Sets SQLite's durability for each connection that SQLAlchemy opens from now on."""
    from sqlalchemy import Engine, event  # noqa: PLC0415  # only some peers have it

    def set_pragmas(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # DBAPI has no type
        cursor.execute(f"PRAGMA journal_mode = {journal}")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    event.listen(Engine, "connect", set_pragmas)


def main(peer: Callable[[Order], Measured]) -> None:
    """Measures what the command line says, with logging off, and prints the seconds and fsyncs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=[SEQUENTIAL, CONCURRENT, PRELOADED, FUNCTIONS, AWAITED_FUNCTIONS])
    parser.add_argument("jobs", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--durability", default="default")
    parser.add_argument("--url", default="")
    parser.add_argument("--strace", type=Path)
    options = parser.parse_args()
    logging.disable()
    os.chdir(options.folder)
    measured = peer(Order(**vars(options)))
    measured.measure()
    print(measured.clock.line(), flush=True)
