"""How fast the core is, beside a bare loop of sqlite3 in the same run: `python -m benchmarks.throughput`.

Absolute figures say more about the machine than about the library; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Literal

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.job import Insert, NewJob
from aiojobs_lite.stores import store_for
from benchmarks import bare

Durability = Literal["normal", "full"]
DURABILITIES: tuple[Durability, ...] = ("normal", "full")
PRODUCERS = 100
BACKLOG = 1_000_000
CLAIMED = 20_000  # jobs of the backlog that are timed
LEAST_RATIO, LEAST_CLAIM_RATIO = 0.15, 0.7
MOST_LATENCY, MOST_START, MOST_STATS = 0.002, 1.0, 0.001  # seconds


class Noop:
    """A runner whose only job does nothing but count.

    Args:
        path: The database.
        durability: Of the runner.
    """

    def __init__(self, path: Path, durability: Durability) -> None:
        self.runner = JobRunner(path, durability=durability)
        self.expected = 0
        self.started_at = 0.0
        self._count = 0
        self._enough = asyncio.Event()

        @self.runner.job
        async def noop(n: int) -> None:  # noqa: ARG001  # a payload like any other
            self.started_at = time.perf_counter()
            self._count += 1
            if self._count == self.expected:
                self._enough.set()

        self.job = noop

    async def wait_for(self, count: int) -> None:
        """Returns when so many handlers have run."""
        self.expected = count
        if self._count < count:
            await self._enough.wait()


async def end_to_end(path: Path, durability: Durability, jobs: int) -> float:
    """Jobs per second, from the first enqueue of 100 concurrent producers to the last commit of a finish."""
    noop = Noop(path, durability)
    async with noop.runner as runner:

        async def produce() -> None:
            for n in range(jobs // PRODUCERS):
                await runner.enqueue(noop.job, n=n)

        started = time.perf_counter()
        await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
        await runner.run_until_idle()
        seconds = time.perf_counter() - started
        assert runner.stats().completed == jobs
    return jobs / seconds


async def idle_latency(path: Path, durability: Durability, jobs: int) -> float:
    """Median seconds from calling `enqueue` to the first line of the handler, one job at a time."""
    noop = Noop(path, durability)
    latencies = []
    async with noop.runner as runner:
        for n in range(jobs):
            called_at = time.perf_counter()
            handle = await runner.enqueue(noop.job, n=n)
            await handle.result()
            latencies.append(noop.started_at - called_at)
    return median(latencies)


async def fill(path: Path, due: int, later: int) -> None:
    """Writes pending rows: some due, some tomorrow."""
    store = store_for(path, "normal")
    await store.open()
    now = time.time_ns() // 1000
    tomorrow = now + 86_400 * MICROSECONDS
    try:
        for scheduled_at, count in ((now, due), (tomorrow, later)):
            row = NewJob("noop", '{"n":1}', 1, scheduled_at, 5, now)
            for _ in range(count // 10_000):
                await store.apply([Insert((row,) * 10_000)], now)
    finally:
        await store.close()


async def claim(path: Path, durability: Durability) -> tuple[float, float, float]:
    """Runs part of a backlog; returns seconds to start, jobs per second, and seconds for one `stats()`."""
    noop = Noop(path, durability)
    noop.expected = CLAIMED
    started = time.perf_counter()
    async with noop.runner as runner:
        ready = time.perf_counter()
        await noop.wait_for(CLAIMED)
        done = time.perf_counter()
        await runner.pause("noop")
        looked = time.perf_counter()
        for _ in range(100):
            runner.stats()
        return ready - started, CLAIMED / (done - ready), (time.perf_counter() - looked) / 100


@contextmanager
def new_path() -> Iterator[Path]:
    """Path of a database in a directory that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="aiojobs_lite-benchmark-") as folder:
        yield Path(folder) / "jobs.db"


def with_new_path(measure: Callable[[Path], float]) -> float:
    """One measurement on a new database."""
    with new_path() as path:
        return measure(path)


def show(name: str, figure: str, *, holds: bool | None = None) -> bool:
    """Prints a line; returns False if a limit does not hold."""
    verdict = {None: "", True: "   ok", False: "   MISSED"}[holds]
    print(f"{name:<58}{figure:>24}{verdict}", flush=True)
    return holds is not False


def against_bare(rounds: int, jobs: int) -> bool:
    """End to end beside the bare loop, turn by turn."""
    good = True
    for durability in DURABILITIES:
        ours, limit = [], []
        for _ in range(rounds):
            ours.append(with_new_path(lambda path: asyncio.run(end_to_end(path, durability, jobs))))  # noqa: B023
            limit.append(with_new_path(lambda path: bare.jobs_per_second(path, durability, jobs)))  # noqa: B023
        ratio = median(ours) / median(limit)
        show(f"end to end, {PRODUCERS} producers, {durability}", f"{median(ours):,.0f} jobs/s")
        show(f"bare loop, {durability}", f"{median(limit):,.0f} jobs/s")
        good &= show(f"  ratio (at least {LEAST_RATIO})", f"{ratio:.2f}", holds=ratio >= LEAST_RATIO)
    return good


def latency(rounds: int) -> bool:
    """Enqueue to handler start on an idle runner."""
    good = True
    for durability in DURABILITIES:
        seconds = median(
            with_new_path(lambda path: asyncio.run(idle_latency(path, durability, 200)))  # noqa: B023
            for _ in range(rounds)
        )
        holds = seconds < MOST_LATENCY if durability == "normal" else None
        good &= show(f"enqueue to handler start, idle, {durability}", f"{seconds * 1000:.2f} ms", holds=holds)
    return good


def backlog(rounds: int) -> bool:
    """A million pending rows, half of them due tomorrow, beside an almost empty table."""
    empty: list[tuple[float, float, float]] = []
    full: list[tuple[float, float, float]] = []
    with new_path() as big:
        asyncio.run(fill(big, BACKLOG // 2, BACKLOG // 2))
        for _ in range(rounds):
            with new_path() as small:
                asyncio.run(fill(small, CLAIMED, 0))
                empty.append(asyncio.run(claim(small, "normal")))
            full.append(asyncio.run(claim(big, "normal")))
            asyncio.run(resume(big))
    start, rate, look = (median(column) for column in zip(*full, strict=True))
    on_empty = median(rate for _, rate, _ in empty)
    show("claim and run a backlog, empty table", f"{on_empty:,.0f} jobs/s")
    show(f"claim and run a backlog, {BACKLOG:,} pending rows", f"{rate:,.0f} jobs/s")
    good = show(
        f"  ratio (at least {LEAST_CLAIM_RATIO})", f"{rate / on_empty:.2f}", holds=rate / on_empty >= LEAST_CLAIM_RATIO
    )
    good &= show(f"start, {BACKLOG:,} pending rows", f"{start * 1000:.1f} ms", holds=start < MOST_START)
    return good & show(f"stats(), {BACKLOG:,} pending rows", f"{look * 1000:.3f} ms", holds=look < MOST_STATS)


async def resume(path: Path) -> None:
    """Undoes the pause with which `claim` ended."""
    noop = Noop(path, "normal")
    runner = JobRunner(path, max_running=0, jobs=[noop.job])
    async with runner:
        await runner.resume("noop")


def main() -> int:
    """Measures all; 1 if a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of which the median is shown")
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of an end-to-end measurement")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, medians of {options.rounds}")
    good = against_bare(options.rounds, options.jobs)
    good &= latency(options.rounds)
    good &= backlog(options.rounds)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
