"""A runner in a process of its own, whose job types have limits by key.

Usage: keyed.py DATABASE LOG. It runs until it is killed. Each handler notes in the log when it begins and ends, by the
clock that all processes share.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aiojobs_lite import Backoff, JobContext, JobRunner, JobType, Retry, injected, job
from aiojobs_lite.limits import Limit, Rate
from tests.helpers.apps.common import note, say
from tests.helpers.pauses import work_for

MOST: Final = 2
STARTS: Final = 25
PERIOD_S: Final = 0.5


@job(max_attempts=20, limits=[Limit(MOST, key="key"), Rate(STARTS, per=PERIOD_S, key="key")])
async def limited(key: int, *, ctx: JobContext = injected, log: Path = injected) -> None:
    with _noted(log, f"limited:{key}", ctx):
        await work_for(0.002)


@job(max_attempts=20, backoff=Backoff(base=0.01, cap=0.01), limits=[Limit(1, key="key", ordered=True)])
async def ordered(key: int, number: int, *, ctx: JobContext = injected, log: Path = injected) -> None:
    with _noted(log, f"ordered:{key}", ctx):
        if number % 5 == 0 and ctx.attempt == 1:
            raise Retry("once more")
        await work_for(0.002)


@contextmanager
def _noted(log: Path, key: str, ctx: JobContext) -> Iterator[None]:
    words = (key, ctx.id, ctx.attempt, os.getpid())
    note(log, "begun", time.monotonic(), *words)
    try:
        yield
    finally:
        note(log, "ended", time.monotonic(), *words)


JOBS: Final[list[JobType[..., None]]] = [limited, ordered]


async def main(database: str, log: str) -> None:
    """Runs the jobs."""
    async with JobRunner(database, jobs=JOBS, max_running=20, deps={Path: Path(log)}):
        say("ready")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
