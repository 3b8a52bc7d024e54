"""Finds schedules that code declared, and declares no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.schedule_rows import FindLeft
from aiojobs_lite.model.schedules import StopSchedules
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import SchedulesLeft


class LeftSchedules:
    """Notes and tells which declared schedules have left the code: those that neither this runner declares nor another
    live one may, which has registered a type of that name.

    A runner without job types, or without slots, is no judge of it: it shows the database, or adds jobs to it.

    Args:
        store: Says which schedules it has.
        commits: Makes it durable.
        bus: Gets one fact for those that are found at one look.
        identity: Of this runner.
        registry: Has what the code of this runner declares.
    """

    def __init__(self, *, store: Store, commits: Commits, bus: Bus, identity: Identity, registry: Registry) -> None:
        self._store = store
        self._commits = commits
        self._bus = bus
        self._identity = identity
        self._registry = registry
        self._ended: set[str] | None = None  # the runners that had ended at the last look

    async def look(self, runners: Sequence[RunnerInfo], dead: Collection[str]) -> None:
        """Looks, at first and after a runner has ended.

        Args:
            runners: All that are stored.
            dead: Those that are dead, whether or not that is noted.
        """
        before, ended = self._ended, {runner.id for runner in runners if not runner.is_alive}
        is_judge = self._identity.stored.max_running > 0 and bool(self._registry.names())
        if is_judge and (before is None or ended - before):
            declared = tuple([one.name for one in self._registry if one.cron is not None])
            if found := await self._store.ask(FindLeft(declared)):
                write = StopSchedules(tuple(found), self._identity.owner, tuple(sorted(dead)))
                if (left := await self._commits.write(write)) and self._bus.is_watched(SchedulesLeft):
                    self._bus.publish(SchedulesLeft(", ".join(left)))
        self._ended = ended  # if the store fails, the next look does it
