"""A program whose handler forks its process, and comes back in both.

Usage: forking.py MODE HOW. The job says `child CODE` with the exit code of the process that it forked, and the program
`left PID`, each time that its runner was left: by how many processes shows how many were alive. A mode `with session`
has a resource of the attempt, which says `closed PID`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiojobs_lite import JobRunner, PerAttempt, injected
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


class Session: ...


@asynccontextmanager
async def session() -> AsyncIterator[Session]:
    try:
        yield Session()
    finally:
        say("closed", os.getpid())


def forks_with_session(how: str, *, session: Session = injected) -> int:
    return forks(how)


async def forks_on_the_loop_with_session(how: str, *, session: Session = injected) -> int:
    return await forks_on_the_loop(how)


HANDLERS: dict[str, Any] = {
    "async": forks_on_the_loop,
    "async with session": forks_on_the_loop_with_session,
    "thread": forks,
    "thread with session": forks_with_session,
    "process": forks,
}


async def main(mode: str, how: str) -> None:
    forking: JobType[..., Any] = JobType(HANDLERS[mode], name="forking", process=mode == "process", max_attempts=1)
    async with JobRunner(":memory:", jobs=[forking], deps={Session: PerAttempt(session)}) as runner:
        code = await (await runner.enqueue(forking, how)).result()
    say("child", code)
    say("left", os.getpid())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
