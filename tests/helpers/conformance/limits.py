"""Limits and rates by key: what a claim takes, and what waits."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.ahead import ListAhead, MoveBack
from aiojobs_lite.model.job import Claimed, Held, NewJob, Outcome, Status
from aiojobs_lite.model.limits import (
    ChangeLimit,
    LaneState,
    LimitedLane,
    LimitRow,
    ListLimits,
    LookAtLane,
    MeterState,
    PauseLimit,
    SetLimits,
    StoredLimit,
    lane_text,
)
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import FirstDue
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, RedriveJob, Release, Reschedule, Write
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    again,
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
    stored,
)

SECOND = 1_000_000
HOUR = 3600
TWO = StoredLimit("two", 2)
ONE = StoredLimit("one at once", 1)
THREE_A_MINUTE = StoredLimit("three a minute", 3, 60 * SECOND)


def keyed(
    *keys: tuple[StoredLimit, Any], job_type: str = "a", is_ordered: bool = False, priority: int = 1, **fields: Any
) -> NewJob:
    """A job that counts by these limits and keys."""
    lane = lane_text(job_type, priority, [(limit.name, key) for limit, key in keys], is_ordered=is_ordered)
    return new(job_type, lane=lane, priority=priority, **fields)


def ids(jobs: list[Claimed]) -> list[int]:
    return [job.id for job in jobs]


async def set_limits(store: Store, *limits: StoredLimit, now: float = 0) -> tuple[StoredLimit, ...]:
    return await one(store, SetLimits(limits), now)


class LimitsByKey:
    async def test_limits_are_stored_and_a_new_value_replaces_the_old_one(self, store: Store) -> None:
        assert await set_limits(store, TWO, THREE_A_MINUTE) == ()
        assert await set_limits(store, TWO) == ()
        assert await set_limits(store, TWO._replace(most=5)) == (TWO,)
        assert await store.ask(ListLimits()) == [
            LimitRow("three a minute", None, 3, 60 * SECOND),
            LimitRow("two", None, 5, None),
        ]

    @pytest.mark.parametrize("is_new", [True, False])
    async def test_a_key_over_its_limit_waits_and_another_key_does_not(self, store: Store, is_new: bool) -> None:
        await set_limits(store, TWO)
        rows = tuple(keyed((TWO, key)) for key in (7, 7, 7, 8, 7))
        if is_new:
            _, answer = await answers(store, Insert(rows), claim())
            jobs = answer.jobs
        else:
            await inserted(store, *rows)
            jobs = await claimed(store)
        assert ids(jobs) == [1, 2, 4]
        assert await claimed(store, claim("two")) == []

    async def test_what_an_end_sets_free_the_oldest_job_of_the_key_takes(self, store: Store) -> None:
        await set_limits(store, ONE)
        first, *_ = await running(store, keyed((ONE, "x")))
        await inserted(store, keyed((ONE, "x"), due=-2), keyed((ONE, "x"), due=-5), keyed((ONE, "x"), due=-3))
        assert await claimed(store) == []
        _, answer = await answers(store, complete(first), claim())
        assert ids(answer.jobs) == [3]
        assert ids((await answers(store, complete(answer.jobs[0]), claim()))[1].jobs) == [4]

    async def test_a_job_that_ends_without_a_claim_leaves_its_capacity_to_the_next_claim(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, "x")))
        await inserted(store, keyed((ONE, "x")))
        assert await claimed(store) == []
        assert (await applied(store, complete(first))).due is not None
        assert ids(await claimed(store)) == [2]

    async def test_high_goes_before_low_of_one_key(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, "x")))
        await inserted(store, *(keyed((ONE, "x"), priority=priority) for priority in (2, 1, 0)))
        assert await claimed(store) == []
        for expected in (4, 3, 2):
            _, answer = await answers(store, complete(first), claim())
            assert ids(answer.jobs) == [expected]
            (first,) = answer.jobs

    @pytest.mark.parametrize("key", [None, "7"])
    async def test_a_shorter_period_of_a_rate_counts_for_what_waits_already(
        self, store: Store, key: str | None
    ) -> None:
        hourly = StoredLimit("hourly", 1, HOUR * SECOND)
        await set_limits(store, hourly)
        await inserted(store, keyed((hourly, 7)), keyed((hourly, 7)))
        assert ids(await claimed(store)) == [1]
        assert ids(await claimed(store, now=1)) == []
        await one(store, ChangeLimit("hourly", key, 1, 5 * SECOND, is_pinned=False), 1)
        changed = await applied(store, claim(), now=2)
        assert changed.due == at(5)
        assert ids(await claimed(store, now=5)) == [2]

    async def test_a_rate_that_was_paused_while_it_was_exhausted_goes_on_in_its_time(self, store: Store) -> None:
        rate = StoredLimit("one a minute", 1, 60 * SECOND)
        await set_limits(store, rate)
        await inserted(store, keyed((rate, 7)), keyed((rate, 7)))
        assert ids(await claimed(store)) == [1]
        assert ids(await claimed(store, now=1)) == []
        await one(store, PauseLimit(rate.name, None, paused=True, by="me"), 2)
        assert ids(await claimed(store, now=3)) == []
        await one(store, PauseLimit(rate.name, None, paused=False), 10)
        assert (await applied(store, claim(), now=11)).due == at(60)
        assert ids(await claimed(store, now=60)) == [2]

    @pytest.mark.parametrize("many", [1, 3])
    async def test_a_job_that_is_not_due_yet_keeps_no_capacity_from_one_that_is(self, store: Store, many: int) -> None:
        await set_limits(store, ONE, TWO)
        (first,) = await running(store, keyed((ONE, "x")))
        later = [keyed((ONE, "x"), (TWO, key), is_ordered=True, priority=0, due=100 + key) for key in range(many)]
        await inserted(store, *later, keyed((ONE, "x"), priority=2))
        assert await claimed(store) == []
        _, answer = await answers(store, complete(first), claim())
        assert ids(answer.jobs) == [2 + many]
        assert ids((await answers(store, complete(answer.jobs[0]), claim(), now=100))[1].jobs) == [2]

    async def test_a_limit_is_shared_by_the_types_that_name_it(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, "x")))
        await inserted(store, keyed((ONE, "x"), job_type="b"), keyed((ONE, "y"), job_type="b"))
        assert ids(await claimed(store, claim(types="ab"))) == [3]
        _, answer = await answers(store, complete(first), claim(types="ab"))
        assert ids(answer.jobs) == [2]

    async def test_a_shared_limit_is_not_kept_for_a_type_that_cannot_be_claimed(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, "x")))
        await inserted(store, keyed((ONE, "x"), due=-9), keyed((ONE, "x"), job_type="b"))
        assert await claimed(store, claim(types="ab")) == []
        _, answer = await answers(store, complete(first), claim(types="b"))
        assert ids(answer.jobs) == [2 + 1]

    async def test_each_of_several_limits_holds(self, store: Store) -> None:
        await set_limits(store, TWO, ONE)
        rows = [keyed((TWO, org), (ONE, user)) for org, user in ((1, 1), (1, 1), (1, 2), (1, 3), (2, 3))]
        await inserted(store, *rows)
        jobs = await claimed(store)
        assert ids(jobs) == [1, 3, 5]
        _, answer = await answers(store, complete(jobs[0]), claim())
        assert ids(answer.jobs) == [2]
        _, _, answer = await answers(store, complete(jobs[1]), complete(jobs[2]), claim())
        assert ids(answer.jobs) == [4]

    async def test_a_lane_that_one_limit_holds_gives_the_capacity_of_another_on(self, store: Store) -> None:
        await set_limits(store, TWO._replace(most=1), ONE)
        (first,) = await running(store, keyed((TWO, 1)))
        (other,) = await running(store, keyed((ONE, 1)))
        await inserted(store, keyed((TWO, 1), (ONE, 1), due=-9), keyed((TWO, 1), (ONE, 2)))
        assert await claimed(store) == []
        _, answer = await answers(store, complete(first), claim())
        assert ids(answer.jobs) == [4]
        _, _, answer = await answers(store, complete(answer.jobs[0]), complete(other), claim())
        assert ids(answer.jobs) == [3]

    async def test_a_job_without_limits_of_the_same_type_is_not_held_back(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, keyed((ONE, 1)), keyed((ONE, 1)), new(), new("b"))
        assert ids(await claimed(store, claim(types="ab"))) == [1, 3, 4]

    async def test_jobs_to_come_wait_for_their_time_first(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, keyed((ONE, 1), due=9), keyed((ONE, 1), due=5))
        found = await applied(store, claim())
        assert (found.answers[0].jobs, found.due) == ([], at(5))
        assert ids(await claimed(store, now=9)) == [2]

    async def test_a_raised_limit_lets_what_waits_go_on(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, *(keyed((ONE, 1)) for _ in range(5)))
        assert ids(await claimed(store)) == [1]
        await set_limits(store, ONE._replace(most=3))
        assert ids(await claimed(store)) == [2, 3]
        await set_limits(store, ONE._replace(most=1))
        assert await claimed(store) == []

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SNOOZED, Outcome.INTERRUPTED, Outcome.LOST])
    async def test_a_job_that_is_pending_again_gives_its_place_to_one_that_is_older(
        self, store: Store, outcome: Outcome
    ) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1)))
        await inserted(store, keyed((ONE, 1), due=-1))
        assert await claimed(store) == []
        _, answer = await answers(store, again(first, outcome), claim())
        assert ids(answer.jobs) == [2]
        _, answer = await answers(store, complete(answer.jobs[0]), claim())
        assert ids(answer.jobs) == [1]

    async def test_what_leaves_a_lane_is_not_missed_by_it(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1)))
        await inserted(store, *(keyed((ONE, 1)) for _ in range(4)))
        assert await claimed(store) == []
        await answers(store, CancelJob(2, None), DeleteJob(3), Reschedule(4, at(50)))
        _, answer = await answers(store, complete(first), claim())
        assert ids(answer.jobs) == [5]
        assert ids((await answers(store, complete(answer.jobs[0]), claim(), now=50))[1].jobs) == [4]

    async def test_redriven_and_released_jobs_wait_like_all_others(self, store: Store) -> None:
        await set_limits(store, ONE)
        (dead,) = await running(store, keyed((ONE, 1)))
        await one(store, close(dead))
        (held,) = await running(store, keyed((ONE, 1)))
        await one(store, hold(held))
        (first,) = await running(store, keyed((ONE, 1)))
        await answers(store, RedriveJob(dead.id), Release((held.id,), (await stored(store, held.id)).held))  # type: ignore[arg-type]
        assert await claimed(store) == []
        _, answer = await answers(store, complete(first), claim())
        assert ids(answer.jobs) == [dead.id]

    async def test_an_end_that_is_refused_sets_nothing_free(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1)))
        await inserted(store, keyed((ONE, 1)))
        ended, answer = await answers(store, complete(first._replace(attempt=9)), claim())
        assert (ended, answer.jobs) == (None, [])

    async def test_the_first_due_job_is_found_in_the_lane_that_was_set_free(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1)))
        await inserted(store, keyed((ONE, 1)), keyed((ONE, 1), is_ordered=True, due=5))
        assert await claimed(store) == []
        await one(store, complete(first))
        found = await store.ask(FirstDue("a", at(0)))
        assert found is not None
        assert found.id == 2
        assert await store.ask(FirstDue("a", at(-1))) is None

    async def test_a_limit_holds_over_all_owners(self, two: tuple[Store, Store]) -> None:
        here, there = two
        await set_limits(here, TWO)
        await inserted(here, *(keyed((TWO, 1)) for _ in range(5)))
        (first,) = await claimed(here, claim(limit=1))
        assert ids(await claimed(there, claim("two"))) == [2]
        assert await claimed(there, claim("two")) == []
        await one(here, complete(first))
        assert ids(await claimed(there, claim("two"))) == [3]

    async def test_what_a_cancelled_job_leaves_free_is_for_the_next_priority_of_its_type_first(
        self, store: Store
    ) -> None:
        await set_limits(store, ONE)
        (job,) = await running(store, keyed((ONE, 1)))
        rows = (keyed((ONE, 1), priority=0), keyed((ONE, 1)), keyed((ONE, 1), job_type="b", priority=2))
        high, medium, low = await inserted(store, *rows)
        assert await claimed(store, claim(types="ab")) == []
        await one(store, CancelJob(high, None))
        _, answer = await answers(store, complete(job), claim(types="ab"))
        assert ids(answer.jobs) == [medium]
        assert (await stored(store, low)).status is Status.PENDING

    @pytest.mark.parametrize("leaves", [CancelJob(2, None), Reschedule(2, at(60))])
    @pytest.mark.parametrize("behind", [keyed((ONE, 1), job_type="b", due=-1), new("b", due=-1)])
    async def test_what_one_leaves_free_is_for_those_of_its_type_that_are_due_before_others(
        self, store: Store, leaves: Write[Any], behind: NewJob
    ) -> None:
        await set_limits(store, ONE, TWO)
        (job,) = await running(store, keyed((ONE, 1)))
        rows = (keyed((ONE, 1), due=-3), keyed((ONE, 1), (TWO, 1), due=-2), behind)
        _, second, third = await inserted(store, *rows)
        assert await claimed(store, claim(types="a")) == []
        await one(store, leaves)
        _, answer = await answers(store, complete(job), claim(types="ab", limit=1))
        assert ids(answer.jobs) == [second]
        assert (await stored(store, third)).status is Status.PENDING


class ChangedLimits:
    """Limits that are changed, paused and pinned while jobs wait for them."""

    async def test_a_key_may_have_a_value_of_its_own(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, *(keyed((ONE, key)) for key in (7, 7, 7, 8, 8)))
        assert ids(await claimed(store)) == [1, 4]
        assert await one(store, ChangeLimit(ONE.name, "7", 2, None, is_pinned=True))
        assert ids(await claimed(store)) == [2]
        assert await one(store, ChangeLimit(ONE.name, None, 3, None, is_pinned=False))
        assert ids(await claimed(store)) == [5]
        assert await one(store, ChangeLimit(ONE.name, "7", None, None, is_pinned=False))
        assert ids(await claimed(store)) == [3]
        assert await store.ask(ListLimits()) == [LimitRow(ONE.name, None, 3, None)]
        assert not await one(store, ChangeLimit("unknown", None, 3, None, is_pinned=False))

    async def test_what_is_pinned_stays_whatever_code_says(self, store: Store) -> None:
        await set_limits(store, TWO, THREE_A_MINUTE)
        await one(store, ChangeLimit(TWO.name, None, 5, 7, is_pinned=True))
        await one(store, ChangeLimit(THREE_A_MINUTE.name, "1", 9, SECOND, is_pinned=True))
        mine = THREE_A_MINUTE._replace(key="1")
        assert await set_limits(store, TWO, mine) == ()
        assert await store.ask(ListLimits()) == [
            LimitRow(THREE_A_MINUTE.name, None, 3, 60 * SECOND),
            LimitRow(THREE_A_MINUTE.name, "1", 9, SECOND, is_pinned=True),
            LimitRow(TWO.name, None, 5, None, is_pinned=True),
        ]
        await one(store, ChangeLimit(TWO.name, None, None, None, is_pinned=False))
        assert await set_limits(store, TWO) == (TWO._replace(most=5),)

    async def test_a_paused_key_starts_nothing_and_others_do(self, store: Store) -> None:
        await set_limits(store, TWO)
        (first,) = await running(store, keyed((TWO, 7)))
        assert await one(store, PauseLimit(TWO.name, "7", paused=True, by="ops"))
        assert await one(store, PauseLimit(TWO.name, "7", paused=True, by="another"), now=1)
        assert Pause(to_datetime(at(0)), "ops") in [row.pause for row in await store.ask(ListLimits())]
        await inserted(store, keyed((TWO, 7)), keyed((TWO, 8)), keyed((TWO, 8)))
        ended, answer = await answers(store, complete(first), claim())
        assert (ended, ids(answer.jobs)) == (Status.COMPLETED, [3, 4])
        assert await one(store, PauseLimit(TWO.name, None, paused=True))
        assert await one(store, PauseLimit(TWO.name, None, paused=True, by="another"), now=1)
        assert await one(store, PauseLimit(TWO.name, "7", paused=False))
        assert await claimed(store) == []
        assert [row.pause for row in await store.ask(ListLimits())] == [Pause(to_datetime(at(0)), None)]
        assert (await applied(store, PauseLimit(TWO.name, None, paused=False))).due is not None
        assert ids(await claimed(store)) == [2]
        assert not await one(store, PauseLimit("unknown", None, paused=True))

    async def test_a_paused_key_that_loses_its_value_is_pinned_no_more(self, store: Store) -> None:
        await set_limits(store, ONE)
        change = ChangeLimit(ONE.name, "7", 5, None, is_pinned=True)
        await answers(store, change, PauseLimit(ONE.name, "7", paused=True), change._replace(most=None))
        pause = Pause(to_datetime(at(0)), None)
        assert (await store.ask(ListLimits()))[1] == LimitRow(ONE.name, "7", None, None, is_pinned=False, pause=pause)

    async def test_a_paused_rate_goes_on_where_it_was(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        rows = tuple(keyed((THREE_A_MINUTE, 1)) for _ in range(8))
        await answers(store, Insert(rows), claim())
        await one(store, PauseLimit(THREE_A_MINUTE.name, "1", paused=True))
        assert await claimed(store, now=61) == []
        await answers(store, PauseLimit(THREE_A_MINUTE.name, "1", paused=False), now=62)
        assert ids(await claimed(store, now=62)) == [4, 5, 6]
        assert await claimed(store, now=121) == []
        assert ids(await claimed(store, now=122)) == [7, 8]

    async def test_a_job_brings_limits_for_its_keys(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, *(keyed((ONE, key)) for key in (7, 7, 8, 8)))
        assert ids(await claimed(store)) == [1, 3]
        row = keyed((ONE, 7))
        more = row._replace(lane=LimitedLane(row.lane or "", (ONE._replace(most=3, key="7"),)))
        await inserted(store, more)
        assert ids(await claimed(store)) == [2, 5]
        _, answer = await answers(store, Insert((more._replace(lane=_of_unknown()), keyed((ONE, 8)))), claim())
        assert ids(answer.jobs) == [6]
        assert [(row.name, row.key, row.most) for row in await store.ask(ListLimits())] == [
            ("of a job", None, 4),
            (ONE.name, None, 1),
            (ONE.name, "7", 3),
        ]

    async def test_it_is_known_what_a_job_waits_for(self, store: Store) -> None:
        await set_limits(store, ONE, THREE_A_MINUTE)
        rows = tuple(keyed((ONE, 7), (THREE_A_MINUTE, "x"), is_ordered=True) for _ in range(2))
        await answers(store, Insert(rows), claim(), now=1)
        await one(store, PauseLimit(ONE.name, None, paused=True, by="ops"))
        lane = rows[0].lane or ""
        assert await store.ask(LookAtLane(lane, 2, at(5))) == LaneState(
            (
                MeterState(LimitRow(ONE.name, "7", 1, None, pause=Pause(to_datetime(at(0)), "ops")), 1, None),
                MeterState(LimitRow(THREE_A_MINUTE.name, '"x"', 3, 60 * SECOND), 1, None),
            ),
            None,
        )
        await one(store, ChangeLimit(THREE_A_MINUTE.name, '"x"', 1, None, is_pinned=True))
        state = await store.ask(LookAtLane(lane, 9, at(5)))
        assert state.before == 2
        assert (state.meters[1].taken, state.meters[1].free_at) == (1, at(61))


def _of_unknown() -> LimitedLane:
    limit = StoredLimit("of a job", 4, key="1")
    return LimitedLane(lane_text("a", 1, [(limit.name, 1)], is_ordered=False), (limit,))


class OrderedKeys:
    async def test_the_jobs_of_a_key_run_one_after_the_other(self, store: Store) -> None:
        await set_limits(store, ONE)
        rows = [keyed((ONE, 1), is_ordered=True, priority=priority) for priority in (2, 0, 1)]
        await inserted(store, *rows, keyed((ONE, 2), is_ordered=True))
        jobs = await claimed(store)
        assert sorted(ids(jobs)) == [1, 4]
        first = next(job for job in jobs if job.id == 1)
        for expected in (2, 3):
            _, answer = await answers(store, complete(first), claim())
            assert ids(answer.jobs) == [expected]
            (first,) = answer.jobs

    async def test_a_retry_blocks_its_key(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1), is_ordered=True))
        await inserted(store, keyed((ONE, 1), is_ordered=True))
        _, answer = await answers(store, again(first, scheduled_at=at(30)), claim())
        assert answer.jobs == []
        assert await claimed(store, now=29) == []
        assert ids(await claimed(store, now=30)) == [1]

    async def test_what_is_to_come_blocks_its_key_until_it_is_cancelled(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, keyed((ONE, 1), is_ordered=True, due=60), keyed((ONE, 1), is_ordered=True))
        assert await claimed(store) == []
        found = await applied(store, CancelJob(1, None))
        assert found.due is not None
        assert ids(await claimed(store)) == [2]

    @pytest.mark.parametrize("left", [CancelJob(1, None), DeleteJob(1)])
    async def test_the_next_of_an_ordered_key_comes_by_its_own_priority(self, store: Store, left: Any) -> None:
        await set_limits(store, ONE)
        low, high = (keyed((ONE, 1), is_ordered=True, priority=priority) for priority in (2, 0))
        _, second = await inserted(store, low, high)
        await inserted(store, new())
        await answers(store, left)
        assert ids(await claimed(store, claim(limit=1))) == [second]

    async def test_a_released_job_of_an_ordered_key_comes_by_its_own_priority(self, store: Store) -> None:
        await set_limits(store, ONE)
        high, low = (keyed((ONE, 1), is_ordered=True, priority=priority) for priority in (0, 2))
        (first,) = await running(store, high)
        await inserted(store, low, new())
        await answers(store, hold(first), Release((first.id,), Held.PAYLOAD))
        assert ids(await claimed(store, claim(limit=1))) == [first.id]

    async def test_a_job_of_an_ordered_key_with_no_other_is_due_whatever_there_was_before(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await inserted(store, keyed((ONE, 1), is_ordered=True, priority=2, due=60))
        await answers(store, CancelJob(first, None))
        added = await applied(store, Insert((keyed((ONE, 1), is_ordered=True, priority=0, due=-5),)))
        assert added.due is not None
        assert added.due <= at(-5)
        await inserted(store, new(due=-9))
        assert ids(await claimed(store, claim(limit=1))) == [first + 1]

    async def test_an_ordered_job_is_inserted_as_claimed_if_none_waits(self, store: Store) -> None:
        await set_limits(store, ONE)
        rows = tuple(keyed((ONE, 1), is_ordered=True) for _ in range(2))
        _, answer = await answers(store, Insert(rows), claim())
        assert ids(answer.jobs) == [1]
        await one(store, again(answer.jobs[0], scheduled_at=at(5)))
        _, later = await answers(store, Insert(rows), claim())
        assert later.jobs == []

    async def test_a_lane_that_was_looked_at_and_not_taken_is_not_missed(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, keyed((ONE, 1), is_ordered=True), new(due=1), new(due=2))
        await one(store, Reschedule(1, at(10)))
        assert ids(await claimed(store, claim(limit=1), now=20)) == [2]
        assert ids(await claimed(store, now=20)) == [3, 1]

    async def test_a_job_that_is_held_does_not_block_its_key(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1), is_ordered=True))
        await inserted(store, keyed((ONE, 1), is_ordered=True))
        _, answer = await answers(store, hold(first), claim())
        assert ids(answer.jobs) == [2]

    async def test_what_is_scheduled_is_counted_as_such_until_it_is_due(self, store: Store) -> None:
        await set_limits(store, ONE)
        await inserted(store, keyed((ONE, 1), is_ordered=True, due=60))
        assert store.counts().by_type["a"].scheduled == 1
        await inserted(store, keyed((ONE, 1), is_ordered=True, due=70), now=65)
        assert (store.counts().by_type["a"].pending, store.counts().by_type["a"].scheduled) == (2, 1)
        assert ids(await claimed(store, now=75)) == [1]
        assert (await stored(store, 2)).status is Status.PENDING


class LanesOfAClockThatWasAhead:
    """Written an hour ahead: neither a lane nor a rate waits for that hour."""

    async def test_jobs_that_wait_are_listed_and_moved_back(self, store: Store) -> None:
        await set_limits(store, ONE, TWO)
        rows = [keyed((ONE, n % 2), is_ordered=True, due=HOUR + 5) for n in range(4)]
        rows += [keyed((TWO, 1), due=HOUR) for n in range(5)]
        await inserted(store, *[row._replace(created_at=at(HOUR)) for row in rows], now=HOUR)
        jobs = await claimed(store, now=HOUR)
        assert ids(jobs) == [5, 6]
        found: list[int] = []
        page = await store.ask(ListAhead(at(0), 2))
        while page.next is not None:
            found += page.ids
            page = await store.ask(ListAhead(at(0), 2, page.next))
        found += page.ids
        assert sorted(found) == [1, 2, 3, 4, 7, 8, 9]
        assert not page.has_starts
        assert (await one(store, MoveBack(tuple(found)))).jobs == 7
        assert await claimed(store, now=4) == []
        assert ids(await claimed(store, now=5)) == [1, 2]
        await answers(store, *map(complete, jobs), now=6)
        assert ids(await claimed(store, now=6)) == [7, 8]

    async def test_a_rate_counts_its_starts_as_of_now(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        rows = tuple(keyed((THREE_A_MINUTE, 1)) for _ in range(5))
        _, answer = await answers(store, Insert(rows), claim(), now=HOUR)
        await answers(store, *map(complete, answer.jobs), now=HOUR)
        assert (await store.ask(ListAhead(at(0), 9))).has_starts
        await one(store, MoveBack(()))
        assert not (await store.ask(ListAhead(at(0), 9))).has_starts
        found = await applied(store, claim())
        assert (found.answers[0].jobs, found.due) == ([], at(60))
        assert ids(await claimed(store, now=60)) == [4, 5]


class RatesByKey:
    async def test_no_more_start_in_any_period(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        started: list[float] = []
        for now in (0, 10, 30, 59, 60, 69, 70, 90, 200):
            await inserted(store, keyed((THREE_A_MINUTE, 1)), keyed((THREE_A_MINUTE, 1)), now=now)
            jobs = await claimed(store, claim(limit=2), now=now)
            started += [now] * len(jobs)
            if jobs:
                await answers(store, *map(complete, jobs), now=now)
        assert started == [0, 0, 10, 60, 60, 70, 200, 200]
        assert all(sum(first <= later < first + 60 for later in started) <= 3 for first in started)

    async def test_no_more_start_in_any_period_though_a_clock_is_set_back_a_little(self, store: Store) -> None:
        rate = StoredLimit("two each five seconds", 2, 5 * SECOND)
        await set_limits(store, rate)
        await inserted(store, *[keyed((rate, 1), due=-1) for _ in range(5)])
        assert [ids(await claimed(store, claim(limit=most), now=now)) for now, most in ((0, 2), (6, 1))] == [
            [1, 2],
            [3],
        ]
        assert [ids(await claimed(store, now=now)) for now in (3, 4.9, 5, 9.9, 10)] == [[], [], [4], [], [5]]

    async def test_no_more_start_though_another_owner_was_there_a_little_later(self, store: Store) -> None:
        rate = StoredLimit("two each five seconds", 2, 5 * SECOND)
        await set_limits(store, rate)
        await inserted(store, *[keyed((rate, 1), due=-1) for _ in range(5)])
        assert ids(await claimed(store)) == [1, 2]
        assert await claimed(store, claim(types={"b"}), now=6) == []
        assert [ids(await claimed(store, now=now)) for now in (4.9, 5)] == [[], [3, 4]]

    async def test_the_claim_says_when_a_rate_allows_one_more(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        rows = tuple(keyed((THREE_A_MINUTE, 1)) for _ in range(7))
        found = await applied(store, Insert(rows), claim())
        assert (len(found.answers[1].jobs), found.due) == (3, at(60))
        found = await applied(store, claim("two"), now=30)
        assert (found.answers[0].jobs, found.due) == ([], at(60))
        found = await applied(store, claim("two"), now=60)
        assert (len(found.answers[0].jobs), found.due) == (3, at(120))
        assert ids(await claimed(store, claim("three"), now=120)) == [7]

    async def test_a_rate_for_some_jobs_of_several_lanes_wakes_as_many_as_may_start(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE, ONE)
        rows = tuple(keyed((THREE_A_MINUTE, 1), (ONE, user)) for user in range(8))
        _, answer = await answers(store, Insert(rows), claim())
        assert ids(answer.jobs) == [1, 2, 3]
        assert await claimed(store, now=59) == []
        assert ids(await claimed(store, now=60)) == [4, 5, 6]
        assert ids(await claimed(store, now=120)) == [7, 8]

    async def test_a_retry_counts_as_a_start(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        (job,) = await running(store, keyed((THREE_A_MINUTE, 1)))
        for _ in range(2):
            _, answer = await answers(store, again(job), claim())
            (job,) = answer.jobs
        _, answer = await answers(store, again(job), claim())
        assert answer.jobs == []
        assert ids(await claimed(store, now=60)) == [1]
