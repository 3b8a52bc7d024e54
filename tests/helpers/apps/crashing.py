"""A runner in a process of its own, with a durable handler of five steps, one of which kills the process.

Usage: crashing.py DATABASE STEP. Enqueues the job, unless it is there. Says `begins STEP ATTEMPT` in each step, and
`ended STATUS` in the end, if it comes there. STEP is one of `NAMES`, or `none`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from signal import SIGKILL
from typing import Final

from aiojobs_lite import JobContext, JobRunner, injected, job
from aiojobs_lite.errors import JobDead
from tests.helpers.apps.common import Orders, say

NAMES: Final = ("one", "two", "three", "four", "five")


def effect(name: str, attempt: int) -> None:
    """The function of each step."""
    say("begins", name, attempt)
    if name == sys.argv[2]:
        os.kill(os.getpid(), SIGKILL)


@job(max_attempts=9)
async def crashing(ctx: JobContext = injected) -> None:
    """One step after the other."""
    for name in NAMES:
        await ctx.step(name, effect, name, ctx.attempt)


async def main(database: str) -> None:
    """Runs the job to its end."""
    Orders().watch()
    async with JobRunner(database, jobs=[crashing]) as runner:
        handle = await runner.enqueue(crashing.using(idempotency_key="one"))
        with suppress(JobDead):
            await handle.result()
        say("ended", (await handle.job()).status)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
