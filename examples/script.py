"""Plain scripts that share a file of jobs: one fills it, one works until nothing is due, one runs until it is stopped.

python examples/script.py            # stops itself: SIGTERM comes in the midst of a job
python examples/script.py forever    # goes on until `kill` or Ctrl-C
"""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

from aiojobs_lite import JobRunner, job

FOREVER = sys.argv[1:] == ["forever"]


@job  # belongs to no runner yet
async def count_words(text: str) -> int:
    return len(text.split())


@job
async def slow() -> None:
    print("   the slow job begins", flush=True)
    if not FOREVER:
        signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)  # stands for work
    print("   the slow job is done: it was waited for")


async def fill(database: Path) -> None:
    async with JobRunner(database, jobs=[count_words], max_running=0) as runner:  # it enqueues, and runs nothing
        texts = ["to be or not to be", "that is the question"]
        await runner.enqueue_many([count_words.bind(text=text) for text in texts])
        print(f"   {runner.stats().pending} jobs wait in {database.name}")


async def work(database: Path) -> None:
    async with JobRunner(database, jobs=[count_words]) as runner:
        await runner.run_until_idle()
        for done in await runner.jobs.list(status="completed"):
            print(f"   job {done.id} {done.type}({done.payload}) returned {done.result_json}")


async def serve(database: Path) -> None:
    async with JobRunner(database, jobs=[count_words, slow], drain_timeout="10s") as runner:
        print(f"   process {os.getpid()} runs until a signal stops it")
        await runner.enqueue(slow)
        await runner.run_forever()  # returns at the signal; leaving the block waits for what runs
        print("   stopping: no new job is begun")


def stop(number: int, _frame: object) -> None:
    """Without a handler of its own the script would end by the signal, after the drain, and not with exit code 0."""
    print(f"   {signal.Signals(number).name}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with tempfile.TemporaryDirectory() as folder:
        for step in (fill, work, serve):
            print(f"{step.__name__}:")
            asyncio.run(step(Path(folder, "jobs.db")))
