"""Gives back the jobs of dead owners, and deletes what was kept long enough."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from itertools import count

from aiojobs_lite.clock import Clock, after, sleep, to_micros
from aiojobs_lite.errors import StoreError, StoreRejected, StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import PRIORITIES, Claimed, Job, Status
from aiojobs_lite.model.writes import Finish, Prune
from aiojobs_lite.policy.settle import Ended, Policy, settle
from aiojobs_lite.stores.base import JobFilter, Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import OwnerRescued

_log = logging.getLogger("aiojobs_lite.engine")
_RESCUE_EVERY = 2.0  # seconds
_PRUNE_EVERY = 30  # rescues: a minute
_PRUNE_AT_ONCE = 500  # jobs a transaction
_KEEP_TICKS = 2 * 86400.0  # seconds; longer than any clock is expected to be set back
_PAGE = 1000  # jobs a read

Keep = Callable[[Finish, Callable[[bool, StoreError | None], None]], None]


class Janitor:
    """Clears up after the dead.

    Args:
        store: Where to look.
        clock: The time.
        bus: Hears of rescues.
        registry: Policies of the types.
        renew: Makes sure that others see this owner alive, whatever was done to its file.
        is_dead: Whether an owner is dead.
        bury: Removes what a dead owner left, after its jobs were given back.
        others: Owners that left something.
        owner: The id of this runner.
        holding: The jobs that run here or whose end is still to be saved, and all that start after the call.
        settled: Returns when every transaction that is in flight now has been answered.
        end: Has the end of an attempt saved; returns whether it was still held.
        prune: Writes a `Prune`, if that can be done now; returns how many jobs it deleted.
        keep_completed: Seconds that completed jobs are kept.
        keep_dead: Seconds that dead and cancelled jobs are kept.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        bus: Bus,
        registry: Registry,
        *,
        renew: Callable[[], None],
        is_dead: Callable[[str], bool],
        bury: Callable[[str], None],
        others: Callable[[], list[str]],
        owner: str,
        holding: Callable[[], Collection[int]],
        settled: Callable[[], Awaitable[None]],
        end: Callable[[Finish], asyncio.Future[bool]],
        prune: Callable[[Prune], Awaitable[int]],
        keep_completed: float,
        keep_dead: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._renew = renew
        self._is_dead = is_dead
        self._bury = bury
        self._others = others
        self._owner = owner
        self._holding = holding
        self._settled = settled
        self._end = end
        self._prune = prune
        self._keep_completed = keep_completed
        self._keep_dead = keep_dead

    async def run(self) -> None:
        """Rescues, prunes and has the store look at its counts, for ever; the runner has rescued once before."""
        for round_number in count():
            if round_number % _PRUNE_EVERY == 0:
                with contextlib.suppress(StoreUnavailable):  # told by the committer; a full disk cannot be pruned
                    await self.prune()
                    if round_number:  # a start has better things to do than to walk through all rows
                        await self._store.recount(self._clock.now())
            await sleep(self._clock, _RESCUE_EVERY)
            await self.rescue()

    async def rescue(self) -> None:
        """Ends the attempts of every dead owner as lost, then removes what it left."""
        self._renew()
        held = self._holding()  # before the look: what is run again meanwhile, by the same attempt, is no stray
        orphans = await self._by_owner()
        await self._take_back(orphans.pop(self._owner, []), held)
        for owner in [owner for owner in orphans if self._is_dead(owner)]:
            ended = await asyncio.gather(*map(self._ended, orphans[owner]))
            if any(ended) and self._bus.is_watched(OwnerRescued):
                self._bus.publish(OwnerRescued(owner, sum(ended)))
        for owner in set(self._others()) - orphans.keys():
            self._bury(owner)

    async def prune(self) -> None:
        """Deletes finished jobs that were kept long enough, some at a time."""
        now = self._clock.now()
        write = Prune(
            after(now, -self._keep_completed), after(now, -self._keep_dead), after(now, -_KEEP_TICKS), _PRUNE_AT_ONCE
        )
        while await self._prune(write) == _PRUNE_AT_ONCE:
            pass

    async def _take_back(self, own: list[Job], held: Collection[int]) -> None:
        """Gives back what this runner claimed and was never told of: the commit was reported to have failed."""
        if all(job.id in held for job in own):
            return
        await self._settled()  # what is still unknown now was in no transaction that is yet to be answered
        strays = [replace(job, interrupted=True) for job in own if job.id not in held]
        await asyncio.gather(*map(self._ended, strays))

    async def _ended(self, job: Job) -> bool:
        """Ends a lost attempt. One row that cannot be written must not keep all others from being given back."""
        try:
            return await self._end(self._lost(job))
        except StoreRejected as error:
            _log.error("job %s cannot be given back: %s", job.id, error)  # the text says it
            return False

    async def _by_owner(self) -> dict[str, list[Job]]:
        """All processing jobs, those of living owners included."""
        found: dict[str, list[Job]] = defaultdict(list)
        before = None
        while True:
            page = await self._store.find(JobFilter(status=Status.PROCESSING, before=before, limit=_PAGE))
            for job in page:
                found[job.owner or ""].append(job)
            if len(page) < _PAGE:
                return found
            before = page[-1].id

    def _lost(self, job: Job) -> Finish:
        job_type = self._registry.find(job.type)
        policy = job_type.policy if job_type else Policy()
        ended = Ended(lost=True, interrupted=job.interrupted)
        return settle(claimed(job), ended, policy, self._clock.now(), cancel_requested=job.cancel_requested)


def claimed(job: Job) -> Claimed:
    """A processing job as its owner was given it."""
    return Claimed(
        job.id, job.type, job.payload_json, PRIORITIES[job.priority], to_micros(job.scheduled_at), job.attempts,
        job.max_attempts, to_micros(job.created_at), to_micros(job.started_at or job.created_at), job.interruptions,
        job.snoozes, job.crashes, None, job.owner or "",
    )  # fmt: skip
