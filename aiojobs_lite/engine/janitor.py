"""Gives back the jobs of dead owners, and deletes what was kept long enough."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple

from aiojobs_lite.clock import Clock, after, sleep, to_micros
from aiojobs_lite.engine.ports import Commits, EndRecorder, OwnedJobs
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import PRIORITIES, Claimed, Job, Status
from aiojobs_lite.model.queries import FindJobs, ListOwners
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.policy.settle import Ending, Policy, settle
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import OwnerRescued

_RESCUE_EVERY_S: Final = 2.0
_PRUNE_EVERY: Final = 30  # rescues: a minute
_PRUNE_AT_ONCE: Final = 500  # jobs a transaction
_KEEP_TICKS_S: Final = 2 * 86400.0  # longer than any clock is expected to be set back
_PAGE: Final = 1000  # jobs a read


class Retention(NamedTuple):
    """How long finished jobs are kept, in seconds."""

    completed: float
    dead: float


class Janitor:
    """Rescues the jobs of dead owners, prunes finished jobs, and has the store do its own housekeeping.

    Args:
        store: Where to look.
        clock: The time.
        bus: Gets a fact for each owner that was rescued.
        registry: Has the policies of the types.
        owner: The id of this runner.
        attempts: Knows the jobs that this runner owns.
        commits: Makes the prunes durable.
        recorder: Saves the ends of lost attempts.
        retention: How long finished jobs are kept.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bus: Bus,
        registry: Registry,
        owner: str,
        attempts: OwnedJobs,
        commits: Commits,
        recorder: EndRecorder,
        retention: Retention,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._owner = owner
        self._attempts = attempts
        self._commits = commits
        self._recorder = recorder
        self._retention = retention

    async def run(self) -> None:
        """Rescues, prunes and maintains, until it is cancelled; the runner has rescued once before."""
        for round_number in count():
            if round_number % _PRUNE_EVERY == 0:
                with contextlib.suppress(StoreUnavailable):  # is published; a full disk cannot be pruned
                    await self.prune()
                    if round_number:  # a start has better things to do than to walk through all rows
                        await self._store.maintain(self._clock.now())
            await sleep(self._clock, _RESCUE_EVERY_S)
            await self.rescue()

    async def rescue(self) -> None:
        """Ends the attempts of every dead owner as lost, and those of this owner that it does not know of."""
        owned = (
            self._attempts.watch_owned()
        )  # before the look: what runs again meanwhile, by the same attempt, is in it
        owners = await self._store.ask(ListOwners())
        dead = await self._store.owners.dead(owners)
        if self._owner in owners:
            await self._take_back(owned)
        for owner in dead - {self._owner}:
            is_interrupted = self._store.owners.was_interrupted(owner)
            ended = await self._end_all(
                [replace(job, interrupted=True) if is_interrupted else job for job in await self._processing(owner)]
            )
            if ended and self._bus.is_watched(OwnerRescued):
                self._bus.publish(OwnerRescued(owner, ended))

    async def prune(self) -> None:
        """Deletes finished jobs that were kept long enough, some at a time."""
        now = self._clock.now()
        write = Prune(
            completed_before=after(now, -self._retention.completed),
            dead_before=after(now, -self._retention.dead),
            ticks_before=after(now, -_KEEP_TICKS_S),
            limit=_PRUNE_AT_ONCE,
        )
        while await self._commits.write(write) == _PRUNE_AT_ONCE:
            pass

    async def _take_back(self, owned: Collection[int]) -> None:
        """Gives back what this runner claimed without an answer: the commit was reported to have failed."""
        own = await self._processing(self._owner)
        if all(job.id in owned for job in own):
            return
        await self._commits.settle()  # what is still unknown now was in no transaction that is yet to be answered
        await self._end_all([replace(job, interrupted=True) for job in own if job.id not in owned])

    async def _end_all(self, jobs: Collection[Job]) -> int:
        """Ends lost attempts; returns how many were still owned."""
        return sum(await asyncio.gather(*[self._recorder.record_lost(self._lost(job)) for job in jobs]))

    async def _processing(self, owner: str) -> list[Job]:
        """All jobs of an owner that are processing."""
        found: list[Job] = []
        before = None
        while True:
            page = await self._store.ask(FindJobs(owner=owner, status=Status.PROCESSING, before=before, limit=_PAGE))
            found += page
            if len(page) < _PAGE:
                return found
            before = page[-1].id

    def _lost(self, job: Job) -> End:
        job_type = self._registry.find(job.type)
        policy = job_type.policy if job_type else Policy()
        ending = Ending(lost=True, interrupted=job.interrupted)
        return settle(_claimed(job), ending, policy, self._clock.now(), cancel_requested=job.cancel_requested)


def _claimed(job: Job) -> Claimed:
    """A processing job as its owner was given it."""
    return Claimed(
        id=job.id,
        type=job.type,
        payload=job.payload_json,
        priority=PRIORITIES[job.priority],
        scheduled_at=to_micros(job.scheduled_at),
        attempt=job.attempts,
        max_attempts=job.max_attempts,
        created_at=to_micros(job.created_at),
        started_at=to_micros(job.started_at or job.created_at),
        interruptions=job.interruptions,
        snoozes=job.snoozes,
        crashes=job.crashes,
        tick=None,
        owner=job.owner or "",
    )
