"""One of several processes on one file, whose jobs succeed, fail by different errors, die and are cancelled.

Usage: figures.py DATABASE. Runs until the order `leave`.
"""

from __future__ import annotations

import asyncio
import sys

from aiojobs_lite import Abandon, Backoff, Cancel, JobRunner, job
from aiojobs_lite.handlers.job_type import JobType
from tests.helpers.apps.common import Orders, say, show_log
from tests.helpers.apps.worker import until_leave

_ERRORS = (ValueError, KeyError, LookupError)


@job(max_attempts=2, backoff=Backoff(base=0.01, cap=0.01))
async def fails(n: int) -> None:
    raise _ERRORS[n % len(_ERRORS)](n)


@job
async def ends(n: int) -> int:
    if n % 7 == 0:
        raise Cancel("not needed")
    if n % 11 == 0:
        raise Abandon("no")
    return n


@job(max_attempts=1)
async def hangs() -> None:
    say("hangs")
    await asyncio.Event().wait()


JOBS: list[JobType[..., object]] = [fails, ends, hangs]


async def main(database: str) -> None:
    orders = Orders()
    orders.watch()
    await until_leave(JobRunner(database, jobs=JOBS, max_running=5), orders)


if __name__ == "__main__":
    show_log()
    asyncio.run(main(sys.argv[1]))
