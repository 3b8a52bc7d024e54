"""Several stores of one database: changes by other owners, and transactions that happen as if one after the other.

Nothing is asked once where the contract allows time: what another owner did is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.queries import FindJobs, ListOwners
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.model.writes import CancelJob, Insert, PauseType, Release
from aiojobs_lite.stores.base import Change, Store
from tests.helpers import stores
from tests.helpers.pauses import LOOK_EVERY_S
from tests.helpers.stores import (
    NOW,
    alone,
    at,
    claim,
    claimed,
    complete,
    counted,
    fire,
    found,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)
from tests.helpers.waiting import until


@asynccontextmanager
async def watched(store: Store) -> AsyncIterator[list[Change]]:
    """The changes that a store reports, as they come."""
    reported: list[Change] = []

    async def watch() -> None:
        async for change in store.changes():
            reported.append(change)  # noqa: PERF401  # at once

    task = asyncio.create_task(watch())
    try:
        yield reported
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def is_about(change: Change, job_type: str) -> bool:
    """Whether a change may be about a type."""
    return change.types is None or job_type in change.types


async def until_reported(reported: list[Change], job_type: str) -> None:
    """Waits for a change that may be about a type; forgets all that were reported so far."""
    await until(lambda: any(is_about(change, job_type) for change in reported), LOOK_EVERY_S)
    reported.clear()


class Changing:
    async def test_a_commit_of_another_owner_is_reported(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with watched(mine) as reported:
            for n in range(3):
                await inserted(other, new(f"type {n}"))
                await until_reported(reported, f"type {n}")
                assert shown(mine) == shown(other)

    async def test_so_is_every_kind_of_commit(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        held = await stores.held(other, new("b"))
        async with watched(mine) as reported:
            (job,) = await running(other, new("a"))
            await until_reported(reported, "a")
            await one(other, CancelJob(job.id, None))
            await until_reported(reported, "a")
            await one(other, complete(job))
            await until_reported(reported, "a")
            for paused in (True, False):
                await one(other, PauseType("c", paused=paused))
                await until_reported(reported, "c")
            assert await one(other, Release(tuple(held), Held.PAYLOAD)) == len(held)
            await until_reported(reported, "b")

    async def test_a_commit_before_the_first_look_is_reported(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        await inserted(other, new("a"))
        async with watched(mine) as reported:
            await until_reported(reported, "a")
        await inserted(other, new("b"))  # between two iterations
        async with watched(mine) as reported:
            await until_reported(reported, "b")
        assert set(shown(mine)) == {"a", "b"}

    @pytest.mark.parametrize("fails", [True, False])
    async def test_a_transaction_of_its_own_does_not_swallow_it(self, two: tuple[Store, Store], fails: bool) -> None:
        mine, other = two
        await inserted(other, new("a"))
        if fails:
            with pytest.raises(StoreRejected):
                await one(mine, Insert((new("b", priority=5),)))
        else:
            await inserted(mine, new("b"))
        async with watched(mine) as reported:
            await until_reported(reported, "a")

    async def test_counts_know_of_others_when_it_was_reported(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        async with watched(mine):
            await inserted(other, new(), new("b", due=4))
            await until(lambda: shown(mine) == shown(other), LOOK_EVERY_S)
            await running(other, new("c"))
            await inserted(mine, new("d"))
            await until(lambda: set(shown(mine)) == {"a", "b", "c", "d"}, LOOK_EVERY_S)
            assert shown(mine) == await counted(mine)
            assert mine.counts().total.pending == 3

    async def test_every_owner_is_notified(self, two: tuple[Store, Store]) -> None:
        async with watched(two[0]) as first, watched(two[1]) as second:
            await inserted(two[0], new("a"))
            await inserted(two[1], new("b"))
            await until_reported(first, "b")
            await until_reported(second, "a")
        assert shown(two[0]) == shown(two[1])


class Sharing:
    async def test_each_store_sees_what_the_other_wrote(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        (job,) = await running(mine, new(idempotency_key="k"))
        assert (await stored(other, job.id)).owner == "one"
        assert (await one(other, Insert((new(idempotency_key="k"),))))[0] == (job.id, False)
        assert await one(other, CancelJob(job.id, None)) is Status.PROCESSING
        assert await found(mine, FindJobs(owner="one", cancel_requested=True)) == [job.id]
        assert await mine.ask(ListOwners()) == await other.ask(ListOwners()) == {"one"}

    async def test_a_pause_holds_for_the_other_store(self, two: tuple[Store, Store]) -> None:
        await inserted(two[0], new())
        await one(two[0], PauseType("a", paused=True))
        assert (await one(two[1], claim())).limited_types == {"a"}

    async def test_ids_are_given_once(self, two: tuple[Store, Store]) -> None:
        ids = [job_id for n in range(6) for job_id in await inserted(two[n % 2], new(), new())]
        assert len(set(ids)) == 12

    async def test_a_reopened_store_knows_its_jobs(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        (job,) = await running(mine, new())
        await mine.close()
        assert await one(other, complete(job))
        await mine.open()
        assert shown(mine) == {"a": TypeCounts(completed=1)}
        assert (await stored(mine, job.id)).status is Status.COMPLETED
        await inserted(mine, new())


class Isolation:
    """Transactions of both at the same time have the outcome of some order of them."""

    async def test_a_key_makes_one_job(self, two: tuple[Store, Store]) -> None:
        keys = [f"k{n}" for n in range(30)]

        async def insert(store: Store, in_order: list[str]) -> dict[str, tuple[int, bool]]:
            made: dict[str, tuple[int, bool]] = {}
            for start in range(0, 30, 5):
                part = in_order[start : start + 5]
                rows = tuple(new(idempotency_key=key) for key in part)
                made |= dict(zip(part, await one(store, Insert(rows)), strict=True))
            return made

        first, second = await asyncio.gather(insert(two[0], keys), insert(two[1], keys[::-1]))
        for key in keys:
            assert first[key][0] == second[key][0]
            assert first[key][1] != second[key][1]
        assert (await counted(two[0]))["a"].pending == 30

    async def test_owners_together_take_every_job_once_and_keep_to_the_limit(self, two: tuple[Store, Store]) -> None:
        ids = await inserted(two[0], *(new() for _ in range(60)))
        taken: list[int] = []
        most = 0

        async def work(store: Store, owner: str) -> None:
            nonlocal most
            while len(taken) < 60:
                jobs = await claimed(store, claim(owner, slots={"a": 4}, concurrency={"a": 5}))
                if not jobs:
                    break  # nothing is left: the other owner has four of the five at most
                taken.extend(job.id for job in jobs)
                most = max(most, len(await store.ask(FindJobs(status=Status.PROCESSING))))
                assert all((await store.apply(alone([complete(job) for job in jobs]), NOW)).answers)

        await asyncio.gather(work(two[0], "one"), work(two[1], "two"))
        assert sorted(taken) == ids
        assert 0 < most <= 5

    async def test_a_tick_fires_once_and_over_no_job(self, two: tuple[Store, Store]) -> None:
        await one(two[0], SetSchedule("s", "* * * * *", "UTC", at(0)))

        async def fire_all(store: Store) -> list[str]:
            ticks = [fire("s", at(n), at(n + 1), new(), skip_overlap=True) for n in range(20)]
            return [(await one(store, tick)).what for tick in ticks]

        first, second = await asyncio.gather(fire_all(two[0]), fire_all(two[1]))
        assert all("duplicate" in pair and len(set(pair)) == 2 for pair in zip(first, second, strict=True))
        assert (first + second).count("fired") == 1
        assert (first + second).count("overlap") == 19
        assert (await one(two[1], SetSchedule("s", "* * * * *", "UTC", at(0)))).next_tick == at(20)

    async def test_an_attempt_ends_once(self, two: tuple[Store, Store]) -> None:
        jobs = await running(two[0], *(new() for _ in range(20)))

        async def end(store: Store) -> list[Status | None]:
            return [await one(store, complete(job)) for job in jobs]

        first, second = await asyncio.gather(end(two[0]), end(two[1]))
        assert all(a != b for a, b in zip(first, second, strict=True))

    async def test_a_query_sees_whole_transactions(self, two: tuple[Store, Store]) -> None:
        mine, other = two

        async def write() -> None:
            for n in range(25):
                await mine.apply([(Insert((new("a"),)), Insert(tuple(new("b") for _ in range(3))))], at(n))

        writing = asyncio.create_task(write())
        while not writing.done():
            types = [job.type for job in await other.ask(FindJobs(limit=1000))]
            assert types.count("b") == 3 * types.count("a")
        await writing
