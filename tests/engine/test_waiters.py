"""The callers that await a job's end: notified once, and rightly, forgotten when they go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.waiters import Finished, Waiters
from aiojobs_lite.errors import RunnerClosed
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import FINISHED, Failure, Job, Outcome, Status
from aiojobs_lite.model.queries import FindJobs

COMPLETED = Finished(Status.COMPLETED, "1", None, None)
EPOCH = to_datetime(0)
STORED = Job(
    id=1, type="a", payload_json="{}", status=Status.PENDING, priority="medium", attempts=1, max_attempts=5,
    scheduled_at=EPOCH, created_at=EPOCH, started_at=EPOCH, completed_at=None, owner=None, idempotency_key=None,
    error="ValueError: no", reason="why", result_json='"r"', interruptions=0, snoozes=0, crashes=0,
    cancel_requested=False, interrupted=False, held=None, schedule=None, tick=None,
)  # fmt: skip


async def test_all_callers_that_await_a_job_are_notified_of_its_end_and_no_others() -> None:
    waiters = Waiters()
    one, two, other = waiters.add(1), waiters.add(1), waiters.add(2)
    waiters.notify(1, COMPLETED)
    assert (one.result(), two.result(), other.done()) == (COMPLETED, COMPLETED, False)
    waiters.notify(1, Finished(None))  # once
    assert one.result() == COMPLETED
    other.cancel()
    waiters.notify(2, COMPLETED)  # one that went away is no trouble
    assert len(waiters) == 0


@pytest.mark.parametrize(
    ("end", "finished"),
    [
        (Complete(1, 1, "me", "a", "1", "why"), Finished(Status.COMPLETED, "1", "why")),
        (
            Close(1, 1, "me", "a", Outcome.FAILED, Status.DEAD, "why", Failure("ValueError", "no\nway", None)),
            Finished(Status.DEAD, None, "why", "ValueError: no way"),
        ),
        (
            Close(1, 1, "me", "a", Outcome.CANCELLED, Status.CANCELLED, "why"),
            Finished(Status.CANCELLED, None, "why", "why"),
        ),
        (Again(1, 1, "me", "a", Outcome.FAILED, 0, failure=Failure("ValueError", "no", None)), None),
    ],
)
async def test_an_attempt_that_leaves_the_job_pending_is_not_its_end(end: End, finished: Finished | None) -> None:
    waiters = Waiters()
    future = waiters.add(1)
    waiters.attempt_ended(end._replace(id=2))
    assert not future.done()
    waiters.attempt_ended(end)
    assert (future.result() if future.done() else None) == finished
    waiters.attempt_ended(end)  # no caller waits any more
    waiters.close()


@pytest.mark.parametrize("status", Status)
async def test_a_job_that_was_read_is_finished_or_not(status: Status) -> None:
    waiters = Waiters()
    future = waiters.add(1)
    waiters.check(replace(STORED, status=status))
    if status in FINISHED:
        assert future.result() == Finished(status, '"r"', "why", "ValueError: no")
    else:
        assert not future.done()
    waiters.close()


async def test_who_goes_away_is_forgotten() -> None:
    waiters = Waiters()
    one, two = waiters.add(1), waiters.add(1)
    waiters.discard(1, one)
    waiters.discard(1, one)
    waiters.discard(2, one)
    waiters.notify(1, COMPLETED)
    assert (one.done(), two.result()) == (False, COMPLETED)
    waiters.discard(1, two)
    three = waiters.add(3)
    waiters.discard(3, three)
    assert len(waiters) == 0


class Stored:
    """In place of a store: answers with its jobs, and lets a caller come while it reads."""

    def __init__(self, waiters: Waiters, *jobs: Job) -> None:
        self.waiters = waiters
        self.jobs = {job.id: job for job in jobs}
        self.asked: list[FindJobs] = []
        self.late: list[asyncio.Future[Finished]] = []

    async def ask(self, query: Any) -> Any:
        self.asked.append(query)
        await asyncio.sleep(0)
        self.late.append(self.waiters.add(4))
        return [self.jobs[job_id] for job_id in query.ids if job_id in self.jobs]


async def test_a_recheck_reads_the_awaited_jobs_at_once_and_notifies_of_those_that_finished_or_went() -> None:
    waiters = Waiters()
    store = Stored(waiters, replace(STORED, status=Status.COMPLETED), replace(STORED, id=2))
    await waiters.recheck(store)
    assert store.asked == []  # no caller waits: nothing is read
    done, pending, gone = waiters.add(1), waiters.add(2), waiters.add(3)
    await waiters.recheck(store)
    assert store.asked == [FindJobs(ids=[1, 2, 3], limit=3)]
    assert (done.result().status, pending.done(), gone.result(), store.late[0].done()) == (
        Status.COMPLETED, False, Finished(None), False,
    )  # fmt: skip
    waiters.close()
    for future in (pending, *store.late):
        with pytest.raises(RunnerClosed):
            await future


async def test_closing_raises_an_error_of_its_own_in_each_caller_that_still_waits() -> None:
    waiters = Waiters()
    one, two, three = waiters.add(1), waiters.add(2), waiters.add(1)
    two.cancel()
    waiters.close()
    waiters.close()
    for future in (one, three):
        with pytest.raises(RunnerClosed):
            await future
    assert one.exception() is not three.exception()
    assert two.cancelled()
