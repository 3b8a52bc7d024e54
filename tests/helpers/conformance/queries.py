"""What a store can be asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, combinations
from typing import Any

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Held, Job, Status
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import FindJobs, FirstDue, GetChangeMark, GetJob, ListOwners, ListPaused, ListProcessing
from aiojobs_lite.model.writes import CancelJob, Insert, PauseType
from aiojobs_lite.stores.base import Store
from tests.helpers.conformance.batches import filled, opened
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    complete,
    everything,
    finished,
    found,
    held,
    inserted,
    new,
    one,
    running,
    stored,
)


class Asking:
    async def test_the_paused_types_are_listed_also_those_without_jobs(self, store: Store) -> None:
        assert await store.ask(ListPaused()) == {}
        for job_type in ("a", "b"):
            await one(store, PauseType(job_type, paused=True))
        assert (await store.ask(ListPaused())).keys() == {"a", "b"}
        await one(store, PauseType("a", paused=False))
        assert (await store.ask(ListPaused())).keys() == {"b"}

    async def test_a_mark_differs_after_each_change_of_whatever_owner_and_stays_without_one(
        self, two: tuple[Store, Store]
    ) -> None:
        before = await two[0].ask(GetChangeMark())
        (job,) = await inserted(two[0], new())
        for store in two:
            mark = await two[0].ask(GetChangeMark())
            assert mark != before
            await store.ask(GetJob(job))
            assert await two[0].ask(GetChangeMark()) == mark
            await one(store, PauseType("a", paused=store is two[0], by="ann"))
            before = mark  # one of a state that was there before may come again
        assert await two[0].ask(GetChangeMark()) != before

    async def test_a_pause_is_kept_with_its_time_and_its_author_until_it_ends(self, two: tuple[Store, Store]) -> None:
        await one(two[0], PauseType("a", paused=True, by="ann"), now=1)
        await one(two[1], PauseType("a", paused=True, by="ben"), now=2)
        for store in two:
            assert await store.ask(ListPaused()) == {"a": Pause(to_datetime(at(1)), "ann")}
        assert dict(two[1].counts().paused) == {"a": Pause(to_datetime(at(1)), "ann")}
        await one(two[1], PauseType("a", paused=False))
        await one(two[1], PauseType("a", paused=True, by="ben"), now=3)
        assert await two[0].ask(ListPaused()) == {"a": Pause(to_datetime(at(3)), "ben")}

    async def test_the_counts_know_of_a_pause_at_once_and_of_none_that_was_refused(self, store: Store) -> None:
        with pytest.raises(StoreRejected):
            await answers(store, PauseType("a", paused=True, by="ann"), Insert((new(max_attempts=0),)))
        assert dict(store.counts().paused) == {}
        await answers(store, PauseType("a", paused=True, by="ann"), PauseType("b", paused=True, by="ann"))
        assert dict(store.counts().paused) == dict.fromkeys("ab", Pause(to_datetime(at(0)), "ann"))
        await answers(store, PauseType("a", paused=False), PauseType("c", paused=False))
        assert store.counts().paused.keys() == {"b"}

    async def test_a_query_takes_the_jobs_for_which_every_field_holds(self, store: Store) -> None:
        done = await finished(store, new(), Status.COMPLETED)
        dead = await finished(store, new(), Status.DEAD)
        gone = await finished(store, new("b"), Status.CANCELLED)
        (mine,) = await running(store, new(), owner="me")
        (other,) = await running(store, new(), owner="you")
        (wait,) = await inserted(store, new("b", label="eu"))
        await one(store, CancelJob(other.id, None))
        (unfit,) = await held(store, new("c"))
        for query, ids in (
            (FindJobs(), [unfit, wait, other.id, mine.id, gone, dead, done]),
            (FindJobs(status=Status.DEAD), [dead]),
            (FindJobs(status=Status.CANCELLED), [gone]),
            (FindJobs(status=Status.COMPLETED), [done]),
            (FindJobs(status=Status.PENDING), [unfit, wait]),
            (FindJobs(held=Held.PAYLOAD), [unfit]),
            (FindJobs(held=Held.PAYLOAD, type="b"), []),
            (FindJobs(held=Held.PAYLOAD, before=unfit), []),
            (FindJobs(status=Status.PROCESSING), [other.id, mine.id]),
            (FindJobs(type="b"), [wait, gone]),
            (FindJobs(type="b", status=Status.PENDING), [wait]),
            (FindJobs(type="a' OR '1'='1"), []),
            (FindJobs(owner="me"), [mine.id]),
            (FindJobs(owner="none"), []),
            (FindJobs(owner="me", status=Status.PROCESSING), [mine.id]),
            (FindJobs(cancel_requested=True), [other.id]),
            (FindJobs(cancel_requested=False), [unfit, wait, mine.id, gone, dead, done]),
            (FindJobs(owner="me", cancel_requested=True), []),
            (FindJobs(owner="me", cancel_requested=False), [mine.id]),
            (FindJobs(label="eu"), [wait]),
            (FindJobs(label="eu", status=Status.DEAD), []),
            (FindJobs(label="us"), []),
            (FindJobs(ids=[]), []),
            (FindJobs(ids=[done, 999, wait]), [wait, done]),
            (FindJobs(ids=(done, dead), status=Status.DEAD), [dead]),
            (FindJobs(ids=(done, mine.id, other.id), owner="me", status=Status.PROCESSING), [mine.id]),
            (FindJobs(before=mine.id, limit=2), [gone, dead]),
            (FindJobs(limit=0), []),
        ):
            assert await found(store, query) == ids, query

    async def test_whichever_fields_are_given_together_all_of_them_hold(self, store: Store) -> None:
        batch, other = [await opened(store) for _ in range(2)]
        rows = [new(name, label=label) for name in "ab" for label in ("eu", None)]
        in_batch = set[int]()
        for row in rows:
            waits = row._replace(scheduled_at=at(9))
            in_batch.update(await filled(store, batch, waits, waits))
            await filled(store, other, waits)
            for status in (Status.COMPLETED, Status.DEAD, Status.CANCELLED):
                await finished(store, row, status)
            await held(store, row)
            for owner in ("me", "you"):
                (asked, _) = await running(store, row, row, owner=owner)
                await one(store, CancelJob(asked.id, None))
        jobs = (await everything(store))[::-1]
        some = {job.id for job in jobs if job.id % 3}
        fields: list[tuple[str, Any, Callable[[Job], bool]]] = [
            ("ids", some, lambda job: job.id in some),
            ("type", "b", lambda job: job.type == "b"),
            ("owner", "me", lambda job: job.owner == "me"),
            ("label", "eu", lambda job: job.label == "eu"),
            ("held", Held.PAYLOAD, lambda job: job.held is Held.PAYLOAD),
            ("batch", batch, lambda job: job.id in in_batch),
            ("cancel_requested", True, lambda job: job.cancel_requested),
            ("cancel_requested", False, lambda job: not job.cancel_requested),
            *[("status", status, partial(has_status, status)) for status in Status],
        ]
        for given in chain.from_iterable(combinations(fields, number) for number in range(4)):
            query = FindJobs(**{name: value for name, value, _ in given})
            if len({name for name, *_ in given}) < len(given):
                continue
            ids = [job.id for job in jobs if all(holds(job) for *_, holds in given)]
            assert await found(store, query) == ids, query
            for first in ids[:1]:
                assert await found(store, query._replace(before=first + 1, limit=2)) == ids[:2], query
                assert await found(store, query._replace(before=first)) == ids[1:], query

    async def test_pages_show_every_job_once_although_new_ones_come(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(25)))
        shown: list[int] = []
        while page := await found(store, FindJobs(before=shown[-1] if shown else None, limit=10)):
            shown += page
            await inserted(store, new())
        assert shown == ids[::-1]

    async def test_history_comes_with_one_job_alone(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, again(job))
        assert len((await stored(store, job.id)).history) == 1
        assert [job.history for job in await store.ask(FindJobs())] == [()]

    @pytest.mark.parametrize("job_id", [0, -1, 5, 2**63, -(2**70)])
    async def test_a_job_that_is_not_there_is_none(self, store: Store, job_id: int) -> None:
        assert await store.ask(GetJob(job_id)) is None

    async def test_owners_are_those_of_processing_jobs(self, store: Store) -> None:
        assert await store.ask(ListOwners()) == set()
        first, second = await running(store, new(), new("b"), owner="me")
        await running(store, new(), owner="you")
        await inserted(store, new())
        assert await store.ask(ListOwners()) == {"me", "you"}
        await answers(store, complete(first))
        assert await store.ask(ListOwners()) == {"me", "you"}
        await answers(store, again(second))
        assert await store.ask(ListOwners()) == {"you"}

    async def test_the_jobs_that_an_owner_processes_are_known_by_id(self, store: Store) -> None:
        first, second = await running(store, new(), new("b"), owner="me")
        (other,) = await running(store, new(), owner="you")
        await inserted(store, new())
        assert await store.ask(ListProcessing("me")) == {first.id, second.id}
        assert await store.ask(ListProcessing("you")) == {other.id}
        assert await store.ask(ListProcessing("another")) == set()
        await answers(store, complete(first), again(second))
        assert await store.ask(ListProcessing("me")) == set()

    async def test_an_answer_knows_every_transaction_that_was_answered(self, store: Store) -> None:
        for n in range(20):
            _, answer = await answers(store, Insert((new(),)), claim())
            (job,) = answer.jobs
            assert (await stored(store, job.id)).status is Status.PROCESSING
            assert await one(store, complete(job))
            assert len(await found(store, FindJobs(status=Status.COMPLETED))) == n + 1

    async def test_the_first_due_job_of_a_type_is_found_by_the_order_of_the_claim(self, store: Store) -> None:
        assert await store.ask(FirstDue("a", at(0))) is None
        await held(store, new(due=-99))
        *_, first = await inserted(store, new("b", due=-99), new(due=9), new(due=-3), new(due=-5))
        (high,) = await inserted(store, new(due=1, priority=0))
        assert [await due_id(store, second) for second in (-6, -5, 0, 1)] == [None, first, first, high]
        assert await store.ask(FirstDue("a", at(1))) == await stored(store, high)

    async def test_the_first_due_job_waits_and_comes_without_history(self, store: Store) -> None:
        await finished(store, new(due=-9), Status.COMPLETED)
        await finished(store, new(due=-9), Status.DEAD)
        await running(store, new(due=-9))
        first, second = await running(store, new(due=-5), new(due=-5))
        await answers(store, again(second), again(first))
        due, whole = await store.ask(FirstDue("a", at(0))), await stored(store, first.id)
        assert due == whole
        assert (due.history, len(whole.history)) == ((), 1)


def has_status(status: Status, job: Job) -> bool:
    return job.status is status


async def due_id(store: Store, until: float) -> int | None:
    """The id of the first job of type `a` that was due."""
    job = await store.ask(FirstDue("a", at(until)))
    return None if job is None else job.id
