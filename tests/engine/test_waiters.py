"""Those who await a job's end: told once, told rightly, forgotten when they go."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.waiters import End, Waiters
from aiojobs_lite.errors import RunnerClosed
from aiojobs_lite.model.job import Failure, Job, Outcome, Status
from aiojobs_lite.model.writes import Finish

COMPLETED = End(Status.COMPLETED, "1", None, None)
EPOCH = to_datetime(0)
STORED = Job(
    id=1, type="a", payload_json="{}", status=Status.PENDING, priority="medium", attempts=1, max_attempts=5,
    scheduled_at=EPOCH, created_at=EPOCH, started_at=EPOCH, completed_at=None, owner=None, idempotency_key=None,
    error="ValueError: no", reason="why", result_json='"r"', interruptions=0, snoozes=0, crashes=0,
    cancel_requested=False, interrupted=False, parked=None, schedule=None, tick=None,
)  # fmt: skip


def finish(job_id: int, status: Status, failure: Failure | None = None) -> Finish:
    return Finish(job_id, "a", 1, "me", Outcome.FAILED, status, 1, 0, 0, 0, 0, 0, "1", "why", failure)


async def test_all_who_await_a_job_are_told_of_its_end_and_no_others() -> None:
    waiters = Waiters()
    one, two, other = waiters.add(1), waiters.add(1), waiters.add(2)
    waiters.ended(1, COMPLETED)
    assert (one.result(), two.result(), other.done()) == (COMPLETED, COMPLETED, False)
    waiters.ended(1, End(None))  # once
    assert one.result() == COMPLETED
    other.cancel()
    waiters.ended(2, COMPLETED)  # one that went away is no trouble
    assert waiters._futures == {}


@pytest.mark.parametrize("status", Status)
async def test_an_attempt_that_leaves_the_job_pending_is_not_its_end(status: Status) -> None:
    waiters = Waiters()
    future = waiters.add(1)
    waiters.finished(finish(2, status))
    assert not future.done()
    waiters.finished(finish(1, status, Failure("ValueError", "no\nway", None)))
    seen = Waiters()
    read = seen.add(1)
    seen.seen(replace(STORED, status=status))
    if status in (Status.PENDING, Status.PROCESSING):
        assert not future.done()
        assert not read.done()
    else:
        assert future.result() == End(status, "1", "why", "ValueError: no way")
        assert read.result() == End(status, '"r"', "why", "ValueError: no")
    waiters.close(RunnerClosed())
    seen.close(RunnerClosed())


async def test_an_end_without_an_exception_gives_its_reason() -> None:
    waiters = Waiters()
    future = waiters.add(1)
    waiters.finished(finish(1, Status.DEAD))
    assert future.result().error == "why"
    waiters.finished(finish(1, Status.DEAD))  # nobody waits


async def test_who_goes_away_is_forgotten() -> None:
    waiters = Waiters()
    one, two = waiters.add(1), waiters.add(1)
    waiters.discard(1, one)
    waiters.discard(1, one)
    waiters.discard(2, one)
    waiters.ended(1, COMPLETED)
    assert (one.done(), two.result()) == (False, COMPLETED)
    waiters.discard(1, two)
    three = waiters.add(3)
    waiters.discard(3, three)
    assert waiters._futures == {}


async def test_a_recheck_reads_the_awaited_jobs_at_once_and_tells_of_those_that_ended_or_went() -> None:
    waiters = Waiters()
    asked: list[list[int]] = []
    stored = {1: replace(STORED, status=Status.COMPLETED), 2: replace(STORED, id=2)}

    async def read(ids: Collection[int]) -> list[Job]:
        asked.append(sorted(ids))
        await asyncio.sleep(0)
        late.append(waiters.add(4))  # somebody who comes while it reads
        return [stored[job_id] for job_id in ids if job_id in stored]

    late: list[asyncio.Future[End]] = []
    await waiters.recheck(read)
    assert asked == []  # nobody waits: nothing is read
    done, pending, gone = waiters.add(1), waiters.add(2), waiters.add(3)
    await waiters.recheck(read)
    assert asked == [[1, 2, 3]]
    assert (done.result().status, pending.done(), gone.result(), late[0].done()) == (
        Status.COMPLETED, False, End(None), False,
    )  # fmt: skip
    waiters.close(RunnerClosed())
    for future in (pending, *late):
        with pytest.raises(RunnerClosed):
            await future


async def test_closing_tells_all_who_still_wait() -> None:
    waiters = Waiters()
    one, two = waiters.add(1), waiters.add(2)
    two.cancel()
    waiters.close(RunnerClosed())
    waiters.close(RunnerClosed())
    with pytest.raises(RunnerClosed):
        await one
    assert two.cancelled()
