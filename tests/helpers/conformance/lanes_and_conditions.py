"""Jobs with limits by key that are added under conditions: what moves or ends one leaves its lane as it should be."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.job import Claimed, NewJob, Status
from aiojobs_lite.model.limits import LimitedLane, LimitRow, ListLimits, SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.base import Store
from tests.helpers.callers import Caller
from tests.helpers.conformance.joining import joined, joining_of
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    claimed,
    complete,
    counted,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

SECOND = 1_000_000
ONE = StoredLimit("one", 1)
RATE = StoredLimit("rate", 1, 60 * SECOND)
WAYS = {"replace": {}, "debounce": {"max_wait": 60 * SECOND}}


def laned(
    key: object, limit: StoredLimit = ONE, *, is_ordered: bool = False, priority: int = 1, **fields: Any
) -> NewJob:
    """A job that counts by a limit and a key."""
    lane = lane_text("a", priority, [(limit.name, key)], is_ordered=is_ordered)
    return new("a", lane=lane, priority=priority, **fields)


def unique(row: NewJob, **conditions: Any) -> Candidate:
    """It takes the place of the pending one with the same unique key."""
    return Candidate(row._replace(unique_key="[1]", unique_scope="pending"), "replace", **conditions)


def bringing(row: NewJob, *limits: StoredLimit) -> NewJob:
    """A job that brings limits for its keys."""
    return row._replace(lane=LimitedLane(row.lane or "", limits))


def gathered(key: object, *limits: StoredLimit) -> Candidate:
    """An item that a job gathers, and that brings limits."""
    row = laned(key, unique_key="[1]", unique_scope="pending")._replace(payload='{"x":[1]}')
    return Candidate(bringing(row, *limits) if limits else row, "append", capacity=Capacity(9, 999))


async def added(store: Store, *candidates: Candidate, now: float = 0) -> list[int]:
    answer = await one(store, Admit(candidates), now)
    assert not isinstance(answer, Refused)
    return [made.id for made in answer]


def ids(jobs: list[Claimed]) -> list[int]:
    return [job.id for job in jobs]


class LanesAndConditions:
    async def test_jobs_added_under_conditions_wait_in_their_lanes(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        plain, keyed = Candidate(laned(7)), unique(laned(8))
        assert await added(store, plain, plain, keyed, Candidate(new("a")), Candidate(laned(7, label="l"))) == [
            1, 2, 3, 4, 5,
        ]  # fmt: skip
        first, *others = await claimed(store)
        assert ids([first, *others]) == [1, 3, 4]
        assert shown(store) == await counted(store)
        assert ids((await answers(store, complete(first), claim()))[1].jobs) == [2]

    async def test_a_job_brings_its_own_limits_under_conditions_too(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        own = bringing(laned(7), StoredLimit("one", 2, None, "7"))
        await added(store, Candidate(own), Candidate(own), Candidate(own))
        assert ids(await claimed(store)) == [1, 2]
        assert LimitRow("one", "7", 2, None) in await store.ask(ListLimits())

    async def test_items_that_a_job_gathers_bring_their_limits_as_a_new_job_does(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        first, *_ = await running(store, laned(7))
        await inserted(store, laned(7))
        await added(store, gathered(7))
        assert await claimed(store) == []
        more = [gathered(7, limit) for limit in (StoredLimit("one", 9, None, "7"), StoredLimit("one", 2, None, "7"))]
        assert await added(store, *more) == [3, 3]
        assert await store.ask(ListLimits()) == [LimitRow("one", None, 1, None), LimitRow("one", "7", 2, None)]
        assert ids(await claimed(store)) == [2]
        assert (await stored(store, 3)).lane == laned(7).lane
        await one(store, complete(first))
        assert [job.payload for job in await claimed(store)] == ['{"x":[1,1,1]}']

    async def test_the_limits_of_the_last_row_count_of_several_for_a_key(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        await added(store, gathered(7))
        nine, two = StoredLimit("one", 9, None, "7"), StoredLimit("one", 2, None, "7")
        await added(store, Candidate(bringing(laned(7), nine)), gathered(7, two))
        assert LimitRow("one", "7", 2, None) in await store.ask(ListLimits())
        refused = Candidate(bringing(laned(7), nine), max_pending=2)
        assert isinstance(await one(store, Admit((gathered(7, nine), refused))), Refused)
        assert LimitRow("one", "7", 2, None) in await store.ask(ListLimits())

    @pytest.mark.parametrize("way", WAYS)
    async def test_other_arguments_bring_the_job_to_another_lane(self, store: Store, way: str) -> None:
        await one(store, SetLimits((ONE,)))
        await running(store, laned(7))
        (second,) = await added(store, unique(laned(7)))
        assert await claimed(store) == []
        assert await added(store, unique(laned(8), **WAYS[way])) == [second]
        assert ids(await claimed(store)) == [second]
        assert (await stored(store, second)).lane == laned(8).lane
        await inserted(store, laned(8))
        assert await claimed(store) == []

    async def test_a_job_gets_into_a_lane_that_is_full_or_out_of_all(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        (first,) = await running(store, laned(7))
        (second,) = await added(store, unique(new("a")))
        await added(store, unique(laned(7)))
        assert await claimed(store) == []
        await added(store, unique(new("a")))
        assert ids(await claimed(store)) == [second]
        assert (await stored(store, second)).lane is None
        assert await one(store, complete(first)) is Status.COMPLETED

    async def test_a_job_keeps_its_own_priority_in_the_other_lane(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        (first,) = await running(store, laned(8))
        (second,) = await added(store, unique(laned(7, priority=2)))
        await added(store, unique(laned(8, priority=0)))
        assert await claimed(store) == []
        assert (await stored(store, second)).lane == laned(8, priority=2).lane
        assert ids((await answers(store, complete(first), claim()))[1].jobs) == [second]

    async def test_the_next_of_an_ordered_key_goes_on_when_the_first_is_replaced(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        (first,) = await added(store, unique(laned(7, is_ordered=True, due=60)))
        (second,) = await inserted(store, laned(7, is_ordered=True))
        assert await claimed(store) == []
        assert await added(store, unique(laned(8, is_ordered=True, due=60))) == [first]
        assert ids(await claimed(store)) == [second]
        assert ids(await claimed(store, now=61)) == [first]
        assert shown(store) == await counted(store)

    async def test_the_next_of_an_ordered_key_goes_on_when_the_first_expires(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        (busy,) = await running(store, laned(7, is_ordered=True))
        await added(
            store, Candidate(laned(7, is_ordered=True), expires=5 * SECOND), Candidate(laned(7, is_ordered=True))
        )
        assert await claimed(store) == []
        _, answer = await answers(store, complete(busy), claim(), now=6)
        assert ids(answer.jobs) == [3]
        assert (await stored(store, 2)).status is Status.CANCELLED
        assert shown(store) == await counted(store)

    async def test_the_next_of_an_ordered_key_goes_on_when_a_retry_expires(self, store: Store) -> None:
        await one(store, SetLimits((ONE,)))
        row = laned(7, is_ordered=True)
        await added(store, Candidate(row, expires=5 * SECOND), Candidate(row))
        (first,) = await claimed(store)
        await one(store, again(first, scheduled_at=at(60)))
        assert await claimed(store, now=1) == []
        assert ids(await claimed(store, now=6)) == [2]

    @pytest.mark.parametrize("is_ordered", [False, True])
    async def test_what_expires_in_a_lane_uses_no_capacity(self, store: Store, is_ordered: bool) -> None:
        await one(store, SetLimits((RATE,)))
        expiring = Candidate(laned(7, RATE, is_ordered=is_ordered), expires=5 * SECOND)
        await added(store, *[expiring] * 3, Candidate(laned(7, RATE, is_ordered=is_ordered)))
        assert ids(await claimed(store)) == [1]
        assert ids(await claimed(store, now=61)) == [4]
        assert [(await stored(store, job_id)).status for job_id in (2, 3)] == [Status.CANCELLED] * 2

    @pytest.mark.parametrize("is_ordered", [False, True])
    async def test_very_many_that_expire_use_no_capacity_either(self, store: Store, is_ordered: bool) -> None:
        await one(store, SetLimits((RATE,)))
        row = laned(7, RATE, is_ordered=is_ordered)
        await added(store, *[Candidate(row, expires=5 * SECOND)] * 520, Candidate(row))
        assert ids(await claimed(store, now=6)) == [521]
        assert shown(store) == await counted(store)

    async def test_jobs_of_a_callers_transaction_wait_in_their_lanes(self, store: Store, caller: Caller) -> None:
        joining = joining_of(store)
        await one(store, SetLimits((ONE,)))
        (first,) = await running(store, laned(7))
        caller.begin()
        (second,) = await joined(store, caller, laned(7))
        (third, fourth) = (await joining.apply(caller.connection, [(Insert((laned(8), laned(8))),)], first.started_at))[
            0
        ]
        caller.commit()
        assert ids(await claimed(store)) == [third.id]
        assert ids((await answers(store, complete(first), claim()))[1].jobs) == [second.id]
        assert (await stored(store, fourth.id)).status is Status.PENDING
