"""One of several processes on one file that adds users, each with the job of its welcome in the same transaction.

Usage: joining.py DATABASE KIND LIFE. Until the order `leave` it makes transactions, one after the other: it commits
them, rolls them back, or rolls a part back to a savepoint. Each committed one is acknowledged by `committed NUMBER`.
After the order `hold` the next one stays open, and says `open NUMBER`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from aiojobs_lite import JobHandle, JobRunner, StoreUnavailable, job
from tests.helpers.apps.common import Orders, say
from tests.helpers.transactions import KINDS, Transactions


@job
async def welcomes(number: int) -> int:
    return number


def runner_on(database: Path) -> JobRunner:
    """A runner of these jobs."""
    return JobRunner(database, jobs=[welcomes])


async def sign_up(runner: JobRunner, program: Transactions, number: int) -> JobHandle[int]:
    """Adds a user and the job of its welcome to a transaction."""
    await program.execute(f"INSERT INTO users (id, email) VALUES ({number}, 'a@example.org')")
    return await runner.enqueue_in(program.connection, welcomes, number)


async def transact(runner: JobRunner, program: Transactions, number: int, *, holds: bool) -> None:
    """One transaction, which begins by writing."""
    await sign_up(runner, program, number)
    if random.random() < 0.3:
        await program.execute("SAVEPOINT inner_one")
        await sign_up(runner, program, number + 1)
        await program.execute("ROLLBACK TO inner_one")
    if holds:
        say("open", number)
        await asyncio.Event().wait()
    if random.random() < 0.3:
        await program.roll_back()
    else:
        await program.commit()
        say("committed", number)


async def main(database: Path, kind: str, life: int) -> None:
    orders = Orders()
    orders.watch()
    number = life * 1_000_000
    async with runner_on(database) as runner, KINDS[kind](database) as program:
        say("ready")
        order = asyncio.ensure_future(orders.next())
        while not (order.done() and order.result() == ["leave"]):
            number += 2
            holds = order.done()
            try:
                await transact(runner, program, number, holds=holds)
            except StoreUnavailable as error:
                say("unavailable", error)
                await program.roll_back()
            await asyncio.sleep(0)
    say("left")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
