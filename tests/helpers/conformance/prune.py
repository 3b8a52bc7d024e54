"""Pruning: what was finished for long enough is deleted, within a limit."""

from __future__ import annotations

from aiojobs_lite.model.batches import CloseBatch, GetBatch
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.stores.base import Store
from tests.helpers.conformance.batches import opened
from tests.helpers.stores import answers, at, finished, fire, found, inserted, new, one, running, shown


class Pruning:
    async def test_pruning_deletes_what_ended_before_the_instants(self, store: Store) -> None:
        kept, gone = [], []
        for status, border in ((Status.COMPLETED, 10), (Status.DEAD, 20), (Status.CANCELLED, 20)):
            gone.append(await finished(store, new(), status, border - 0.000001))
            kept.append(await finished(store, new(), status, border))
        kept += [job.id for job in await running(store, new(due=-99))]
        kept += await inserted(store, new(due=-99))
        assert await one(store, Prune(at(10), at(20), at(0), 100), 30) == 3
        assert await found(store, FindJobs()) == sorted(kept, reverse=True)
        counts = shown(store)["a"]
        assert (counts.pending, counts.processing) == (1, 1)
        assert (counts.completed, counts.dead, counts.cancelled) == (1, 1, 1)

    async def test_pruning_keeps_to_its_limit_the_oldest_first(self, store: Store) -> None:
        done = [await finished(store, new(), Status.COMPLETED, n) for n in (3, 1, 2)]
        dead = [await finished(store, new(), Status.DEAD, n) for n in (2, 1)]
        write = Prune(at(99), at(99), at(0), 2)
        assert await one(store, write, 100) == 2
        assert set(await found(store, FindJobs())) == {done[0], *dead}
        assert await one(store, write, 100) == 2
        assert await found(store, FindJobs()) == [dead[0]]
        assert [await one(store, write, 100) for _ in range(2)] == [1, 0]
        assert shown(store) == {}

    async def test_jobs_go_by_how_they_ended_then_the_ticks_then_the_batches(self, store: Store) -> None:
        """The later a kind goes, the older it is here: the kind decides, and not the age."""
        batch, _ = [await opened(store) for _ in range(2)]
        await one(store, CloseBatch(batch, (), False))
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(60)))
        tick = fire("s", at(1), at(9), None, skip_overlap=False)
        await one(store, tick)
        statuses = Status.CANCELLED, Status.DEAD, Status.COMPLETED
        cancelled, dead, _ = [await finished(store, new(), status, n) for n, status in enumerate(statuses, 2)]
        left = []
        for _ in range(5):
            assert await one(store, Prune(at(9), at(9), at(9), 1), 9) == 1
            left.append((await found(store, FindJobs()), await store.ask(GetBatch(batch)) is not None))
        assert left == [([dead, cancelled], True), ([cancelled], True), ([], True), ([], True), ([], False)]
        assert await one(store, Prune(at(9), at(9), at(9), 1), 9) == 0
        assert (await one(store, tick)).what == "skipped"  # it was forgotten

    async def test_pruning_counts_ticks_in_its_limit_after_the_jobs_the_oldest_first(self, store: Store) -> None:
        await finished(store, new(), Status.COMPLETED, 1)
        names = ("s", "t", "u")
        await answers(store, *(SetSchedule(name, "* * * * *", "UTC", at(60)) for name in names))
        ticks = {(name, n): fire(name, at(n), at(9), None, skip_overlap=False) for name in names for n in (2, 1, 3, 50)}
        await answers(store, *ticks.values())
        write = Prune(at(0), at(0), at(4), 4)
        assert await one(store, write._replace(completed_before=at(99), limit=0), 100) == 0
        assert await one(store, write._replace(completed_before=at(99)), 100) == 4  # the job and three ticks
        assert shown(store) == {}
        assert [await one(store, write, 100) for _ in range(3)] == [4, 2, 0]
        left = {key for key, tick in ticks.items() if (await one(store, tick)).what == "duplicate"}
        assert left == {(name, 50) for name in names}

    async def test_pruning_some_ticks_of_a_schedule_forgets_the_oldest(self, store: Store) -> None:
        await one(store, SetSchedule("s", "* * * * *", "UTC", at(60)))
        ticks = [fire("s", at(n), at(9), None, skip_overlap=False) for n in range(4)]
        await answers(store, *ticks)
        assert await one(store, Prune(at(0), at(0), at(3), 2)) == 2
        assert [answer.what for answer in await answers(store, *ticks)] == ["skipped"] * 2 + ["duplicate"] * 2

    async def test_pruning_many_types_at_once_counts_each(self, store: Store) -> None:
        for n in range(6):
            await finished(store, new(f"type {n % 3}"), Status.COMPLETED, n)
        assert await one(store, Prune(at(4), at(0), at(0), 100), 100) == 4
        assert {name: counts.completed for name, counts in shown(store).items()} == {"type 1": 1, "type 2": 1}
