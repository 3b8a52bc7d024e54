"""Which due jobs of free keys wait, as a look at the database of a chaos run finds them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from aiojobs_lite import JobRunner, injected, job
from aiojobs_lite.clock import MICROSECONDS, SystemClock
from aiojobs_lite.limits import Limit, Rate
from tests.chaos.waiting import free

SLOTS = 20


@job(limits=[Limit(2, key="key")])
async def keyed(key: int, *, goes_on: asyncio.Event = injected) -> None:
    await goes_on.wait()


@job(limits=[Limit(1, key="key", ordered=True)])
async def ordered(key: int) -> None: ...


@job(limits=[Rate(1, per="1h", key="key")])
async def rated(key: int) -> None: ...


@job
async def unlimited() -> None: ...


def runner_of(database: Path, goes_on: asyncio.Event, max_running: int = SLOTS) -> JobRunner:
    return JobRunner(
        database, jobs=[keyed, ordered, rated, unlimited], deps={asyncio.Event: goes_on}, max_running=max_running
    )


def found(database: Path, *, later: float = 0.0, slots: int = SLOTS) -> set[int]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return {one.job for one in free(connection, SystemClock().now() + round(later * MICROSECONDS), slots)}


async def test_the_first_due_job_of_each_key_waits_while_no_runner_takes_any(database: Path) -> None:
    async with runner_of(database, asyncio.Event(), max_running=0) as runner:
        later = await runner.enqueue(keyed.using(delay="1h"), 1)
        first = await runner.enqueue(keyed, 1)
        await runner.enqueue(keyed, 1)
        other = await runner.enqueue(keyed, 2)
        await runner.enqueue(unlimited)
        put_off = await runner.enqueue(ordered.using(delay="1h"), 3)
        await runner.enqueue(ordered, 3)  # comes after it
        assert found(database) == {first.id, other.id}
        assert found(database, later=3601) == {first.id, other.id, put_off.id}
        await runner.jobs.cancel(first.id)
        await runner.jobs.cancel(first.id + 1)
        assert found(database, later=3601) == {later.id, other.id, put_off.id}


async def test_a_key_of_which_a_job_runs_is_not_free(database: Path) -> None:
    goes_on = asyncio.Event()
    async with runner_of(database, goes_on, max_running=1) as runner:
        running = await runner.enqueue(keyed, 1)
        await runner.enqueue(keyed, 1)
        other = await runner.enqueue(keyed, 2)
        assert found(database) == {other.id}
        assert found(database, slots=1) == set()  # the runner has no slot for it
        goes_on.set()
        await running.result()


async def test_a_key_whose_rate_is_exhausted_is_not_free_until_the_period_is_over(database: Path) -> None:
    async with runner_of(database, asyncio.Event()) as runner:
        await (await runner.enqueue(rated, 1)).result()
        waiting = await runner.enqueue(rated, 1)
        assert found(database) == set()
        assert found(database, later=3601) == {waiting.id}
