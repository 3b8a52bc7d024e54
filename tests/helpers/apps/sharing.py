"""An application with connections of its own to the file of its jobs, made in some of `application.WAYS` at once.

Usage: sharing.py DATABASE LIFE WAY... With a number as LIFE, it works until it is killed: each note and each job is
said when it was acknowledged. With `held` it runs jobs that the test holds up, takes notes one way by the order
`note WAY COUNT` (so many at once), and ends by the order `leave`. With `peer` it has no runner, and takes notes until
the order `leave`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from aiojobs_lite import JobContext, JobRunner, injected, job
from tests.helpers.application import Note, by_turns, mixed, noted, runner_on, written
from tests.helpers.apps.common import Orders, say, show_log

ENQUEUERS = 3
PEER_PAUSE_S = 0.005  # between its transactions: a peer that never rests is not the load that is meant
ORDERS = Orders()


@job
async def held(ctx: JobContext = injected) -> int:
    say("started", ctx.id, ctx.attempt)
    await ORDERS.go.wait()
    return ctx.attempt


async def takes_notes(note: Note, writer: str) -> None:
    for number in itertools.count():
        await note(writer, number)
        say("note", writer, number)


async def enqueues(runner: JobRunner) -> None:
    for number in itertools.count():
        handles = await runner.enqueue_many([noted.bind(number), noted.bind(number + 1)])
        single = await runner.enqueue(noted, number + 2)
        say("jobs", *(handle.id for handle in (*handles, single)))
        await single.result()
        say("ran", single.id)


async def works(database: Path, notes: list[Note], life: str) -> None:
    async with runner_on(database, by_turns(notes)) as runner, asyncio.TaskGroup() as group:
        say("ready")
        for way, note in enumerate(notes):
            group.create_task(takes_notes(note, f"{life}.{way}"))
        for _ in range(ENQUEUERS):
            group.create_task(enqueues(runner))


async def holds(database: Path, notes: list[Note]) -> None:
    async with JobRunner(database, jobs=[held]):
        say("ready")
        while (order := await ORDERS.next()) != ["leave"]:
            way, count = map(int, order[1:])
            await asyncio.gather(*(notes[way](f"held {way}", number) for number in range(count)))
            say("noted")


async def peers(database: Path) -> None:
    leaving = asyncio.create_task(ORDERS.next())
    number = 0
    while not leaving.done():
        written(database, "peer", number)
        number += 1
        await asyncio.wait([leaving], timeout=PEER_PAUSE_S)
    say("left", number)


async def main(database: Path, life: str, mix: list[str]) -> None:
    ORDERS.watch()
    if life == "peer":
        await peers(database)
        return
    async with mixed(database, mix) as notes:
        await (holds(database, notes) if life == "held" else works(database, notes, life))


if __name__ == "__main__":
    show_log()
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
