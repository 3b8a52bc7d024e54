"""Pruning and the store's own housekeeping, apart from the rescue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aiojobs_lite import InvalidOption, JobRunner, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine.maintenance import Maintenance, Retention
from aiojobs_lite.model.documents import PruneDocuments
from aiojobs_lite.model.events import PruneEvents
from aiojobs_lite.model.figures import PruneFigures
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going
from tests.helpers.fault_store import FULL, FaultStore
from tests.helpers.stores import connected
from tests.helpers.waiting import as_time_passes, quiet, until


@dataclass
class World:
    """The store and the committer, and what they were asked for.

    Attributes:
        pruned: What the next prunes of jobs answer; after them 0. `events_pruned`: the same of events.
        documents_pruned: The same of documents. `figures_pruned`: of figures.
        is_full: Whether nothing can be pruned.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    prunes: list[Prune] = field(default_factory=list)
    event_prunes: list[PruneEvents] = field(default_factory=list)
    pruned: list[int] = field(default_factory=list)
    events_pruned: list[int] = field(default_factory=list)
    document_prunes: list[PruneDocuments] = field(default_factory=list)
    documents_pruned: list[int] = field(default_factory=list)
    figure_prunes: list[PruneFigures] = field(default_factory=list)
    figures_pruned: list[int] = field(default_factory=list)
    maintained_at: list[int] = field(default_factory=list)
    looks: list[tuple[int, list[str]]] = field(default_factory=list)
    is_full: bool = False
    tries: int = 0

    def maintenance(self) -> Maintenance:
        return Maintenance(
            store=self,  # type: ignore[arg-type]  # it needs no more of a store
            clock=self.clock,
            commits=self,  # type: ignore[arg-type]  # the same
            retention=Retention(3600.0, 7200.0, 9000.0),
            look_at_ends=self.look,
        )

    async def look(self, runners: Sequence[RunnerInfo], dead: Collection[str]) -> None:
        self.looks.append((len(runners), sorted(dead)))

    @property
    def owners(self) -> World:
        return self

    async def dead(self, owners: Collection[str]) -> set[str]:
        return {*owners}

    async def ask(self, query: object) -> list[object]:
        return []  # no runner is stored

    async def maintain(self, now: int) -> None:
        self.maintained_at.append(now)

    async def write(self, write: Prune | PruneEvents | PruneDocuments | PruneFigures) -> int:
        await asyncio.sleep(0)
        if isinstance(write, PruneFigures):
            self.figure_prunes.append(write)
            return self.figures_pruned.pop(0) if self.figures_pruned else 0
        if isinstance(write, PruneDocuments):
            self.document_prunes.append(write)
            return self.documents_pruned.pop(0) if self.documents_pruned else 0
        if isinstance(write, PruneEvents):
            self.event_prunes.append(write)
            return self.events_pruned.pop(0) if self.events_pruned else 0
        self.tries += 1
        if self.is_full:
            raise copy(FULL)
        self.prunes.append(write)
        return self.pruned.pop(0) if self.pruned else 0


async def test_finished_jobs_are_pruned_by_age_some_at_a_time() -> None:
    world = World(pruned=[500, 500, 12, 99])
    await world.maintenance().prune()
    now = to_micros(world.clock.time)
    assert world.prunes == [Prune(now - 3600 * 10**6, now - 7200 * 10**6, now - 2 * 86400 * 10**6, 500)] * 3


async def test_events_are_pruned_by_age_some_at_a_time() -> None:
    world = World(events_pruned=[500, 7])
    await world.maintenance().prune()
    assert world.event_prunes == [PruneEvents(to_micros(world.clock.time) - 9000 * 10**6, 500)] * 2


async def test_expired_documents_are_pruned_some_at_a_time() -> None:
    world = World(documents_pruned=[500, 3])
    await world.maintenance().prune()
    assert world.document_prunes == [PruneDocuments(500)] * 2


async def test_figures_are_kept_for_30_days_and_pruned_some_at_a_time() -> None:
    world = World(figures_pruned=[500, 3])
    await world.maintenance().prune()
    assert world.figure_prunes == [PruneFigures(to_micros(world.clock.time) - (30 * 24 + 1) * 3600 * 10**6, 500)] * 2


async def test_events_are_kept_for_a_time(tmp_path: Path) -> None:
    clock = FakeClock()
    async with JobRunner(tmp_path / "app.db", clock=clock, keep_events="2d") as runner:
        for days, event_id in ((1.5, "old"), (1.0, "young"), (0.0, "latest")):
            await runner.send("user/left", id=event_id)
            clock.advance(days * 86400)
        while len(await runner.events.list()) > 2:
            clock.advance(61)
            await quiet()
        assert [event.id for event in await runner.events.list()] == ["latest", "young"]


def test_events_are_kept_for_a_day_at_least() -> None:
    with pytest.raises(InvalidOption, match=r"^keep_events="):
        JobRunner(keep_events="23h")


async def test_it_prunes_at_once_and_each_minute_and_maintains_each_minute() -> None:
    world = World()
    async with going(world.maintenance().run):
        for minute in range(3):
            await until(lambda: len(world.prunes) == minute + 1)  # noqa: B023  # called before the next turn
            await until(lambda: len(world.maintained_at) == minute)  # noqa: B023  # the same
            await quiet()
            world.clock.advance(59)
            await quiet()
            assert len(world.prunes) == minute + 1
            world.clock.advance(1)
    start = to_micros(FakeClock().time)
    assert world.maintained_at == [start + 60 * 10**6, start + 120 * 10**6]


async def test_a_disk_that_is_full_is_not_pruned_and_is_tried_again() -> None:
    world = World(is_full=True)
    async with going(world.maintenance().run):
        await until(lambda: world.tries == 1)
        world.is_full = False
        world.clock.advance(60)
        await until(lambda: len(world.maintained_at) == 1)
    assert len(world.prunes) == 1


@job
async def quick() -> None: ...


async def test_a_rescue_does_not_wait_for_a_store_that_maintains_itself(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a million rows that takes many seconds."""
    clock, begun, may_end = FakeClock(), asyncio.Event(), asyncio.Event()
    store = FaultStore(open_store(database, "normal"))

    async def walk(_now: int) -> None:
        begun.set()
        await may_end.wait()

    monkeypatch.setattr(store, "maintain", walk)
    runner = JobRunner(store, jobs=[quick], clock=clock)
    async with runner:
        (handle,) = await runner.enqueue_many([quick.using(delay="1h").bind()])
        await as_time_passes(clock, 2, begun.is_set)
        with connected(database) as dying:
            dying.execute("UPDATE aiojobs_jobs SET status = 'processing', attempts = 1, owner = 'dead'")
            dying.execute("UPDATE aiojobs_counts SET pending = 0, processing = 1, scheduled = 0")
        while (await handle.job()).crashes == 0:
            clock.advance(2)
            await quiet()
        assert not may_end.is_set()
        may_end.set()
