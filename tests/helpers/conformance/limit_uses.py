"""What a limit counts for one key, and a rate whose count begins anew."""

from __future__ import annotations

from aiojobs_lite.model.limits import (
    LimitRow,
    LookAtMeters,
    MeterState,
    MeterUse,
    PauseLimit,
    RestartRate,
    StoredLimit,
)
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.base import Store
from tests.helpers.conformance.limits import ONE, SECOND, THREE_A_MINUTE, TWO, ids, keyed, set_limits
from tests.helpers.stores import again, answers, at, claim, claimed, complete, hold, inserted, one, running, stored


async def use(store: Store, name: str, key: str, now: int) -> MeterUse | None:
    """What a limit counts for one key."""
    found = await store.ask(LookAtMeters(name, (key,), now))
    return None if found is None else found[0]


class UsesOfLimits:
    async def test_a_limit_tells_what_runs_waits_and_is_due_later(self, store: Store) -> None:
        await set_limits(store, TWO, ONE)
        await running(store, keyed((TWO, "a")), keyed((TWO, "a"), (ONE, "b")))
        await inserted(
            store, keyed((TWO, "a")), keyed((TWO, "a"), due=9), keyed((TWO, "b")), keyed((ONE, "a")),
            keyed((ONE, "b"), (TWO, "a"), priority=0),
        )  # fmt: skip
        assert ids(await claimed(store)) == [5, 6]
        used = await use(store, TWO.name, '"a"', at(5))
        assert used == MeterUse(MeterState(LimitRow(TWO.name, '"a"', 2, None), 2, None), None, 2, 3)
        assert await use(store, "no such", '"a"', at(5)) is None
        many = await store.ask(LookAtMeters(TWO.name, ('"b"', '"a"', '"c"'), at(9)))
        assert many is not None
        assert [(one.state.taken, one.waiting, one.pending) for one in many] == [(1, 0, 0), (2, 3, 3), (0, 0, 0)]

    async def test_jobs_that_are_held_are_not_counted_and_a_lane_that_is_ordered_is(self, store: Store) -> None:
        await set_limits(store, ONE)
        (first,) = await running(store, keyed((ONE, 1), is_ordered=True))
        await inserted(store, *(keyed((ONE, 1), is_ordered=True) for _ in range(3)))
        (held,) = await running(store, keyed((TWO, 1), (ONE, 2)))
        await one(store, hold(held))
        assert await claimed(store) == []
        used = await use(store, ONE.name, "1", at(0))
        assert used is not None
        assert (used.state.taken, used.waiting, used.pending) == (1, 3, 3)
        used = await use(store, ONE.name, "2", at(0))
        assert used is not None
        assert (used.state.taken, used.waiting, used.pending) == (0, 0, 0)
        await one(store, complete(first))

    async def test_the_count_of_a_rate_begins_anew_for_one_key_and_its_jobs_start(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        rows = tuple(keyed((THREE_A_MINUTE, key)) for key in (1, 1, 1, 1, 2, 2, 2, 2))
        _, answer = await answers(store, Insert(rows), claim())
        assert ids(answer.jobs) == [1, 2, 3, 5, 6, 7]
        used = await use(store, THREE_A_MINUTE.name, "1", at(30))
        row = LimitRow(THREE_A_MINUTE.name, "1", 3, 60 * SECOND)
        assert used == MeterUse(MeterState(row, 3, at(60)), at(0), 1, 1)
        is_known, answer = await answers(store, RestartRate(THREE_A_MINUTE.name, "1"), claim(), now=30)
        assert is_known
        assert ids(answer.jobs) == [4]
        used = await use(store, THREE_A_MINUTE.name, "1", at(30))
        assert used == MeterUse(MeterState(row, 1, None), at(30), 0, 0)
        assert await one(store, RestartRate("no such", "1")) is False
        assert await claimed(store, now=59) == []
        assert ids(await claimed(store, now=60)) == [8]

    async def test_a_rate_that_is_restarted_while_it_is_paused_counts_nothing(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE)
        await answers(store, Insert(tuple(keyed((THREE_A_MINUTE, 1)) for _ in range(4))), claim())
        await one(store, PauseLimit(THREE_A_MINUTE.name, "1", paused=True, by="ops"))
        await one(store, RestartRate(THREE_A_MINUTE.name, "1"))
        assert await claimed(store, now=30) == []
        used = await use(store, THREE_A_MINUTE.name, "1", at(30))
        assert used is not None
        assert (used.state.taken, used.waiting, used.state.limit.pause is not None) == (0, 1, True)
        await one(store, PauseLimit(THREE_A_MINUTE.name, "1", paused=False))
        assert ids(await claimed(store, now=30)) == [4]

    async def test_a_rate_of_jobs_counts_their_first_attempts_and_holds_back_no_later_ones(self, store: Store) -> None:
        starts = StoredLimit("a: starts by n", 1, 60 * SECOND)
        await set_limits(store, starts, TWO)
        await inserted(store, keyed((starts, 1), (TWO, 1)), keyed((starts, 1)), keyed((starts, 1)))
        (first,) = await claimed(store)
        await one(store, again(first, scheduled_at=at(5)))
        assert (await stored(store, 1)).lane == keyed((TWO, 1)).lane
        (same,) = await claimed(store, now=6)  # the rate is exhausted, and it goes on all the same
        assert same.id == first.id
        await one(store, complete(same), 7)
        (second,) = await claimed(store, now=60)
        await one(store, again(second, scheduled_at=at(60)), 61)
        assert (await stored(store, second.id)).lane is None
        assert ids(await claimed(store, now=62)) == [second.id]
        used = await use(store, starts.name, "1", at(62))
        assert used is not None
        assert (used.state.taken, used.pending) == (1, 1)
