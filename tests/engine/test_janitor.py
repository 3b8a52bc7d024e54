"""Giving back the jobs of dead owners and of commits that were in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import janitor as module
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.ends import Again, End
from aiojobs_lite.model.job import Claimed, Job, NewJob, Outcome, Status
from aiojobs_lite.model.queries import FindJobs, GetJob, ListOwners, ListProcessing
from aiojobs_lite.model.runners import EndRunners, ListRunners, SetRunner
from aiojobs_lite.model.writes import CancelJob, Claim, Insert, MarkInterrupted
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import OwnerRescued
from aiojobs_lite.telemetry.tracebacks import Raised
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going, published_on, registry_of
from tests.helpers.fault_store import FULL, IOERR
from tests.helpers.steps import done, save
from tests.helpers.waiting import quiet, until


@job(max_attempts=2)
async def known() -> None: ...


@dataclass
class World:
    """Who lives, and what the janitor did.

    Attributes:
        living: The owners that are not dead.
        interrupted: The owners that noted that their attempts were interrupted.
        held: The jobs that this runner knows of.
        answer: What the recorder answers in place of what the store says.
        is_full: Whether nothing but ends can be written.
        registry: The job types that this runner has.
    """

    memory: SqliteStore
    clock: FakeClock
    living: set[str] = field(default_factory=lambda: {"me", "alive"})
    interrupted: set[str] = field(default_factory=set)
    probed: list[set[str]] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    settled: int = 0
    ends: list[End] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    answer: bool | None = None
    is_full: bool = False
    bus: Bus = field(default_factory=Bus)
    registry: Registry = field(default_factory=lambda: registry_of(known))

    def janitor(self) -> Janitor:
        return Janitor(
            store=self,  # type: ignore[arg-type]  # it needs no more of a store
            clock=self.clock, bus=self.bus, registry=self.registry, owner="me", attempts=self,
            commits=self,  # type: ignore[arg-type]  # the same
            recorder=self,  # type: ignore[arg-type]  # the same
        )  # fmt: skip

    # As the store.

    @property
    def owners(self) -> World:
        return self

    async def dead(self, owners: Collection[str]) -> set[str]:
        self.probed.append({*owners})
        return {*owners} - self.living

    def was_interrupted(self, owner: str) -> bool:
        return owner in self.interrupted

    async def ask(self, query: Any) -> Any:
        self.asked.append(query)
        return await self.memory.ask(query)

    # As the other parts.

    def watch_owned(self) -> set[int]:
        return self.held

    async def settle(self) -> None:
        self.settled += 1
        await asyncio.sleep(0)

    async def write(self, write: EndRunners) -> None:
        if self.is_full:
            raise copy(FULL)
        await self.memory.apply([(write,)], self.clock.now())

    async def record_lost(self, end: End, raised: Raised | None = None) -> bool:
        self.ends.append(end)
        applied = await self.memory.apply([(end,)], self.clock.now())
        return applied.answers[0] is not None if self.answer is None else self.answer

    # What the test says.

    async def claimed_by(self, owner: str, *types: str) -> list[Claimed]:
        """Jobs that an owner runs."""
        now = self.clock.now()
        rows = tuple(NewJob(name, "{}", 1, now, 2, now) for name in types)
        claim = Claim(owner, len(rows), frozenset(types), {}, {})
        applied = await self.memory.apply([(Insert(rows),), (claim,)], now)
        jobs: list[Claimed] = applied.answers[1].jobs
        assert len(jobs) == len(rows)
        return jobs

    async def job(self, job_id: int) -> Job:
        found = await self.memory.ask(GetJob(job_id))
        assert found is not None
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = SqliteStore(None)
    await store.open()
    yield World(store, FakeClock())
    await store.close()


async def test_the_jobs_of_an_owner_that_noted_an_interruption_get_their_attempts_back(world: World) -> None:
    world.interrupted = {"noted", "alive"}
    for owner in ("noted", "dead", "alive"):
        await world.claimed_by(owner, "known")
    await world.janitor().rescue()
    found = [await world.job(number) for number in (1, 2, 3)]
    assert [(one.attempts, one.interruptions, one.crashes) for one in found] == [(0, 1, 0), (1, 0, 1), (1, 0, 0)]


@pytest.mark.parametrize("owner", ["dead", "noted"])
async def test_a_lost_attempt_in_which_an_operation_ended_counts_as_the_first(world: World, owner: str) -> None:
    world.interrupted = {"noted"}
    with_step, without = await world.claimed_by(owner, "known", "known")
    world.clock.advance(1)
    await world.memory.apply([(save(with_step, done("a")),)], world.clock.now())
    world.clock.advance(1)
    await world.janitor().rescue()
    assert {end.id: isinstance(end, Again) and end.restarts for end in world.ends} == {
        with_step.id: True, without.id: False,
    }  # fmt: skip


async def test_a_job_that_is_to_be_cancelled_is_cancelled_although_its_type_is_not_known(world: World) -> None:
    jobs = await world.claimed_by("dead", "known", "unknown")
    await world.memory.apply([(CancelJob(one.id, "gone"),) for one in jobs], world.clock.now())
    await world.janitor().rescue()
    found = [await world.job(one.id) for one in jobs]
    assert [(one.status, one.reason) for one in found] == [(Status.CANCELLED, "gone")] * 2


async def test_a_job_whose_type_is_not_known_is_given_back_after_its_last_attempt_too(world: World) -> None:
    jobs = await world.claimed_by("dead", "known", "unknown")  # of two attempts
    lost = [(Again(one.id, 1, "dead", one.type, Outcome.LOST, world.clock.now()),) for one in jobs]
    again = Claim("dead", 9, frozenset({"known", "unknown"}), {}, {})
    await world.memory.apply([*lost, (again,)], world.clock.now())
    await world.janitor().rescue()
    found = [await world.job(one.id) for one in jobs]
    assert [(one.status, one.attempts, one.crashes) for one in found] == [
        (Status.DEAD, 2, 2), (Status.PENDING, 2, 2),
    ]  # fmt: skip


async def test_the_jobs_of_the_dead_are_given_back_and_those_of_the_living_are_left(world: World) -> None:
    lost = await world.claimed_by("dead", "known", "unknown", "known")
    others = await world.claimed_by("alive", "known")
    published = published_on(world.bus)
    await world.janitor().rescue()
    assert sorted(end.id for end in world.ends) == [one.id for one in lost]
    assert {(type(end), end.owner) for end in world.ends} == {(Again, "dead")}
    assert [(await world.job(one.id)).crashes for one in lost] == [1, 1, 1]
    assert published() == [OwnerRescued("dead", 3)]
    found = await world.job(others[0].id)
    assert (found.status, found.owner) == (Status.PROCESSING, "alive")
    assert world.probed == [{"dead", "alive"}]
    assert world.settled == 0  # nothing of its own to doubt
    await world.janitor().rescue()
    assert len(world.ends) == 3
    assert world.probed[1] == {"alive"}  # what the dead one left can be removed now


@pytest.mark.parametrize("is_full", [False, True])
async def test_the_end_of_an_owner_whose_jobs_were_rescued_is_noted_if_it_can_be(world: World, is_full: bool) -> None:
    """If not, the rescue goes on: the maintenance of a runner notes it later."""
    await world.memory.apply([(SetRunner(name, 7, "host", 1, "{}"),) for name in ("dead", "alive")], world.clock.now())
    await world.claimed_by("dead", "known")
    world.clock.advance(5)
    world.is_full, published = is_full, published_on(world.bus)
    await world.janitor().rescue()
    ended = {one.id: one.ended_at for one in await world.memory.ask(ListRunners())}
    assert ended == {"dead": None if is_full else world.clock.time, "alive": None}
    assert [type(fact) for fact in published()] == [OwnerRescued]


async def test_what_is_held_is_asked_for_before_the_rows_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that ends between the two, and is claimed again by the same attempt, would be taken for a stray."""
    (mine,) = await world.claimed_by("me", "known")
    world.held = {mine.id}
    ask = world.ask

    async def ended_meanwhile(query: Any) -> Any:
        world.held = set()
        return await ask(query)

    monkeypatch.setattr(world, "ask", ended_meanwhile)  # the same rows, a moment later
    await world.janitor().rescue()
    assert world.ends == []


async def test_a_job_that_a_drain_left_running_is_given_back_for_free(world: World) -> None:
    (left,) = await world.claimed_by("dead", "known")
    await world.memory.apply([(MarkInterrupted(left.id, 1, "dead"),)], world.clock.now())
    await world.janitor().rescue()
    (end,) = world.ends
    assert isinstance(end, Again)
    assert (end.outcome, end.refund) == (Outcome.INTERRUPTED, True)
    found = await world.job(left.id)
    assert (found.attempts, found.crashes, found.interruptions) == (0, 0, 1)


async def test_jobs_that_another_owner_gave_back_first_are_not_published(world: World) -> None:
    await world.claimed_by("dead", "known")
    world.answer = False
    published = published_on(world.bus)
    await world.janitor().rescue()
    assert (len(world.ends), published()) == (1, [])


async def test_more_jobs_than_a_page_are_all_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESCUE_PAGE", 3)
    jobs = await world.claimed_by("dead", *["known"] * 6)
    await world.janitor().rescue()
    assert sorted(end.id for end in world.ends) == [one.id for one in jobs]


async def test_what_this_runner_claimed_and_was_never_notified_of_is_taken_back(world: World) -> None:
    held, stray = await world.claimed_by("me", "known", "known")
    world.held = {held.id}
    await world.janitor().rescue()
    (end,) = world.ends
    assert isinstance(end, Again)
    assert (end.id, end.outcome, end.refund, end.owner) == (stray.id, Outcome.INTERRUPTED, True, "me")  # for free
    assert world.settled == 1  # after all that was in flight


async def test_a_job_whose_claim_was_only_just_answered_is_no_stray(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await world.claimed_by("me", "known")

    async def answered() -> None:
        world.held.add(one.id)

    monkeypatch.setattr(world, "settle", answered)
    await world.janitor().rescue()
    assert world.ends == []


async def test_the_oldest_attempts_are_given_back_first(world: World) -> None:
    """So they are due in this order again."""
    jobs = await world.claimed_by("dead", *["known"] * 5)
    await world.janitor().rescue()
    assert [end.id for end in world.ends] == [one.id for one in jobs]


async def test_it_rescues_each_two_seconds(world: World) -> None:
    async with going(world.janitor().run):
        for second in range(1, 9):
            await quiet()
            world.clock.advance(1)
            await until(lambda: len(world.probed) == second // 2)  # noqa: B023  # called before the next turn
    assert len(world.probed) == 4


async def test_a_look_at_what_all_owners_run_reads_no_job(world: World) -> None:
    """Every two seconds; each has its payload."""
    mine = await world.claimed_by("me", *["known"] * 5)
    await world.claimed_by("alive", "known")
    world.held = {one.id for one in mine}
    await world.janitor().rescue()
    assert [type(query) for query in world.asked] == [ListOwners, ListProcessing]


async def test_of_its_own_jobs_only_those_are_read_that_it_does_not_know(world: World) -> None:
    mine = await world.claimed_by("me", *["known"] * 5)
    world.held = {one.id for one in mine[1:]}
    await world.janitor().rescue()
    (read,) = [query for query in world.asked if isinstance(query, FindJobs)]
    assert read.ids == [mine[0].id]
    assert [end.id for end in world.ends] == [mine[0].id]


async def test_a_fault_of_a_read_is_handed_up_and_the_next_rescue_is_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.claimed_by("dead", "known")

    async def fails(_query: object) -> list[object]:
        raise copy(IOERR)

    with monkeypatch.context() as patched:
        patched.setattr(world, "ask", fails)
        with pytest.raises(StoreUnavailable):
            await world.janitor().rescue()
    await world.janitor().rescue()
    assert len(world.ends) == 1
