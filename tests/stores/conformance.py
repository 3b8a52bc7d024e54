"""What every store must do, as tests against `stores.base.Store` alone: its docstrings and those of the writes.

A store's own test module subclasses these classes and provides the fixtures `store` (open), `two` (two open stores of
one database) and `make` (new stores of one database, not open). `conformance_calls.py` holds the rest.
"""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.writes import Cancel, Delete, Insert, Inserted, MarkInterrupted, Pause, Prune, Redrive, Unpark
from aiojobs_lite.stores.base import JobFilter, Store
from tests.helpers.stores import (
    FAILURE,
    NOW,
    at,
    claim,
    claimed,
    counted,
    end,
    finished,
    inserted,
    micros,
    new,
    one,
    running,
    shown,
    stored,
)


class Inserting:
    async def test_every_field_of_a_new_job_is_stored(self, store: Store) -> None:
        row = new("a", priority=0, due=3, max_attempts=7, idempotency_key="k", schedule="s", tick=at(-1))
        job = await stored(store, (await inserted(store, row))[0])
        assert (job.type, job.payload, job.priority, job.max_attempts) == ("a", {"x": 1}, "high", 7)
        assert (job.idempotency_key, job.schedule, job.status, job.attempts) == ("k", "s", Status.PENDING, 0)
        assert (micros(job.scheduled_at), micros(job.created_at), micros(job.tick)) == (at(3), NOW, at(-1))
        assert (job.owner, job.started_at, job.completed_at, job.error, job.parked) == (None,) * 5

    async def test_the_answer_follows_the_order_of_the_rows(self, store: Store) -> None:
        rows = tuple(new("ab"[n % 2], idempotency_key=f"k{n}" if n % 3 == 0 else None) for n in range(200))
        answer = await one(store, Insert(rows))
        assert all(job.is_new for job in answer)
        ids = [job.id for job in answer]
        assert ids == sorted(set(ids))
        keys = {job.id: job.idempotency_key for job in await store.find(JobFilter(limit=1000))}
        assert [keys[job_id] for job_id in ids] == [row.idempotency_key for row in rows]

    async def test_ids_are_never_used_again(self, store: Store) -> None:
        (first,) = await inserted(store, new())
        await one(store, Delete(first))
        assert (await inserted(store, new()))[0] > first

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
        applied = await store.apply([Insert((row, row)), Insert((row,)), claim()], NOW)
        (first, again), (third,), answer = applied.answers
        assert first.is_new
        assert again == third == Inserted(first.id, is_new=False)
        assert [job.id for job in answer.jobs] == [first.id]

    async def test_a_key_is_free_after_deletion(self, store: Store) -> None:
        (first,) = await inserted(store, new(idempotency_key="k"))
        answers = (await store.apply([Insert((new(idempotency_key="k"),)), Delete(first)], NOW)).answers
        assert answers[0][0].is_new
        assert answers[0][0].id != first

    async def test_a_key_is_unique_for_its_type_only(self, store: Store) -> None:
        answer = await one(store, Insert((new("a", idempotency_key="k"), new("b", idempotency_key="k"))))
        assert [job.is_new for job in answer] == [True, True]

    async def test_an_empty_key_is_a_key(self, store: Store) -> None:
        (first,) = await inserted(store, new(idempotency_key=""))
        assert await one(store, Insert((new(idempotency_key=""),))) == [Inserted(first, is_new=False)]

    async def test_an_insert_that_cannot_be_stored_takes_the_whole_transaction_with_it(self, store: Store) -> None:
        (held,) = await running(store, new())
        with pytest.raises(StoreRejected):
            await store.apply([end(held), Insert((new(), new(priority=9)))], NOW)
        assert (await stored(store, held.id)).status is Status.PROCESSING
        assert shown(store) == await counted(store)
        assert await one(store, end(held))


class Claiming:
    async def test_claims_go_by_priority_then_time_then_id(self, store: Store) -> None:
        rows = [new("ab"[n % 2], priority=(n * 7) % 3, due=-((n * 5) % 4)) for n in range(60)]
        ids = await inserted(store, *rows)
        in_order = sorted(ids, key=lambda job_id: (rows[job_id - ids[0]][2:4], job_id))
        write = claim(limit=17, slots={"a": 100, "b": 100})
        got = [job.id for _ in range(4) for job in await claimed(store, write)]
        assert got == in_order

    async def test_a_claimed_job_tells_what_its_owner_needs(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(priority=2, max_attempts=3, tick=at(-5)))
        (held,) = await claimed(store, now=1)
        assert held[:9] == (job_id, "a", '{"x": 1}', 2, NOW, 1, 3, NOW, at(1))
        assert held[9:] == (0, 0, 0, at(-5), "one")
        job = await stored(store, job_id)
        assert (job.status, job.owner, job.attempts, micros(job.started_at)) == (Status.PROCESSING, "one", 1, at(1))

    async def test_a_job_of_the_same_transaction_is_claimed_at_once_and_stands_so(self, store: Store) -> None:
        (held,) = await running(store, new(priority=2, max_attempts=3, tick=at(-5)))
        assert held[1:] == ("a", '{"x": 1}', 2, NOW, 1, 3, NOW, NOW, 0, 0, 0, at(-5), "one")
        job = await stored(store, held.id)
        assert (job.status, job.owner, job.attempts, micros(job.started_at)) == (Status.PROCESSING, "one", 1, NOW)

    async def test_a_new_urgent_job_goes_before_an_old_one_that_can_wait(self, store: Store) -> None:
        (low,) = await inserted(store, new(priority=2, due=-9))
        (high,), answer = (await store.apply([Insert((new(priority=0),)), claim(limit=1)], NOW)).answers
        assert [job.id for job in answer.jobs] == [high.id]
        assert [job.id for job in await claimed(store)] == [low]

    async def test_new_and_stored_jobs_are_claimed_in_one_order(self, store: Store) -> None:
        first, third = await inserted(store, new("a", due=-9), new("b", due=-7))
        rows = (new("a", due=-8), new("b", due=-6), new("b", due=-8.5))
        slots = {"a": 5, "b": 2}
        new_ids, answer = (await store.apply([Insert(rows), claim(limit=4, slots=slots)], NOW)).answers
        assert [job.id for job in answer.jobs] == [first, new_ids[2].id, new_ids[0].id, third]

    async def test_a_new_job_does_not_overtake_one_of_its_type_that_nobody_named(self, store: Store) -> None:
        (old,) = await inserted(store, new(due=-5))
        write = claim(limit=1, look_at=[])
        answer = (await store.apply([Insert((new(due=-4),)), write], NOW)).answers[1]
        assert [job.id for job in answer.jobs] == [old]

    async def test_a_job_is_not_claimed_before_its_time(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(due=1))
        assert await claimed(store, now=0.999999) == []
        assert [job.id for job in await claimed(store, now=1)] == [job_id]

    async def test_a_new_job_is_not_claimed_before_its_time(self, store: Store) -> None:
        answer = (await store.apply([Insert((new(due=0.000001),)), claim()], NOW)).answers[1]
        assert answer.jobs == []

    async def test_limit_bounds_all_types_together(self, store: Store) -> None:
        rows = [new("ab"[n % 2]) for n in range(10)]
        await inserted(store, *rows)
        answer = (await store.apply([Insert(tuple(rows)), claim(limit=7, slots={"a": 9, "b": 9})], NOW)).answers[1]
        assert len(answer.jobs) == 7
        assert answer.held_back == frozenset()

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_slots_bound_each_type(self, store: Store, at_once: bool) -> None:
        rows = tuple(new("abc"[n % 3]) for n in range(30))
        write = claim(slots={"a": 2, "b": 3})
        if at_once:
            answer = (await store.apply([Insert(rows), write], NOW)).answers[1]
        else:
            await inserted(store, *rows)
            answer = await one(store, write)
        assert sorted(job.type for job in answer.jobs) == ["a", "a", "b", "b", "b"]
        assert answer.held_back == frozenset()

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_concurrency_holds_over_all_owners(self, store: Store, at_once: bool) -> None:
        await running(store, new(), new(), owner="other")
        rows = tuple(new() for _ in range(5))
        write = claim(slots={"a": 4}, concurrency={"a": 3})
        if at_once:
            answer = (await store.apply([Insert(rows), write], NOW)).answers[1]
        else:
            await inserted(store, *rows)
            answer = await one(store, write)
        assert len(answer.jobs) == 1
        assert answer.held_back == {"a"}

    async def test_concurrency_below_what_is_processing_claims_nothing(self, store: Store) -> None:
        await running(store, new(), new(), new(), owner="other")
        await inserted(store, new())
        answer = await one(store, claim(concurrency={"a": 1}))
        assert (answer.jobs, answer.held_back) == ([], {"a"})

    async def test_what_a_finish_frees_the_claim_of_its_transaction_takes(self, store: Store) -> None:
        (held,) = await running(store, new())
        (waiting,) = await inserted(store, new())
        write = claim(slots={"a": 1}, concurrency={"a": 1})
        answers = (await store.apply([write, end(held)], NOW)).answers
        assert answers[1] is True
        assert [job.id for job in answers[0].jobs] == [waiting]

    async def test_what_ends_due_is_claimed_by_the_same_transaction_again(self, store: Store) -> None:
        (held,) = await running(store, new())
        answers = (await store.apply([claim("two", look_at=[]), end(held, Outcome.FAILED)], at(1))).answers
        assert [(job.id, job.attempt, job.owner) for job in answers[0].jobs] == [(held.id, 2, "two")]

    async def test_only_types_that_are_looked_at_or_touched_are_claimed(self, store: Store) -> None:
        await inserted(store, new("a"), new("b"))
        jobs = await claimed(store, claim(slots={"a": 5, "b": 5}, look_at=["b", "unknown"]))
        assert [job.type for job in jobs] == ["b"]

    async def test_types_without_slots_are_not_claimed(self, store: Store) -> None:
        await inserted(store, new("a"), new("b"))
        assert [job.type for job in await claimed(store, claim(slots={"a": 1}, look_at=["a", "b"]))] == ["a"]

    async def test_no_job_is_claimed_twice(self, store: Store) -> None:
        ids = await inserted(store, *(new() for _ in range(5)))
        first = await claimed(store, claim("one", limit=3))
        second = await claimed(store, claim("two"))
        assert sorted(job.id for job in first + second) == ids
        assert await claimed(store, claim("three")) == []

    async def test_a_paused_type_is_held_back_for_every_owner_until_it_is_resumed(self, store: Store) -> None:
        (job_id,) = await inserted(store, new())
        assert await one(store, Pause("a", paused=True)) is None
        assert await one(store, Pause("a", paused=True)) is None
        for owner in ("one", "two"):
            answer = (await store.apply([Insert((new(),)), claim(owner)], NOW)).answers[1]
            assert (answer.jobs, answer.held_back) == ([], {"a"})
        assert await one(store, Pause("a", paused=False)) is None
        assert (await claimed(store))[0].id == job_id

    async def test_a_pause_counts_for_the_claim_of_its_own_transaction(self, store: Store) -> None:
        await inserted(store, new())
        answers = (await store.apply([claim(), Pause("a", paused=True)], NOW)).answers
        assert answers[0].jobs == []

    async def test_parked_jobs_are_not_claimed_until_unparked(self, store: Store) -> None:
        (held,) = await running(store, new())
        assert await one(store, end(held, Outcome.SNOOZED, attempts=0, parked="x: too short"))
        job = await stored(store, held.id)
        assert (job.status, job.parked, job.attempts, job.history) == (Status.PENDING, "x: too short", 0, ())
        assert await claimed(store) == []
        assert await one(store, Unpark(("b",))) == 0
        applied = await store.apply([Unpark(("a", "b"))], NOW)
        assert (applied.answers, applied.due) == ([1], {"a": NOW, "b": None})
        assert [(again.id, again.attempt) for again in await claimed(store)] == [(held.id, 1)]


class Finishing:
    async def test_a_success_is_stored(self, store: Store) -> None:
        (held,) = await running(store, new())
        assert await one(store, end(held, result='"ok"', reason="a note"), 2) is True
        job = await stored(store, held.id)
        assert (job.status, job.result_json, job.reason, job.owner) == (Status.COMPLETED, '"ok"', "a note", None)
        assert (micros(job.completed_at), job.attempts, job.history, job.finished) == (at(2), 1, (), True)

    async def test_a_failure_is_stored_with_its_attempt(self, store: Store) -> None:
        (held,) = await running(store, new())
        fields = {"scheduled_at": at(9), "interruptions": 1, "snoozes": 2, "crashes": 3, "reason": "why"}
        assert await one(store, end(held, Outcome.FAILED, **fields), 2) is True
        job = await stored(store, held.id)
        assert (job.status, job.owner, job.completed_at, job.error) == (Status.PENDING, None, None, "ValueError: no")
        assert (micros(job.scheduled_at), job.interruptions, job.snoozes, job.crashes) == (at(9), 1, 2, 3)
        assert (job.attempts, job.reason) == (1, "why")
        (attempt,) = job.history
        assert (attempt.attempt, attempt.outcome, attempt.owner) == (1, Outcome.FAILED, "one")
        assert (micros(attempt.started_at), micros(attempt.ended_at)) == (NOW, at(2))
        assert (attempt.error_type, attempt.message, attempt.traceback) == FAILURE

    @pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCEEDED])
    @pytest.mark.parametrize("status", [Status.PENDING, Status.DEAD, Status.CANCELLED])
    async def test_every_other_end_leaves_an_attempt(self, store: Store, outcome: Outcome, status: Status) -> None:
        (held,) = await running(store, new())
        assert await one(store, end(held, outcome, status=status, reason="because"), 1)
        job = await stored(store, held.id)
        assert (job.status, job.finished) == (status, status is not Status.PENDING)
        assert (job.completed_at is not None) == job.finished
        assert [attempt.outcome for attempt in job.history] == [outcome]
        assert shown(store) == await counted(store)

    async def test_the_last_error_is_kept_when_a_later_attempt_has_none(self, store: Store) -> None:
        (held,) = await running(store, new())
        await one(store, end(held, Outcome.FAILED))
        (again,) = await claimed(store)
        await one(store, end(again, Outcome.INTERRUPTED, attempts=1))
        job = await stored(store, held.id)
        assert (job.error, job.attempts, len(job.history)) == ("ValueError: no", 1, 2)

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    @pytest.mark.parametrize("stale", [{"owner": "two"}, {"attempt": 2}, {"attempt": 0}, {"id": 999}])
    async def test_only_the_holder_of_the_token_ends_an_attempt(
        self, store: Store, outcome: Outcome, stale: dict[str, object]
    ) -> None:
        (held,) = await running(store, new())
        assert await one(store, end(held, outcome)._replace(**stale)) is False  # type: ignore[arg-type]
        job = await stored(store, held.id)
        assert (job.status, job.owner, job.history) == (Status.PROCESSING, "one", ())
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_an_attempt_ends_once(self, store: Store, outcome: Outcome) -> None:
        (held,) = await running(store, new())
        assert await one(store, end(held, outcome)) is True
        assert await one(store, end(held, outcome)) is False
        assert len((await stored(store, held.id)).history) == (outcome is Outcome.FAILED)

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_an_attempt_ends_once_in_one_transaction(self, store: Store, outcome: Outcome) -> None:
        (held,) = await running(store, new())
        write = end(held, outcome)
        assert (await store.apply([write, write], NOW)).answers == [True, False]
        assert shown(store) == await counted(store)

    async def test_a_stale_owner_cannot_finish_what_another_has_claimed_since(self, store: Store) -> None:
        (held,) = await running(store, new(), owner="one")
        assert await one(store, end(held, Outcome.LOST))
        (again,) = await claimed(store, claim("two"))
        assert await one(store, end(held)) is False
        assert await one(store, end(again)) is True

    @pytest.mark.parametrize("position", [0, 150, 299])
    @pytest.mark.parametrize("change", [{"owner": "two"}, {"attempt": 3}])
    async def test_one_stale_end_among_300_is_the_only_one_refused(
        self, store: Store, position: int, change: dict[str, object]
    ) -> None:
        held = await running(store, *(new("ab"[n % 2]) for n in range(300)))
        writes = [end(job, result=str(job.id)) for job in held]
        writes[position] = writes[position]._replace(**change)  # type: ignore[arg-type]
        answers = (await store.apply([*writes, Insert((new("b"),))], NOW)).answers
        assert [n for n, answer in enumerate(answers[:-1]) if answer is not True] == [position]
        assert answers[position] is False
        still = await store.find(JobFilter(status=Status.PROCESSING))
        assert [job.id for job in still] == [held[position].id]
        assert all(job.result_json == str(job.id) for job in await store.find(JobFilter(status=Status.COMPLETED)))
        assert shown(store) == await counted(store)

    async def test_attempts_that_succeeded_end_first(self, store: Store) -> None:
        (held,) = await running(store, new())
        assert (await store.apply([end(held, Outcome.FAILED), end(held)], NOW)).answers == [False, True]

    async def test_a_job_that_was_asked_to_cancel_does_not_run_again(self, store: Store) -> None:
        (held,) = await running(store, new())
        assert await one(store, Cancel(held.id, "please")) is Status.PROCESSING
        assert (await stored(store, held.id)).cancel_requested
        assert await one(store, end(held, Outcome.FAILED, parked="x"))
        job = await stored(store, held.id)
        assert (job.status, job.reason, job.parked) == (Status.CANCELLED, "cancel requested", None)
        assert not job.cancel_requested
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize(("outcome", "status"), [(Outcome.SUCCEEDED, Status.COMPLETED), (Outcome.FAILED, "dead")])
    async def test_a_job_that_ends_for_good_does_so_although_asked_to_cancel(
        self, store: Store, outcome: Outcome, status: str
    ) -> None:
        (held,) = await running(store, new())
        await one(store, Cancel(held.id, None))
        assert await one(store, MarkInterrupted(held.id, 1, "one"))
        assert await one(store, end(held, outcome, status=Status(status)))
        job = await stored(store, held.id)
        assert (job.status, job.cancel_requested, job.interrupted) == (status, False, False)

    async def test_interruption_is_noted_for_the_holder_only(self, store: Store) -> None:
        (held,) = await running(store, new())
        stale = [MarkInterrupted(held.id, 2, "one"), MarkInterrupted(held.id, 1, "two"), MarkInterrupted(99, 1, "one")]
        assert (await store.apply(stale, NOW)).answers == [False] * 3
        assert not (await stored(store, held.id)).interrupted
        assert await one(store, MarkInterrupted(held.id, 1, "one")) is True
        assert (await stored(store, held.id)).interrupted
        await one(store, end(held, Outcome.INTERRUPTED, attempts=0))
        assert await one(store, MarkInterrupted(held.id, 1, "one")) is False
        assert not (await stored(store, held.id)).interrupted


class Moving:
    async def test_a_pending_job_is_cancelled(self, store: Store) -> None:
        ids = await inserted(store, new(), new(due=5))
        for job_id in ids:
            assert await one(store, Cancel(job_id, "not needed"), 1) is Status.CANCELLED
            job = await stored(store, job_id)
            assert (job.status, job.reason, micros(job.completed_at)) == (Status.CANCELLED, "not needed", at(1))
        assert shown(store) == await counted(store, 1)
        assert await claimed(store, now=9) == []

    async def test_cancelling_a_parked_job_unparks_it(self, store: Store) -> None:
        (held,) = await running(store, new())
        await one(store, end(held, Outcome.SNOOZED, attempts=0, parked="x"))
        assert await one(store, Cancel(held.id, None)) is Status.CANCELLED
        assert (await stored(store, held.id)).parked is None

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD, Status.CANCELLED])
    async def test_cancelling_what_is_finished_changes_nothing(self, store: Store, status: Status) -> None:
        job_id = await finished(store, new(), status)
        before = await stored(store, job_id)
        assert await one(store, Cancel(job_id, "late"), 5) is status
        assert await stored(store, job_id) == before

    async def test_writes_on_a_job_that_is_not_there_say_so(self, store: Store) -> None:
        assert (await store.apply([Cancel(9, None), Delete(9), Redrive(9, None)], NOW)).answers == [None, None, 0]
        assert await store.get(9) is None

    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    async def test_a_redriven_job_has_all_its_attempts_again(self, store: Store, status: Status) -> None:
        (held,) = await running(store, new())
        spent = {"interruptions": 1, "snoozes": 2, "crashes": 3, "reason": "why"}
        await one(store, end(held, Outcome.FAILED, status=status, **spent))
        applied = await store.apply([Redrive(held.id, None)], at(4))
        assert (applied.answers, applied.due) == ([1], {"a": at(4)})
        job = await stored(store, held.id)
        assert (job.status, job.attempts, micros(job.scheduled_at)) == (Status.PENDING, 0, at(4))
        assert (job.interruptions, job.snoozes, job.crashes, job.reason, job.completed_at) == (0, 0, 0, None, None)
        assert shown(store) == await counted(store, 4)
        assert await one(store, Redrive(held.id, None)) == 0

    async def test_only_dead_and_cancelled_jobs_are_redriven(self, store: Store) -> None:
        completed = await finished(store, new(), Status.COMPLETED)
        (processing,) = await running(store, new())
        (pending,) = await inserted(store, new())
        for job_id in (completed, processing.id, pending):
            before = await stored(store, job_id)
            assert await one(store, Redrive(job_id, None)) == 0
            assert await stored(store, job_id) == before

    async def test_all_dead_jobs_of_a_type_or_of_every_type_are_redriven(self, store: Store) -> None:
        for job_type in ("a", "a", "b"):
            for status in (Status.DEAD, Status.CANCELLED, Status.COMPLETED):
                await finished(store, new(job_type), status)
        assert await one(store, Redrive(None, "c")) == 0
        assert await one(store, Redrive(None, "a")) == 2
        assert shown(store) == await counted(store)
        assert await one(store, Redrive(None, None)) == 1
        assert {job.status for job in await store.find(JobFilter(type="b"))} == {"pending", "cancelled", "completed"}
        assert shown(store) == await counted(store)

    async def test_deleting_answers_with_the_status_that_the_job_had(self, store: Store) -> None:
        ids = {status: await finished(store, new(), status) for status in (Status.COMPLETED, Status.DEAD)}
        ids[Status.PENDING] = (await inserted(store, new(due=9)))[0]
        for status, job_id in ids.items():
            assert await one(store, Delete(job_id)) is status
            assert await store.get(job_id) is None
            assert await one(store, Delete(job_id)) is None
        assert shown(store) == {}

    async def test_a_processing_job_is_not_deleted(self, store: Store) -> None:
        (held,) = await running(store, new())
        assert await one(store, Delete(held.id)) is Status.PROCESSING
        assert await one(store, end(held)) is True

    async def test_pruning_deletes_what_ended_before_the_instants(self, store: Store) -> None:
        kept, gone = [], []
        for status, border in ((Status.COMPLETED, 10), (Status.DEAD, 20), (Status.CANCELLED, 20)):
            gone.append(await finished(store, new(), status, border - 0.000001))
            kept.append(await finished(store, new(), status, border))
        kept += await inserted(store, new(due=-99))
        assert await one(store, Prune(at(10), at(20), at(0), 100), 30) == 3
        assert [job.id for job in await store.find(JobFilter())] == sorted(kept, reverse=True)
        assert shown(store) == await counted(store, 30)

    async def test_pruning_keeps_to_its_limit_the_oldest_first(self, store: Store) -> None:
        done = [await finished(store, new(), Status.COMPLETED, n) for n in (3, 1, 2)]
        dead = [await finished(store, new(), Status.DEAD, n) for n in (2, 1)]
        write = Prune(at(99), at(99), at(0), 2)
        assert await one(store, write, 100) == 2
        assert {job.id for job in await store.find(JobFilter())} == {done[0], *dead}
        assert [await one(store, write, 100) for _ in range(3)] == [2, 1, 0]
        assert shown(store) == {}
