"""What `enqueue` returns."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar, cast

from aiojobs_lite.clock import to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.results import NOT_KEPT
from aiojobs_lite.engine.watchers import JobWatch
from aiojobs_lite.errors import (
    InvalidOption,
    JobCancelled,
    JobDead,
    JobNotFound,
    RecordedError,
    ResultNotKept,
    ResultTimeout,
)
from aiojobs_lite.handlers.habits import AnswersHabitsOfHandles
from aiojobs_lite.handlers.job_type import Enqueueable, JobType
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.runner.jobs import Peeked, StoredJobs
from aiojobs_lite.runner.states import state_of

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class JobHandle(AnswersHabitsOfHandles, Generic[R_co]):
    """One enqueued job. Made by the runner; may be kept or dropped freely.

    Attributes:
        id: The job's id.
        is_new: Whether this enqueue made the job; False if an earlier job stands for it: with its idempotency key or
            its unique key, or by `debounce`, `throttle` or `batch`.
    """

    __slots__ = ("_job_type", "_jobs", "id", "is_new")

    def __init__(self, job_type: JobType[..., R_co], jobs: StoredJobs, job_id: int, *, is_new: bool) -> None:
        self._job_type = job_type
        self._jobs = jobs
        self.id = job_id
        self.is_new = is_new

    @property
    def key(self) -> str:
        """The job's key, the same as `ctx.key`. It is unique over databases: a random id of the database, and the job's
        id. A copy of a database has the same id.
        """
        return self._jobs.key_of(self.id)

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Waits until the job is finished, in whatever process it runs, and returns what its handler returned.

        Args:
            timeout: The longest wait; None: any time. The job goes on after it.

        Raises:
            JobDead: If it is dead.
            JobCancelled: If it was cancelled.
            JobNotFound: If it was deleted or pruned.
            ResultNotKept: If it completed, but what it returned was not stored.
            ResultTimeout: If it took too long.
            RunnerClosed: If the runner's drain ended while the job was unfinished.
        """
        limit = None if timeout is None else seconds(timeout, "timeout")
        waiting = asyncio.timeout(limit)
        try:
            async with waiting:
                finished = await self._jobs.wait(self.id)
        except TimeoutError:
            if limit is None or not waiting.expired():
                raise
            raise _timeout_of(self.id, limit, await self._jobs.peek(self.id)) from None
        if finished.status is None:
            raise JobNotFound(self.id)
        if finished.status is Status.DEAD:
            raise JobDead(self.id, finished.reason, finished.error) from _cause_of(
                self.id, await self._jobs.peek(self.id)
            )
        if finished.status is Status.CANCELLED:
            raise JobCancelled(self.id, finished.reason)
        return self._decoded(finished.result_json, finished.reason)

    async def job(self) -> Job:
        """Reads the job with its history; raises `JobNotFound` if it is gone."""
        return await self._jobs.get(self.id)

    def watch(self, *, from_start: bool = False) -> JobWatch:
        """An async iterator over the changes of the job, until it is finished; see `runner.jobs.watch`."""
        return self._jobs.watch(self.id, from_start=from_start)

    async def cancel(self, reason: str | None = None) -> Status:
        """See `runner.jobs.cancel`."""
        return await self._jobs.cancel(self.id, reason)

    def _decoded(self, stored: str | None, note: str | None) -> R_co:
        kind = self._job_type.result
        if kind is None:
            problem = f"{self._job_type.name!r} is declared with keep_result=False"
            advice = "Do not await it by result(), or declare it with keep_result=True."
            raise ResultNotKept(self.id, problem, advice)
        if note is not None:
            raise ResultNotKept(self.id, note.removeprefix(NOT_KEPT))
        if stored is None:
            return cast("R_co", None)
        try:
            decoded: Any = kind.load(stored)
        except ValueError as error:
            raise ResultNotKept(self.id, f"what is stored no longer fits {self._job_type.name!r}: {error}") from error
        return cast("R_co", decoded)

    def __repr__(self) -> str:
        return f"<JobHandle {self._job_type.name!r} job {self.id}{'' if self.is_new else ' (seen before)'}>"


class RunnerJobs(StoredJobs):
    """The stored jobs of a runner's database, and handles of them: `runner.jobs`."""

    async def handle(self, job_type: Enqueueable[..., R], job_id: int) -> JobHandle[R]:
        """Makes the handle of a job of which only the id is known. Its `result()` is typed by the job type.

        Args:
            job_type: The type of the job.
            job_id: The job.

        Raises:
            JobNotFound: If no job has this id.
            InvalidOption: If the job is of another type.
        """
        if not isinstance(job_type, Enqueueable):
            raise InvalidOption("job_type", job_type, "a job type (a function with @runner.job or @job)")
        job = await self.get(job_id)
        if job.type != job_type.job_type.name:
            raise InvalidOption("job_type", job_type, f"the type of job {job_id}, which is {job.type!r}")
        return JobHandle(job_type.job_type, self, job_id, is_new=False)


def _timeout_of(job_id: int, limit: float, found: Peeked | None) -> ResultTimeout:
    if found is None:
        return ResultTimeout(job_id, limit)
    job, state = found.job, state_of(found.job, found.now)
    if found.is_clock_replaced and job.status is Status.PENDING and to_micros(job.scheduled_at) > found.now:
        state = f"{state.rstrip('.')}. The clock of its runner is that of a test: `await job_kit.advance(...)` moves it"
    return ResultTimeout(job_id, limit, state, job.status, job.error)


def _cause_of(job_id: int, found: Peeked | None) -> RecordedError | None:
    """The last attempt of a dead job that failed by an exception."""
    history = found.job.history if found else ()
    last = next((one for one in reversed(history) if one.error_type is not None), None)
    if last is None or last.error_type is None:
        return None
    return RecordedError(job_id, last.attempt, last.error_type, last.message or "", last.traceback or "")
