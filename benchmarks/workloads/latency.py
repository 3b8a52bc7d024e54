"""How long one job waits, and what an idle runner and a busy host cost."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from pathlib import Path
from typing import Final

from aiojobs_lite import JobRunner, job
from aiojobs_lite.stores.sqlite.store import LOOK_EVERY_S
from benchmarks import ours
from benchmarks.harness import DURABILITIES, OURS, Durability, Figure, Plan, on_new_path

SLICES: Final = (0.2, 1.0, 10.0)  # milliseconds that the host computes before it lets others go on
IDLE_SECONDS: Final = 30.0
BATCH: Final = 100


@job
async def noted() -> float:
    """When it starts."""
    return time.monotonic()


def idle(plan: Plan) -> Iterator[Figure]:
    """From calling `enqueue` on an idle runner to the first line of the handler."""
    for durability in DURABILITIES:
        rounds = [
            on_new_path(lambda path: asyncio.run(ours.idle_latencies(path, durability, plan.jobs(500))))
            for _ in range(plan.rounds)
        ]
        yield from percentiles("idle latency", durability, rounds)


def idle_cpu(plan: Plan) -> Iterator[Figure]:
    """What a runner with nothing to do takes of one core."""
    seconds = IDLE_SECONDS * min(1.0, plan.scale)
    values = tuple(on_new_path(lambda path: asyncio.run(_resting(path, seconds))) for _ in range(min(3, plan.rounds)))
    yield Figure("idle CPU", OURS, "normal", "%", values, note=f"{seconds:g} s each")


def busy_host(plan: Plan) -> Iterator[Figure]:
    """An `enqueue`, and 100 at once, beside a coroutine that keeps the event loop busy in slices."""
    for durability in DURABILITIES:
        for milliseconds in SLICES:
            for at_once in (1, BATCH):
                calls = plan.jobs(100)
                rounds = [
                    on_new_path(lambda path: asyncio.run(_beside(path, durability, milliseconds, at_once, calls)))
                    for _ in range(plan.rounds)
                ]
                name = "busy host, one" if at_once == 1 else f"busy host, {at_once}"
                yield from percentiles(name, durability, rounds, milliseconds)


def transactions(plan: Plan) -> Iterator[Figure]:
    """From the commit of a caller's transaction to the first line of the handler, in this process and in another."""
    for workload, of_other in (("commit to start", False), ("commit to start, another process", True)):
        rounds = [
            on_new_path(lambda path: asyncio.run(_after_commits(path, plan.jobs(200), of_other=of_other)))
            for _ in range(plan.rounds)
        ]
        yield from percentiles(workload, "full", rounds)


def percentiles(
    workload: str, durability: Durability, rounds: Sequence[Sequence[float]], at: float | None = None
) -> Iterator[Figure]:
    """Median and 99th percentile of each round's sorted seconds, in milliseconds."""
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        values = tuple(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 for latencies in rounds)
        yield Figure(f"{workload} {name}", OURS, durability, "ms", values, at)


async def _resting(path: Path, seconds: float) -> float:
    noop = ours.Noop(path, "normal")
    async with noop.runner as runner:
        await runner.run_until_idle()
        used = time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - used) / seconds * 100


async def _beside(path: Path, durability: Durability, milliseconds: float, at_once: int, calls: int) -> list[float]:
    noop, latencies, going = ours.Noop(path, durability), [], True

    async def host() -> None:
        while going:
            until = time.perf_counter() + milliseconds / 1000
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    async with noop.runner as runner:
        busy = asyncio.create_task(host())
        for n in range(calls):
            called_at = time.perf_counter()
            if at_once == 1:
                handle = await runner.enqueue(noop.jobs[0], n=n)
            else:
                handle = (await runner.enqueue_many([noop.jobs[0].bind(n=one) for one in range(at_once)]))[-1]
            latencies.append(time.perf_counter() - called_at)
            await handle.result()  # so that each call finds the same
        going = False
        await busy
    return sorted(latencies)


async def _after_commits(path: Path, calls: int, *, of_other: bool) -> list[float]:
    """Seconds of each, sorted. By the monotonic clock, which all processes of a machine share."""
    latencies = []
    runner = JobRunner(path, jobs=[noted], max_running=0 if of_other else 10)
    async with runner, _other(path) if of_other else nullcontext():
        with closing(sqlite3.connect(path)) as connection:
            for _ in range(calls):
                await asyncio.sleep(random.uniform(0, LOOK_EVERY_S))  # at any moment between two looks
                handle = await runner.enqueue_in(connection, noted)
                connection.commit()
                committed_at = time.monotonic()
                latencies.append(await handle.result() - committed_at)
    return sorted(latencies)


@asynccontextmanager
async def _other(path: Path) -> AsyncIterator[None]:
    """A runner in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(path), stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    yield
    process.stdin.close()
    await process.wait()


async def _serve(path: str) -> None:
    """Runs jobs until the standard input ends."""
    async with JobRunner(path, jobs=[noted]):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
