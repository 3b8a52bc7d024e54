"""Much work in a process of its own, which says now and then what it holds.

Usage: soaking.py DATABASE jobs COUNT: so many jobs through one runner. soaking.py DATABASE runners COUNT: so many
runners one after another. Each line but the last is a JSON object: what a process may hold too much of; see `held`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiojobs_lite import Abandon, Backoff, JobDead, JobHandle, JobNotFound, JobRunner, SystemClock, job
from aiojobs_lite.clock import Timer
from aiojobs_lite.handlers.job_type import BoundJob
from tests.helpers.apps.common import say
from tests.helpers.pauses import pause

FASTER = 60  # a minute takes a second: the runner prunes each minute
CHUNK = 1000
SINGLES = 4000
RAN: Counter[str] = Counter()


class FastClock(SystemClock):
    """The machine's clock, sped up."""

    def __init__(self) -> None:
        self._start = super().now()

    def now(self) -> int:
        return self._start + (super().now() - self._start) * FASTER

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        return super().call_later(delay / FASTER, callback)


@job
async def quick(number: int) -> int:
    RAN["quick"] += 1
    return number


@job
async def big(text: str) -> str:
    RAN["big"] += 1
    return text


@job
def threaded(number: int) -> None:
    RAN["threaded"] += 1


@job(max_attempts=2, backoff=Backoff(base=0.1))
async def failing(number: int) -> None:
    RAN["failing"] += 1
    raise ValueError(number)


@job
async def dying(number: int) -> None:
    RAN["dying"] += 1
    raise Abandon("no more")


@job
async def endless() -> None:
    await asyncio.Event().wait()


JOBS = (quick, big, threaded, failing, dying, endless)


def held(database: Path) -> dict[str, int]:
    """What this process holds: memory, files and what it knows of, in bytes and numbers."""
    gc.collect()
    return {
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"),
        "objects": len(gc.get_objects()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "database": database.stat().st_size,
        "files": len(os.listdir(database.parent)),
    }


async def many_jobs(database: Path, count: int) -> None:
    async with JobRunner(
        database, jobs=JOBS, durability="normal", keep_completed="20s", keep_dead="20s", clock=FastClock()
    ) as runner:
        largest = asyncio.create_task(largest_log(database))
        for number in range(SINGLES):  # small transactions, in which the log is left to grow
            await runner.enqueue(quick, number)
        for done in range(0, count - SINGLES, CHUNK):
            await chunk(runner, done)
            if done % (count // 20) == 0:
                say(json.dumps(held(database)))
        await runner.run_until_idle()
        largest.cancel()
        with suppress(asyncio.CancelledError):
            await largest
        stats = runner.stats()
        left = stats.pending + stats.processing
    say("end", json.dumps([RAN, LARGEST["log"], left, stats.completed + stats.dead]))


async def chunk(runner: JobRunner, start: int) -> None:
    """Some jobs of all kinds; not all results are waited for."""
    numbers = range(start, start + CHUNK)
    kinds: list[BoundJob[Any]] = [big.bind("x" * 2000) for _ in range(10)]
    kinds += [quick.bind(number) for number in numbers[50:]]
    kinds += [failing.bind(number) for number in numbers[:10]] + [dying.bind(number) for number in numbers[10:15]]
    kinds += [threaded.bind(number) for number in numbers[15:25]]
    handles: list[JobHandle[object]] = [*await runner.enqueue_many(kinds)]
    handles += await asyncio.gather(*(runner.enqueue(quick, number) for number in numbers[25:40]))
    for handle in handles[::10]:
        with suppress(JobDead, JobNotFound):  # it is pruned soon, on a slow machine before it is looked at
            await handle.result()


LARGEST = {"log": 0}


async def largest_log(database: Path) -> None:
    """Watches the write-ahead log. Its size is asked for by name: to open it would drop SQLite's locks."""
    log = database.with_name(f"{database.name}-wal")
    while True:
        LARGEST["log"] = max(LARGEST["log"], log.stat().st_size)
        await pause()


async def many_runners(database: Path, count: int) -> None:
    for number in range(count):
        await one_runner(database, number % 10)
        if number % (count // 20) == 0:
            say(json.dumps(held(database)))
    say("end", json.dumps([RAN, sorted(os.listdir(database.parent))]))


async def one_runner(database: Path, way: int) -> None:
    """Starts a runner, has it work, and leaves it: in good order, or in one of some others."""
    runner = JobRunner(database, jobs=JOBS, durability="normal", drain_timeout=0.01, cancel_grace=0.01)
    if way == 0:  # the start is given up
        start = asyncio.create_task(runner.__aenter__())
        await asyncio.sleep(0)
        start.cancel()
        with suppress(asyncio.CancelledError):
            await start
            await runner.__aexit__(None, None, None)
        return
    with suppress(KeyError):
        async with runner:
            await (await runner.enqueue(quick, 1)).result()
            if way == 1:
                await (await runner.enqueue(threaded, 1)).result()
            if way == 2:
                await runner.enqueue(endless)
            if way == 3:
                raise KeyError
            if way == 4:
                runner.watch()  # and nothing listens


async def main(database: Path, style: str, count: int) -> None:
    await (many_jobs if style == "jobs" else many_runners)(database, count)


if __name__ == "__main__":
    logging.getLogger("aiojobs_lite.jobs").setLevel(logging.CRITICAL)  # the failures of jobs are meant
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
