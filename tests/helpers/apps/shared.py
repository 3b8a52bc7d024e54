"""One of several processes on one file: a schedule that ticks every second, and a type with a limit.

Usage: shared.py DATABASE LOG. What happens is noted in LOG, which all of them share: `tick INSTANT PID`,
`begin ID PID`, `end ID PID`. Runs until the order `leave`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from aiojobs_lite import JobContext, JobRunner, injected, job
from tests.helpers.apps.common import Orders, note, show_log
from tests.helpers.apps.worker import until_leave
from tests.helpers.pauses import work_for

LIMIT = 3
LOG = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(os.devnull)


@job(concurrency=LIMIT)
async def limited(ctx: JobContext = injected) -> None:
    note(LOG, "begin", ctx.id, os.getpid())
    for _ in range(3):
        await work_for(0.005)  # long enough that the slots of all processes are wanted at once
    note(LOG, "end", ctx.id, os.getpid())


def runner_on(database: str | Path, max_running: int = LIMIT - 1) -> JobRunner:
    """A runner with this program's job types; it alone cannot reach the limit."""
    runner = JobRunner(database, jobs=[limited], max_running=max_running)

    @runner.cron("* * * * * *", catch_up="all", overlap="queue")  # on a machine that stalls as well
    async def tick(ctx: JobContext = injected) -> None:
        assert ctx.tick is not None
        note(LOG, "tick", int(ctx.tick.timestamp()), os.getpid())

    return runner


async def main(database: str) -> None:
    orders = Orders()
    orders.watch()
    await until_leave(runner_on(database), orders)


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1]))
