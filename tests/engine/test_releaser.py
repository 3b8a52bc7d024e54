"""Looking at held jobs again: what is read, what is released, and how soon the next look is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from aiojobs_lite import job
from aiojobs_lite.engine import releaser as module
from aiojobs_lite.engine.releaser import Releaser
from aiojobs_lite.model.job import Held
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Release
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.clocks import has_timer
from tests.helpers.engine import going, registry_of
from tests.helpers.stores import NOW, alone, claim, held, hold, new
from tests.helpers.waiting import until

EVERY, SOON = 2.0, 0.05  # seconds until the next look; soon after one that released something
MOST_SKIPPED = 30  # looks in a row


def explode(value: int) -> int:
    raise SystemExit(value)


@job
async def fits(x: int) -> None: ...


@job
async def refuses(y: int) -> None: ...


@job
async def explodes(x: Annotated[int, AfterValidator(explode)]) -> None: ...


@dataclass
class World:
    """A store and what the releaser does with it.

    Attributes:
        slots: How many attempts of each type this runner could take.
        reads: The pages that were asked for.
        releases: The jobs that were released, a list a write.
        looked: The types that were to be claimed at once.
    """

    memory: SqliteStore
    clock: FakeClock = field(default_factory=FakeClock)
    slots: int = 1000
    has_slots: bool = True
    reads: list[FindJobs] = field(default_factory=list)
    releases: list[list[int]] = field(default_factory=list)
    looked: list[str | None] = field(default_factory=list)

    def releaser(self) -> Releaser:
        return Releaser(
            store=self,  # type: ignore[arg-type]  # it needs no more of a store
            clock=self.clock, registry=registry_of(fits, refuses, explodes), slots=self,
            commits=self,  # type: ignore[arg-type]  # the same
        )  # fmt: skip

    async def ask(self, query: FindJobs) -> Any:
        self.reads.append(query)
        return await self.memory.ask(query)

    def counts(self) -> Any:
        return self.memory.counts()

    def free(self, job_type: str) -> int:
        return self.slots

    def look_again(self, job_type: str | None = None) -> None:
        self.looked.append(job_type)

    async def write(self, write: Any) -> Any:
        assert isinstance(write, Release)
        self.releases.append(list(write.ids))
        return (await self.memory.apply([(write,)], self.clock.now())).answers[0]

    async def held(self, job_type: str, count: int = 1) -> list[int]:
        return await held(self.memory, *(new(job_type) for _ in range(count)))

    async def refuse_again(self, ids: list[int]) -> None:
        """Another version claims these jobs and holds them."""
        (answer,) = (await self.memory.apply([(claim("other", types=["fits"]),)], NOW)).answers
        assert [one.id for one in answer.jobs if one.id in ids] == ids
        await self.memory.apply(alone([hold(one) for one in answer.jobs if one.id in ids]), NOW)

    async def wait_and_look(self, pause: float) -> None:
        """Time goes by, and a look that is due then is done."""
        await until(self.is_waiting)
        self.clock.advance(pause)
        await until(self.is_waiting)

    def is_waiting(self) -> bool:
        return has_timer(self.clock)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = SqliteStore(None)
    await store.open()
    yield World(store)
    await store.close()


async def test_what_fits_is_released_and_claimed_at_once_and_the_rest_is_left(world: World) -> None:
    mine = await world.held("fits", 3)
    await world.held("refuses", 3)
    await world.held("unknown")
    assert await world.releaser().look() == set(mine)
    assert (world.releases, world.looked) == ([mine[::-1]], ["fits"])
    assert {read.type for read in world.reads} == {"fits", "refuses"}
    assert {read.held for read in world.reads} == {Held.PAYLOAD}


async def test_a_payload_whose_validator_raises_anything_else_is_released(world: World) -> None:
    """Its attempt records what the validator raises."""
    assert await world.releaser().look() == set()
    (mine,) = await world.held("explodes")
    assert await world.releaser().look() == {mine}


async def test_without_held_jobs_or_slots_nothing_is_read(world: World) -> None:
    await world.releaser().release_all()
    assert await world.releaser().look() == set()
    await world.held("fits")
    world.slots = 0
    assert await world.releaser().look() == set()
    world.has_slots = False
    await world.releaser().release_all()
    assert world.reads == []


async def test_no_more_is_released_than_the_runner_can_take(world: World) -> None:
    ids = await world.held("fits", 5)
    world.slots = 2
    releaser = world.releaser()
    looks = [await releaser.look() for _ in range(3)]
    assert set().union(*looks) == set(ids)
    assert max(map(len, world.releases)) == 2


async def test_jobs_behind_many_that_do_not_fit_are_reached_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELEASE_PAGE", 4)
    await world.held("refuses", 9)
    releaser = world.releaser()
    for _ in range(4):
        await releaser.look()
    befores = [read.before for read in world.reads]
    assert befores == [None, 6, None, 2, None, 6, None, 2]  # the newest, and a page of the older ones, each time


async def test_a_start_releases_all_that_fits_whatever_slots_are_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELEASE_PAGE", 4)
    world.slots = 0
    ids = await world.held("fits", 9)
    await world.held("refuses", 9)
    await world.releaser().release_all()
    assert sorted(job_id for release in world.releases for job_id in release) == ids
    assert world.looked == []


async def test_a_start_does_not_wait_for_many_jobs_that_do_not_fit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELEASE_PAGE", 2)
    monkeypatch.setattr(module, "MOST_IN_VAIN", 3)
    await world.held("refuses", 20)
    ids = await world.held("fits", 9)
    await world.releaser().release_all()
    assert sorted(job_id for release in world.releases for job_id in release) == ids
    assert [read.before for read in world.reads if read.type == "refuses"] == [None, 19, 17]


async def test_looks_follow_soon_while_they_release_and_none_of_it_was_refused_again(world: World) -> None:
    await world.held("fits", 3)
    world.slots = 1
    async with going(world.releaser().run):
        for pause, released in ((EVERY, [3]), (SOON, [2])):
            await world.wait_and_look(pause)
            assert world.releases[-1] == released
        await world.refuse_again([2])
        await world.wait_and_look(SOON)
        assert world.releases[-1] == [2]  # another version was quicker: now it has more time
        await world.wait_and_look(SOON)
        assert len(world.releases) == 3
        await world.wait_and_look(EVERY)
        assert world.releases[3:] == [[1]]


async def test_jobs_that_do_not_fit_are_read_again_when_their_number_changes_or_after_a_minute(world: World) -> None:
    await world.held("refuses")
    async with going(world.releaser().run):
        for _ in range(5):
            await world.wait_and_look(EVERY)
        assert len(world.reads) == 1
        await world.held("refuses")
        await world.wait_and_look(EVERY)
        assert len(world.reads) == 2
        for _ in range(MOST_SKIPPED + 1):
            await world.wait_and_look(EVERY)
        assert len(world.reads) == 3


async def test_jobs_for_which_there_was_no_slot_are_read_at_the_next_look(world: World) -> None:
    ids = await world.held("fits")
    world.slots = 0
    async with going(world.releaser().run):
        await world.wait_and_look(EVERY)
        world.slots = 1
        await world.wait_and_look(EVERY)
    assert world.releases == [ids]
