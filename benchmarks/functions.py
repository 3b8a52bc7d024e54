"""The library at work with durable functions: what the workloads measure of them.

As a program it makes a file of functions that sleep, or looks at one: `python -m benchmarks.functions fill ...`.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiojobs_lite import JobContext, JobRunner, injected, job
from benchmarks.harness import Durability

PRODUCERS: Final = 100
STEPS: Final = 3
KINDS: Final = ("sleep", "event")  # what a function waits for
_WARM: Final = 5_000  # functions that fall asleep before the memory of the others is measured
_COHORT_AFTER_S: Final = 4.0  # within which a cohort has fallen asleep
_numbers: Final = itertools.count(1_000_000_000)  # of waits for events; none is used twice
_woken: Final[list[float]] = []  # when functions went on behind their waits


async def trivial(n: int) -> int:
    """A step."""
    return n


@job
async def plain(n: int) -> None:
    """A job without steps."""


@job
async def three_steps(n: int, *, ctx: JobContext = injected) -> None:
    """A function of three trivial steps."""
    for step in range(STEPS):
        await ctx.step(f"step-{step}", trivial, n)


@job
async def sleeper(n: int, *, ctx: JobContext = injected) -> None:  # noqa: ARG001  # a payload like any other
    """Sleeps for a month."""
    await ctx.sleep("month", "30d")


@job
async def waiter(n: int, *, ctx: JobContext = injected) -> None:
    """Waits for an event that is about its number."""
    await ctx.wait_for_event("come", "thing/came", match={"n": n})
    _woken.append(time.perf_counter())


@job
async def due(at: float, *, ctx: JobContext = injected) -> None:
    """Sleeps until an instant."""
    await ctx.sleep_until("due", datetime.fromtimestamp(at, UTC))
    _woken.append(time.time())


def runner_on(path: Path, durability: Durability = "normal") -> JobRunner:
    """A runner that knows all of these."""
    return JobRunner(path, durability=durability, jobs=[plain, three_steps, sleeper, waiter, due])


async def produce(count: int, enqueue: Callable[[int], Awaitable[Any]]) -> None:
    """Enqueues jobs by 100 producers, each of which awaits each of its commits."""

    async def some(first: int) -> None:
        for n in range(first, count, PRODUCERS):
            await enqueue(n)

    await asyncio.gather(*map(some, range(PRODUCERS)))


@dataclass(frozen=True)
class Run:
    """Jobs that were enqueued, run and finished.

    Attributes:
        rate: How many a second.
        cpu: Microseconds of this process a job.
    """

    rate: float
    cpu: float


async def end_to_end(path: Path, durability: Durability, jobs: int, wanted: Any = plain) -> Run:
    """From the first enqueue to the last commit of a finish, by 100 producers and 100 slots."""
    async with runner_on(path, durability) as runner:
        await runner.run_until_idle()
        before = runner.stats().completed
        used, began = time.process_time(), time.perf_counter()
        await produce(jobs, lambda n: runner.enqueue(wanted, n=n))
        await runner.run_until_idle()
        seconds, used = time.perf_counter() - began, time.process_time() - used
        assert runner.stats().completed == before + jobs
    return Run(jobs / seconds, used / jobs * 1e6)


async def one_by_one(path: Path, durability: Durability, jobs: int) -> Run:
    """Each is enqueued when the one before has been awaited."""
    async with runner_on(path, durability) as runner:
        await runner.run_until_idle()
        used, began = time.process_time(), time.perf_counter()
        for number in range(jobs):
            await (await runner.enqueue(plain, n=number)).result()
        seconds, used = time.perf_counter() - began, time.process_time() - used
    return Run(jobs / seconds, used / jobs * 1e6)


async def cohort(path: Path, count: int) -> float:
    """Milliseconds from the instant at which so many functions are due until the last of them goes on."""
    _woken.clear()
    handles = []
    async with runner_on(path) as runner:
        at = time.time() + _COHORT_AFTER_S

        async def enqueue(_: int) -> None:
            handles.append(await runner.enqueue(due, at=at))

        await produce(count, enqueue)
        await runner.run_until_idle()
        assert time.time() < at, "they are due before all are asleep"
        await asyncio.gather(*[handle.result() for handle in handles])
    return (max(_woken) - at) * 1000


async def deliveries(path: Path, count: int) -> list[float]:
    """Seconds from sending an event to the line behind the wait for it, one function at a time; sorted."""
    found = []
    async with runner_on(path) as runner:
        for n in itertools.islice(_numbers, count):
            handle = await runner.enqueue(waiter, n=n)
            await runner.run_until_idle()
            began = time.perf_counter()
            await runner.send("thing/came", {"n": n})
            await handle.result()
            found.append(_woken[-1] - began)
    return sorted(found)


@dataclass(frozen=True)
class Filled:
    """What a process says that let functions fall asleep.

    Attributes:
        megabytes: By which the memory of the process grew meanwhile.
        tasks: By how many the tasks of its event loop grew.
        rate: Functions a second that were enqueued, began, and fell asleep.
    """

    megabytes: float
    tasks: int
    rate: float


def filled(path: Path, kind: str, count: int) -> Filled:
    """Lets so many functions fall asleep, in a process of its own."""
    return Filled(**json.loads(_child("fill", path, kind, count)))


def memory_beside(path: Path) -> float:
    """Megabytes of a process of its own that starts a runner on a file, and looks."""
    return float(_child("look", path))


def _child(*arguments: Any) -> str:
    command = [sys.executable, "-m", __name__, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def _fill(path: Path, kind: str, count: int) -> Filled:
    wanted = sleeper if kind == "sleep" else waiter
    async with runner_on(path) as runner:
        warm = min(_WARM, count // 2)
        await produce(warm, lambda n: runner.enqueue(wanted, n=n))
        await runner.run_until_idle()
        memory, tasks = _resident(), len(asyncio.all_tasks())
        began = time.perf_counter()
        await produce(count - warm, lambda n: runner.enqueue(wanted, n=warm + n))
        await runner.run_until_idle()
        rate = (count - warm) / (time.perf_counter() - began)
        return Filled(_resident() - memory, len(asyncio.all_tasks()) - tasks, rate)


async def _look(path: Path) -> float:
    async with runner_on(path) as runner:
        await runner.run_until_idle()
        runner.stats()
        await runner.jobs.list(limit=100)
        return _resident()


def _resident() -> float:
    """Megabytes of memory that this process takes now."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        print(json.dumps(asdict(asyncio.run(_fill(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))))
    else:
        print(asyncio.run(_look(Path(sys.argv[2]))))
