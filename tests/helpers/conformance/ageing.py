"""Priorities that rise: which jobs, in what order, and that the next claim takes them so."""

from __future__ import annotations

from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.limits import lane_text
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import (
    answers,
    at,
    claim,
    claimed,
    counted,
    finished,
    held,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)


class Ageing:
    async def test_what_has_waited_for_long_becomes_medium_and_then_high(self, store: Store) -> None:
        ids = await inserted(
            store, *(new(priority=priority, due=-due) for priority in (0, 1, 2) for due in (1, 11, 21))
        )
        assert await one(store, RaisePriorities(at(-10), at(-20), 100)) == 3
        found = [(await stored(store, job_id)).priority for job_id in ids]
        assert found == ["high"] * 3 + ["medium", "medium", "high"] + ["low", "medium", "high"]
        assert await one(store, RaisePriorities(at(-10), at(-20), 100)) == 0
        assert shown(store) == await counted(store)

    async def test_the_next_claim_takes_them_in_their_new_order(self, two: tuple[Store, Store]) -> None:
        young, old, oldest = await inserted(
            two[0], new(priority=0), new(priority=2, due=-30), new("b", priority=1, due=-40)
        )
        await one(two[1], RaisePriorities(at(-10), at(-20), 100))
        taken = await claimed(two[0], claim(types="ab", limit=2))
        assert [(job.id, job.priority) for job in taken] == [(oldest, 0), (old, 0)]
        assert [job.id for job in await claimed(two[1], claim(types="ab"))] == [young]

    async def test_only_pending_jobs_that_are_not_held_rise(self, store: Store) -> None:
        (waits,) = await held(store, new(priority=2, due=-30))
        (runs,) = await running(store, new("b", priority=2, due=-30))
        ended = await finished(store, new("c", priority=2, due=-30), Status.DEAD)
        assert await one(store, RaisePriorities(at(0), at(0), 100)) == 0
        assert {(await stored(store, job_id)).priority for job_id in (waits, runs.id, ended)} == {"low"}

    async def test_a_type_with_limits_by_key_keeps_its_priorities(self, store: Store) -> None:
        lane = lane_text("a", 2, [("one", 1)], is_ordered=False)
        rows = (new(priority=2, due=-30), new(priority=2, due=-30, lane=lane), new("b", priority=2, due=-30))
        jobs = await inserted(store, *rows)
        assert await one(store, RaisePriorities(at(-10), at(-20), 100)) == 1
        assert [(await stored(store, job_id)).priority for job_id in jobs] == ["low", "low", "high"]

    async def test_a_limit_is_kept_and_the_order_is_that_of_the_steps(self, store: Store) -> None:
        low, medium, other = await inserted(
            store, new("a", priority=2, due=-30), new("b", priority=1, due=-30), new("a", priority=1, due=-30)
        )
        write = RaisePriorities(at(-10), at(-20), 2)
        assert await one(store, write) == 2
        assert [(await stored(store, job_id)).priority for job_id in (low, medium, other)] == ["low", "high", "high"]
        assert [*await answers(store, write, write), (await stored(store, low)).priority] == [1, 0, "high"]
