"""The ends of attempts: what each writes, and that only the holder of the token ends one, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import Claimed, Failure, Outcome, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import CancelJob, Insert, MarkInterrupted
from aiojobs_lite.sizes import MOST_ATTEMPTS_KEPT
from aiojobs_lite.stores.base import Store
from tests.helpers.rings import first_of
from tests.helpers.stores import (
    FAILURE,
    NOW,
    again,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    end,
    found,
    micros,
    new,
    one,
    running,
    shown,
    stored,
)

NOT_SUCCEEDED = [one for one in Outcome if one not in {Outcome.SUCCEEDED, Outcome.SUSPENDED}]
AFTER = {Outcome.SUCCEEDED: Status.COMPLETED, Outcome.FAILED: Status.PENDING}  # of `end`
COUNTERS = {Outcome.SNOOZED: (1, 0, 0), Outcome.INTERRUPTED: (0, 1, 0), Outcome.LOST: (0, 0, 1)}


class Ending:
    async def test_a_success_is_stored(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await one(store, complete(job, '"ok"', "a note"), 2) is Status.COMPLETED
        ended = await stored(store, job.id)
        assert (ended.status, ended.result_json, ended.reason) == (Status.COMPLETED, '"ok"', "a note")
        assert (micros(ended.completed_at), ended.attempts, ended.history) == (at(2), 1, ())
        assert (ended.owner, micros(ended.started_at), ended.is_finished) == (None, NOW, True)

    async def test_successes_with_and_without_a_result_end_together(self, store: Store) -> None:
        jobs = await running(store, *(new("ab"[n % 2]) for n in range(50)))
        ends = [complete(job, str(job.id) if n % 3 else None) for n, job in enumerate(jobs)]
        assert await answers(store, *ends) == [Status.COMPLETED] * 50
        results = {job.id: job.result_json for job in await store.ask(FindJobs(status=Status.COMPLETED))}
        assert results == {ended.id: ended.result for ended in ends}
        assert shown(store) == await counted(store)

    async def test_a_failure_is_stored_with_its_attempt(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await one(store, again(job, scheduled_at=at(9), reason="why"), 2) is Status.PENDING
        ended = await stored(store, job.id)
        assert (ended.status, ended.owner, ended.completed_at) == (Status.PENDING, None, None)
        assert (ended.error, ended.reason, ended.attempts) == ("ValueError: no", "why", 1)
        assert micros(ended.scheduled_at) == at(9)
        (attempt,) = ended.history
        assert (attempt.attempt, attempt.outcome, attempt.owner) == (1, Outcome.FAILED, "one")
        assert (micros(attempt.started_at), micros(attempt.ended_at)) == (NOW, at(2))
        assert (attempt.error_type, attempt.message, attempt.traceback, attempt.details_json) == FAILURE
        assert attempt.details is None

    async def test_the_error_of_a_job_is_one_line(self, store: Store) -> None:
        (job,) = await running(store, new())
        failure = Failure("ValueError", "two\n  lines", None)
        assert await one(store, again(job, failure=failure))
        ended = await stored(store, job.id)
        assert ended.error == "ValueError: two lines"
        assert ended.history[0].message == "two\n  lines"

    async def test_details_are_stored_with_their_attempt(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        texts = '{"status":503}', '{"body":"\\u0000\\ud83d\\ude00"}'
        details = [FAILURE._replace(details=text) for text in texts]
        await answers(store, again(first, failure=details[0]), close(second)._replace(failure=details[1]))
        found = [(await stored(store, job.id)).history[0].details for job in (first, second)]
        assert found == [{"status": 503}, {"body": "\0\N{GRINNING FACE}"}]

    @pytest.mark.parametrize("outcome", NOT_SUCCEEDED)
    async def test_an_attempt_that_did_not_succeed_is_recorded_and_counted(
        self, store: Store, outcome: Outcome
    ) -> None:
        (job,) = await running(store, new())
        assert await one(store, again(job, outcome, reason="because", scheduled_at=at(5)), 1)
        ended = await stored(store, job.id)
        assert (ended.status, ended.attempts, ended.reason) == (Status.PENDING, 1, "because")
        assert (ended.snoozes, ended.interruptions, ended.crashes) == COUNTERS.get(outcome, (0, 0, 0))
        (attempt,) = ended.history
        assert (attempt.outcome, attempt.message) == (outcome, "no" if outcome is Outcome.FAILED else "because")
        assert shown(store) == await counted(store, 1)

    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    @pytest.mark.parametrize("outcome", NOT_SUCCEEDED)
    async def test_a_job_is_closed(self, store: Store, outcome: Outcome, status: Status) -> None:
        (job,) = await running(store, new())
        assert await one(store, close(job, status, outcome, "because"), 1)
        ended = await stored(store, job.id)
        assert (ended.status, ended.attempts, ended.reason, ended.is_finished) == (status, 1, "because", True)
        assert (ended.snoozes, ended.interruptions, ended.crashes) == COUNTERS.get(outcome, (0, 0, 0))
        assert (micros(ended.completed_at), micros(ended.scheduled_at)) == (at(1), NOW)
        assert [attempt.outcome for attempt in ended.history] == [outcome]
        assert shown(store) == await counted(store, 1)

    async def test_an_attempt_that_is_refunded_does_not_count(self, store: Store) -> None:
        (job,) = await running(store, new())
        for _ in range(3):
            assert await one(store, again(job, Outcome.SNOOZED, refund=True))
            (job,) = await claimed(store)
            assert job.attempt == 1
        ended = await stored(store, job.id)
        assert [attempt.attempt for attempt in ended.history] == [1, 1, 1]
        assert ended.snoozes == 3

    async def test_nor_does_it_when_a_cancel_was_requested_meanwhile(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, CancelJob(job.id, None))
        assert await one(store, again(job, Outcome.SNOOZED, refund=True)) is Status.CANCELLED
        ended = await stored(store, job.id)
        assert (ended.status, ended.attempts, ended.snoozes, len(ended.history)) == (Status.CANCELLED, 0, 1, 1)
        assert shown(store) == await counted(store)

    async def test_the_last_error_is_kept_when_a_later_attempt_has_none(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, again(job))
        (job,) = await claimed(store)
        await one(store, again(job, Outcome.INTERRUPTED, refund=True))
        ended = await stored(store, job.id)
        assert (ended.error, ended.attempts, len(ended.history)) == ("ValueError: no", 1, 2)
        (job,) = await claimed(store)
        await one(store, complete(job))
        assert (await stored(store, job.id)).error == "ValueError: no"

    async def test_why_it_was_pending_is_gone_when_a_job_succeeds(self, store: Store) -> None:
        jobs = await running(store, new(), new())
        await answers(store, *(again(job, reason="why") for job in jobs))
        first, second = await claimed(store)
        await answers(store, complete(first), complete(second, '"ok"'))
        assert [(await stored(store, job.id)).reason for job in jobs] == [None, None]

    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    async def test_the_last_error_is_kept_when_a_job_is_closed_without_one(self, store: Store, status: Status) -> None:
        (job,) = await running(store, new())
        await one(store, again(job))
        (job,) = await claimed(store)
        await one(store, close(job, status, Outcome.LOST))
        assert (await stored(store, job.id)).error == "ValueError: no"

    async def test_of_each_outcome_the_newest_attempts_are_kept(self, store: Store) -> None:
        (job,) = await running(store, new(max_attempts=1_000))
        await one(store, again(job))
        for number in range(MOST_ATTEMPTS_KEPT + 5):
            (job,) = await claimed(store)
            await one(store, again(job, Outcome.SNOOZED, refund=True, reason=str(number)))
        ended = await stored(store, job.id)
        assert ended.snoozes == MOST_ATTEMPTS_KEPT + 5
        assert [past.outcome for past in ended.history] == [Outcome.FAILED] + [Outcome.SNOOZED] * MOST_ATTEMPTS_KEPT
        snoozed = [past.message for past in ended.history[1:]]
        assert snoozed == [str(number) for number in range(5, MOST_ATTEMPTS_KEPT + 5)]

    async def test_history_is_kept_oldest_first(self, store: Store) -> None:
        (job,) = await running(store, new())
        for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST):
            await one(store, again(job, outcome))
            (job,) = await claimed(store)
        history = (await stored(store, job.id)).history
        assert [(past.attempt, past.outcome) for past in history] == [(1, "failed"), (2, "timed_out"), (3, "lost")]


class Fencing:
    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    @pytest.mark.parametrize("stale", [{"owner": "two"}, {"attempt": 2}, {"attempt": 0}, {"id": 999}])
    async def test_only_the_holder_of_the_token_ends_an_attempt(
        self, store: Store, outcome: Outcome, stale: dict[str, object]
    ) -> None:
        (job,) = await running(store, new())
        assert await one(store, end(job, outcome)._replace(**stale)) is None  # type: ignore[arg-type]
        now = await stored(store, job.id)
        assert (now.status, now.owner, now.history) == (Status.PROCESSING, "one", ())
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_an_attempt_ends_once(self, store: Store, outcome: Outcome) -> None:
        (job,) = await running(store, new())
        assert await one(store, end(job, outcome)) is AFTER[outcome]
        assert await one(store, end(job, outcome)) is None
        assert len((await stored(store, job.id)).history) == (outcome is Outcome.FAILED)

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
    async def test_an_attempt_ends_once_in_one_transaction(self, store: Store, outcome: Outcome) -> None:
        (job,) = await running(store, new())
        assert await answers(store, end(job, outcome), end(job, outcome)) == [AFTER[outcome], None]
        assert len((await stored(store, job.id)).history) == (outcome is Outcome.FAILED)
        assert shown(store) == await counted(store)

    async def test_a_stale_owner_cannot_end_what_another_has_claimed_since(self, store: Store) -> None:
        (job,) = await running(store, new(), owner="one")
        assert await one(store, again(job, Outcome.LOST))
        (later,) = await claimed(store, claim("two"))
        assert await one(store, complete(job)) is None
        assert await one(store, complete(later)) is Status.COMPLETED

    async def test_a_refunded_attempt_of_the_same_number_is_fenced_by_its_owner(self, store: Store) -> None:
        (job,) = await running(store, new(), owner="one")
        assert await one(store, again(job, Outcome.INTERRUPTED, refund=True))
        (later,) = await claimed(store, claim("two"))
        assert later.attempt == job.attempt
        assert await answers(store, again(job), complete(job)) == [None, None]
        assert await one(store, complete(later)) is Status.COMPLETED

    @pytest.mark.parametrize("position", first_of(1, [299, 0, 150]))
    @pytest.mark.parametrize("change", [{"owner": "two"}, {"attempt": 3}])
    @pytest.mark.parametrize("has_result", [True, False])
    async def test_one_stale_end_among_300_is_the_only_one_refused(
        self, store: Store, position: int, change: dict[str, object], has_result: bool
    ) -> None:
        jobs = await running(store, *(new("ab"[n % 2]) for n in range(300)))
        ends = [complete(job, str(job.id) if has_result else None) for job in jobs]
        ends[position] = ends[position]._replace(**change)  # type: ignore[arg-type]
        *ended, _ = await answers(store, *ends, Insert((new("b"),)))
        assert [n for n, answer in enumerate(ended) if answer is not Status.COMPLETED] == [position]
        assert ended[position] is None
        assert await found(store, FindJobs(status=Status.PROCESSING)) == [jobs[position].id]
        completed = await store.ask(FindJobs(status=Status.COMPLETED, limit=300))
        assert all(job.result_json == (str(job.id) if has_result else None) for job in completed)
        assert shown(store) == await counted(store)

    async def test_interruption_is_noted_for_the_holder_only(self, store: Store) -> None:
        (job,) = await running(store, new())
        stale = [MarkInterrupted(job.id, 2, "one"), MarkInterrupted(job.id, 1, "two"), MarkInterrupted(999, 1, "one")]
        assert await answers(store, *stale) == [False] * 3
        assert not (await stored(store, job.id)).interrupted
        assert await one(store, MarkInterrupted(job.id, 1, "one")) is True
        assert (await stored(store, job.id)).interrupted
        await one(store, again(job, Outcome.INTERRUPTED, refund=True))
        assert await one(store, MarkInterrupted(job.id, 1, "one")) is False
        assert not (await stored(store, job.id)).interrupted

    @pytest.mark.parametrize("ending", [complete, partial(complete, result='"ok"'), close, again])
    async def test_an_interruption_is_over_with_its_attempt(
        self, store: Store, ending: Callable[[Claimed], End]
    ) -> None:
        (job,) = await running(store, new())
        assert await one(store, MarkInterrupted(job.id, 1, "one")) is True
        assert await one(store, ending(job))
        assert not (await stored(store, job.id)).interrupted

    async def test_a_finished_job_is_marked_no_more(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert await answers(store, MarkInterrupted(job.id, 1, "one"), close(job)) == [False, Status.DEAD]
        assert not (await stored(store, job.id)).interrupted
