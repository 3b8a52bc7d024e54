"""What is done to many jobs at once, some in a transaction."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any, Final, Unpack

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.waiters import Finished
from aiojobs_lite.errors import InvalidOption, JobNotFound
from aiojobs_lite.handlers.checks import check_whole
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import FindJobs, GetJob
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveAsNew, RedriveDead, RedriveJob, Redriven
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.editing import JobEdit, edit_one, edits_of
from aiojobs_lite.runner.filters import JobFilters, JobSelection, PendingFilters, check_id, check_reason, select
from aiojobs_lite.runner.orders import follow_cancel, not_redriven, redrive_all_dead
from aiojobs_lite.runner.redriving import RedriveOptions, check_changes, row_again
from aiojobs_lite.runner.types import known_name, type_name
from aiojobs_lite.runner.walks import JobWalk
from aiojobs_lite.telemetry.facts import DeadRedriven, JobEnqueued

MOVED_AT_ONCE: Final = 200  # jobs a transaction: a rescue waits for no more
COPIED_AT_ONCE: Final = 20  # with their payloads, in memory
MOST_MOVED: Final = 1_000_000_000  # jobs of one call
_UNFINISHED: Final = (Status.PROCESSING, Status.PENDING)
_NOT_PROCESSING: Final = (Status.PENDING, Status.COMPLETED, Status.DEAD, Status.CANCELLED)
_REDRIVABLE: Final = (Status.DEAD, Status.CANCELLED)


class ManyJobs:
    """The half of `runner.jobs` that moves many jobs at once: by their ids, by a filter as of `list`, or by both.

    - An empty list of ids means none. Without ids a filter is needed, so that no slip of the pen means all.
    - `count` of the same selection says before how many are meant. A type need not be registered.
    - Some jobs are moved in a transaction. If one fails, those of the transactions before are moved.
    - Jobs that come meanwhile, or that change, may be left out; none is moved that is not meant when it is.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def cancel_many(
        self,
        selection: JobSelection | Iterable[int] | None = None,
        *,
        reason: str | None = None,
        limit: int | None = None,
        **wanted: Unpack[PendingFilters],
    ) -> int:
        """Cancels pending jobs, and asks processing ones to stop; returns how many both are.

        Args:
            selection: Which jobs are meant, or their ids.
            reason: Kept with the jobs, shortened to 2,000 characters.
            limit: At most so many.
            **wanted: The same by keywords; see `JobFilters`.

        Raises:
            InvalidOption: If one of them cannot work, or nothing says which jobs are meant.
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        engine, why = self._access.engine, check_reason(reason)
        return await engine.order(_cancel_many(Pages(engine, select(selection, wanted), limit, _UNFINISHED), why))

    async def delete_many(
        self,
        selection: JobSelection | Iterable[int] | None = None,
        *,
        limit: int | None = None,
        **wanted: Unpack[JobFilters],
    ) -> int:
        """Deletes jobs that are not processing, with their history; returns how many.

        Args:
            selection: Which jobs are meant, or their ids.
            limit: At most so many.
            **wanted: The same by keywords; see `JobFilters`.

        Raises:
            InvalidOption, UnknownJobType: As of `cancel_many`.
        """
        engine = self._access.engine
        return await engine.order(_delete_many(Pages(engine, select(selection, wanted), limit, _NOT_PROCESSING)))

    async def redrive_many(
        self,
        selection: JobSelection | Iterable[int] | None = None,
        *,
        limit: int | None = None,
        **wanted: Unpack[JobFilters],
    ) -> int:
        """Sends dead jobs back to pending, due now, with all their attempts before them; returns how many.

        With `status="cancelled"` it sends cancelled ones, due when they were to be if that is later: so it undoes
        `cancel_many`, by the same ids or the same reason.

        A job whose unique key another job has stays as it is.

        Args:
            selection: Which jobs are meant, or their ids.
            limit: At most so many.
            **wanted: The same by keywords; see `JobFilters`.

        Raises:
            InvalidOption, UnknownJobType: As of `cancel_many`.
        """
        engine, chosen = self._access.engine, select(selection, wanted)
        statuses = (Status.CANCELLED if chosen.query.status is Status.CANCELLED else Status.DEAD,)
        return await engine.order(_redrive_many(Pages(engine, chosen, limit, statuses)))

    async def redrive_many_as_new(
        self,
        selection: JobSelection | Iterable[int] | None = None,
        *,
        limit: int | None = None,
        **wanted: Unpack[JobFilters],
    ) -> dict[int, int]:
        """Puts a new job in the place of each of many dead or cancelled ones; see `redrive_as_new`.

        A job whose unique key another job has stays as it is.

        Args:
            selection: Which jobs are meant, or their ids.
            limit: At most so many.
            **wanted: The same by keywords; see `JobFilters`.

        Returns:
            The ids of the new jobs, by those of the old ones.

        Raises:
            InvalidOption, UnknownJobType: As of `cancel_many`.
        """
        engine = self._access.engine
        pages = Pages(engine, select(selection, wanted), limit, _REDRIVABLE, COPIED_AT_ONCE)
        return await engine.order(_redrive_many_as_new(pages))

    async def redrive_as_new(self, job_id: int, **changes: Unpack[RedriveOptions]) -> int:
        """Puts a new job in the place of a dead or cancelled one: with another id and all its attempts before it, due
        now, with the same payload, options and metadata. The old one is deleted in the same transaction.

        It is in no batch, and is no child of another job. Secret arguments go over.

        Args:
            job_id: The job.
            **changes: What the new one has otherwise; see `RedriveOptions`.

        Returns:
            The id of the new job.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is neither dead nor cancelled, or another job has its unique key.
            InvalidOption: If one of the changes cannot work.
            InvalidPayload: If the arguments do not fit the handler then.
            UnknownJobType: If its type is not registered in this runner, and something is changed.
        """
        check_changes(changes)
        engine = self._access.engine
        return await engine.order(_redrive_as_new(engine, check_id(job_id), changes))

    async def edit(self, job_id: int, /, **arguments: Any) -> None:
        """Gives a pending or dead job other arguments in place of those of the same names; the others stay as they are.

        They are validated like those of an enqueue. Its keys, of limits and a unique one, are made anew. A job that was
        held for its payload runs; a dead one stays dead until it is redriven. What it had before: see `edits`.

        Args:
            job_id: The job.
            **arguments: Arguments of the handler.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is neither pending nor dead, gathers items or has stored operations, or another job has
                its new unique key.
            InvalidPayload: If the arguments do not fit the handler then.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            UnknownJobType: If its type is not registered in this runner: nothing here knows what fits its handler.
        """
        engine = self._access.engine
        await engine.order(edit_one(engine, check_id(job_id), arguments))

    async def edits(self, job_id: int) -> builtins.list[JobEdit]:
        """Reads what a job had before each of its edits, the oldest first; secret arguments are not shown.

        Raises:
            JobNotFound: If no job has this id.
        """
        return await edits_of(self._access.engine, check_id(job_id))

    async def redrive_all(self, *, type: JobType[..., Any] | str | None = None) -> int:  # noqa: A002  # the field's name
        """Sends all dead jobs (of one type, or of every type) back to pending, 500 in a transaction; returns how many.

        If it fails, those of the transactions before are pending. A job that dies again meanwhile stays dead.

        Raises:
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        engine, wanted = self._access.engine, type_name(type)
        return await engine.order(redrive_all_dead(engine, wanted))


class Pages:
    """The jobs that are meant, page by page, until so many are moved as may be.

    Args:
        engine: Has them.
        selection: Which are meant.
        limit: At most so many are moved; None: all.
        statuses: Those that can be moved.
        size: Most jobs of a page.

    Attributes:
        engine: As given.
        query: What the selection asks for.
        moved: How many were moved: the caller adds them.

    Raises:
        InvalidOption: If one of them cannot work, or nothing says which jobs are meant.
    """

    def __init__(
        self, engine: Engine, selection: JobSelection, limit: int | None, statuses: Collection[Status],
        size: int = MOVED_AT_ONCE,
    ) -> None:  # fmt: skip
        self.engine, self.moved, self._size = engine, 0, size
        self.query = selection.query
        if selection.is_of_all:
            raise InvalidOption("selection", None, "the ids of jobs, or a filter, such as type= or metadata=")
        self._limit = MOST_MOVED if limit is None else check_whole("limit", limit, MOST_MOVED)
        self._statuses = [one for one in statuses if self.query.status in (None, one)]

    async def __aiter__(self) -> AsyncIterator[tuple[Status, builtins.list[int]]]:
        """Ids with the status that they had when they were looked for."""
        is_known = self.query.type is None or bool(self.query.ids)
        for status in self._statuses:
            async for ids in self._of_status(self.query._replace(status=status)):
                is_known = True
                yield status, ids
        if not is_known and self.query.type is not None:
            await known_name(self.engine, self.query.type)

    async def _of_status(self, query: FindJobs) -> AsyncIterator[builtins.list[int]]:
        walk = JobWalk(self.engine, query, self._size)
        while (left := min(self._size, self._limit - self.moved)) > 0 and not walk.is_at_end:
            if found := await walk.find(left):
                yield found


async def _cancel_many(pages: Pages, reason: str | None) -> int:
    engine = pages.engine
    async for _, ids in pages:
        before = await engine.write_all(*[CancelJob(job_id, reason) for job_id in ids])
        for job_id, status in zip(ids, before, strict=True):
            if status in _UNFINISHED:
                pages.moved += 1
                await follow_cancel(engine, job_id, status, reason)
    return pages.moved


async def _delete_many(pages: Pages) -> int:
    engine = pages.engine
    async for wanted, ids in pages:
        before = await engine.write_all(*[DeleteJob(job_id, wanted) for job_id in ids])
        for job_id, status in zip(ids, before, strict=True):
            if status is wanted:
                pages.moved += 1
                engine.waiters.notify(job_id, Finished(None))
    return pages.moved


async def _redrive_many(pages: Pages) -> int:
    engine, is_done = pages.engine, False
    try:
        async for status, ids in pages:
            if status is Status.DEAD:
                pages.moved += await engine.write(RedriveDead(tuple(ids)))
            else:
                writes = [RedriveJob(job_id, keeps_time=True) for job_id in ids]
                pages.moved += sum(map(bool, await engine.write_all(*writes)))
        is_done = True
    finally:  # also those before a fault
        if (pages.moved or is_done) and engine.bus.is_watched(DeadRedriven):
            engine.bus.publish(DeadRedriven(pages.moved, pages.query.type or "every type"))
    return pages.moved


async def _redrive_many_as_new(pages: Pages) -> dict[int, int]:
    engine = pages.engine
    made: dict[int, int] = {}
    async for _, ids in pages:
        jobs = await engine.ask(FindJobs(ids=ids, limit=len(ids)))
        writes = [RedriveAsNew(job.id, row_again(job, engine.now(), None, {})) for job in jobs]
        for job, answer in zip(jobs, await engine.write_all(*writes) if writes else (), strict=True):
            if answer.id is not None:
                pages.moved += 1
                made[job.id] = answer.id
                _follow_redrive(engine, job, answer.id)
    return made


async def _redrive_as_new(engine: Engine, job_id: int, changes: RedriveOptions) -> int:
    job = await engine.ask(GetJob(job_id))
    if job is None:
        raise JobNotFound(job_id)
    if job.status not in _REDRIVABLE:
        raise not_redriven(job_id, Redriven(job.status))
    job_type = engine.registry.get(job.type) if changes else None
    answer = await engine.write(RedriveAsNew(job_id, row_again(job, engine.now(), job_type, changes)))
    if answer.id is None:
        raise not_redriven(job_id, answer.before)
    _follow_redrive(engine, job, answer.id)
    return answer.id


def _follow_redrive(engine: Engine, job: Job, made: int) -> None:
    engine.waiters.notify(job.id, Finished(None))
    if engine.bus.is_watched(JobEnqueued):
        engine.bus.publish(JobEnqueued(made, job.type))
