"""What a runner shows of its database: `runner.jobs` and `runner.schedules`."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.waiters import End
from aiojobs_lite.errors import (
    InvalidOption,
    JobNotAllowed,
    JobNotFound,
    RunnerClosed,
    StoreUnavailable,
)
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.writes import Cancel, Delete, Redrive
from aiojobs_lite.stores.base import JobFilter
from aiojobs_lite.telemetry.facts import DeadRedriven, JobBecameCancelled, JobRedriven

_LARGEST_ID = 2**63 - 1
_LARGEST_PAGE = 1000


class Jobs:
    """The stored jobs of a runner's database: `runner.jobs`.

    Args:
        engine: Returns the engine in use; raises if the runner cannot be used here and now.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def get(self, job_id: int) -> Job:
        """Reads one job with the history of its attempts.

        Raises:
            JobNotFound: If there is none of this id.
        """
        job = await self._engine().store.get(_checked(job_id))
        if job is None:
            raise JobNotFound(job_id)
        return job

    async def list(
        self,
        *,
        status: Status | str | None = None,
        type: str | None = None,  # noqa: A002  # the column's name
        limit: int = 100,
        after: int | None = None,
    ) -> builtins.list[Job]:
        """Reads a page of jobs, the newest first, without history.

        Args:
            status: Only jobs of this status.
            type: Only jobs of this type.
            limit: Size of the page, 1 to 1,000.
            after: Id of the last job of the page before.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        if not isinstance(limit, int) or not 1 <= limit <= _LARGEST_PAGE:
            raise InvalidOption("limit", limit, f"1 to {_LARGEST_PAGE:,}")
        try:
            wanted = None if status is None else Status(status)
        except ValueError:
            raise InvalidOption("status", status, " or ".join(repr(str(known)) for known in Status)) from None
        if after is not None and (not isinstance(after, int) or abs(after) > _LARGEST_ID):
            raise InvalidOption("after", after, "the id of a job")
        _check_text("type", type)
        return await self._engine().store.find(JobFilter(status=wanted, type=type, before=after, limit=limit))

    async def cancel(self, job_id: int, reason: str | None = None) -> Status:
        """Cancels a pending job; asks a processing one to stop, in whatever process it runs.

        Args:
            job_id: The job.
            reason: Kept with a pending job.

        Returns:
            `cancelled`, or `processing` for one that was asked to stop: it is cancelled when its handler has ended,
            unless it completes before.

        Raises:
            JobNotFound: If there is none of this id.
            JobNotAllowed: If it has finished.
        """
        engine = self._engine()
        _check_text("reason", reason)
        return await engine.order(self._cancel(engine, _checked(job_id), reason))

    async def redrive(self, job_id: int) -> None:
        """Sends a dead or cancelled job back to pending, due now, with all its attempts before it.

        Raises:
            JobNotFound: If there is none of this id.
            JobNotAllowed: If it is neither dead nor cancelled.
        """
        engine = self._engine()
        await engine.order(self._redrive(engine, _checked(job_id)))

    async def redrive_all(self, *, type: str | None = None) -> int:  # noqa: A002  # the column's name
        """Sends all dead jobs (of one type, or of every type) back to pending; returns how many."""
        engine = self._engine()
        _check_text("type", type)
        return await engine.order(self._redrive_all(engine, type))

    async def delete(self, job_id: int) -> None:
        """Deletes a job with its history.

        Raises:
            JobNotFound: If there is none of this id.
            JobNotAllowed: If it is processing.
        """
        engine = self._engine()
        await engine.order(self._delete(engine, _checked(job_id)))

    async def end_of(self, job_id: int) -> End:
        """Waits until a job is completed, dead, cancelled or gone: woken by its commit, never polling."""
        engine = self._engine()
        future = engine.waiters.add(job_id)
        try:
            job = await engine.store.get(_checked(job_id))  # it may have ended before anybody waited
            if job is None:
                return End(None)
            engine.waiters.seen(job)
            return await future
        except StoreUnavailable as error:
            raise (RunnerClosed() if error.code == "CLOSED" else error) from None
        finally:
            engine.waiters.discard(job_id, future)

    # Orders: each a write and what follows from it.

    async def _cancel(self, engine: Engine, job_id: int, reason: str | None) -> Status:
        status: Status | None = await engine.write(Cancel(job_id, reason))
        if status is None:
            raise JobNotFound(job_id)
        if status is Status.PROCESSING:
            engine.cancel(job_id)
        elif status is Status.CANCELLED:
            await self._cancelled(engine, job_id, reason)
        else:
            raise JobNotAllowed(job_id, status, "cancelled", "a pending or processing job")
        return status

    async def _redrive(self, engine: Engine, job_id: int) -> None:
        if not await engine.write(Redrive(job_id, None)):
            job = await self.get(job_id)
            raise JobNotAllowed(job_id, job.status, "redriven", "a dead or cancelled job")
        if engine.bus.is_watched(JobRedriven):
            engine.bus.publish(JobRedriven(job_id, await self._type_of(engine, job_id)))

    @staticmethod
    async def _redrive_all(engine: Engine, job_type: str | None) -> int:
        redriven: int = await engine.write(Redrive(None, job_type))
        if engine.bus.is_watched(DeadRedriven):
            engine.bus.publish(DeadRedriven(redriven, job_type or "every type"))
        return redriven

    @staticmethod
    async def _delete(engine: Engine, job_id: int) -> None:
        status: Status | None = await engine.write(Delete(job_id))
        if status is None:
            raise JobNotFound(job_id)
        if status is Status.PROCESSING:
            raise JobNotAllowed(job_id, status, "deleted", "a job that is not processing; cancel it first")
        engine.waiters.ended(job_id, End(None))

    async def _cancelled(self, engine: Engine, job_id: int, reason: str | None) -> None:
        engine.waiters.ended(job_id, End(Status.CANCELLED, reason=reason))
        if engine.bus.is_watched(JobBecameCancelled):
            engine.bus.publish(JobBecameCancelled(job_id, await self._type_of(engine, job_id), reason or ""))

    @staticmethod
    async def _type_of(engine: Engine, job_id: int) -> str:
        job = await engine.store.get(job_id)
        return job.type if job else "?"  # deleted since


def _checked(job_id: object) -> int:
    if isinstance(job_id, bool) or not isinstance(job_id, int):
        raise InvalidOption("job_id", job_id, "the id of a job, a whole number")
    if abs(job_id) > _LARGEST_ID:
        raise JobNotFound(job_id)
    return job_id


def _check_text(option: str, value: object) -> None:
    """Refuses what no database takes for text: a lone surrogate, or no text at all."""
    if value is None:
        return
    try:
        if isinstance(value, str) and value.encode():
            return
    except UnicodeEncodeError:
        pass
    raise InvalidOption(option, value, "text")
