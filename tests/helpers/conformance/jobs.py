"""New jobs, and what a person or a program does to single ones: cancel, redrive, delete, release what is held."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.job import FINISHED, Held, Outcome, Status
from aiojobs_lite.model.queries import DeadPage, Died, FindJobs, GetJob, ListDead
from aiojobs_lite.model.writes import (
    CancelJob,
    DeleteJob,
    Insert,
    Inserted,
    RedriveDead,
    RedriveJob,
    Redriven,
    Release,
    Reschedule,
)
from aiojobs_lite.stores.base import Store
from tests.helpers import stores
from tests.helpers.stores import (
    NOW,
    again,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    finished,
    hold,
    inserted,
    micros,
    new,
    one,
    running,
    shown,
    stored,
)


async def dead(store: Store, job_type: str | None, limit: int, after: Died | None = None) -> list[int]:
    """The dead of a type on all pages from one on."""
    ids: list[int] = []
    while True:
        found, after = await store.ask(ListDead(job_type, limit, after))
        ids += found
        if after is None:
            return ids


class Inserting:
    async def test_every_field_of_a_new_job_is_stored(self, store: Store) -> None:
        row = new("a", priority=0, due=3, max_attempts=7, idempotency_key="k", schedule="s", tick=at(-1))
        row = row._replace(label="eu", metadata='{"trace": "1"}')
        job = await stored(store, (await inserted(store, row))[0])
        assert (job.type, job.payload, job.priority, job.max_attempts) == ("a", {"x": 1}, "high", 7)
        assert (job.idempotency_key, job.schedule, job.status, job.attempts) == ("k", "s", Status.PENDING, 0)
        assert (job.label, job.metadata) == ("eu", {"trace": "1"})
        assert (micros(job.scheduled_at), micros(job.created_at), micros(job.tick)) == (at(3), NOW, at(-1))
        assert (job.owner, job.started_at, job.completed_at, job.error, job.held) == (None,) * 5
        assert (job.interruptions, job.snoozes, job.crashes) == (0, 0, 0)
        assert not job.cancel_requested
        assert not job.interrupted

    @pytest.mark.parametrize("text", ["", "'; --", "é\u4e2d\U0001f600", "a\nb\\\"'", "\ufffd\u2028"])
    async def test_text_comes_back_as_it_was(self, store: Store, text: str) -> None:
        (job_id,) = await inserted(store, new(text)._replace(payload=text, idempotency_key=text, schedule=text))
        job = await stored(store, job_id)
        assert (job.type, job.payload_json, job.idempotency_key, job.schedule) == (text,) * 4

    async def test_the_answer_follows_the_order_of_the_rows(self, store: Store) -> None:
        rows = tuple(new("ab"[n % 2], idempotency_key=f"k{n}" if n % 3 == 0 else None) for n in range(200))
        answer = await one(store, Insert(rows))
        assert all(job.is_new for job in answer)
        ids = [job.id for job in answer]
        assert ids == sorted(set(ids))
        keys = {job.id: job.idempotency_key for job in await store.ask(FindJobs(limit=1000))}
        assert [keys[job_id] for job_id in ids] == [row.idempotency_key for row in rows]

    async def test_no_rows_make_no_job(self, store: Store) -> None:
        assert await one(store, Insert(())) == []
        assert await counted(store) == {}

    async def test_ids_are_never_used_again(self, store: Store) -> None:
        (first,) = await inserted(store, new())
        await one(store, DeleteJob(first))
        (second,) = await inserted(store, new())
        assert second > first
        await one(store, DeleteJob(second))
        await store.close()
        await store.open()
        if await store.ask(FindJobs()) == [] and store.counts().by_type:  # one in memory has forgotten all
            assert (await inserted(store, new()))[0] > second

    async def test_a_repeated_key_answers_with_the_first_job(self, store: Store) -> None:
        (first,) = await inserted(store, new(idempotency_key="k"))
        assert await one(store, Insert((new(idempotency_key="k"),))) == [Inserted(first, is_new=False)]
        assert (await counted(store))["a"].pending == 1

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD, Status.CANCELLED])
    async def test_a_key_is_taken_as_long_as_the_job_exists(self, store: Store, status: Status) -> None:
        first = await finished(store, new(idempotency_key="k"), status)
        assert await one(store, Insert((new(idempotency_key="k"),))) == [Inserted(first, is_new=False)]

    async def test_a_key_repeated_in_one_transaction_makes_one_job(self, store: Store) -> None:
        row = new(idempotency_key="k")
        (first, second), (third,), answer = await answers(store, Insert((row, row)), Insert((row,)), claim())
        assert first.is_new
        assert second == third == Inserted(first.id, is_new=False)
        assert [job.id for job in answer.jobs] == [first.id]

    async def test_a_key_is_free_after_deletion(self, store: Store) -> None:
        (first,) = await inserted(store, new(idempotency_key="k"))
        ((job,), _) = await answers(store, Insert((new(idempotency_key="k"),)), DeleteJob(first))
        assert job.is_new
        assert job.id != first

    async def test_a_key_is_unique_for_its_type_only(self, store: Store) -> None:
        answer = await one(store, Insert((new("a", idempotency_key="k"), new("b", idempotency_key="k"))))
        assert [job.is_new for job in answer] == [True, True]

    async def test_an_empty_key_is_a_key(self, store: Store) -> None:
        (first,) = await inserted(store, new(idempotency_key=""))
        assert await one(store, Insert((new(idempotency_key=""),))) == [Inserted(first, is_new=False)]


class Cancelling:
    async def test_a_pending_job_is_cancelled(self, store: Store) -> None:
        ids = await inserted(store, new(), new(due=5))
        for job_id in ids:
            assert await one(store, CancelJob(job_id, "not needed"), 1) is Status.PENDING
            job = await stored(store, job_id)
            assert (job.status, job.reason, micros(job.completed_at)) == (Status.CANCELLED, "not needed", at(1))
        assert shown(store) == await counted(store, 1)
        assert await claimed(store, now=9) == []

    async def test_a_processing_job_is_asked_to_stop(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await one(store, CancelJob(job.id, "please")) is Status.PROCESSING
        found = await stored(store, job.id)
        assert (found.status, found.cancel_requested, found.owner) == (Status.PROCESSING, True, "one")
        assert found.reason == "please"
        await one(store, CancelJob(job.id, None))
        assert (await stored(store, job.id)).reason == "please"
        await one(store, CancelJob(job.id, "at once"))
        assert (await stored(store, job.id)).reason == "at once"

    async def test_a_reason_of_an_earlier_attempt_is_not_that_of_a_cancel(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, again(job, Outcome.SNOOZED, reason="no paper", refund=True, scheduled_at=at(0)))
        (job,) = await claimed(store)
        await one(store, CancelJob(job.id, None))
        assert (await stored(store, job.id)).reason is None

    async def test_a_job_that_was_asked_to_cancel_does_not_run_again(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, CancelJob(job.id, "please"))
        assert await one(store, again(job, Outcome.INTERRUPTED, refund=True, scheduled_at=at(9)), 2)
        found = await stored(store, job.id)
        assert (found.status, found.reason, found.held) == (Status.CANCELLED, "please", None)
        assert (found.attempts, found.interruptions, micros(found.completed_at)) == (0, 1, at(2))
        assert [attempt.outcome for attempt in found.history] == [Outcome.INTERRUPTED]
        assert not found.cancel_requested
        assert shown(store) == await counted(store)

    async def test_a_job_that_is_to_be_held_and_was_asked_to_cancel_is_cancelled(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, CancelJob(job.id, None))
        assert await one(store, hold(job))
        found = await stored(store, job.id)
        assert (found.status, found.held, found.reason) == (Status.CANCELLED, None, "cancel requested")
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD])
    async def test_a_job_that_ends_for_good_does_so_although_asked_to_cancel(
        self, store: Store, status: Status
    ) -> None:
        (job,) = await running(store, new())
        await one(store, CancelJob(job.id, None))
        assert await one(store, complete(job) if status is Status.COMPLETED else close(job))
        found = await stored(store, job.id)
        assert (found.status, found.cancel_requested) == (status, False)

    async def test_cancelling_a_held_job_holds_it_no_more(self, store: Store) -> None:
        (job_id,) = await stores.held(store, new())
        assert await one(store, CancelJob(job_id, None)) is Status.PENDING
        assert (await stored(store, job_id)).held is None
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD, Status.CANCELLED])
    async def test_cancelling_what_is_finished_changes_nothing(self, store: Store, status: Status) -> None:
        job_id = await finished(store, new(), status)
        before = await stored(store, job_id)
        assert await one(store, CancelJob(job_id, "late"), 5) is status
        assert await stored(store, job_id) == before

    async def test_writes_on_a_job_that_is_not_there_say_so(self, store: Store) -> None:
        said = await answers(store, CancelJob(9, None), DeleteJob(9), RedriveJob(9))
        assert said == [None, None, Redriven(None)]
        assert await store.ask(GetJob(9)) is None


class Redriving:
    @pytest.mark.parametrize(("due", "now", "expected"), [(9, 4, 9), (3, 4, 4)])
    async def test_a_redriven_job_may_keep_its_time(self, store: Store, due: int, now: int, expected: int) -> None:
        (job_id,) = await inserted(store, new(due=due))
        await one(store, CancelJob(job_id, None), 1)
        assert await one(store, RedriveJob(job_id, keeps_time=True), now) == Redriven(Status.CANCELLED)
        assert micros((await stored(store, job_id)).scheduled_at) == at(expected)
        assert shown(store) == await counted(store, now)
        assert await claimed(store, now=expected - 1) == []
        assert [job.id for job in await claimed(store, now=expected)] == [job_id]

    @pytest.mark.parametrize(("status", "many"), [(Status.DEAD, False), (Status.DEAD, True), (Status.CANCELLED, False)])
    async def test_a_redriven_job_is_as_new_and_keeps_its_history(
        self, store: Store, status: Status, many: bool
    ) -> None:
        (job,) = await running(store, new())
        for outcome in (Outcome.SNOOZED, Outcome.INTERRUPTED, Outcome.LOST):
            assert await one(store, again(job, outcome, refund=True))
            (job,) = await claimed(store)
        await one(store, close(job, status, reason="why"))
        assert await one(store, RedriveDead((job.id,)) if many else RedriveJob(job.id), 4) == (
            1 if many else Redriven(status)
        )
        found = await stored(store, job.id)
        assert (found.status, found.attempts, micros(found.scheduled_at)) == (Status.PENDING, 0, at(4))
        assert (found.interruptions, found.snoozes, found.crashes) == (0, 0, 0)
        assert (found.reason, found.completed_at, found.owner, len(found.history)) == (None, None, None, 4)
        assert shown(store) == await counted(store, 4)
        assert await one(store, RedriveJob(job.id)) == Redriven(Status.PENDING)
        assert [again.attempt for again in await claimed(store, now=4)] == [1]

    async def test_only_dead_and_cancelled_jobs_are_redriven(self, store: Store) -> None:
        completed = await finished(store, new(), Status.COMPLETED)
        (processing,) = await running(store, new())
        (pending,) = await inserted(store, new())
        for job_id in (completed, processing.id, pending):
            before = await stored(store, job_id)
            answer = await one(store, RedriveJob(job_id))
            assert answer == Redriven(before.status)
            assert not answer
            assert await stored(store, job_id) == before

    async def test_all_dead_jobs_of_a_type_or_of_every_type_are_redriven(self, store: Store) -> None:
        (waiting,) = await inserted(store, new("b", due=9))
        (running_one,) = await running(store, new("b"))
        ids = [waiting, running_one.id]
        for job_type in ("a", "a", "b"):
            statuses = (Status.DEAD, Status.CANCELLED, Status.COMPLETED)
            ids += [await finished(store, new(job_type), status) for status in statuses]
        assert await one(store, RedriveDead(())) == await one(store, RedriveDead((999,))) == 0
        assert await one(store, RedriveDead((ids[2], ids[5], ids[5]))) == 2
        assert shown(store) == await counted(store)
        assert await one(store, RedriveDead(tuple(ids)), 3) == 1
        found = await store.ask(FindJobs(ids=ids[8:]))
        assert [job.status for job in found] == [Status.COMPLETED, Status.CANCELLED, Status.PENDING]
        assert micros(found[-1].scheduled_at) == at(3)
        assert [micros((await stored(store, job_id)).scheduled_at) for job_id in ids[:2]] == [at(9), at(0)]
        assert shown(store) == await counted(store, 3)

    async def test_more_dead_jobs_than_a_statement_takes_are_redriven(self, store: Store) -> None:
        jobs = await running(store, *(new("ab"[n % 2]) for n in range(300)))
        await answers(store, *map(close, jobs))
        assert await one(store, RedriveDead(tuple(job.id for job in jobs[:-1]))) == 299
        assert shown(store) == await counted(store)

    async def test_the_dead_are_listed_page_by_page_in_the_order_of_their_deaths(self, store: Store) -> None:
        await finished(store, new(), Status.CANCELLED)
        ids = [await finished(store, new("ab"[n % 2]), Status.DEAD, n // 2 % 2) for n in range(8)]
        in_order = [ids[n] for n in (0, 1, 4, 5, 2, 3, 6, 7)]
        for limit in (1, 3, 8, 9):
            assert await dead(store, None, limit) == in_order
            assert await dead(store, "a", limit) == in_order[::2]
            assert await dead(store, "c", limit) == []
        assert len((await store.ask(ListDead("b", 3))).ids) == 1  # of the three that were looked at

    async def test_without_a_dead_job_the_list_of_the_dead_is_empty(self, store: Store) -> None:
        assert await store.ask(ListDead(None, 9)) == DeadPage((), None)
        await finished(store, new(), Status.CANCELLED)
        assert await store.ask(ListDead(None, 9)) == DeadPage((), None)

    async def test_a_job_that_dies_again_is_on_no_later_page(self, store: Store) -> None:
        """Else who redrives them page by page would not come to an end."""
        first, second, third = [await finished(store, new(), Status.DEAD, n) for n in range(3)]
        page = await store.ask(ListDead(None, 1))
        assert page.ids == (first,)
        assert await one(store, RedriveDead(page.ids), 5) == 1
        (job,) = await claimed(store, now=5)
        assert await one(store, close(job), 6)
        await finished(store, new(), Status.DEAD, 7)
        assert await dead(store, None, 1, page.next) == [second, third]


class Rescheduling:
    async def test_a_job_that_is_due_later_is_due_at_once(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(due=9))
        assert await claimed(store, now=5) == []
        assert await one(store, Reschedule(job_id, None), now=5)
        assert shown(store)["a"].scheduled == 0
        assert micros((await stored(store, job_id)).scheduled_at) == at(5)
        assert [job.id for job in await claimed(store, now=5)] == [job_id]

    async def test_so_is_one_that_waits_for_its_retry(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, again(job, scheduled_at=at(9)))
        assert await one(store, Reschedule(job.id, None), now=1)
        assert shown(store) == await counted(store, 1)
        assert [(again.id, again.attempt) for again in await claimed(store, now=1)] == [(job.id, 2)]

    @pytest.mark.parametrize("due", [-3, 0, 5])
    async def test_a_pending_job_is_due_when_it_is_said_to_be(self, store: Store, due: float) -> None:
        first, second = await inserted(store, new(), new(due=9))
        for job_id in (first, second):
            assert await one(store, Reschedule(job_id, at(due)))
            assert micros((await stored(store, job_id)).scheduled_at) == at(due)
        assert shown(store) == await counted(store)
        assert [job.id for job in await claimed(store, now=due)] == [first, second]

    async def test_what_is_due_already_keeps_its_place(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(due=-1))
        assert not await one(store, Reschedule(job_id, None))
        assert micros((await stored(store, job_id)).scheduled_at) == at(-1)

    @pytest.mark.parametrize("instant", [None, at(3)])
    async def test_only_a_pending_job_that_is_not_held_is_rescheduled(self, store: Store, instant: int | None) -> None:
        others = [*await stores.held(store, new()), *[await finished(store, new(), status) for status in FINISHED]]
        (job,) = await running(store, new())
        before = [await stored(store, job_id) for job_id in (*others, job.id)]
        assert not any([await one(store, Reschedule(job_id, instant)) for job_id in (*others, job.id, 99)])
        assert [await stored(store, job_id) for job_id in (*others, job.id)] == before


class Deleting:
    async def test_deleting_answers_with_the_status_that_the_job_had(self, store: Store) -> None:
        statuses = (Status.COMPLETED, Status.DEAD, Status.CANCELLED)
        ids = {status: await finished(store, new(), status) for status in statuses}
        ids[Status.PENDING] = (await inserted(store, new(due=9)))[0]
        for status, job_id in ids.items():
            assert await one(store, DeleteJob(job_id)) is status
            assert await store.ask(GetJob(job_id)) is None
            assert await one(store, DeleteJob(job_id)) is None
        assert shown(store) == {}

    async def test_a_held_job_is_deleted(self, store: Store) -> None:
        (job_id,) = await stores.held(store, new())
        assert await one(store, DeleteJob(job_id)) is Status.PENDING
        assert shown(store) == {}
        assert await one(store, Release((job_id,), Held.PAYLOAD)) == 0

    async def test_a_processing_job_is_not_deleted(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await one(store, DeleteJob(job.id)) is Status.PROCESSING
        assert await one(store, complete(job)) is Status.COMPLETED

    async def test_a_deleted_job_takes_its_history_along(self, store: Store) -> None:
        job_id = await finished(store, new(), Status.DEAD)
        assert await one(store, DeleteJob(job_id)) is Status.DEAD
        (later,) = await inserted(store, new())
        assert (await stored(store, later)).history == ()


class Holding:
    async def test_a_held_job_has_cost_nothing_and_says_why(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await one(store, hold(job, "x: too short"), 2)
        found = await stored(store, job.id)
        assert (found.status, found.held, found.reason) == (Status.PENDING, Held.PAYLOAD, "x: too short")
        assert (found.attempts, found.snoozes, found.history, found.owner) == (0, 0, (), None)

    async def test_held_jobs_are_not_claimed_until_they_are_released(self, store: Store) -> None:
        ids = await stores.held(store, new(), new(), new("b"))
        assert await claimed(store, claim(types="ab")) == []
        (other,) = await inserted(store, new("c"))
        assert await one(store, Release((other, 999), Held.PAYLOAD)) == 0
        assert await one(store, Release((), Held.PAYLOAD)) == 0
        assert await one(store, Release((ids[0],), Held.UNKNOWN)) == 0
        assert await one(store, Release((*ids[:2], other, ids[0]), Held.PAYLOAD)) == 2
        released = await stored(store, ids[0])
        assert (released.status, released.held, released.reason) == (Status.PENDING, None, None)
        jobs = await claimed(store, claim(types="ab"))
        assert [(job.id, job.attempt) for job in jobs] == [(job_id, 1) for job_id in ids[:2]]
        assert shown(store) == await counted(store)
