"""A runner in a process of its own, whose job types have limits by key.

Usage: keyed.py DATABASE. It runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from aiojobs_lite import Backoff, JobContext, JobRunner, JobType, Retry, injected, job
from aiojobs_lite.limits import Limit, Rate
from tests.helpers.apps.common import say
from tests.helpers.pauses import work_for

MOST: Final = 2
STARTS: Final = 25
PERIOD_S: Final = 0.5


@job(max_attempts=20, limits=[Limit(MOST, key="key"), Rate(STARTS, per=PERIOD_S, key="key")])
async def limited(key: int) -> None:
    await work_for(0.002)


@job(max_attempts=20, backoff=Backoff(base=0.01, cap=0.01), limits=[Limit(1, key="key", ordered=True)])
async def ordered(key: int, number: int, *, ctx: JobContext = injected) -> None:
    if number % 5 == 0 and ctx.attempt == 1:
        raise Retry("once more")
    await work_for(0.002)


JOBS: Final[list[JobType[..., None]]] = [limited, ordered]


async def main(database: str) -> None:
    """Runs the jobs."""
    async with JobRunner(database, jobs=JOBS, max_running=20):
        say("ready")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
