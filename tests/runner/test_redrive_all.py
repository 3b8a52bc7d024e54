"""`runner.jobs.redrive_all`: some jobs a transaction, so that nothing else waits for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, StoreUnavailable
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.queries import ListDead
from aiojobs_lite.model.writes import RedriveDead
from aiojobs_lite.runner import orders as module
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import DeadRedriven
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.fault_store import Fault, FaultStore, holding
from tests.helpers.mail import dies, other
from tests.helpers.stores import connected
from tests.helpers.waiting import PATIENCE, as_time_passes, next_fact, quiet, until


class World:
    """A runner whose database has five dead jobs, and which redrives two at a time."""

    def __init__(self, database: Path) -> None:
        self.clock = FakeClock()
        self.store = FaultStore(open_store(database, "normal"))
        self.runner = JobRunner(self.store, jobs=[dies, other], clock=self.clock)

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        async with asyncio.timeout(PATIENCE), self.runner:
            await self.runner.enqueue_many([dies.bind(n) for n in range(5)])
            await self.runner.run_until_idle()
            yield

    @property
    def steps(self) -> list[int]:
        """How many jobs each transaction was to redrive."""
        return [len(write.ids) for saved in self.store.saved for write in saved if isinstance(write, RedriveDead)]

    async def pause_at_first_step(self) -> asyncio.Task[int]:
        """Calls `redrive_all`, whose first transaction then waits."""
        self.store.gate.clear()
        redriving = asyncio.create_task(self.runner.jobs.redrive_all())
        await until(lambda: any(isinstance(write, RedriveDead) for tried in self.store.tried for write in tried))
        return redriving


@pytest.fixture
def world(database: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "REDRIVE_AT_ONCE", 2)
    return World(database)


async def test_all_are_redriven_once_some_a_transaction(world: World) -> None:
    """Although they die again at once, by a clock that stands still."""
    async with world.going():
        assert await world.runner.jobs.redrive_all() == 5
        assert world.steps == [2, 2, 1]
        assert await world.runner.jobs.redrive_all(type="other") == 0
        assert world.steps == [2, 2, 1]


async def test_a_rescue_goes_between_two_steps(world: World, database: Path) -> None:
    async with world.going():
        waiting = await world.runner.enqueue(other.using(delay="1h"))
        redriving = await world.pause_at_first_step()
        with connected(database) as dying:
            dying.execute(
                "UPDATE aiojobs_jobs SET status = 'processing', attempts = 1, owner = 'dead' WHERE id = ?",
                (waiting.id,),
            )
            dying.execute("UPDATE aiojobs_counts SET pending = 0, processing = 1, scheduled = 0 WHERE type = 'other'")
        owners = world.store.calls["dead"]
        await as_time_passes(world.clock, 2, lambda: world.store.calls["dead"] > owners)
        probe = Probe(world.runner)
        await until(lambda: any(isinstance(write, Again) for write in probe.waiting_writes))
        world.store.gate.set()
        assert await redriving == 5
        steps, is_lost = [], holding(Again, outcome=Outcome.LOST)
        for saved in world.store.saved:
            steps += ["rescue"] * is_lost([tuple(saved)]) + ["redrive"] * holding(RedriveDead)([tuple(saved)])
        assert steps == ["redrive", "rescue", "redrive", "redrive"]


async def test_a_caller_that_is_cancelled_leaves_none_behind(world: World) -> None:
    async with world.going():
        redriving = await world.pause_at_first_step()
        redriving.cancel()
        await asyncio.wait([redriving])
        world.store.gate.set()
        await until(lambda: len(world.steps) == 3)
        await quiet()
        assert world.steps == [2, 2, 1]


async def test_a_fault_leaves_whole_steps_and_the_fact_says_how_many(world: World) -> None:
    async with world.going():
        events = world.runner.watch()
        world.store.faults.append(Fault(method="ask", at=2, when=lambda query: isinstance(query, ListDead)))
        with pytest.raises(StoreUnavailable):
            await world.runner.jobs.redrive_all()
        assert (await next_fact(events, DeadRedriven)).jobs == 2
        assert world.steps == [2]
