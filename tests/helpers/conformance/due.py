"""When it is worth while to claim: a hint that may be too early, and is never too late."""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Held, Outcome, Status
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.model.writes import CancelJob, Insert, PauseType, RedriveDead, RedriveJob, Release, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers import stores
from tests.helpers.stores import (
    NOW,
    again,
    applied,
    at,
    claim,
    claimed,
    complete,
    finished,
    fire,
    inserted,
    new,
    one,
    running,
)

FEW = 4  # claims, after which a store knows that nothing is due


def is_in_time(due: int | None, instant: int) -> bool:
    """Whether a hint is not later than an instant."""
    return due is not None and due <= instant


class DueWithoutClaim:
    async def test_an_insert_says_when_its_first_job_is_due(self, store: Store) -> None:
        rows = Insert((new("a", priority=2, due=3), new("a", priority=0, due=5), new("b", due=1)))
        assert is_in_time((await applied(store, rows)).due, at(1))

    async def test_an_end_says_when_the_job_is_due_again(self, store: Store) -> None:
        (job,) = await running(store, new())
        assert is_in_time((await applied(store, again(job, scheduled_at=at(7)))).due, at(7))

    async def test_a_redrive_says_that_the_job_is_due(self, store: Store) -> None:
        first, second = [await finished(store, new(), Status.DEAD) for _ in range(2)]
        for write in (RedriveJob(first), RedriveDead((second,))):
            assert is_in_time((await applied(store, write, now=4)).due, at(4))

    async def test_a_job_that_is_rescheduled_says_when_it_is_due(self, store: Store) -> None:
        (job_id,) = await inserted(store, new(due=9))
        assert is_in_time((await applied(store, Reschedule(job_id, at(4)))).due, at(4))
        assert is_in_time((await applied(store, Reschedule(job_id, None), now=1)).due, at(1))

    async def test_a_release_says_when_the_jobs_are_due(self, store: Store) -> None:
        ids = await stores.held(store, new(), new())
        assert is_in_time((await applied(store, Release(tuple(ids), Held.PAYLOAD))).due, NOW)

    async def test_a_tick_says_when_its_job_is_due(self, store: Store) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(0)))
        tick = fire("s", at(0), at(60), new(due=2), skip_overlap=True)
        assert is_in_time((await applied(store, tick)).due, at(2))

    async def test_a_type_that_is_resumed_says_when_its_jobs_are_due(self, store: Store) -> None:
        await inserted(store, new(due=3), new(due=2))
        await one(store, PauseType("a", paused=True))
        assert is_in_time((await applied(store, PauseType("a", paused=False))).due, at(2))


class DueWithClaim:
    async def test_nothing_that_is_left_says_so(self, store: Store) -> None:
        assert (await applied(store, claim())).due is None
        assert (await applied(store, Insert((new(), new())), claim())).due is None

    async def test_a_job_to_come_says_when(self, store: Store) -> None:
        made = await applied(store, Insert((new(), new(priority=2, due=5), new(priority=0, due=9))), claim())
        assert len(made.answers[1].jobs) == 1
        assert is_in_time(made.due, at(5))

    async def test_more_that_is_due_than_the_limit_says_at_once(self, store: Store) -> None:
        await inserted(store, new(due=-3), new(due=-2), new(due=-1))
        for limit in (0, 1, 1):
            assert is_in_time((await applied(store, claim(limit=limit))).due, NOW)
        assert (await applied(store, claim(limit=1))).due is None

    @pytest.mark.parametrize("slots", [0, 1, 2])
    async def test_a_type_without_a_slot_left_does_not_count(self, store: Store, slots: int) -> None:
        await inserted(store, new(), new(), new(), new("b", due=6))
        assert (await applied(store, claim(slots={"a": slots}))).due is None
        assert is_in_time((await applied(store, claim(types="ab", slots={"a": 0}))).due, at(6))

    async def test_a_type_at_its_limit_over_all_owners_does_not_count(self, store: Store) -> None:
        (job,) = await running(store, new(), owner="other")
        await inserted(store, new())
        write = claim(slots={"a": 5}, concurrency={"a": 1})
        assert (await applied(store, write)).due is None
        ended = await applied(store, complete(job), write)
        assert (len(ended.answers[1].jobs), ended.due) == (1, None)

    async def test_a_type_that_is_paused_does_not_count(self, store: Store) -> None:
        await inserted(store, new())
        await one(store, PauseType("a", paused=True))
        assert (await applied(store, claim())).due is None
        await one(store, PauseType("a", paused=False))
        assert is_in_time((await applied(store, claim(limit=0))).due, NOW)

    async def test_a_type_of_other_owners_does_not_count(self, store: Store) -> None:
        assert (await applied(store, Insert((new("b"),)), claim())).due is None

    async def test_held_jobs_do_not_count(self, store: Store) -> None:
        await stores.held(store, new())
        assert (await applied(store, claim())).due is None

    async def test_a_store_that_was_too_early_finds_out_soon(self, store: Store) -> None:
        """A hint may be too early: after a cancel, a rejected transaction, a clock that went back."""
        ids = await inserted(store, *(new(priority=n % 3, due=n - 3) for n in range(6)))
        for job_id in ids:
            await one(store, CancelJob(job_id, None))
        with pytest.raises(StoreRejected):
            await one(store, Insert((new(), new(priority=9))))
        hints = [(await applied(store, claim())).due for _ in range(FEW)]
        assert hints[-1] is None

    async def test_an_owner_that_follows_the_hints_misses_no_job(self, store: Store) -> None:
        dues = [((n * 37) % 23) / 2 for n in range(40)]
        await inserted(store, *(new(f"type {n % 5}", priority=n % 3, due=due) for n, due in enumerate(dues)))
        types = [f"type {n}" for n in range(5)]
        now, looks = NOW, 0
        taken: list[int] = []
        while True:
            done = await store.apply([(claim(limit=7, types=types),)], now)
            jobs = done.answers[0].jobs
            assert all(job.scheduled_at <= now for job in jobs)
            taken += [job.id for job in jobs]
            left = [due for due in dues if at(due) <= now]
            assert len(jobs) == 7 or len(taken) == len(left)  # all that was due
            if done.due is None:
                break
            looks += 1
            assert looks < 40 + FEW * len(set(dues))
            now = max(now, done.due)
        assert len(taken) == len(set(taken)) == 40

    async def test_another_owners_jobs_count_as_well(self, two: tuple[Store, Store]) -> None:
        mine, other = two
        assert (await applied(mine, claim())).due is None
        await inserted(other, new(due=5))
        assert is_in_time((await applied(mine, claim())).due, at(5))
        (job,) = await claimed(other, claim("other"), now=5)
        await one(other, again(job, Outcome.SNOOZED, scheduled_at=at(8), refund=True), now=5)
        assert is_in_time((await applied(mine, claim(), now=5)).due, at(8))
