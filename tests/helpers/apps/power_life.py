"""A life of a runner whose writes and syncs are recorded: bursts of jobs that succeed, fail, are tried again, and die.

Usage: power_life.py FOLDER DURABILITY. What it was answered is acknowledged by lines in `FOLDER/acknowledged`, each
written at once: `enqueued BURST ID`, `ended BURST ID STATUS`. A burst begins when the one before it has ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from aiojobs_lite import Abandon, JobContext, JobDead, JobHandle, JobRunner, injected, job
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.sqlite import inline

BURSTS = 36
LARGEST = 6  # jobs of a burst
LIVES = 3  # runners, one after the other: each closes the database, and the last log is deleted
LOG_PAGES = 60  # until a checkpoint: many in a short life


@job
async def small(n: int) -> int:
    return n


@job
async def large(text: str) -> str:
    return text


@job(backoff=Backoff(base="1ms", cap="1ms"))
async def shaky(ctx: JobContext = injected) -> None:
    if ctx.attempt == 1:
        raise ValueError("not yet")


@job
async def dying() -> None:
    raise Abandon("no")


JOBS: list[JobType[..., Any]] = [small, large, shaky, dying]


async def live(folder: Path, durability: Durability) -> None:
    """The whole life."""
    log = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    drawn = Random(0)
    burst = 0
    for _ in range(LIVES):
        async with JobRunner(folder / "jobs.db", jobs=JOBS, durability=durability) as runner:
            for _ in range(BURSTS // LIVES):
                burst += 1
                wanted = [_job(drawn) for _ in range(drawn.randint(1, LARGEST))]
                await asyncio.gather(*[_run(runner, bound, partial(_note, log, burst)) for bound in wanted])
    os.close(log)


def _job(drawn: Random) -> BoundJob[Any]:
    which = drawn.randrange(6)
    if which == 0:
        return large.bind(text="x" * drawn.randint(1, 9_000))
    if which == 1:
        return shaky.bind()
    return dying.bind() if which == 2 else small.bind(n=which)


async def _run(runner: JobRunner, bound: BoundJob[Any], acknowledge: Any) -> None:
    handle: JobHandle[Any]
    (handle,) = await runner.enqueue_many([bound])
    acknowledge("enqueued", handle.id)
    try:
        await handle.result()
        acknowledge("ended", handle.id, "completed")
    except JobDead:
        acknowledge("ended", handle.id, "dead")


def _note(log: int, burst: int, what: str, *words: object) -> None:
    os.write(log, f"{what} {burst} {' '.join(map(str, words))}\n".encode())


if __name__ == "__main__":
    with patch.object(inline, "LOG_PAGES", LOG_PAGES):
        asyncio.run(live(Path(sys.argv[1]), "full" if sys.argv[2] == "full" else "normal"))
