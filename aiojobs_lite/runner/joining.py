"""What `enqueue_in` returns: the handle of a job that is there when the caller's transaction is committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from aiojobs_lite.durations import Duration
from aiojobs_lite.engine.joining import Joined
from aiojobs_lite.engine.watchers import JobWatch
from aiojobs_lite.errors import InvalidOption, JobNotCommitted, JobNotFound
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs

R_co = TypeVar("R_co", covariant=True)


class JoinedHandle(JobHandle[R_co]):
    """A handle that knows its job from another one that got its id after a rollback.

    Each method raises `JobNotCommitted` before the commit, and after a rollback.
    """

    __slots__ = ("_identity", "_is_committed")

    def __init__(self, job_type: JobType[..., R_co], jobs: StoredJobs, joined: Joined) -> None:
        super().__init__(job_type, jobs, joined.id, is_new=joined.is_new)
        self._identity = joined.identity
        self._is_committed = False

    async def result(self, timeout: Duration | None = None) -> R_co:
        """See `JobHandle.result`. It does not wait for the commit."""
        await self._check_committed()
        return await super().result(timeout)

    async def job(self) -> Job:
        """See `JobHandle.job`."""
        await self._check_committed()
        return await super().job()

    def watch(self, *, from_start: bool = False) -> JobWatch:
        """See `JobHandle.watch`. It does not wait for the commit."""
        watch = super().watch(from_start=from_start)
        watch.check = self._check_committed
        return watch

    async def cancel(self, reason: str | None = None) -> Status:
        """See `JobHandle.cancel`."""
        await self._check_committed()
        return await super().cancel(reason)

    async def _check_committed(self) -> None:
        if self._is_committed:
            return
        try:
            job = await self._jobs.get(self.id)
        except JobNotFound:
            raise JobNotCommitted(self.id) from None
        if not self._identity.matches(job):
            raise JobNotCommitted(self.id)
        self._is_committed = True


class OpenConnection(Protocol):
    """A connection, or a session, that executes statements: of sqlite3, aiosqlite or SQLAlchemy."""

    @property
    def execute(self) -> Callable[..., Any]:
        """Executes a statement."""


def check_connection(given: object) -> None:
    """Checks that it is no delay: other libraries have an `enqueue_in` that takes one.

    Raises:
        InvalidOption: If it is one.
    """
    if isinstance(given, timedelta | datetime | int | float | str):
        expected = (
            "a connection with an open transaction; a delay is given by `enqueue(job_type.using(delay=...), ...)`"
        )
        raise InvalidOption("connection", given, expected)
