"""A program whose handler forks its process, and comes back in both.

Usage: forking.py MODE HOW. The job says `child CODE` with the exit code of the process that it forked, and the program
`left PID`, each time that its runner was left: by how many processes shows how many were alive.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from aiojobs_lite import JobRunner
from aiojobs_lite.handlers.job_type import JobType
from tests.helpers.apps.common import say


def forks(how: str) -> int:
    sys.stdout.write("unflushed\n")  # a pipe: it is in the buffer of both
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if how == "exits":
        sys.exit(7)
    if how == "exits in a group":
        raise BaseExceptionGroup("a task group", [SystemExit(9)])
    if how == "exits with a text":
        sys.exit("no way on")
    if how == "raises":
        raise ValueError("in the copy")
    return -1


async def forks_on_the_loop(how: str) -> int:
    code = forks(how)
    await asyncio.sleep(0)
    return code


async def main(mode: str, how: str) -> None:
    handler: Any = forks_on_the_loop if mode == "async" else forks
    forking: JobType[..., Any] = JobType(handler, name="forking", process=mode == "process", max_attempts=1)
    async with JobRunner(":memory:", jobs=[forking]) as runner:
        code = await (await runner.enqueue(forking, how)).result()
    say("child", code)
    say("left", os.getpid())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
