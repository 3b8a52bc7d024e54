"""In which order the jobs that wait for one limit go on: by priority, then by time, whatever came between."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.queries import FirstDue
from aiojobs_lite.model.writes import CancelJob, Insert, RedriveDead, RedriveJob, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    answers,
    applied,
    at,
    claim,
    claimed,
    close,
    complete,
    hold,
    inserted,
    new,
    one,
    running,
)

SHARED, OTHER, ORDERED = StoredLimit("shared", 1), StoredLimit("other", 9), StoredLimit("ordered", 1)


def keyed(user: int | None = None, *, is_ordered: bool = False, priority: int = 1, **fields: Any) -> NewJob:
    """A job that counts by the limit that all share, and by a key of its own that allows more, or one in order."""
    keys = [(SHARED.name, "x"), *([] if user is None else [("ordered" if is_ordered else OTHER.name, user)])]
    lane = lane_text("a", priority, keys[::-1] if is_ordered else keys, is_ordered=is_ordered)
    return new(lane=lane, priority=priority, **fields)


async def order(store: Store, *jobs: Any, now: float = 0) -> list[int]:
    """Ends these jobs, then one after the other each that is claimed; returns these."""
    found: list[int] = []
    while jobs:
        *_, answer = await answers(store, *map(complete, jobs), claim(), now=now)
        jobs = tuple(answer.jobs)
        found += [job.id for job in jobs]
    return found


class OrderOfLanes:
    async def test_the_job_that_is_due_first_goes_on_though_a_clock_is_set_back(self, store: Store) -> None:
        await one(store, SetLimits((SHARED,)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(priority=0, due=0), keyed(due=-2))
        assert await claimed(store) == []
        await one(store, complete(first))  # both are due, and the one of high priority is next
        assert [[job.id for job in await claimed(store, now=now)] for now in (-3, -2, 0)] == [[], [3], []]

    async def test_it_does_so_for_another_owner(self, two: tuple[Store, Store]) -> None:
        await one(two[0], SetLimits((SHARED,)))
        (first,) = await running(two[0], keyed())
        await inserted(two[0], keyed(priority=0, due=0), keyed(due=-2))
        assert await claimed(two[0]) == []
        await one(two[0], complete(first))
        assert [[job.id for job in await claimed(two[1], now=now)] for now in (-3, -2)] == [[], [3]]

    async def test_a_lane_of_which_a_claim_took_a_part_waits_by_its_next_job(self, store: Store) -> None:
        await one(store, SetLimits((SHARED._replace(most=2), OTHER)))
        first, second = await running(store, keyed(), keyed())
        await inserted(store, keyed(due=-10), keyed(due=-1), keyed(7, due=-5))
        assert await claimed(store) == []
        await one(store, complete(first))
        (third,) = await claimed(store, claim(limit=1))
        assert (third.id, await claimed(store)) == (3, [])
        assert await order(store, second) == [5, 4]

    @pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 7])
    async def test_jobs_of_lanes_and_others_go_on_in_their_order_however_many_are_wanted(
        self, store: Store, most: int
    ) -> None:
        """Those of one lane that follow each other may be taken at once, up to what comes between them."""
        await one(store, SetLimits((SHARED._replace(most=9), OTHER._replace(most=3))))
        first = await running(store, *[keyed(user) for user in (7, 7, 7, 8, 8, 8)])
        times = {-20: 7, -19: 7, -17: 7, -16: 7, -18: 8, -13: 8, -12: 8}
        await inserted(store, *[keyed(user, due=due) for due, user in times.items()], new("b", due=-15))
        assert await claimed(store) == []
        *_, answer = await answers(store, *map(complete, first), claim(limit=most, types="ab"))
        assert [job.id for job in answer.jobs] == [7, 8, 11, 9, 14, 12, 13][:most]

    @pytest.mark.parametrize("slots", [1, 2, 3])
    async def test_no_more_of_a_lane_go_on_than_a_runner_has_slots_for(self, store: Store, slots: int) -> None:
        await one(store, SetLimits((SHARED._replace(most=3),)))
        first = await running(store, keyed(), keyed(), keyed())
        waiting = await inserted(store, *[keyed() for _ in range(5)])
        assert await claimed(store) == []
        *_, answer = await answers(store, *map(complete, first), claim(slots={"a": slots}))
        assert [job.id for job in answer.jobs] == waiting[:slots]

    async def test_a_lane_whose_first_job_is_cancelled_waits_by_its_next_one(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, OTHER)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(due=-10), keyed(due=-1), keyed(7, due=-5), keyed(8, due=-3))
        assert await claimed(store) == []
        await one(store, CancelJob(2, None))
        assert await order(store, first) == [4, 5, 3]

    async def test_an_enqueue_says_that_a_job_is_due_behind_others_of_its_lane(self, store: Store) -> None:
        await one(store, SetLimits((SHARED,)))
        await inserted(store, keyed(due=-1))
        for _ in range(2):  # as many as wait beside it, and one more
            assert (await applied(store, Insert((keyed(),)))).due is not None

    async def test_those_that_are_due_later_go_on_by_priority_when_they_are(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed())
        await inserted(
            store, keyed(1, is_ordered=True, due=5), keyed(2, is_ordered=True, due=6, priority=0),
            keyed(3, is_ordered=True, due=4, priority=2),
        )  # fmt: skip
        await one(store, complete(first))
        assert await claimed(store) == []
        (job,) = await claimed(store, now=10)
        assert [job.id, *await order(store, job, now=10)] == [3, 2, 4]

    async def test_no_job_of_a_lane_is_claimed_before_it_is_due_though_a_clock_is_set_back(self, store: Store) -> None:
        await one(store, SetLimits((SHARED._replace(most=2),)))
        first = await running(store, keyed(), keyed())
        await inserted(store, keyed(due=-10), keyed(due=-1))
        await answers(store, *map(complete, first))
        assert [[job.id for job in await claimed(store, now=now)] for now in (-5, -1)] == [[3], [4]]

    async def test_a_job_that_comes_before_the_lane_whose_turn_it_is_takes_that(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(1, is_ordered=True, due=-1), keyed(due=0))
        await one(store, complete(first))
        await inserted(store, keyed(due=-6), now=-5)
        assert [job.id for job in await claimed(store, now=-5)] == [4]

    async def test_a_job_that_is_moved_before_the_lane_whose_turn_it_is_takes_that(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(1, is_ordered=True, due=10), keyed(2, is_ordered=True, due=20))
        await one(store, complete(first))
        assert await one(store, Reschedule(3, None))
        assert [job.id for job in await claimed(store)] == [3]

    async def test_a_lane_whose_first_job_is_moved_behind_gives_up_its_turn(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(1, is_ordered=True), keyed(2, is_ordered=True, due=5))
        await one(store, complete(first))
        assert await one(store, Reschedule(2, at(60)))
        assert [job.id for job in await claimed(store, now=6)] == [3]

    async def test_a_lane_whose_next_job_has_another_priority_gives_up_its_turn(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed())
        await inserted(
            store, keyed(1, is_ordered=True, priority=0), keyed(1, is_ordered=True, priority=2),
            keyed(2, is_ordered=True, priority=0),
        )  # fmt: skip
        await one(store, complete(first))
        await one(store, CancelJob(2, None))
        assert [job.id for job in await claimed(store)] == [4]

    async def test_a_job_that_stepped_aside_is_next_in_a_lane_whose_others_are_due_later(self, store: Store) -> None:
        await one(store, SetLimits((SHARED,)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(due=-20), keyed(due=-5))
        await inserted(store, keyed(due=-15), now=-16)
        await one(store, complete(first), now=-14)
        (second,) = await claimed(store, now=-14)
        assert [second.id, *await order(store, second, now=-14)] == [2, 4]

    async def test_it_is_so_though_a_claim_took_all_it_wanted_and_a_clock_is_set_back(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, OTHER)))
        (first,) = await running(store, keyed())
        await inserted(store, keyed(due=-20), keyed(due=-5))
        await inserted(store, keyed(due=-15), now=-16)
        free = lane_text("a", 1, [(OTHER.name, 7)], is_ordered=False)
        await inserted(store, new(lane=free, due=-14), new(lane=free, due=-13))
        await one(store, complete(first), now=-12)
        second, *others = await claimed(store, claim(limit=2), now=-12)
        assert [second.id, *(job.id for job in others)] == [2, 5]
        await one(store, complete(second), now=-12)
        assert [job.id for job in await claimed(store, now=-14.5)] == [4]

    async def test_a_lane_is_found_beside_one_of_which_a_part_is_due_later(self, store: Store) -> None:
        await one(store, SetLimits((SHARED._replace(most=2), ORDERED)))
        first = await running(store, keyed(), keyed())
        await inserted(store, keyed(due=-20), keyed(due=-5), keyed(1, is_ordered=True, due=-10))
        await answers(store, *map(complete, first), now=-15)
        assert [[job.id for job in await claimed(store, now=now)] for now in (-15, -10)] == [[3], [5]]

    @pytest.mark.parametrize("priority", [0, 1, 2])
    async def test_as_many_lanes_go_on_at_once_as_there_is_capacity_for(self, store: Store, priority: int) -> None:
        await one(store, SetLimits((SHARED._replace(most=3), OTHER)))
        jobs = await running(store, keyed(), keyed(), keyed())
        wait = await inserted(store, *(keyed(user, priority=priority) for user in range(4)))
        assert await claimed(store) == []
        *_, answer = await answers(store, *map(complete, jobs), claim())
        assert [job.id for job in answer.jobs] == wait[:3]

    @pytest.mark.parametrize("status", [Status.CANCELLED, Status.DEAD])
    async def test_a_job_that_waited_in_a_lane_and_is_redriven_is_due_as_a_new_one_is(
        self, store: Store, status: Status
    ) -> None:
        await one(store, SetLimits((SHARED,)))
        (first,) = await running(store, keyed())
        (second,) = await inserted(store, keyed())
        assert await claimed(store) == []
        if status is Status.CANCELLED:
            await answers(store, CancelJob(second, None), complete(first))
            assert await claimed(store) == []
            assert await one(store, RedriveJob(second))
        else:
            _, answer = await answers(store, complete(first), claim())
            await answers(store, close(answer.jobs[0]))
            assert await claimed(store) == []
            assert await one(store, RedriveDead((second,))) == 1
        assert [job.id for job in await claimed(store)] == [second]

    async def test_of_an_ordered_lane_the_first_due_job_is_one_that_may_be_claimed(self, store: Store) -> None:
        await one(store, SetLimits((SHARED, ORDERED)))
        (first,) = await running(store, keyed(1, is_ordered=True))
        _, second = await inserted(store, keyed(1, is_ordered=True), keyed(1, is_ordered=True, due=1))
        await answers(store, CancelJob(2, None), hold(first))
        due = await store.ask(FirstDue("a", at(1)))
        assert due is not None
        assert due.id == second
        assert await store.ask(FirstDue("a", at(0))) is None
