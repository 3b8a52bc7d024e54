"""Looks for work that nothing will wake: writes, claims of due jobs, callers of jobs that are finished."""

from __future__ import annotations

from itertools import count, islice
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Clock, to_micros
from aiojobs_lite.engine.health import Health
from aiojobs_lite.engine.ports import ClaimLanes, JobWaiters, WriteLane
from aiojobs_lite.engine.suspects import SURE, Defect, Suspects
from aiojobs_lite.model.job import FINISHED, Job
from aiojobs_lite.model.queries import FindJobs, FirstDue, ListPaused
from aiojobs_lite.stores.base import Store

_DUE_FOR_US: Final = 2 * MICROSECONDS  # since when a job must be due to count as left
_CALLERS_EVERY: Final = 2  # looks
_MOST_CALLERS: Final = 500  # whose jobs are read at one look


class LaneCheck:
    """Finds work that waits for a wake that does not come, and wakes it.

    Args:
        store: Says what is due, and which jobs are finished.
        clock: The time.
        health: Whether the store can be written: if not, all waits for that.
        claims: Knows which types could be claimed.
        writes: Knows whether writes wait.
        waiters: The callers that await jobs.
    """

    def __init__(
        self, *, store: Store, clock: Clock, health: Health, claims: ClaimLanes, writes: WriteLane, waiters: JobWaiters
    ) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._claims = claims
        self._writes = writes
        self._waiters = waiters
        self._looks = count()
        self._first_caller = 0
        self._unwritten = Suspects()
        self._unclaimed = Suspects()
        self._unnotified = Suspects()

    async def look(self) -> list[Defect]:
        """Looks once; returns what was found and woken."""
        found = [*self._waiting_writes(), *await self._due_jobs()]
        if next(self._looks) % _CALLERS_EVERY == 0:
            found += await self._callers_of_finished_jobs()
        return found

    def _waiting_writes(self) -> list[Defect]:
        waits = self._writes.is_waiting and not self._health.is_degraded
        if not self._unwritten.confirm({self._writes.transactions: SURE} if waits else {}):
            return []
        self._writes.wake()
        return [Defect("writes wait and no transaction is made; the committer is woken")]

    async def _due_jobs(self) -> list[Defect]:
        """Types with due jobs and free slots that no claim was asked for. What the store keeps in memory is a hint, and
        a row the evidence; the claim is asked for in any case.
        """
        lanes: list[tuple[str, int]] = []
        if self._health.is_claimable and not self._writes.is_busy:
            lanes = self._claims.unclaimed(self._store.counts(), self._clock.now() - _DUE_FOR_US)
        confirmed = self._unclaimed.confirm(dict.fromkeys(lanes, SURE))
        if not confirmed:
            return []
        paused = await self._store.ask(ListPaused())
        found = []
        for job_type, _ in confirmed:
            until = self._clock.now() - _DUE_FOR_US
            job = None if job_type in paused else await self._store.ask(FirstDue(job_type, until))
            if job_type not in paused:
                self._claims.look_again(job_type)
            if job is not None:
                late = (self._clock.now() - to_micros(job.scheduled_at)) / MICROSECONDS
                what = f"a job is due for {late:.1f} s, slots are free, and no claim is asked for; one is now"
                found.append(Defect(what, job.id, job_type, job.attempts))
        return found

    async def _callers_of_finished_jobs(self) -> list[Defect]:
        """Some of the awaited jobs at each look, in turn; only the finished ones are read."""
        awaited = self._waiters.awaited
        if self._first_caller >= len(awaited):
            self._first_caller = 0
        ids = list(islice(awaited, self._first_caller, self._first_caller + _MOST_CALLERS))
        self._first_caller += len(ids)
        finished: dict[int, Job] = {}
        for status in FINISHED if ids else ():
            for job in await self._store.ask(FindJobs(ids=ids, status=status, limit=len(ids))):
                finished[job.id] = job
        found = []
        for job_id in self._unnotified.confirm(dict.fromkeys(finished, SURE)):
            if job_id in awaited:
                self._waiters.check(finished[job_id])
                what = "a job is finished and its callers were not notified; they are now"
                found.append(Defect(what, job_id, finished[job_id].type, finished[job_id].attempts))
        return found
