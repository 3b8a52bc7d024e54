"""The start of an engine: the store, this owner, the first transaction, and the parts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Final

from anyio.abc import TaskGroup

from aiojobs_lite.clock import MICROSECONDS, Clock, to_datetime
from aiojobs_lite.engine.guard import Keeper
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.listeners import listening
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.payloads import PayloadCheck
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.engine.ports import Part
from aiojobs_lite.engine.runners import look_at_runners
from aiojobs_lite.errors import StoreError
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.events import SetListeners
from aiojobs_lite.model.limits import SetLimits
from aiojobs_lite.model.queries import GetDatabaseId
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import RunnerStarted, TypesUnclaimed
from aiojobs_lite.telemetry.facts.limits import limits_changed
from aiojobs_lite.telemetry.stats import unclaimed
from aiojobs_lite.telemetry.wording import later, named
from aiojobs_lite.text import redact

_log = get_log("engine")
FIRST_RESCUE_S: Final = 5.0  # that a start waits for its first rescue


class Startup:
    """Opens the store and starts the parts.

    Args:
        store: Is opened.
        clock: Gives the first transaction its instant.
        bus: Gets a fact of the start, and of the types that no runner claims.
        registry: The job types.
        identity: Of this runner; gets the id of the database.
        parts: What is started.
        progress: Goes on to `STARTING`, then to `RUNNING`.
    """

    def __init__(
        self, *, store: Store, clock: Clock, bus: Bus, registry: Registry, identity: Identity, parts: Parts,
        progress: Progress,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._identity = identity
        self._parts = parts
        self._progress = progress
        self._payloads = PayloadCheck(store=store, bus=bus, slots=parts.dispatcher)

    async def open(self) -> None:
        """Opens the store, shows that this owner lives, and stores the schedules."""
        self._progress.go_on_to(Phase.STARTING)
        await self._store.open()
        await self._store.owners.acquire(self._identity.owner, lost=self._lose, regained=self._regain)
        now = self._clock.now()
        ticks: list[Unit] = [(write,) for write in self._parts.ticker.first(now)]
        limits: list[Unit] = [(SetLimits(found),)] if (found := self._registry.limits_by_key) else []
        listeners: list[Unit] = [(SetListeners(listens),)] if (listens := listening(self._registry)) else []
        applied = await self._store.apply([*ticks, (self._identity.stored,), *listeners, *limits], now)
        self._parts.ticker.begin(applied.answers[: len(ticks)])
        self._identity.database = await self._store.ask(GetDatabaseId())
        self._parts.pauses.look()
        for fact in limits_changed(found, applied.answers[-1]) if limits else ():
            self._bus.publish(fact)
        is_reported = self._bus.is_watched(TypesUnclaimed) and not self._registry.is_partial
        if is_reported and (strange := await self._unclaimed()):
            self._bus.publish(TypesUnclaimed(", ".join(f"{name} ({count})" for name, count in strange.items())))

    async def begin(self, group: TaskGroup) -> None:
        """Starts the parts. No job starts before the start is complete: a start that is cancelled, by a signal say, has
        nothing to stop then.
        """
        parts, keeper = self._parts, Keeper(self._progress)
        at_once: list[Part] = [parts.committer, parts.dispatcher, parts.ticker, *parts.others]
        for part in at_once:
            group.start_soon(keeper.keep_running, part)
        try:
            async with asyncio.timeout(FIRST_RESCUE_S):
                await parts.janitor.rescue()
                await parts.releaser.release_all()
        except (TimeoutError, StoreError) as error:
            _log.warning("jobs of dead processes could not be given back at the start, which is tried again: %r", error)
        await self._payloads.look(self._registry)
        for part in (parts.janitor, parts.releaser):
            group.start_soon(keeper.keep_running, part)
        self._progress.go_on_to(Phase.RUNNING)
        if self._bus.is_watched(RunnerStarted):
            self._bus.publish(self._started())

    async def _unclaimed(self) -> Mapping[str, int]:
        """How many jobs wait of each type that no live runner runs, as far as it is for this one to say."""
        counts = self._store.counts()
        known = {*self._registry.limits, *counts.paused}  # what is paused does not wait to be registered
        if not unclaimed(counts, dict.fromkeys(known)):
            return {}
        runners, _ = await look_at_runners(self._store)
        own = self._identity.stored
        others = [one for one in runners if one.is_alive and one.max_running and one.id != own.id]
        if others and not own.max_running:
            return {}  # it runs nothing beside those that do
        return unclaimed(counts, dict.fromkeys(known.union(*(one.types for one in others))))

    def _started(self) -> RunnerStarted:
        counts, now = self._store.counts().total, self._clock.now()
        ticks = sorted(self._parts.ticker.next_ticks.items(), key=lambda item: item[1])
        schedules = [f"{name} {later(to_datetime(at), (at - now) / MICROSECONDS)}" for name, at in ticks]
        return RunnerStarted(
            redact(str(self._store)), named("job type", sorted(self._registry.limits)), named("schedule", schedules),
            counts.pending, counts.dead, os.getpid(), self._identity.owner,
        )  # fmt: skip

    def _lose(self) -> None:
        """Others may soon take this owner for dead: nothing of it may run then."""
        self._parts.dispatcher.stop_claiming()
        self._parts.executor.stop_all(Stop.SHUTDOWN)

    def _regain(self) -> None:
        self._parts.dispatcher.start_claiming()
