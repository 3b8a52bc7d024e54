"""A program whose handler forks its process while jobs wait to be written, and goes on awaiting in both.

Usage: copied.py DATABASE. The copy says `transactions N`, how many it has made; `enqueued ERROR`, `written ERROR`,
`threadsafe ERROR`, `read ERROR`: what its calls raised; then it ends. The program says `jobs N` when all are done.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable

from aiojobs_lite import JobRunner, job
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.writes import CancelJob
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.common import say

WAITING = 5
TURNS = 50  # of the copied event loop, which asyncio does not know to run: nothing else can be asked of it


@job
async def small(n: int) -> None: ...


async def main(database: str) -> None:
    runner = JobRunner(database, jobs=[small])

    @runner.job(max_attempts=1)
    async def forks() -> None:
        waiting = [asyncio.create_task(runner.enqueue(small, n)) for n in range(WAITING)]
        await asyncio.sleep(0)
        child = os.fork()
        if child:
            os.waitpid(child, 0)  # noqa: ASYNC222  # the test is what is written meanwhile
            await asyncio.gather(*waiting)
            return
        try:
            await look(runner)
        finally:
            os._exit(0)

    async with runner:
        await (await runner.enqueue(forks)).result()
        await runner.run_until_idle()
        say("jobs", runner.stats().completed)


async def look(runner: JobRunner) -> None:
    """What the copy can do."""
    engine = Probe(runner).engine
    before = engine.commits.transactions
    for _ in range(TURNS):
        await asyncio.sleep(0)
    await tried("enqueued", lambda: runner.enqueue(small, 9))
    await tried("written", lambda: engine.write(CancelJob(1, None)))
    await tried("read", lambda: engine.ask(GetJob(1)))
    thread = threading.Thread(target=tried_in_thread, args=[runner])
    thread.start()
    thread.join()
    say("transactions", engine.commits.transactions - before)


async def tried(what: str, call: Callable[[], Awaitable[object]]) -> None:
    try:
        await call()
    except Exception as error:
        say(what, type(error).__name__)
    else:
        say(what, "nothing")


def tried_in_thread(runner: JobRunner) -> None:
    try:
        runner.enqueue_threadsafe(small, 9)
    except Exception as error:
        say("threadsafe", type(error).__name__)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
