"""A committer with its surroundings, whose store follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.health import Health
from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.writes import Claim, ClaimAnswer, DeleteJob, Unit, Write
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.meters import CommitMeter
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import going, published_on
from tests.helpers.fault_store import EchoStore, Fault, FaultStore
from tests.helpers.waiting import PATIENCE, as_time_passes, quiet, until

CLAIM = Claim("one", 1, frozenset({"a"}), {}, {})


def scripted(*errors: Exception | None, has_inline: bool = False) -> FaultStore:
    """A store that keeps nothing, whose first transactions end with these errors (None: well), and then all well."""
    faults = [Fault(error=error, at=nth) for nth, error in enumerate(errors, 1) if error is not None]
    return FaultStore(EchoStore(), *faults, has_inline=has_inline)


class Kept:
    """What the engine learned of the writes it wants saved."""

    def __init__(self) -> None:
        self.answers: dict[Write[Any], tuple[object, StoreError | None]] = {}

    def done(self, unit: Unit, answer: object, error: StoreError | None) -> None:
        (write,) = unit
        assert write not in self.answers  # once
        self.answers[write] = answer, error


class Rig:
    """A committer with its surroundings: no claims unless the test asks for some."""

    def __init__(self, store: FaultStore, clock: Clock) -> None:
        self.bus = Bus()
        self.published = published_on(self.bus)
        self.health = Health(bus=self.bus, listeners=[self])
        self.kept = Kept()
        self.claims: list[Claim] = []
        self.asked_for_claim: list[bool] = []
        self.taken: list[tuple[Applied, ClaimAnswer | None]] = []
        self.looks = 0
        self.meter = CommitMeter()
        self.committer = Committer(store=store, clock=clock, health=self.health, claims=self, meter=self.meter)

    def next_claim(self, *, inserting: bool) -> Claim | None:
        self.asked_for_claim.append(inserting)
        return self.claims.pop() if self.claims else None

    def committed(self, applied: Applied, answer: ClaimAnswer | None) -> None:
        self.taken.append((applied, answer))

    def look_again(self) -> None:
        self.looks += 1

    async def write(self, write: Write[Any]) -> Any:
        """What the store answers to a write: of a store that follows a script, a text."""
        return await self.committer.write(write)

    def call(self, write: Write[Any]) -> asyncio.Task[Any]:
        """A caller that awaits a write."""
        return asyncio.get_running_loop().create_task(self.committer.write(write))

    def keep(self, *writes: Write[Any]) -> None:
        for write in writes:
            self.committer.keep((write,), self.kept.done)


@asynccontextmanager
async def committing(store: FaultStore, clock: Clock) -> AsyncIterator[Rig]:
    rig = Rig(store, clock)
    async with asyncio.timeout(PATIENCE), going(rig.committer.run):
        await until(rig.committer.went_idle.is_set)  # it sleeps
        yield rig


@asynccontextmanager
async def one_group(rig: Rig, store: FaultStore) -> AsyncIterator[None]:
    """What is written in the block meets in one transaction: the one before it is held up."""
    store.gate.clear()
    before, tried = rig.call(DeleteJob(0)), len(store.tried)
    await until(lambda: len(store.tried) > tried)
    yield
    await quiet()
    store.gate.set()
    await before


async def degraded(rig: Rig, store: FaultStore) -> None:
    """Returns when the committer has met its first fault."""
    await until(lambda: bool(store.tried) and rig.health.is_degraded)


async def recovered(rig: Rig, clock: FakeClock) -> None:
    await as_time_passes(clock, 0.5, lambda: not rig.health.is_degraded)
