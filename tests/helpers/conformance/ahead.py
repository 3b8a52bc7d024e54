"""What a clock that was ahead has written: found, and moved back."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.ahead import ListAhead, ListEndedAhead, MoveBack, MovedBack
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.schedules import MoveTickBack, SetSchedule
from aiojobs_lite.model.steps import NewStep, StepKind, StepState
from aiojobs_lite.model.writes import Insert, RedriveJob, Release, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.steps import done, save, steps_of, suspend
from tests.helpers.stores import (
    NOW,
    again,
    answers,
    applied,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    found,
    held,
    hold,
    inserted,
    micros,
    new,
    one,
    running,
    shown,
    stored,
)

HOUR = 3600.0
YEAR = 365 * 24 * HOUR


def written(created: float, **fields: Any) -> Any:
    """A job that was created so many seconds after `NOW`."""
    return new(**fields)._replace(created_at=at(created))


async def moved(store: Store, now: float = 0) -> list[int]:
    """Lists what a clock has written that was ahead, a job a page, and moves it back; returns the ids."""
    ids: list[int] = []
    page = await store.ask(ListAhead(at(now), 1))
    while True:
        ids += page.ids
        if page.next is None:
            break
        page = await store.ask(ListAhead(at(now), 1, page.next))
    ids += await store.ask(ListEndedAhead(at(now), 100))
    answer = await one(store, MoveBack(tuple(ids)), now)
    assert answer.jobs == len(ids)
    return ids


async def due(store: Store, job_id: int) -> float:
    """When a job is due, in seconds after `NOW`."""
    return (micros((await stored(store, job_id)).scheduled_at) - at(0)) / 1_000_000


class MovingBack:
    async def test_a_job_is_due_as_long_after_now_as_it_was_after_its_enqueue(self, store: Store) -> None:
        for priority, delay in ((0, 0.0), (1, 300.0), (2, HOUR)):
            row = written(YEAR, due=YEAR + delay, priority=priority)
            (job_id,) = await inserted(store, row, now=YEAR)
            assert await one(store, MoveBack((job_id,))) == MovedBack(1, round(YEAR * 1_000_000))
            assert await due(store, job_id) == delay
            assert await one(store, MoveBack((job_id,))) == MovedBack()
        assert [job.scheduled_at for job in await claimed(store)] == [at(0)]
        assert await moved(store) == []

    async def test_every_page_is_listed_and_each_job_once(self, store: Store) -> None:
        rows = [written(YEAR, job_type="ab"[n % 2], due=YEAR + n % 3, priority=n % 3) for n in range(12)]
        wrong = await inserted(store, *rows, now=YEAR)
        await inserted(store, *[written(-5, job_type="ab"[n % 2], due=YEAR, priority=n % 3) for n in range(6)])
        assert sorted(await moved(store)) == sorted(wrong)
        assert await moved(store) == []
        assert shown(store).keys() == {"a", "b"}

    async def test_a_move_counts_and_says_when_a_claim_is_due(self, store: Store) -> None:
        await inserted(store, *[written(YEAR, due=YEAR + n, job_type="a") for n in range(3)], now=YEAR)
        ids = await found(store, FindJobs())
        answer = await applied(store, MoveBack(tuple(ids)), now=5)
        assert answer.due is not None
        assert answer.due <= at(5)
        assert shown(store)["a"].pending == 3
        assert len(await claimed(store, now=6)) == 2

    async def test_jobs_that_were_scheduled_and_are_due_count_as_due(self, store: Store) -> None:
        row = written(HOUR, due=HOUR)
        (job_id,) = await inserted(store, row, now=0)  # by a transaction whose instant was right
        assert shown(store)["a"].scheduled == 1
        assert await one(store, MoveBack((job_id,)), 1) == MovedBack(1, round((HOUR - 1) * 1_000_000))
        assert shown(store) == await counted(store, 1)
        assert shown(store)["a"].scheduled == 0

    @pytest.mark.parametrize(
        ("created", "at_due"),
        [
            (0.0, HOUR),  # its clock was right
            (4.0, 4.0),  # clocks differ by little
            (HOUR, HOUR / 2),  # an instant that was over for the clock that was ahead
            (HOUR, 3 * HOUR),  # it waits for less than twice as long as it was to
            (HOUR, 2 * HOUR),  # for as long: a job that was moved would look the same, and be moved again
            (-YEAR, YEAR),
        ],
    )
    async def test_other_jobs_stay(self, store: Store, created: float, at_due: float) -> None:
        (job_id,) = await inserted(store, written(created, due=at_due), now=max(created, 0))
        assert await one(store, MoveBack((job_id, 99))) == MovedBack()
        assert await moved(store) == []
        assert await due(store, job_id) == at_due

    @pytest.mark.parametrize("delay", [0, 60, HOUR - 6])
    async def test_what_was_moved_is_not_moved_again(self, store: Store, delay: float) -> None:
        (job_id,) = await inserted(store, written(HOUR, due=HOUR + delay), now=HOUR)
        assert await one(store, MoveBack((job_id,))) == MovedBack(1, round(HOUR * 1_000_000))
        assert await one(store, MoveBack((job_id,))) == MovedBack()  # of another process, or of the look after
        assert await due(store, job_id) == delay

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SNOOZED, Outcome.INTERRUPTED, Outcome.LOST])
    async def test_a_retry_waits_as_long_as_it_was_to(self, store: Store, outcome: Outcome) -> None:
        (job,) = await running(store, new())
        refund = outcome in {Outcome.SNOOZED, Outcome.INTERRUPTED}
        assert await one(store, again(job, outcome, scheduled_at=at(YEAR + 60), refund=refund), YEAR)
        assert await moved(store, 10) == [job.id]
        assert await due(store, job.id) == 70

    async def test_a_retry_that_a_right_clock_wrote_stays(self, store: Store) -> None:
        """Whatever the clock showed that wrote the job, and when it was started."""
        _, answer = await answers(store, Insert((written(20, due=20),)), claim(), now=20)
        (job,) = answer.jobs
        assert await one(store, again(job, scheduled_at=at(30)), 0)
        assert await moved(store) == []

    async def test_a_job_that_was_redriven_is_due(self, store: Store) -> None:
        (job,) = await running(store, new())
        await answers(store, close(job), now=1)
        assert await one(store, RedriveJob(job.id), YEAR)
        assert await moved(store, 2) == [job.id]
        assert await due(store, job.id) == 2

    async def test_one_that_has_operations_and_was_redriven_is_due(self, store: Store) -> None:
        (job,) = await running(store, new())
        await answers(store, save(job, done("a")), close(job), now=1)
        assert await one(store, RedriveJob(job.id), YEAR)
        assert await moved(store, 2) == [job.id]
        assert await due(store, job.id) == 2

    @pytest.mark.parametrize("kind", list(StepKind))
    async def test_a_job_that_sleeps_does_so_as_long_as_it_was_to(self, store: Store, kind: StepKind) -> None:
        await inserted(store, new(due=YEAR), now=YEAR)
        (job,) = await claimed(store, now=YEAR)
        waits = NewStep("w", kind, StepState.WAITING, until=at(YEAR + HOUR))
        other = NewStep("x", kind, StepState.WAITING, until=at(YEAR + 2 * HOUR))
        forever = NewStep("y", StepKind.EVENT, StepState.WAITING)
        await answers(store, save(job, waits, other, forever), suspend(job, "w", until=YEAR + HOUR), now=YEAR + 1)
        assert await moved(store, 2) == [job.id]
        assert await due(store, job.id) == HOUR + 2
        steps = await steps_of(store, job.id)
        assert [steps[name].until for name in "wxy"] == [at(HOUR + 2), at(2 * HOUR + 2), None]
        assert await moved(store, 3) == []

    async def test_what_a_right_clock_has_written_of_a_sleeping_job_stays(self, store: Store) -> None:
        """It sleeps for two things, the first of which was stored before the clock was ahead."""
        (job,) = await running(store, new())
        first = NewStep("first", StepKind.SLEEP, StepState.WAITING, until=at(YEAR + 9))
        await answers(store, save(job, first), suspend(job, "first", until=YEAR + 9))
        assert await moved(store) == []
        await one(store, Reschedule(job.id, at(0)))
        (job,) = await claimed(store, now=YEAR)
        second = NewStep("second", StepKind.SLEEP, StepState.WAITING, until=at(YEAR + 5))
        await answers(store, save(job, second), suspend(job, "first", "second", until=YEAR + 5), now=YEAR)
        assert await moved(store) == [job.id]
        steps = await steps_of(store, job.id)
        assert [steps[name].until for name in ("first", "second")] == [at(YEAR + 9), at(5)]
        assert await due(store, job.id) == 5

    async def test_a_durable_job_that_snoozed_stays(self, store: Store) -> None:
        (job,) = await running(store, new())
        snoozed = again(job, Outcome.SNOOZED, scheduled_at=at(HOUR), refund=True)
        await answers(store, save(job, done("a")), snoozed)
        assert await moved(store) == []

    async def test_a_job_that_is_held_is_due_when_it_is_released(self, store: Store) -> None:
        _, answer = await answers(store, Insert((written(YEAR, due=YEAR),)), claim(), now=YEAR)
        assert await one(store, hold(answer.jobs[0]), YEAR)
        job = await stored(store, answer.jobs[0].id)
        assert job.held is not None
        assert await one(store, Release((job.id,), job.held), 3) == 1
        assert await due(store, job.id) == 3
        assert len(await claimed(store, now=3)) == 1

    async def test_a_job_that_is_held_is_moved_and_stays_held(self, store: Store) -> None:
        (early,) = await held(store, new())
        _, answer = await answers(store, Insert((written(YEAR, due=YEAR),)), claim(), now=YEAR)
        assert await one(store, hold(answer.jobs[0]), YEAR)
        assert (await one(store, MoveBack((early, answer.jobs[0].id)))).jobs == 1
        assert await due(store, answer.jobs[0].id) == 0
        assert await claimed(store) == []

    async def test_a_processing_job_stays(self, store: Store) -> None:
        _, answer = await answers(store, Insert((written(YEAR, due=YEAR),)), claim(), now=YEAR)
        assert await one(store, MoveBack((answer.jobs[0].id,))) == MovedBack()

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.DEAD, Status.CANCELLED])
    async def test_a_finished_job_ended_now_after_as_long_an_attempt(self, store: Store, status: Status) -> None:
        jobs = []
        for started, ended in ((YEAR - 9, YEAR), (-9.0, YEAR), (-9.0, 4.0)):
            (job,) = await running(store, written(started, due=-20), now=started)
            assert await one(store, complete(job) if status is Status.COMPLETED else close(job, status), ended)
            jobs.append(job.id)
        assert sorted(await moved(store)) == jobs[:2]
        shown_now = [await stored(store, job_id) for job_id in jobs]
        assert [micros(job.completed_at) for job in shown_now] == [at(0), at(0), at(4)]
        assert [micros(job.started_at) for job in shown_now] == [at(-9)] * 3
        assert [micros(job.created_at) for job in shown_now] == [at(0), at(-9), at(-9)]
        assert await store.ask(ListEndedAhead(at(0), 9)) == ()

    async def test_as_many_finished_jobs_are_listed_as_are_wanted(self, store: Store) -> None:
        for status in (Status.COMPLETED, Status.DEAD, Status.CANCELLED):
            for job in await running(store, new(), new()):
                await one(store, complete(job) if status is Status.COMPLETED else close(job, status), YEAR)
        assert [len(await store.ask(ListEndedAhead(at(0), limit))) for limit in (1, 5, 9)] == [1, 5, 6]

    async def test_a_stored_tick_that_is_later_is_moved_back(self, store: Store) -> None:
        schedule = SetSchedule("s", "* * * * *", "UTC", at(YEAR))
        await one(store, schedule)
        back = MoveTickBack("s", "* * * * *", "UTC", at(60), NOW)
        for other in (
            back._replace(expression="0 * * * *"),
            back._replace(tz="Asia/Tokyo"),
            back._replace(schedule="t"),
        ):
            assert not await one(store, other)
        assert not await one(store, back, 60)  # worked out before the clock went on
        assert (await one(store, schedule)).next_tick == at(YEAR)
        assert [await one(store, back, 59) for _ in range(2)] == [True, False]
        assert not await one(store, back._replace(next_tick=at(90)))
        assert (await one(store, schedule)).next_tick == at(60)
