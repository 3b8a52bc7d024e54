"""Jobs that run after others: held until all of these have ended, or cancelled with one that failed."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.after import After, AfterAnswer, InsertAfter, ListAfter
from aiojobs_lite.model.batches import Callback, CloseBatch, GetBatch, OpenBatch
from aiojobs_lite.model.expiries import EXPIRED, GetExpiry
from aiojobs_lite.model.job import Held, Job, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveJob, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    everything,
    finished,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)


async def placed(store: Store, *after: int, now: float = 0, **options: Any) -> Job:
    """A new job after others."""
    answer = await one(store, InsertAfter((new("later"),), (After(after, **options),), None, False), now)
    ((job_id, is_new),) = answer.inserted
    assert is_new
    return await stored(store, job_id)


def under_conditions(*after: int, batch: int | None = None, delay: int = 0, **conditions: Any) -> InsertAfter:
    """A job with conditions, after others or in a batch."""
    row = new("later", unique_key="[1]", unique_scope="unfinished")
    return InsertAfter((row,), (After(after, delay=delay),), batch, False, (Candidate(row, **conditions),))


def reason(job: Job) -> tuple[Status, str | None]:
    return job.status, job.reason


class RunningAfter:
    async def test_it_is_held_until_the_last_has_ended(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        later = await placed(store, first.id, second.id)
        assert (later.status, later.held, later.scheduled_at.timestamp()) == (Status.PENDING, Held.AFTER, at(0) / 1e6)
        assert shown(store)["later"].held == 1
        assert await claimed(store, claim(types=["later"])) == []
        assert [await store.ask(ListAfter(later.id, limit)) for limit in (1, 2)] == [(first.id,), (first.id, second.id)]
        await one(store, complete(first), 3)
        assert await store.ask(ListAfter(later.id, 5)) == (second.id,)
        assert (await stored(store, later.id)).held is Held.AFTER
        assert not await one(store, Reschedule(later.id, None))
        applied = await store.apply([(complete(second),)], at(5))
        assert applied.due is not None
        assert applied.due <= at(5)
        (released,) = await claimed(store, claim(types=["later"]), 5)
        assert (released.id, released.scheduled_at) == (later.id, at(5))
        assert await store.ask(ListAfter(later.id, 5)) == ()
        assert shown(store) == await counted(store, 5)

    async def test_the_end_by_another_owner_counts(self, two: tuple[Store, Store]) -> None:
        (job,) = await running(two[0], new())
        later = await placed(two[1], job.id)
        await one(two[0], complete(job, '"done"'))
        assert [job.id for job in await claimed(two[1], claim(types=["later"]))] == [later.id]

    @pytest.mark.parametrize(("options", "due"), [({"delay": 7_000_000}, 12), ({"at": at(30)}, 30), ({}, 5)])
    async def test_it_is_due_after_the_last_end(self, store: Store, options: dict[str, Any], due: float) -> None:
        (job,) = await running(store, new())
        later = await placed(store, job.id, **options)
        await one(store, complete(job), 5)
        assert (await stored(store, later.id)).scheduled_at.timestamp() == at(due) / 1e6
        assert await claimed(store, claim(types=["later"]), due - 0.001) == []
        assert [job.id for job in await claimed(store, claim(types=["later"]), due)] == [later.id]
        assert shown(store) == await counted(store, due)

    async def test_what_has_ended_before_counts(self, store: Store) -> None:
        done = await finished(store, new(), Status.COMPLETED)
        later = await placed(store, done)
        assert later.held is None
        assert [job.id for job in await claimed(store, claim(types=["later"]))] == [later.id]

    async def test_missing_jobs_are_refused_and_nothing_is_inserted(self, store: Store) -> None:
        (there,) = await inserted(store, new())
        write = InsertAfter((new(), new("b")), (After(), After((there, 99))), None, False)
        assert await one(store, write) == AfterAnswer((), missing=99)
        assert len(await everything(store)) == 1

    async def test_ordinary_jobs_and_known_ones_may_be_among_them(self, store: Store) -> None:
        (there, known) = await inserted(store, new(), new(idempotency_key="k"))
        rows = new("b"), new(idempotency_key="k"), new("b", idempotency_key="k")
        write = InsertAfter(rows, (After(), After((there,)), After((there,))), None, False)
        first, again, last = (await one(store, write)).inserted
        assert (first.is_new, again, last.is_new) == (True, (known, False), True)
        assert [(await stored(store, job.id)).held for job in (first, again, last)] == [None, None, Held.AFTER]


class Failing:
    @pytest.mark.parametrize(
        ("status", "how"), [(Status.DEAD, "is dead"), (Status.CANCELLED, "is cancelled"), (None, "was deleted")]
    )
    async def test_it_is_cancelled_with_one_that_failed_and_so_is_what_runs_after_it(
        self, store: Store, status: Status | None, how: str
    ) -> None:
        first, second = await inserted(store, new(), new())
        later = await placed(store, first, second)
        last = await placed(store, later.id)
        anyway = await placed(store, first, runs_anyway=True)
        if status is None:
            await one(store, DeleteJob(first))
        else:
            (job,) = await claimed(store, claim(limit=1))
            await one(store, close(job, status))
        expected = f"job {first}, which it was to run after, {how}"
        assert reason(await stored(store, later.id)) == (Status.CANCELLED, expected)
        expected = f"job {later.id}, which it was to run after, is cancelled"
        assert reason(await stored(store, last.id)) == (Status.CANCELLED, expected)
        assert (await stored(store, anyway.id)).held is None
        assert await store.ask(ListAfter(later.id, 9)) == ()
        assert shown(store) == await counted(store)

    async def test_it_is_cancelled_at_once_if_one_has_failed_before(self, store: Store) -> None:
        dead = await finished(store, new(), Status.DEAD)
        later = await placed(store, dead)
        assert reason(later) == (Status.CANCELLED, f"job {dead}, which it was to run after, is dead")
        assert (await placed(store, dead, runs_anyway=True)).held is None
        await one(store, RedriveJob(later.id))
        assert later.id in {job.id for job in await claimed(store, claim(types=["later"]))}

    async def test_of_several_that_fail_at_once_the_lowest_id_is_the_reason(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        later = await placed(store, second.id, first.id)
        await answers(store, close(second), close(first))
        assert (await stored(store, later.id)).reason == f"job {first.id}, which it was to run after, is dead"

    async def test_one_that_is_cancelled_or_deleted_while_it_waits_waits_no_more(self, store: Store) -> None:
        (job,) = await running(store, new())
        later, gone = [await placed(store, job.id) for _ in range(2)]
        await answers(store, CancelJob(later.id, "not needed"), DeleteJob(gone.id))
        await one(store, RedriveJob(later.id))
        assert [found.id for found in await claimed(store, claim(types=["later"]))] == [later.id]
        await one(store, complete(job))
        assert [found.id for found in await store.ask(FindJobs(status=Status.PROCESSING))] == [later.id]
        assert shown(store) == await counted(store)


class AfterInBatches:
    async def test_held_and_cancelled_ones_count_in_their_batch(self, store: Store) -> None:
        batch = await one(store, OpenBatch("one", None, False))
        assert batch is not None
        (job,) = await running(store, new())
        dead = await finished(store, new(), Status.DEAD)
        after = After((job.id,)), After((dead,)), After()
        answer = await one(store, InsertAfter((new("b"),) * 3, after, batch, False))
        assert len(answer.inserted) == 3
        await one(store, CloseBatch(batch, (Callback("complete", new("done")),), False))
        found = await store.ask(GetBatch(batch))
        assert found is not None
        assert (found.total, found.unfinished, found.cancelled) == (3, 2, 1)
        refused = InsertAfter((new("b"),), (After(),), batch, False)
        assert await one(store, refused) == AfterAnswer((), is_closed=True)
        (plain,) = await claimed(store, claim(types="b"))
        await answers(store, complete(plain), close(job))  # with which the last one is cancelled
        assert [job.type for job in await everything(store)][-1] == "done"


class AfterConditions:
    async def test_what_waits_for_a_job_that_expires_is_cancelled(self, store: Store) -> None:
        row = new("a")
        first = await one(store, InsertAfter((row,), (After(),), None, False, (Candidate(row, expires=10_000_000),)))
        waiting = await placed(store, first.inserted[0].id)
        assert not await claimed(store, claim(), now=10)
        assert reason(await stored(store, first.inserted[0].id)) == (Status.CANCELLED, EXPIRED)
        assert (await stored(store, waiting.id)).status is Status.CANCELLED
        await counted(store, 10)

    async def test_an_expiry_counts_from_when_a_held_job_is_due(self, store: Store) -> None:
        (first,) = await inserted(store, new("a"))
        held = (await one(store, under_conditions(first, delay=5_000_000, expires=10_000_000))).inserted[0].id
        (job,) = await claimed(store, now=100)
        assert (await stored(store, held)).held is Held.AFTER
        same = await one(store, under_conditions(), now=100)
        assert [(found.id, found.is_new) for found in same.inserted] == [(held, False)]
        await one(store, complete(job), now=200)
        assert await store.ask(GetExpiry(held)) == at(215)
        await one(store, claim(), now=215)
        assert reason(await stored(store, held)) == (Status.CANCELLED, EXPIRED)
        await counted(store, 215)

    async def test_a_held_job_that_is_replaced_is_not_scheduled(self, store: Store) -> None:
        (first,) = await inserted(store, new("a"))
        held = (await one(store, under_conditions(first, expires=10_000_000))).inserted[0].id
        row = new("later", due=150, unique_key="[1]", unique_scope="unfinished")
        await one(store, Admit((Candidate(row, "replace", expires=10_000_000),)), now=100)
        (job,) = await claimed(store, claim(types="a"), 200)
        await one(store, complete(job), now=200)
        assert shown(store) == await counted(store, 200)
        assert (await stored(store, held)).scheduled_at.timestamp() == at(200) / 1e6
        assert await store.ask(GetExpiry(held)) == at(210)

    async def test_a_condition_refuses_a_job_after_others_or_in_a_batch(self, store: Store) -> None:
        batch = await one(store, OpenBatch("one", None, False))
        (first,) = await inserted(store, new("a"))
        there = await one(store, under_conditions(first, batch=batch))
        again = await one(store, under_conditions(first, batch=batch))
        assert [again.inserted[0].id, again.inserted[0].is_new] == [there.inserted[0].id, False]
        refused = (await one(store, under_conditions(batch=batch, on_conflict="raise"))).refused
        assert refused is not None
        assert (refused.why, refused.job_id) == ("unique", there.inserted[0].id)
        stats = await store.ask(GetBatch(batch or 0))
        assert stats is not None
        assert stats.total == 1

    async def test_a_batch_is_complete_when_its_last_job_expires(self, store: Store) -> None:
        batch = await one(store, OpenBatch("one", None, False)) or 0
        await one(store, under_conditions(batch=batch, expires=10_000_000))
        await one(store, CloseBatch(batch, (Callback("complete", new("done")),), False))
        applied = await store.apply([(claim(),)], at(10))
        assert [row.type for _, row in applied.enqueued] == ["done"]
        stats = await store.ask(GetBatch(batch))
        assert stats is not None
        assert (stats.cancelled, stats.unfinished) == (1, 0)
