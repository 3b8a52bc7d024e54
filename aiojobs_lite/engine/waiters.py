"""Those who await a job's end: woken by the commit, never polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple

from aiojobs_lite.model.job import FINISHED, Job, Status
from aiojobs_lite.model.writes import Finish


class End(NamedTuple):
    """How a job ended, for those who await it. `status` None: the job is gone."""

    status: Status | None
    result: str | None = None
    reason: str | None = None
    error: str | None = None


class Waiters:
    """The futures of those who await a job's end, by job id."""

    def __init__(self) -> None:
        self._futures: dict[int, list[asyncio.Future[End]]] = {}

    def add(self, job_id: int) -> asyncio.Future[End]:
        """A future of the job's end. To miss nothing, read the job after this."""
        future: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(job_id, []).append(future)
        return future

    def discard(self, job_id: int, future: asyncio.Future[End]) -> None:
        """Forgets a future that nobody awaits any more."""
        futures = self._futures.get(job_id, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[job_id]

    def finished(self, end: Finish) -> None:
        """An attempt's end was committed."""
        if self._futures and end.status in FINISHED:
            error = end.failure.summary if end.failure else end.reason
            self.ended(end.id, End(end.status, end.result, end.reason, error))

    def ended(self, job_id: int, end: End) -> None:
        """A job came to its end."""
        for future in self._futures.pop(job_id, ()):
            if not future.done():
                future.set_result(end)

    def seen(self, job: Job) -> None:
        """A job was read from the store."""
        if job.finished:
            self.ended(job.id, End(job.status, job.result_json, job.reason, job.error))

    async def recheck(self, read: Callable[[Collection[int]], Coroutine[Any, Any, list[Job]]]) -> None:
        """Somebody else has committed: looks at the awaited jobs, all with one read."""
        if not self._futures:
            return
        ids = list(self._futures)
        found = {job.id: job for job in await read(ids)}
        for job_id in ids:
            if job_id in found:
                self.seen(found[job_id])
            else:
                self.ended(job_id, End(None))

    def close(self, error: Exception) -> None:
        """The runner ends: everybody who still waits gets the error."""
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._futures.clear()
