"""Giving back the jobs of dead owners and of commits that were in doubt, and pruning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from aiojobs_lite import job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine import janitor as module
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Claimed, Job, Outcome, Status
from aiojobs_lite.model.writes import Claim, Finish, Insert, MarkInterrupted, NewJob, Prune
from aiojobs_lite.stores.base import JobFilter
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import OwnerRescued
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going, heard, registry_of, turns
from tests.helpers.waiting import PATIENCE, until


@job(max_attempts=2)
async def known() -> None: ...


@dataclass
class World:
    """Who lives, and what the janitor did."""

    store: SqliteStore
    clock: FakeClock
    living: set[str] = field(default_factory=lambda: {"me", "alive"})
    files: list[str] = field(default_factory=list)
    here: set[int] = field(default_factory=set)
    buried: list[str] = field(default_factory=list)
    settled: int = 0
    ends: list[Finish] = field(default_factory=list)
    prunes: list[Prune] = field(default_factory=list)
    pruned: list[int] = field(default_factory=list)
    held: bool | None = None
    bus: Bus = field(default_factory=Bus)

    def janitor(self) -> Janitor:
        return Janitor(
            self.store, self.clock, self.bus, registry_of(known),
            renew=lambda: None, is_dead=lambda owner: owner not in self.living, bury=self.buried.append,
            others=lambda: self.files,
            owner="me", holding=lambda: self.here, settled=self._settle, end=self._end,
            prune=self._prune, keep_completed=3600.0, keep_dead=7200.0,
        )  # fmt: skip

    async def _settle(self) -> None:
        self.settled += 1
        await asyncio.sleep(0)

    def _end(self, end: Finish) -> asyncio.Future[bool]:
        self.ends.append(end)
        return asyncio.ensure_future(self._save(end))

    async def _save(self, end: Finish) -> bool:
        answer: bool = (await self.store.apply([end], self.clock.now())).answers[0]
        return answer if self.held is None else self.held

    def _prune(self, write: Prune) -> asyncio.Future[int]:
        self.prunes.append(write)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_result(self.pruned.pop(0) if self.pruned else 0)
        return future

    async def claimed_by(self, owner: str, *types: str) -> list[Claimed]:
        """Jobs that an owner runs."""
        now = self.clock.now()
        rows = tuple(NewJob(name, "{}", 1, now, 2, now) for name in types)
        claim = Claim(owner, len(rows), dict.fromkeys(types, len(rows)), {}, [])
        jobs: list[Claimed] = (await self.store.apply([Insert(rows), claim], now)).answers[1].jobs
        assert len(jobs) == len(rows)
        return jobs


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = SqliteStore(None)
    await store.open()
    yield World(store, FakeClock())
    await store.close()


async def test_the_jobs_of_the_dead_are_given_back_and_those_of_the_living_are_left(world: World) -> None:
    lost = await world.claimed_by("dead", "known", "unknown", "known")
    others = await world.claimed_by("alive", "known")
    told = heard(world.bus)
    await world.janitor().rescue()
    assert sorted(end.id for end in world.ends) == [one.id for one in lost]
    assert {(end.owner, end.outcome, end.status, end.crashes) for end in world.ends} == {
        ("dead", Outcome.LOST, Status.PENDING, 1)
    }
    assert told() == [OwnerRescued("dead", 3)]
    found = await world.store.get(others[0].id)
    assert found is not None
    assert (found.status, found.owner) == (Status.PROCESSING, "alive")
    assert world.settled == 0  # nothing of its own to doubt
    await world.janitor().rescue()
    assert len(world.ends) == 3


async def test_what_is_held_is_asked_for_before_the_rows_are_read(world: World) -> None:
    """A job that ends between the two, and is claimed again by the same attempt, would be taken for a stray."""
    (mine,) = await world.claimed_by("me", "known")
    world.here = {mine.id}
    janitor, find = world.janitor(), world.store.find

    async def ended_meanwhile(which: JobFilter) -> list[Job]:
        world.here = set()
        return await find(which)

    world.store.find = ended_meanwhile  # type: ignore[method-assign]  # the same rows, a moment later
    await janitor.rescue()
    assert world.ends == []


async def test_a_job_that_a_drain_left_running_is_given_back_for_free(world: World) -> None:
    (left,) = await world.claimed_by("dead", "known")
    await world.store.apply([MarkInterrupted(left.id, 1, "dead")], world.clock.now())
    await world.janitor().rescue()
    (end,) = world.ends
    assert (end.outcome, end.attempts, end.crashes, end.interruptions) == (Outcome.INTERRUPTED, 0, 0, 1)


async def test_jobs_that_somebody_else_gave_back_first_are_not_told_of(world: World) -> None:
    await world.claimed_by("dead", "known")
    world.held = False
    told = heard(world.bus)
    await world.janitor().rescue()
    assert (len(world.ends), told()) == (1, [])


async def test_more_jobs_than_a_page_are_all_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    jobs = await world.claimed_by("dead", *["known"] * 6)
    await world.janitor().rescue()
    assert sorted(end.id for end in world.ends) == [one.id for one in jobs]


async def test_files_of_the_dead_are_removed_once_they_have_no_job_left(world: World) -> None:
    await world.claimed_by("dead", "known")
    world.files = ["dead", "long dead"]
    janitor = world.janitor()
    await janitor.rescue()
    assert world.buried == ["long dead"]  # the other had jobs when it looked
    await janitor.rescue()
    assert sorted(world.buried[1:]) == ["dead", "long dead"]


async def test_what_this_runner_claimed_and_was_never_told_of_is_taken_back(world: World) -> None:
    held, stray = await world.claimed_by("me", "known", "known")
    world.here = {held.id}
    await world.janitor().rescue()
    (end,) = world.ends
    assert (end.id, end.outcome, end.attempts, end.owner) == (stray.id, Outcome.INTERRUPTED, 0, "me")  # for free
    assert world.settled == 1  # after all that was in flight


async def test_a_job_whose_claim_was_only_just_answered_is_no_stray(world: World) -> None:
    (one,) = await world.claimed_by("me", "known")
    janitor = world.janitor()

    async def answered() -> None:
        world.here.add(one.id)

    janitor._settled = answered
    await janitor.rescue()
    assert world.ends == []


async def test_finished_jobs_are_pruned_by_age_some_at_a_time(world: World) -> None:
    world.pruned = [500, 500, 12, 99]
    await world.janitor().prune()
    now = to_micros(world.clock.time)
    assert world.prunes == [Prune(now - 3600 * 10**6, now - 7200 * 10**6, now - 2 * 86400 * 10**6, 500)] * 3


async def test_it_prunes_at_once_and_each_minute_counts_each_minute_and_rescues_each_two_seconds(world: World) -> None:
    rescues, counted_at = 0, list[int]()
    janitor = world.janitor()

    async def recount(now: int) -> None:
        counted_at.append(now)

    world.store.recount = recount  # type: ignore[method-assign]  # the same

    async def rescue() -> None:
        nonlocal rescues
        rescues += 1

    janitor.rescue = rescue  # type: ignore[method-assign]  # counted
    async with asyncio.timeout(PATIENCE), going(janitor.run):
        await until(lambda: len(world.prunes) == 1)
        for second in range(1, 121):
            await turns(5)
            world.clock.advance(1)
            await turns(5)
            assert rescues == second // 2
        assert len(world.prunes) == 3
    start = to_micros(FakeClock().time)
    assert counted_at == [start + 60 * 10**6, start + 120 * 10**6]


async def test_a_fault_of_a_read_is_handed_up_and_the_next_rescue_is_whole(world: World) -> None:
    await world.claimed_by("dead", "known")
    janitor = world.janitor()
    find = world.store.find

    async def fail(_which: object) -> list[object]:
        raise StoreUnavailable("SQLITE_IOERR", "disk I/O error")

    world.store.find = fail  # type: ignore[assignment, method-assign]
    with pytest.raises(StoreUnavailable):
        await janitor.rescue()
    world.store.find = find  # type: ignore[method-assign]
    await janitor.rescue()
    assert len(world.ends) == 1


async def test_a_row_that_cannot_be_written_keeps_no_other_from_being_given_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bad, *others = await world.claimed_by("dead", "known", "known", "known")
    save = world._save

    async def refuse(end: Finish) -> bool:
        if end.id == bad.id:
            raise StoreRejected("SQLITE_CONSTRAINT: what somebody else wrote")
        return await save(end)

    world._save = refuse  # type: ignore[method-assign]
    told = heard(world.bus)
    await world.janitor().rescue()
    assert told() == [OwnerRescued("dead", 2)]
    for one in others:
        found = await world.store.get(one.id)
        assert found is not None
        assert found.status is Status.PENDING
    assert f"job {bad.id} cannot be given back" in caplog.text
