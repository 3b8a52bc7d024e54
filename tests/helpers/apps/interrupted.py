"""Programs that are interrupted at any moment of what a program does with a runner: each is a fork of this one.

Usage: interrupted.py FOLDER SEEDS. For each seed a child enters a runner on FOLDER/SEED.db, enqueues, waits, leaves,
and does it again, until it is interrupted after a time that the seed says. The child notes in FOLDER/SEED.log the id
of each job that was acknowledged; what it complains of is in FOLDER/SEED.err. This program says `ended SEED CODE`, or
`hangs SEED`; `forgotten SEED CODE` of one that ended only when it was interrupted again.

That may come of a second signal: if it interrupts the event loop after that has taken a callback from its queue and
before it calls it, the callback is forgotten. A task that waited for it is never woken again, not even by a cancel, and
`asyncio.run` waits for it. Any program of asyncio does so.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from itertools import count
from pathlib import Path

from aiojobs_lite import JobRunner, job
from tests.helpers.apps.common import note, say
from tests.helpers.pauses import hold_thread_for, poll, work_for

LONGEST = 0.12  # seconds
PATIENCE, MORE = 20.0, 5.0  # seconds; together fewer than the test waits
MORE_SIGNALS = 5


@job
async def quick(n: int) -> int:
    await asyncio.sleep(0)
    return n


@job
async def slow(n: int) -> int:
    await work_for(0.02)
    return n


async def works(folder: Path, seed: int) -> None:
    """Does all that a program does, for ever."""
    runner = JobRunner(folder / f"{seed}.db", jobs=[quick, slow], durability=("full", "normal")[seed % 2])
    number = count()
    while True:
        async with runner:
            for job_type in (quick, slow, quick):
                n = next(number)
                handle = await runner.enqueue(job_type.using(idempotency_key=str(n)), n)
                note(folder / f"{seed}.log", handle.id)
            await handle.result()
            await runner.enqueue_many([quick.bind(next(number)) for _ in range(3)])


async def drops(folder: Path, seed: int) -> None:
    """The same, with a runner that is entered and never left: the event loop is closed over it."""
    runner = await JobRunner(folder / f"{seed}.db", jobs=[quick, slow]).__aenter__()
    for n in count():
        handle = await runner.enqueue(slow, n)
        note(folder / f"{seed}.log", handle.id)


def ended(child: int, patience: float) -> int | None:
    """The exit code of a child (negative: the signal), or None if it does not end."""
    statuses: list[int] = []

    def has_ended() -> bool:
        found, status = os.waitpid(child, os.WNOHANG)
        statuses.append(status)
        return found != 0

    return os.waitstatus_to_exitcode(statuses[-1]) if poll(has_ended, patience) else None


def becomes_of(child: int, *, is_interrupted_twice: bool) -> tuple[str, int | None]:
    """What is said of a child, and its exit code."""
    code = ended(child, PATIENCE)
    if code is not None:
        return "ended", code
    for _ in range(MORE_SIGNALS if is_interrupted_twice else 0):
        os.kill(child, signal.SIGINT)
        code = ended(child, MORE)
        if code is not None:
            return "forgotten", code
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs", None


async def starts() -> None:
    """Has everything imported that is imported when it is first needed: an interrupt then becomes another error."""
    async with JobRunner(":memory:", jobs=[quick]) as runner:
        await (await runner.enqueue(quick, 0)).result()


def main(folder: Path, seeds: int) -> None:
    asyncio.run(starts())
    for seed in range(seeds):
        chance = random.Random(seed)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # what Python does after a fork swallows it
        child = os.fork()
        if child == 0:
            os.dup2(os.open(folder / f"{seed}.err", os.O_WRONLY | os.O_CREAT, 0o600), 2)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            asyncio.run((drops if seed % 5 == 4 else works)(folder, seed))
            raise AssertionError("it came back")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        hold_thread_for(chance.uniform(0, LONGEST))
        for _ in range(1 + seed % 2):
            os.kill(child, signal.SIGINT)
            hold_thread_for(chance.uniform(0, 0.01))
        what, code = becomes_of(child, is_interrupted_twice=seed % 2 == 1)
        say(what, seed, *([] if code is None else [code]))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(Path(sys.argv[1]), int(sys.argv[2]))
