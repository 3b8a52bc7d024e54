"""The callers that await a job's end: woken by the commit, never polling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from aiojobs_lite.engine.ports import Reads
from aiojobs_lite.errors import RunnerClosed
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.ends import Again, Complete, End
from aiojobs_lite.model.expiries import EXPIRED
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import FindJobs


class Finished(NamedTuple):
    """How a job finished, for the callers that await it.

    Attributes:
        status: `completed`, `dead` or `cancelled`; None: the job is gone.
        result_json: What the handler returned, as JSON, or None.
        reason: Why it is dead or cancelled, or why its result was not kept, or None.
        error: Type and message of the latest failure, or None.
    """

    status: Status | None
    result_json: str | None = None
    reason: str | None = None
    error: str | None = None

    @property
    def result(self) -> Any:
        """What the handler returned, as plain JSON values, as `Job.result` has it."""
        return None if self.result_json is None else json.loads(self.result_json)


def finished_as(job: Job) -> Finished | None:
    """How a job finished, as it was read; None: it has not."""
    return Finished(job.status, job.result_json, job.reason, job.error) if job.is_finished else None


class Waiters:
    """The futures of the callers that await a job, by job id.

    Attributes:
        is_closed: Whether nothing notifies callers any more; one whose job is not finished yet waits in vain.
    """

    def __init__(self) -> None:
        self._futures: dict[int, list[asyncio.Future[Finished]]] = {}
        self.is_closed = False

    def __len__(self) -> int:
        """How many callers wait."""
        return sum(map(len, self._futures.values()))

    @property
    def awaited(self) -> Collection[int]:
        """The jobs that are awaited, by when their first caller came."""
        return self._futures.keys()

    def add(self, job_id: int) -> asyncio.Future[Finished]:
        """A future of the job's end. To miss nothing, read the job after this."""
        future: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(job_id, []).append(future)
        return future

    def discard(self, job_id: int, future: asyncio.Future[Finished]) -> None:
        """Forgets a future that is not awaited any more."""
        futures = self._futures.get(job_id, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[job_id]
        if future.done() and not future.cancelled():
            future.exception()  # so that asyncio does not log an error that was never retrieved

    def attempt_ended(self, end: End) -> None:
        """Notifies, if the attempt was the job's last."""
        if not self._futures or isinstance(end, Again):
            return
        if isinstance(end, Complete):
            self.notify(end.id, Finished(Status.COMPLETED, end.result, end.note))
        else:
            error = end.failure.summary if end.failure else end.reason
            self.notify(end.id, Finished(end.status, None, end.reason, error))

    def expired(self, job_id: int) -> None:
        """Notifies that a job was cancelled since its expiry had come."""
        self.notify(job_id, Finished(Status.CANCELLED, reason=EXPIRED))

    def cancelled(self, cancellations: Sequence[Cancellation]) -> None:
        """Notifies of jobs that were cancelled by events, or with others."""
        for job_id, _, reason in cancellations:
            self.notify(job_id, Finished(Status.CANCELLED, reason=reason))

    def check(self, job: Job) -> None:
        """Notifies, if a job that was read is finished."""
        if (finished := finished_as(job)) is not None:
            self.notify(job.id, finished)

    def notify(self, job_id: int, finished: Finished) -> None:
        """Wakes the callers that await a job."""
        for future in self._futures.pop(job_id, ()):
            if not future.done():
                future.set_result(finished)

    async def recheck(self, store: Reads) -> None:
        """Reads the awaited jobs, all with one query, and notifies the callers of those that are finished or gone."""
        if not self._futures:
            return
        ids = list(self._futures)
        found = {job.id: job for job in await store.ask(FindJobs(ids=ids, limit=len(ids)))}
        for job_id in ids:
            if job_id in found:
                self.check(found[job_id])
            else:
                self.notify(job_id, Finished(None))

    def close(self) -> None:
        """Raises `RunnerClosed` in every caller that still waits. May be called twice."""
        self.is_closed = True
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(RunnerClosed())
        self._futures.clear()
