"""A program whose processes fork, and open the database of their runner there.

Usage: forked.py DATABASE closing: the forked process enqueues without a break while the first one closes its runner.
Says `forked ERROR`, what ended that; `acknowledged N`; `lost N`, how many of these are not in the file.

Usage: forked.py DATABASE handlers: handlers of each mode start a process of multiprocessing, which enqueues by a runner
of its own. Says `MODE HOW ENDED` for each: `enqueued`, or why it was refused; then `completed N`, of these jobs.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

from aiojobs_lite import JobRunner, StoreRefused
from aiojobs_lite.handlers.job_type import JobType
from tests.helpers.apps.common import say
from tests.helpers.forks import forked
from tests.helpers.starting import HOWS

BACKLOG = 3_000  # jobs that make the log long, so that it takes time to be closed


def starts(how: str, database: str) -> str:
    context: Any = multiprocessing.get_context(how)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=enqueues, args=(database, sending))
    process.start()
    try:
        return str(receiving.recv())
    finally:
        process.join()


async def starts_on_the_loop(how: str, database: str) -> str:
    return starts(how, database)


def enqueues(database: str, sending: Any) -> None:
    sending.send(asyncio.run(_enqueue(database)))


async def _enqueue(database: str) -> str:
    try:
        async with JobRunner(database, jobs=[forked], max_running=0) as runner:
            await runner.enqueue(forked, 1)
    except StoreRefused as error:
        return error.why.replace(" ", "-")
    return "enqueued"


async def handlers(database: str) -> None:
    modes: dict[str, Any] = {"async": starts_on_the_loop, "thread": starts, "process": starts}
    types: list[JobType[..., Any]] = [
        JobType(handler, name=mode, process=mode == "process", max_attempts=1) for mode, handler in modes.items()
    ]
    async with JobRunner(database, jobs=[*types, forked]) as runner:
        for how in HOWS[1:]:
            for mode in modes:
                handle = await runner.enqueue_named(mode, how=how, database=database)
                say(mode, how, await handle.result())
        await runner.run_until_idle()
        say("completed", runner.stats().by_type["forked"].completed)


async def closes(database: str) -> None:
    runner = JobRunner(database, jobs=[forked], max_running=0)
    receiving, sending = os.pipe()
    await runner.start()
    await runner.enqueue_many([forked.bind(n) for n in range(BACKLOG)])
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_enqueue_until_it_fails(database, sending))
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as said:
        acknowledged = [await asyncio.to_thread(said.readline) for _ in range(20)]
        await runner.stop()
        acknowledged += said.readlines()
    await asyncio.to_thread(os.waitpid, child, 0)
    ids = [int(line) for line in acknowledged if line]
    say("acknowledged", len(ids))
    with closing(sqlite3.connect(database)) as connection:
        stored = {job_id for (job_id,) in connection.execute("SELECT id FROM aiojobs_jobs")}
    say("lost", len({*ids} - stored))


async def _enqueue_until_it_fails(database: str, sending: int) -> None:
    try:
        async with JobRunner(database, jobs=[forked], max_running=0) as runner:
            while True:
                handle = await runner.enqueue(forked, 1)
                os.write(sending, f"{handle.id}\n".encode())
    except Exception as error:
        say("forked", getattr(error, "why", type(error).__name__))


if __name__ == "__main__":
    logging.disable()
    asyncio.run({"closing": closes, "handlers": handlers}[sys.argv[2]](sys.argv[1]))
