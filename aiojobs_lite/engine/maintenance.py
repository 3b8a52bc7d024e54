"""Deletes what was kept long enough, and has the store do its own housekeeping."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from typing import Final, NamedTuple

from aiojobs_lite.clock import Clock, after, sleep, to_micros
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.engine.runners import look_at_runners
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.batches import AbandonBatches, ListBatchOwners
from aiojobs_lite.model.documents import PruneDocuments
from aiojobs_lite.model.events import PruneEvents
from aiojobs_lite.model.figures import KEPT_HOURS, PruneFigures
from aiojobs_lite.model.runners import EndRunners, RunnerInfo
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.stores.base import Store

_log = get_log("engine")
MAINTAIN_EVERY_S: Final = 60.0
_PRUNE_AT_ONCE: Final = 500  # jobs and ticks a transaction: a rescue waits for no more
_KEEP_TICKS_S: Final = 2 * 86400.0  # longer than any clock is expected to be set back

_KEEP_RUNNERS_S: Final = 3600.0  # after they were noticed to be dead


class Retention(NamedTuple):
    """How long finished jobs and events are kept, in seconds."""

    completed: float
    dead: float
    events: float


class Maintenance:
    """Prunes finished jobs and events, and has the store maintain itself, once a minute. Both may take long with many
    rows, so no other part waits for it.

    Args:
        store: Is maintained.
        clock: The time.
        commits: Makes the prunes durable.
        retention: How long finished jobs and events are kept.
        look_at_ends: Is awaited with all runners that are stored, and the ids of dead ones, at each look at them.
    """

    def __init__(
        self, *, store: Store, clock: Clock, commits: Commits, retention: Retention,
        look_at_ends: Callable[[Sequence[RunnerInfo], Collection[str]], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._commits = commits
        self._retention = retention
        self._look_at_ends = look_at_ends

    async def run(self) -> None:
        """Prunes and maintains, until it is cancelled."""
        for round_number in count():
            with contextlib.suppress(StoreUnavailable):  # is published; a full disk cannot be pruned
                await self.prune()
                await self.note_dead_runners()
                if round_number:  # a start has better things to do than to walk through all rows
                    await self._store.maintain(self._clock.now())
            await sleep(self._clock, MAINTAIN_EVERY_S)

    async def note_dead_runners(self) -> None:
        """Notes which runners are dead, and forgets those that have been for a while."""
        now = self._clock.now()
        forgets_before = after(now, -_KEEP_RUNNERS_S)
        of_batches = {*await self._store.ask(ListBatchOwners())}  # clients are among them, which store nothing else
        runners, found = await look_at_runners(self._store, of_batches)
        await self._abandon_batches(of_batches.intersection(found))
        dead = tuple(runner.id for runner in runners if not runner.is_alive and runner.ended_at is None)
        ends = [to_micros(runner.ended_at) for runner in runners if runner.ended_at is not None]
        if dead or any(ended < forgets_before for ended in ends):
            await self._commits.write(EndRunners(dead, forgets_before))
        await self._look_at_ends(runners, found)

    async def _abandon_batches(self, dead: Collection[str]) -> None:
        """Abandons the batches whose blocks ended with their runner."""
        if dead:
            batches = await self._commits.write(AbandonBatches(tuple(sorted(dead))))
            for batch in batches:
                _log.warning("batch %s is abandoned: its runner or client ended before its block", batch)

    async def prune(self) -> None:
        """Deletes finished jobs, ticks, events, documents and figures that were kept long enough, some at a time."""
        now = self._clock.now()
        jobs = Prune(
            completed_before=after(now, -self._retention.completed),
            dead_before=after(now, -self._retention.dead),
            ticks_before=after(now, -_KEEP_TICKS_S),
            limit=_PRUNE_AT_ONCE,
        )
        events = PruneEvents(after(now, -self._retention.events), _PRUNE_AT_ONCE)
        figures = PruneFigures(after(now, -(KEPT_HOURS + 1) * 3600.0), _PRUNE_AT_ONCE)
        for write in (jobs, events, PruneDocuments(_PRUNE_AT_ONCE), figures):
            while await self._commits.write(write) >= _PRUNE_AT_ONCE:
                pass
