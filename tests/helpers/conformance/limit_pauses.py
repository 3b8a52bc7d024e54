"""Pauses of limits that end by themselves: when, what starts then, and clocks that were ahead."""

from __future__ import annotations

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.ahead import ListAhead, MoveBack
from aiojobs_lite.model.limits import ListLimits, LookAtLane, PauseLimit
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.base import Store
from tests.helpers.conformance.limits import THREE_A_MINUTE, TWO, ids, keyed, set_limits
from tests.helpers.stores import answers, applied, at, claim, claimed, inserted, one


class PausesOfLimits:
    async def test_a_pause_ends_by_itself_at_its_instant(self, store: Store) -> None:
        await set_limits(store, TWO)
        await inserted(store, *(keyed((TWO, key)) for key in (7, 7, 8)))
        assert await one(store, PauseLimit(TWO.name, "7", paused=True, by="ops", until=at(60)), 1)
        assert ids(await claimed(store, now=2)) == [3]
        looked = await applied(store, claim(), now=59)
        assert looked.answers[0].jobs == []
        assert looked.due == at(60)
        (meter,) = (await store.ask(LookAtLane(keyed((TWO, 7)).lane or "", 1, at(59)))).meters
        assert meter.limit.pause == Pause(to_datetime(at(1)), "ops", to_datetime(at(60)))
        (meter,) = (await store.ask(LookAtLane(keyed((TWO, 7)).lane or "", 1, at(60)))).meters
        assert meter.limit.pause is None
        assert ids(await claimed(store, now=60)) == [1, 2]
        assert [(row.key, row.pause) for row in await store.ask(ListLimits())] == [(None, None)]

    async def test_a_pause_of_all_keys_ends_by_itself_and_new_jobs_start(self, store: Store) -> None:
        await set_limits(store, THREE_A_MINUTE, TWO)
        assert await one(store, PauseLimit(THREE_A_MINUTE.name, None, paused=True, until=at(60)))
        assert await one(store, PauseLimit(TWO.name, "1", paused=True, until=at(30)))
        rows = tuple(keyed((THREE_A_MINUTE, 1), (TWO, 1)) for _ in range(4))
        _, answer = await answers(store, Insert(rows), claim())
        assert answer.jobs == []
        assert await claimed(store, now=31) == []
        _, answer = await answers(store, Insert((keyed((THREE_A_MINUTE, 2)),)), claim(), now=60)
        assert ids(answer.jobs) == [1, 2, 5]

    async def test_a_job_that_waits_for_the_end_of_a_pause_is_due_then(self, store: Store) -> None:
        await set_limits(store, TWO)
        assert await one(store, PauseLimit(TWO.name, None, paused=True, until=at(60)))
        waiting = await applied(store, Insert((keyed((TWO, 7)),)), now=1)
        assert waiting.due is not None
        assert waiting.due <= at(60)

    async def test_of_two_pauses_the_longer_one_counts(self, store: Store) -> None:
        await set_limits(store, TWO)

        async def pause(key: str | None, until: float | None, by: str, now: float = 0) -> Pause | None:
            end = None if until is None else at(until)
            assert await one(store, PauseLimit(TWO.name, key, paused=True, by=by, until=end), now)
            (found,) = [row.pause for row in await store.ask(ListLimits()) if row.key == key]
            return found

        def expected(since: float, by: str, until: float | None) -> Pause:
            return Pause(to_datetime(at(since)), by, None if until is None else to_datetime(at(until)))

        for key in ("7", None):
            assert await pause(key, 60, "a") == expected(0, "a", 60)
            assert await pause(key, 30, "b", 1) == expected(0, "a", 60)
            assert await pause(key, 90, "c", 2) == expected(0, "c", 90)
            assert await pause(key, 120, "d", 90) == expected(90, "d", 120)
            assert await pause(key, None, "e", 91) == expected(90, "e", None)
            assert await pause(key, 500, "f", 92) == expected(90, "e", None)
            assert await one(store, PauseLimit(TWO.name, key, paused=False), 93)
        await inserted(store, keyed((TWO, 7)))
        await pause("7", 200, "own", 100)
        await pause(None, 300, "all", 100)
        (meter,) = (await store.ask(LookAtLane(keyed((TWO, 7)).lane or "", 1, at(150)))).meters
        assert meter.limit.pause == expected(100, "all", 300)
        assert await claimed(store, now=299) == []
        assert ids(await claimed(store, now=300)) == [1]

    async def test_a_pause_that_began_while_the_clock_was_ahead_lasts_as_long_as_it_was_to(self, store: Store) -> None:
        await set_limits(store, TWO)
        await inserted(store, keyed((TWO, 7)))
        ahead = 3600
        await one(store, PauseLimit(TWO.name, "7", paused=True, until=at(ahead + 60)), ahead)
        found = await store.ask(ListAhead(at(0), 100))
        assert found.has_starts
        await answers(store, MoveBack(()), now=0)
        assert not (await store.ask(ListAhead(at(0), 100))).has_starts
        assert await claimed(store, now=59) == []
        assert ids(await claimed(store, now=60)) == [1]
