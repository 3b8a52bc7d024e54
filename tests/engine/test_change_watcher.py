"""The reaction to what other owners change: nothing is missed, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite.engine.change_watcher import ChangeWatcher
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Change
from tests.helpers.engine import going
from tests.helpers.fault_store import FULL
from tests.helpers.waiting import quiet, until


class Rig:
    """A change watcher with a store that tells of changes as the test says.

    Attributes:
        faults: What the next reads of the store end with.
        fault_of_changes: What the next iteration of changes ends with.
    """

    def __init__(self) -> None:
        self.changed: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.iterations = 0
        self.faults: list[Exception] = []
        self.looks = self.rechecks = 0
        self.running = 1
        self.watched: list[int] = []  # the looks of the watchers of jobs
        self.listened: list[int] = []  # those of the listeners
        self.ticked: list[int] = []  # those of the ticker
        self.asked: list[FindJobs] = []
        self.asked_to_stop = [8, 7]
        self.stopped: list[tuple[int, Stop]] = []
        self.watcher = ChangeWatcher(
            store=self,  # type: ignore[arg-type]  # no more of a store is needed
            owner="me", dispatcher=self, waiters=self, pauses=SimpleNamespace(look=lambda: None),
            joined=SimpleNamespace(recheck=self.recheck_joined),
            watchers=SimpleNamespace(look_again=lambda: self.watched.append(self.looks)),
            listeners=SimpleNamespace(look_again=lambda: self.listened.append(self.looks)),
        )  # fmt: skip
        self.watcher.connect(attempts=self, ticker=SimpleNamespace(look_again=lambda: self.ticked.append(self.looks)))

    async def changes(self) -> AsyncIterator[Change]:
        self.iterations += 1
        while True:
            fault = await self.changed.get()
            if fault is not None:
                raise fault
            yield Change()

    async def ask(self, query: Any) -> Any:
        await asyncio.sleep(0)
        self.asked.append(query)
        if self.faults:
            raise self.faults.pop()
        below = [job_id for job_id in self.asked_to_stop if query.before is None or job_id < query.before]
        return [SimpleNamespace(id=job_id, reason=None) for job_id in below[: query.limit]]

    def look_again(self) -> None:
        self.looks += 1

    async def recheck(self, store: object) -> None:
        assert store is self
        self.rechecks += 1

    async def recheck_joined(self, store: object) -> None:
        """Jobs of callers are looked for before anything is claimed."""
        assert (store, self.looks) == (self, self.rechecks)

    def stop(self, job_id: int, why: Stop, reason: str | None = None) -> bool:
        self.stopped.append((job_id, why))
        return job_id == 7

    async def react(self) -> None:
        """Waits until a change has had its consequences."""
        self.changed.put_nowait(None)
        before = self.rechecks
        await until(lambda: self.rechecks > before)
        await quiet()


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_each_change_is_looked_at_everywhere(rig: Rig) -> None:
    async with going(rig.watcher.run):
        await quiet()
        assert (rig.looks, rig.rechecks) == (0, 0)
        await rig.react()
        assert (rig.looks, rig.rechecks) == (1, 1)
        assert rig.asked == [FindJobs(owner="me", cancel_requested=True, limit=200)]
        assert rig.stopped == [(8, Stop.CANCEL), (7, Stop.CANCEL)]
        await rig.react()
        assert (rig.looks, rig.rechecks, rig.watched, rig.ticked) == (2, 2, [1, 2], [1, 2])


async def test_while_nothing_runs_no_cancel_is_looked_for(rig: Rig) -> None:
    rig.running = 0
    async with going(rig.watcher.run):
        await rig.react()
        assert (rig.looks, rig.rechecks, rig.asked) == (1, 1, [])


async def test_it_looks_when_it_is_asked_to_whatever_the_store_says(rig: Rig) -> None:
    rig.watcher.look_again()  # before it runs, say
    async with going(rig.watcher.run):
        await until(lambda: rig.rechecks == 1)
        await quiet()
        for _ in range(3):
            rig.watcher.look_again()
        await quiet()
        assert (rig.looks, rig.rechecks) == (2, 2)  # together


async def test_a_change_while_it_reacts_is_looked_at_again(rig: Rig) -> None:
    async with going(rig.watcher.run):
        rig.changed.put_nowait(None)
        await until(lambda: rig.rechecks == 1)  # it reads
        rig.watcher.look_again()
        await until(lambda: rig.rechecks == 2)
        await quiet()
    assert rig.rechecks == 2  # once more, and no more often


async def test_a_change_whose_consequences_failed_is_not_forgotten(rig: Rig) -> None:
    rig.faults = [FULL]
    rig.changed.put_nowait(None)
    with pytest.raises(StoreUnavailable):
        await rig.watcher.run()
    async with going(rig.watcher.run):  # started again
        await until(lambda: bool(rig.stopped))
    assert (rig.looks, rig.rechecks, rig.iterations) == (2, 2, 2)


async def test_a_store_that_could_not_tell_may_have_missed_a_change(rig: Rig) -> None:
    rig.changed.put_nowait(FULL)
    with pytest.raises(StoreUnavailable):
        await rig.watcher.run()
    async with going(rig.watcher.run):
        await until(lambda: rig.rechecks == 1)
        await rig.react()
    assert rig.iterations == 2


async def test_a_store_that_stops_telling_is_a_fault(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ends() -> AsyncIterator[Change]:
        return
        yield

    monkeypatch.setattr(rig, "changes", ends)
    with pytest.raises(RuntimeError, match="does not tell of changes any more"):
        await rig.watcher.run()


async def test_every_attempt_is_stopped_however_many_are_asked_to_at_once() -> None:
    rig = Rig()
    rig.asked_to_stop = list(range(1000, 0, -1))
    async with going(rig.watcher.run):
        rig.watcher.look_again()
        await until(lambda: len(rig.stopped) >= 1000)
        await quiet()
    assert sorted(job_id for job_id, _ in rig.stopped) == list(range(1, 1001))
