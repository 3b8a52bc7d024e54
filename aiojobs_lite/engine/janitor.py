"""Gives back the jobs of dead owners."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from aiojobs_lite.clock import Clock, sleep, to_micros
from aiojobs_lite.engine.ports import Commits, EndRecorder, OwnedJobs
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.ends import CANCEL_REQUESTED, End
from aiojobs_lite.model.job import PRIORITIES, Claimed, Job, Status
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.queries import FindJobs, ListOwners, ListProcessing
from aiojobs_lite.model.runners import EndRunners, ListRunners
from aiojobs_lite.model.steps import ListRestarted
from aiojobs_lite.policy.settle import Ending, Policy, settle
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import OwnerRescued
from aiojobs_lite.telemetry.tracebacks import Raised

_RESCUE_EVERY_S: Final = 2.0
RESCUE_PAGE: Final = 200  # jobs a read: each comes with its payload


class Janitor:
    """Rescues the jobs of dead owners. It does nothing else that may take long: they wait for it.

    Args:
        store: Where to look.
        clock: The time.
        bus: Gets a fact for each owner that was rescued.
        registry: Has the policies of the types.
        owner: The id of this runner.
        attempts: Knows the jobs that this runner owns.
        commits: Knows what is in flight.
        recorder: Saves the ends of lost attempts.
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
    ) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._owner = owner
        self._attempts = attempts
        self._commits = commits
        self._recorder = recorder

    async def run(self) -> None:
        """Rescues, until it is cancelled; the runner has rescued once before."""
        while True:
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
            ended = 0
            async for page in self._processing(owner):
                lost = [replace(job, interrupted=job.interrupted or is_interrupted) for job in page]
                ended += await self._end_all(lost)
            if ended:
                with contextlib.suppress(StoreUnavailable):  # then the maintenance of a runner notes it
                    await self._commits.write(EndRunners((owner,)))
            if ended and self._bus.is_watched(OwnerRescued):
                found = [one for one in await self._store.ask(ListRunners()) if one.id == owner]
                of_process = (found[0].pid, found[0].host) if found else (None, None)
                self._bus.publish(OwnerRescued(owner, ended, *of_process))

    async def _take_back(self, owned: Collection[int]) -> None:
        """Gives back what this runner claimed without an answer: the commit was reported to have failed."""
        async for page in self._processing(self._owner, known=owned):
            await self._commits.settle()  # what is still unknown now was in no transaction that is yet to be answered
            await self._end_all([replace(job, interrupted=True) for job in page if job.id not in owned])

    async def _end_all(self, lost: Sequence[Job]) -> int:
        """Ends lost attempts; returns how many were still owned."""
        ids = tuple([job.id for job in lost])
        restarted = await self._store.ask(ListRestarted(ids, self._clock.now()))  # what its owner knew in memory alone
        records = [self._record(job, restarts=job.id in restarted) for job in lost]
        return sum(await asyncio.gather(*records))

    async def _record(self, job: Job, *, restarts: bool) -> bool:
        job_type = self._registry.find(job.type)
        end = self._lost(job, job_type, restarts=restarts)
        on_dead = None if job_type is None else job_type.on_dead
        raised = Raised(job.max_attempts, claimed=_claimed(job), on_dead=on_dead)
        return await self._recorder.record_lost(end, raised)

    async def _processing(self, owner: str, known: Collection[int] = ()) -> AsyncIterator[list[Job]]:
        """The jobs that an owner is processing, but for the known ones, some at a time; mostly there are none."""
        ids = [job_id for job_id in await self._store.ask(ListProcessing(owner)) if job_id not in known]
        for start in range(0, len(ids), RESCUE_PAGE):
            page = ids[start : start + RESCUE_PAGE]
            found = await self._store.ask(FindJobs(ids=page, owner=owner, status=Status.PROCESSING, limit=RESCUE_PAGE))
            yield found[::-1]  # the oldest first: they are due in this order again

    def _lost(self, job: Job, job_type: JobType[..., Any] | None, *, restarts: bool) -> End:
        policy = job_type.policy if job_type else Policy()
        ending = Ending(lost=True, interrupted=job.interrupted, is_type_unknown=job_type is None, restarts=restarts)
        cancel = job.reason or CANCEL_REQUESTED if job.cancel_requested else None
        return settle(_claimed(job), ending, policy, self._clock.now(), cancel=cancel)


def _claimed(job: Job) -> Claimed:
    """A processing job as its owner was given it."""
    return Claimed(
        id=job.id,
        type=job.type,
        payload=stored_payload(job.payload_json),
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
        label=job.label,
    )
