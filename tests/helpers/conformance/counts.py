"""The counts: without I/O, and correct to the last transaction."""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import Held, Outcome, Status
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, PauseType, Release, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers import stores
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    complete,
    counted,
    finished,
    hold,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)


class Counting:
    async def test_an_empty_store_counts_nothing(self, store: Store) -> None:
        counts = store.counts()
        assert (counts.total, dict(counts.by_type), dict(counts.due)) == (TypeCounts(), {}, {})

    async def test_counts_equal_counting_the_jobs(self, store: Store) -> None:
        for status in (Status.COMPLETED, Status.DEAD, Status.CANCELLED):
            await finished(store, new(), status)
        jobs = await running(store, new(), new(), new("b"))
        await answers(store, again(jobs[0], scheduled_at=at(9)), Insert((new(due=3), new(due=5))))
        assert shown(store) == await counted(store)
        assert shown(store)["a"] == TypeCounts(3, 2, 1, 0, 1, 1, 1, 1)
        assert shown(store)["b"] == TypeCounts(processing=1)

    async def test_jobs_that_are_alike_are_counted_one_by_one(self, store: Store) -> None:
        later, now = new(due=9), new()
        await inserted(store, later, later, later, now, now, later, new("b", due=9), new("b", due=9))
        assert shown(store) == await counted(store)
        assert shown(store)["a"] == TypeCounts(pending=6, scheduled=4)
        rows = (later, now, later, now, later, later)
        await answers(store, Insert(rows), claim(limit=1))
        assert shown(store) == await counted(store)

    async def test_another_owner_whose_clock_is_behind_counts_what_was_moved_alike(
        self, two: tuple[Store, Store]
    ) -> None:
        (moved, *_) = await inserted(two[0], new(due=-2), new(due=-2))
        await one(two[0], Reschedule(moved, at(55)), now=56)
        await one(two[1], CancelJob(moved, None), now=14)
        assert shown(two[1])["a"] == TypeCounts(pending=1, cancelled=1)

    async def test_the_total_is_that_of_all_types(self, store: Store) -> None:
        await finished(store, new("c"), Status.DEAD)
        await running(store, new("a"), new("b"))
        await inserted(store, *(new(f"type {n}", due=n % 2) for n in range(20)))
        total = TypeCounts(*map(sum, zip(*(await counted(store)).values(), strict=True)))
        assert store.counts().total == total == TypeCounts(pending=20, scheduled=10, processing=2, dead=1)

    async def test_every_transaction_moves_them_at_once(self, store: Store) -> None:
        jobs = await running(store, *(new() for _ in range(3)))
        for job in jobs:
            await one(store, complete(job))
            assert shown(store) == await counted(store)
            await inserted(store, new(), new("b"))
            assert shown(store) == await counted(store)

    async def test_counts_that_were_given_do_not_change(self, store: Store) -> None:
        await inserted(store, new())
        before = store.counts()
        await inserted(store, new(), new("b"))
        assert (before.total.pending, before.by_type["a"].pending) == (1, 1)
        assert store.counts().total.pending == 3

    async def test_held_jobs_are_counted_until_they_are_released_cancelled_or_deleted(self, store: Store) -> None:
        jobs = await running(store, *(new() for _ in range(4)))
        await answers(store, *map(hold, jobs))
        assert shown(store) == {"a": TypeCounts(pending=4, held=4)} == await counted(store)
        await answers(store, CancelJob(jobs[0].id, None), DeleteJob(jobs[1].id))
        assert shown(store) == {"a": TypeCounts(pending=2, held=2, cancelled=1)} == await counted(store)
        assert await one(store, Release(tuple(job.id for job in jobs), Held.PAYLOAD)) == 2
        assert shown(store) == {"a": TypeCounts(pending=2, cancelled=1)} == await counted(store)

    async def test_a_held_job_is_not_scheduled_though_the_clock_was_set_back_before_its_end(self, store: Store) -> None:
        (job,) = await running(store, new())
        suspended = again(job, Outcome.SUSPENDED, scheduled_at=at(5), refund=True, held=Held.EVENT)
        await one(store, suspended, 2)
        assert (await stored(store, job.id)).scheduled_at.timestamp() == at(2) / 1e6
        await inserted(store, new(), now=9)
        assert shown(store) == {"a": TypeCounts(pending=2, held=1)} == await counted(store, 9)

    async def test_a_scheduled_job_that_comes_due_only_waits(self, store: Store) -> None:
        """How many are scheduled is as of the store's last look, which may be some time ago."""
        await inserted(store, *(new(priority=priority, due=due) for priority in range(3) for due in (1, 2, 3)))
        most = 9
        for now, left in ((0, 9), (1, 6), (2.5, 3), (3, 0)):
            await one(store, claim(limit=0), now)
            counts = store.counts().by_type["a"]
            assert counts.pending == 9
            assert left <= counts.scheduled <= most
            most = counts.scheduled

    async def test_counts_of_what_was_rejected_do_not_show(self, store: Store) -> None:
        await inserted(store, new())
        with pytest.raises(StoreRejected):
            await answers(store, Insert((new(), new("b"))), Insert((new(priority=9),)))
        assert shown(store) == {"a": TypeCounts(pending=1)} == await counted(store)
        await inserted(store, new("b"))
        assert shown(store) == await counted(store)

    async def test_they_know_when_a_type_may_have_claimable_jobs(self, store: Store) -> None:
        await stores.held(store, new("held"))
        await inserted(store, new("a", due=4), new("a", due=2), new("b", due=-3), new("c", due=1))
        await one(store, PauseType("c", paused=True))
        await running(store, new("d"))
        due = store.counts().due
        for job_type, earliest in (("a", 2), ("b", -3), ("c", 1)):
            assert due[job_type] <= at(earliest)

    async def test_a_claim_that_was_not_made_leaves_what_is_due(self, store: Store) -> None:
        await inserted(store, new(due=-3), new("b", due=-2))
        with pytest.raises(StoreRejected):
            await answers(store, claim(types="ab"), Insert((new("c", max_attempts=0),)))
        due = store.counts().due
        assert (due["a"] <= at(-3), due["b"] <= at(-2)) == (True, True)

    async def test_a_reopened_store_counts_what_happened_meanwhile(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        (job,) = await running(mine, new())
        await mine.close()
        assert await one(other, complete(job))
        await mine.open()
        assert shown(mine) == {"a": TypeCounts(completed=1)}
