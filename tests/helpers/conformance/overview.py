"""How the database stands: counts, what is due and since when, what is held, paused types and runners."""

from __future__ import annotations

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.overview import BoundedCount, GetOverview
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.runners import SetRunner
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import NOW, answers, at, close, complete, held, inserted, new, one, running


class HowTheDatabaseStands:
    async def test_jobs_are_counted_by_type_and_status(self, store: Store) -> None:
        jobs = await running(store, *[new("a")] * 4)
        await answers(store, complete(jobs[0]), close(jobs[1]), close(jobs[2], Status.CANCELLED))
        await inserted(store, new("b"), new("b", due=9))
        found = await store.ask(GetOverview(at(0), 9))
        assert found.counts == {"a": (0, 1, 1, 1, 1), "b": (2, 0, 0, 0, 0)}

    async def test_what_is_due_is_counted_up_to_a_limit(self, store: Store) -> None:
        await inserted(store, *[new("a", priority=number % 3) for number in range(5)], new("a", due=1), new("b"))
        await held(store, new("h"))
        found = [(await store.ask(GetOverview(at(0), most))).due for most in (5, 6, 7)]
        assert found == [BoundedCount(5, is_more=True), BoundedCount(6, is_more=False), BoundedCount(6, is_more=False)]
        assert list(map(str, found)) == ["5+", "6", "6"]
        assert (await store.ask(GetOverview(at(1), 9))).due == BoundedCount(7, is_more=False)

    async def test_it_says_since_when_the_oldest_of_each_type_has_been_due(self, store: Store) -> None:
        rows = [new("a", due=due, priority=due % 3) for due in (4, 2, 3)]
        await inserted(store, *rows, new("b", due=-5), new("later", due=99))
        await running(store, new("runs", due=-9))
        await held(store, new("h", due=-9))
        found = await store.ask(GetOverview(at(3), 9))
        assert found.oldest_due == {"a": at(2), "b": at(-5)}
        assert found.due == BoundedCount(3, is_more=False)

    async def test_jobs_of_a_paused_type_are_not_due(self, store: Store) -> None:
        await inserted(store, new("a"), new("b"))
        await one(store, PauseType("a", True, "me"))
        found = await store.ask(GetOverview(at(0), 9))
        assert found.paused == {"a": Pause(to_datetime(NOW), "me")}
        assert (found.due, found.oldest_due) == (BoundedCount(1, is_more=False), {"b": at(0)})

    async def test_it_says_since_when_the_oldest_of_each_reason_waits(self, store: Store) -> None:
        rows = [new("a", due=due, priority=due % 3) for due in (-2, -4, -3)]
        await inserted(store, *rows, new("b", due=-9), new("c", due=7), new("later", due=99))
        await held(store, new("h", due=-6), new("h", due=-7))
        found = await store.ask(GetOverview(at(3), 9))
        assert found.waiting == {"payload": {"h": at(-7)}}
        for job_type in ("a", "c"):
            await one(store, PauseType(job_type, True, "me"))
        found = await store.ask(GetOverview(at(3), 9))
        assert found.waiting == {"paused": {"a": at(-4)}, "payload": {"h": at(-7)}}
        assert found.oldest_due == {"b": at(-9)}
        found = await store.ask(GetOverview(at(99), 9))
        assert found.waiting["paused"] == {"a": at(-4), "c": at(7)}

    async def test_what_is_held_is_counted_by_reason(self, store: Store) -> None:
        await held(store, *[new("a")] * 3)
        found = await store.ask(GetOverview(at(0), 2))
        assert found.held == {"payload": BoundedCount(2, is_more=True)}

    async def test_the_runners_are_those_that_are_stored(self, store: Store) -> None:
        await one(store, SetRunner("one", 7, "host", 3, '{"a": 2}'))
        await running(store, new("a"), owner="one")
        (found,) = (await store.ask(GetOverview(at(0), 9))).runners
        assert (found.id, found.pid, found.types, found.running, found.is_alive) == ("one", 7, {"a": 2}, 1, True)

    async def test_an_empty_database_has_nothing(self, store: Store) -> None:
        found = await store.ask(GetOverview(at(0), 9))
        assert (found.counts, found.due.count, found.oldest_due, found.held, found.paused) == ({}, 0, {}, {}, {})
        assert not found.runners
