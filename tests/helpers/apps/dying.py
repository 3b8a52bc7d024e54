"""A runner in a process of its own, with a job that ends the process: in another way at each attempt.

Usage: dying.py DATABASE. Runs until the order `leave`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys

from aiojobs_lite import JobContext, JobRunner, injected, job
from tests.helpers.apps.common import Orders, say, show_log
from tests.helpers.apps.worker import until_leave


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def says_that_all_is_well() -> None:
    os._exit(0)


def reads_where_nothing_is() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


WAYS = (is_killed, says_that_all_is_well, reads_where_nothing_is)


@job(max_attempts=10)
def dies(ctx: JobContext = injected) -> None:
    say("started", ctx.id, ctx.attempt)
    WAYS[(ctx.attempt - 1) % len(WAYS)]()


async def main(database: str) -> None:
    orders = Orders()
    orders.watch()
    await until_leave(JobRunner(database, jobs=[dies]), orders)


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1]))
