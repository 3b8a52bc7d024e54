"""Batches: their jobs are counted in the transaction that ends them, and callbacks are enqueued with the last end."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.after import After, InsertAfter
from aiojobs_lite.model.batches import (
    AbandonBatches,
    BatchStats,
    BatchStatus,
    Callback,
    CancelBatch,
    CancelledPage,
    CloseBatch,
    FindBatchOf,
    GetBatch,
    InsertInBatch,
    ListBatchOwners,
    OpenBatch,
)
from aiojobs_lite.model.job import Claimed, NewJob, Status
from aiojobs_lite.model.progress import NewLine, Report
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, Prune, RedriveDead, RedriveJob
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    everything,
    found,
    inserted,
    new,
    one,
    running,
    stored,
)

DONE = (Callback("complete", new("done")), Callback("success", new("good")), Callback("dead", new("bad")))


async def opened(store: Store, *, owner: str = "one", parent: int | None = None) -> int:
    """A new batch, open."""
    batch = await one(store, OpenBatch(owner, parent, False))
    assert batch is not None
    return batch


async def filled(store: Store, batch: int, *rows: NewJob) -> list[int]:
    """Adds jobs to a batch; returns their ids."""
    jobs = await one(store, InsertInBatch(batch, False, rows))
    assert jobs is not None
    return [job.id for job in jobs]


async def running_batch(store: Store, count: int, callbacks: tuple[Callback, ...] = DONE) -> tuple[int, list[Claimed]]:
    """A batch of some jobs, all processing, closed."""
    batch = await opened(store)
    await filled(store, batch, *[new()] * count)
    assert await one(store, CloseBatch(batch, callbacks, False)) is True
    return batch, await claimed(store)


async def stats(store: Store, batch: int) -> BatchStats:
    found = await store.ask(GetBatch(batch))
    assert found is not None
    return found


async def made(store: Store) -> list[str]:
    """The types of the callbacks that were enqueued, in their order."""
    return [job.type for job in await everything(store) if job.type in {"done", "good", "bad"}]


def counts(found: BatchStats) -> dict[str, Any]:
    names = ("total", "unfinished", "completed", "dead", "cancelled", "deleted", "batches")
    return {name: value for name in names if (value := getattr(found, name))}


class BatchCounts:
    async def test_the_jobs_of_a_batch_are_counted_and_found(self, store: Store) -> None:
        await inserted(store, new("other"))
        batch = await opened(store)
        ids = await filled(store, batch, new(), new())
        await inserted(store, new("other"))
        ids += await filled(store, batch, new(), new(), new())
        found_stats = await stats(store, batch)
        assert counts(found_stats) == {"total": 5, "unfinished": 5}
        assert (found_stats.status, found_stats.parent, found_stats.is_complete) == (BatchStatus.OPEN, None, False)
        assert await found(store, FindJobs(batch=batch)) == ids[::-1]
        assert await found(store, FindJobs(batch=batch, before=ids[2], limit=1)) == [ids[1]]
        assert await found(store, FindJobs(batch=batch, ids=[1, ids[0], ids[4]], status=Status.PENDING)) == [
            ids[4], ids[0],
        ]  # fmt: skip
        assert await found(store, FindJobs(batch=batch + 1)) == []
        assert [await store.ask(FindBatchOf(job_id)) for job_id in (1, *ids, ids[-1] + 1)] == [None, *[batch] * 5, None]
        assert await store.ask(GetBatch(batch + 1)) is None

    async def test_however_a_job_ends_it_is_counted_in_the_transaction_of_its_end(self, store: Store) -> None:
        batch, jobs = await running_batch(store, 4)
        first, second, third, last = jobs
        (waiting,) = (job.id for job in await one(store, InsertInBatch(batch, True, (new(due=60),))) or [])
        await answers(store, complete(first), close(second), close(third, Status.CANCELLED))
        assert counts(await stats(store, batch)) == {
            "total": 5, "unfinished": 2, "completed": 1, "dead": 1, "cancelled": 1,
        }  # fmt: skip
        await one(store, DeleteJob(waiting))
        await one(store, DeleteJob(first.id))  # it has ended
        assert counts(await stats(store, batch))["deleted"] == 1
        assert await made(store) == []
        assert await one(store, complete(last, '"kept"')) is Status.COMPLETED
        done = await stats(store, batch)
        assert (counts(done)["completed"], done.unfinished, done.status) == (2, 0, BatchStatus.DEAD)
        assert done.is_complete
        assert await made(store) == ["done", "bad"]

    async def test_each_end_is_counted_in_the_batch_of_its_job_and_in_no_other(self, store: Store) -> None:
        first, second = await opened(store), await opened(store)
        await answers(
            store,
            *(InsertInBatch((first, second)[n % 2], False, (new(),)) for n in range(6)),
            Insert((new(), new())),
            InsertInBatch(first, False, (new(), new())),
        )  # fmt: skip
        await answers(store, CloseBatch(first, DONE, False), CloseBatch(second, (), False))
        jobs = await claimed(store)
        await answers(store, *map(complete, jobs))
        assert [counts(await stats(store, batch)) for batch in (first, second)] == [
            {"total": 5, "completed": 5}, {"total": 3, "completed": 3},
        ]  # fmt: skip
        assert await made(store) == ["done", "good"]

    async def test_a_job_that_is_known_by_its_key_is_not_added(self, store: Store) -> None:
        (known,) = await inserted(store, new(idempotency_key="k"))
        batch = await opened(store)
        assert await one(store, InsertInBatch(batch, False, (new(idempotency_key="k"),))) == [(known, False)]
        assert counts(await stats(store, batch)) == {}
        assert await store.ask(FindBatchOf(known)) is None


class BatchCallbacks:
    async def test_an_empty_batch_enqueues_them_when_it_is_closed(self, store: Store) -> None:
        batch = await opened(store)
        assert await one(store, CloseBatch(batch, DONE, False), 5) is True
        assert await made(store) == ["done", "good"]
        assert (await stats(store, batch)).status is BatchStatus.SUCCEEDED
        assert (await stored(store, 1)).created_at == (await stored(store, 1)).scheduled_at

    async def test_none_comes_before_the_batch_is_closed_and_each_comes_once(self, two: tuple[Store, Store]) -> None:
        batch = await opened(two[0])
        await filled(two[0], batch, new(), new())
        (job, other) = await claimed(two[1])
        assert await answers(two[1], complete(job), close(other, Status.CANCELLED)) == ["completed", "cancelled"]
        assert await made(two[1]) == []
        assert [await one(store, CloseBatch(batch, DONE, False)) for store in two] == [True, True]
        assert await made(two[0]) == ["done"]
        assert (await stats(two[1], batch)).status is BatchStatus.FAILED

    async def test_one_is_due_as_long_after_the_event_as_it_was_to_be(self, store: Store) -> None:
        callback = Callback("complete", new("done", due=7, priority=0, label="x", metadata='{"a":1}'))
        _, (job,) = await running_batch(store, 1, (callback,))
        (_, answer) = await answers(store, complete(job), claim("two", types=["done"]), now=60)
        assert answer.jobs == []
        (enqueued,) = await claimed(store, claim("two", types=["done"]), 67)
        assert (enqueued.created_at, enqueued.scheduled_at) == (at(60), at(67))
        assert (enqueued.label, enqueued.metadata, enqueued.priority) == ("x", '{"a":1}', 0)

    async def test_it_is_known_when_one_is_due(self, store: Store) -> None:
        _, (job,) = await running_batch(store, 1)
        applied = await store.apply([(complete(job),), (claim(types=["done", "good"]),)], at(9))
        if not applied.answers[1].jobs:
            assert applied.due is not None
            assert applied.due <= at(9)
        assert len(await claimed(store, claim(types=["done", "good"]), 9)) + len(applied.answers[1].jobs) == 2

    async def test_one_that_cannot_be_stored_is_rejected_when_the_batch_is_closed(self, store: Store) -> None:
        batch = await opened(store)
        for row in (new(priority=9), new(max_attempts=0), new("\ud800")):
            with pytest.raises(StoreRejected):
                await one(store, CloseBatch(batch, (Callback("complete", row),), False))
        assert (await stats(store, batch)).status is BatchStatus.OPEN

    async def test_one_whose_key_is_taken_makes_no_job(self, store: Store) -> None:
        await inserted(store, new("done", idempotency_key="k"))
        batch = await opened(store)
        callback = Callback("complete", new("done", idempotency_key="k"))
        assert await one(store, CloseBatch(batch, (callback,), False)) is True
        assert len(await everything(store)) == 1


class ClosingBatches:
    async def test_a_batch_that_is_closed_takes_jobs_from_its_own_only_and_none_when_it_is_complete(
        self, store: Store
    ) -> None:
        batch, (job,) = await running_batch(store, 1)
        assert await one(store, InsertInBatch(batch, False, (new(),))) is None
        assert await one(store, OpenBatch("one", batch, False)) is None
        (more,) = await one(store, InsertInBatch(batch, True, (new(),))) or []
        assert await answers(store, complete(job), InsertInBatch(batch + 9, True, (new(),))) == ["completed", None]
        assert counts(await stats(store, batch)) == {"total": 2, "unfinished": 1, "completed": 1}
        assert [one.id for one in await claimed(store)] == [more.id]
        await one(store, CancelJob(more.id, None))
        (status,) = await answers(store, close(job._replace(id=more.id), Status.CANCELLED))
        assert status is Status.CANCELLED
        assert await one(store, InsertInBatch(batch, True, (new(),))) is None
        assert await made(store) == ["done"]

    async def test_writes_of_one_transaction_find_the_batch_closed(self, store: Store) -> None:
        batch = await opened(store)
        assert await answers(store, InsertInBatch(batch, False, (new(),)), CloseBatch(batch, (), False)) == [None, True]
        assert await answers(store, CloseBatch(batch, (), False), CloseBatch(99, (), True)) == [True, None]

    async def test_an_abandoned_batch_enqueues_nothing_and_its_jobs_go_on(self, store: Store) -> None:
        batch = await opened(store)
        await filled(store, batch, new())
        assert await one(store, CloseBatch(batch, DONE, True)) is False
        assert await one(store, CloseBatch(batch, DONE, False)) is False
        assert (await stats(store, batch)).status is BatchStatus.ABANDONED
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await made(store) == []
        done = await stats(store, batch)
        assert (done.status, done.is_abandoned) == (BatchStatus.SUCCEEDED, True)

    async def test_the_batches_of_dead_owners_are_abandoned(self, two: tuple[Store, Store]) -> None:
        mine, other = await opened(two[0], owner="one"), await opened(two[0], owner="two")
        closed = await opened(two[0], owner="two")
        await one(two[0], CloseBatch(closed, (), False))
        assert await two[1].ask(ListBatchOwners()) == {"one", "two"}
        assert await one(two[1], AbandonBatches(("two", "three"))) == (other,)
        assert await two[0].ask(ListBatchOwners()) == {"one"}
        assert [(await stats(two[0], batch)).is_abandoned for batch in (mine, other, closed)] == [False, True, False]


class NestedBatches:
    async def test_a_batch_waits_for_the_batches_in_it_and_for_their_callbacks(self, store: Store) -> None:
        outer = await opened(store)
        inner = await opened(store, parent=outer)
        await filled(store, inner, new())
        await answers(store, CloseBatch(inner, DONE[:1], False), CloseBatch(outer, DONE[1:2], False))
        assert counts(await stats(store, outer)) == {"unfinished": 1, "batches": 1}
        assert (await stats(store, inner)).parent == outer
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await made(store) == ["done"]
        assert counts(await stats(store, outer)) == {"total": 1, "unfinished": 1, "batches": 1}
        (callback,) = await claimed(store, claim(types=["done"]))
        await one(store, complete(callback))
        assert await made(store) == ["done", "good"]

    async def test_a_death_in_a_batch_is_one_in_those_around_it(self, store: Store) -> None:
        outer = await opened(store)
        middle = await opened(store, parent=outer)
        inner = await opened(store, parent=middle)
        (job_id,) = await filled(store, inner, new())
        await answers(
            store, CloseBatch(inner, (), False), CloseBatch(middle, (), False), CloseBatch(outer, DONE, False)
        )
        (job,) = await claimed(store)
        await one(store, close(job))
        assert await made(store) == ["done", "bad"]
        assert {(await stats(store, batch)).status for batch in (outer, middle, inner)} == {BatchStatus.DEAD}
        await one(store, RedriveJob(job_id))
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert await made(store) == ["done", "bad", "good"]  # all succeeded, if late
        assert {(await stats(store, batch)).status for batch in (outer, middle, inner)} == {BatchStatus.SUCCEEDED}


class RedrivingInBatches:
    @pytest.mark.parametrize("many", [False, True])
    async def test_a_redriven_job_counts_as_unfinished_again(self, store: Store, many: bool) -> None:
        batch, (job, other) = await running_batch(store, 2)
        await one(store, close(job))
        await one(store, RedriveDead((job.id, other.id)) if many else RedriveJob(job.id))
        assert counts(await stats(store, batch)) == {"total": 2, "unfinished": 2}
        await one(store, complete(other))
        assert await made(store) == []
        (again,) = await claimed(store)
        await one(store, complete(again))
        assert await made(store) == ["done", "good"]

    async def test_after_the_end_only_success_is_still_to_come_and_comes_once(self, store: Store) -> None:
        batch, (job,) = await running_batch(store, 1)
        for end in (close, close, complete):
            await one(store, end(job))
            done = await stats(store, batch)
            assert done.unfinished == 0
            assert done.is_complete
            await one(store, RedriveJob(job.id))
            (job,) = await claimed(store) or [job]
        assert await made(store) == ["done", "bad", "good"]
        assert done.status is BatchStatus.SUCCEEDED

    async def test_a_redriven_job_adds_jobs_to_a_batch_that_was_complete(self, store: Store) -> None:
        batch, (job,) = await running_batch(store, 1)
        await one(store, close(job))
        assert await one(store, InsertInBatch(batch, True, (new(),))) is None
        await one(store, RedriveJob(job.id))
        assert await one(store, InsertInBatch(batch, True, (new(),))) is not None
        await answers(store, *map(complete, await claimed(store)))
        assert await made(store) == ["done", "bad", "good"]


class CancellingBatches:
    async def test_what_waits_is_cancelled_page_by_page(self, store: Store) -> None:
        batch = await opened(store)
        ids = await filled(store, batch, new(), new(), new(), new())
        await inserted(store, new())
        ids += await filled(store, batch, new())
        (busy,) = await claimed(store, claim(limit=1))
        await one(store, CloseBatch(batch, DONE, False))
        write = CancelBatch(batch, "not needed", 2)
        pages = [await one(store, write, 5)]
        while pages[-1].next is not None:
            pages.append(await one(store, write._replace(after=pages[-1].next), 5))
        assert busy.id == ids[0]
        assert pages == [
            CancelledPage(((ids[1], "a"),), ids[1]),
            CancelledPage(((ids[2], "a"), (ids[3], "a")), ids[3]),
            CancelledPage(((ids[4], "a"),), None),
        ]  # fmt: skip
        assert (await stored(store, ids[1])).reason == "not needed"
        await one(store, complete(busy))
        assert await made(store) == ["done"]

    async def test_a_batch_is_cancelled_with_the_jobs_that_the_same_transaction_added_before(
        self, store: Store
    ) -> None:
        batch = await opened(store)
        added = InsertAfter((new(), new("b")), (After(), After()), batch, False)
        answer, page = await answers(store, added, CancelBatch(batch, "not needed", 9))
        first, second = [made.id for made in answer.inserted]
        assert page == CancelledPage(((first, "a"), (second, "b")), None)
        stats = await store.ask(GetBatch(batch))
        assert stats is not None
        assert stats.cancelled == 2


class PruningBatches:
    async def test_old_batches_are_deleted_the_oldest_first_and_never_the_latest(self, store: Store) -> None:
        good = [await opened(store) for _ in range(2)]
        for second, batch in enumerate(reversed(good)):
            await one(store, CloseBatch(batch, (), False), second)
        bad = await opened(store)
        (job,) = await filled(store, bad, new())
        await answers(store, CloseBatch(bad, (), False), CancelJob(job, None), now=1)
        (waiting, latest) = [await opened(store) for _ in range(2)]
        await filled(store, waiting, new())
        await answers(store, CloseBatch(waiting, (), False), CloseBatch(latest, (), False), now=1)

        async def left() -> list[int]:
            return [batch for batch in range(1, latest + 1) if await store.ask(GetBatch(batch))]

        prune = Prune(at(5), at(1), at(0), 1)
        assert await one(store, prune, 9) == 1
        assert await left() == [good[0], bad, waiting, latest]
        assert [await one(store, prune, 9) for _ in range(2)] == [1, 0]
        assert await left() == [bad, waiting, latest]
        assert await one(store, prune._replace(dead_before=at(5)), 9) == 1  # its job
        assert await one(store, prune._replace(dead_before=at(5)), 9) == 1
        assert await left() == [waiting, latest]
        assert await store.ask(FindBatchOf(job)) is None
        assert await opened(store) == latest + 1

    async def test_a_prune_whose_last_job_passes_the_limit_by_its_log_prunes_no_batch(self, store: Store) -> None:
        for batch in [await opened(store) for _ in range(2)]:
            await one(store, CloseBatch(batch, (), False))
        (job,) = await running(store, new())
        lines = (NewLine(at(0), "x"),) * 100
        await answers(store, Report(job.id, job.attempt, job.owner, 1, None, None, None, lines), complete(job))
        prune = Prune(at(5), at(5), at(0), 1)
        assert await one(store, prune, 9) == 3
        assert await store.ask(GetBatch(1)) is not None
        assert await one(store, prune, 9) == 1
        assert await store.ask(GetBatch(1)) is None

    async def test_one_goes_by_the_instant_of_its_outcome_whatever_the_other_is(self, store: Store) -> None:
        good, bad, _ = [await opened(store) for _ in range(3)]
        (job,) = await running(store, new())
        await one(store, CloseBatch(good, (), False), 10)
        (waits,) = await filled(store, bad, new())
        await answers(store, CloseBatch(bad, (), False), CancelJob(waits, None), now=20)
        for prune, left in (
            (Prune(at(10), at(20), at(0), 9), [good, bad]),
            (Prune(at(99), at(20), at(0), 9), [bad]),
            (Prune(at(0), at(20) + 1, at(0), 9), []),
        ):
            await one(store, prune, 99)
            assert [batch for batch in (good, bad) if await store.ask(GetBatch(batch))] == left
        assert (await stored(store, job.id)).status is Status.PROCESSING

    async def test_one_of_which_a_job_runs_again_stays_and_goes_without_a_job_that_ends_later(
        self, store: Store
    ) -> None:
        batch, _ = [await opened(store) for _ in range(2)]
        (job_id,) = await filled(store, batch, new())
        (job,) = await claimed(store)
        await answers(store, CloseBatch(batch, (), False), close(job), now=1)
        prune = Prune(at(9), at(9), at(9), 9)
        await one(store, RedriveJob(job_id), 2)
        assert await one(store, prune, 50) == 0  # it is pending
        (job,) = await claimed(store, now=50)
        assert await one(store, prune, 50) == 0  # it is processing
        assert await store.ask(GetBatch(batch)) is not None
        await one(store, complete(job), 50)
        assert await one(store, prune, 50) == 1
        assert await store.ask(GetBatch(batch)) is None
        assert await store.ask(FindBatchOf(job_id)) is None
        assert (await stored(store, job_id)).status is Status.COMPLETED
