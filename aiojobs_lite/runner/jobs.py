"""`runner.jobs`: reads and moves stored jobs."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Unpack

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.waiters import Finished, finished_as
from aiojobs_lite.engine.watchers import JobWatch
from aiojobs_lite.errors import JobNotFound, RunnerClosed, RunnerError, StoreError, StoreUnavailable
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.handlers.checks import check_flag, check_instant, check_whole
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.moments import GetJobs, Moment, MomentKind, MomentPage
from aiojobs_lite.model.overview import BoundedCount
from aiojobs_lite.model.progress import GetLog, JobLog
from aiojobs_lite.model.queries import GetChangeMark, GetJob
from aiojobs_lite.runner.bulk import MOST_MOVED, ManyJobs
from aiojobs_lite.runner.explain import explain_with_usual
from aiojobs_lite.runner.filters import (
    LARGEST_PAGE,
    JobFilters,
    JobSelection,
    Wanted,
    check_id,
    check_ids,
    check_job_key,
    check_key_of,
    check_reason,
    select,
)
from aiojobs_lite.runner.moments import moments_query
from aiojobs_lite.runner.orders import cancel_one, delete_one, redrive_one, reschedule_one
from aiojobs_lite.runner.steps import JobStep, ParentStep, parent_of, steps_of
from aiojobs_lite.runner.troubles import JobMark, look_at_marks
from aiojobs_lite.runner.types import known_name
from aiojobs_lite.runner.walks import JobPage, behind, count_jobs, read_page

_PEEK_S: Final = 0.25  # that an error may take for its text


class Peeked(NamedTuple):
    """A job at one moment, for the text of an error.

    Attributes:
        job: The job with its history.
        now: The moment, in microseconds.
        is_clock_replaced: Whether its runner has another clock than the machine's, as in a test.
    """

    job: Job
    now: int
    is_clock_replaced: bool


class StoredJobs(ManyJobs):
    """The stored jobs of a runner's database: `runner.jobs`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    async def get(self, job_id: int) -> Job:
        """Reads one job with the history of its attempts.

        Raises:
            JobNotFound: If no job has this id.
        """
        job = await self._access.engine.ask(GetJob(check_id(job_id)))
        if job is None:
            raise JobNotFound(job_id)
        return job

    async def list(
        self,
        selection: JobSelection | None = None,
        *,
        limit: int = 100,
        after: int | None = None,
        **wanted: Unpack[JobFilters],
    ) -> JobPage:
        """Reads a page of jobs in order of their ids, the newest first unless `order="oldest"`, without history.

        Args:
            selection: Which jobs are meant.
            limit: Size of the page, 1 to 1,000.
            after: The `next` of the page before, or the id of its last job.
            **wanted: The same by keywords; see `JobFilters`.

        Raises:
            InvalidOption: If one of them cannot work.
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        check_whole("limit", limit, LARGEST_PAGE)
        engine, query = self._access.engine, select(selection, wanted).query
        page = await read_page(engine, behind(query, check_key_of("after", after, "job")), limit)
        if not page and page.next is None and query.type is not None:
            await known_name(engine, query.type)
        return page

    async def count(
        self,
        selection: JobSelection | None = None,
        *,
        most: int = 10_000,
        within: Duration | None = None,
        **wanted: Unpack[JobFilters],
    ) -> BoundedCount:
        """Counts jobs: those that `list` would list, and that the calls for many jobs would look for.

        Without anything but a status and a type it is exact at once, and no job is looked at.

        Args:
            selection: Which jobs are meant.
            most: The count ends there, at most 1,000,000,000.
            within: It ends after that time, too; None: it takes as long as it takes.
            **wanted: The same by keywords; see `JobFilters`.

        Raises:
            InvalidOption: If one of them cannot work.
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        check_whole("most", most, MOST_MOVED)
        longest = None if within is None else seconds(within, "within")
        engine, query = self._access.engine, select(selection, wanted).query
        found = await count_jobs(engine, query, most, longest)
        if not found.count and not found.is_more and query.type is not None:
            await known_name(engine, query.type)
        return found

    async def get_many(self, ids: Iterable[int]) -> dict[int, Job]:
        """Reads up to 1,000 jobs with the history of their attempts; those that there are, by id.

        Raises:
            InvalidOption: If they are no ids, or too many.
        """
        engine = self._access.engine
        wanted = check_ids(ids)
        return await engine.ask(GetJobs(wanted)) if wanted else {}

    async def moments(
        self,
        type: JobType[..., Any] | str,  # noqa: A002  # the column's name
        *,
        kinds: Collection[MomentKind | str] = tuple(MomentKind),
        ids: Iterable[int] | None = None,
        metadata: Mapping[str, Wanted | Collection[Wanted]] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: Moment | None = None,
    ) -> MomentPage:
        """Reads a page of what happened to the jobs of a type that have metadata, the latest first: they were enqueued,
        attempts started and failed, they completed, died or were cancelled.

        What a page costs depends on its size, not on how many jobs are stored. At most `limit` moments are looked at,
        so that a page may be short, or empty; the list ends when its `next` is None.

        Args:
            type: Their type: the job type, or its name.
            kinds: What is listed: `enqueued`, `started`, `failed`, `completed`, `dead`, `cancelled`.
            ids: Only of these jobs, at most 1,000.
            metadata: As of `list`.
            since: The earliest instant, an aware datetime.
            until: The latest.
            limit: Size of the page, 1 to 1,000.
            after: The `next` of the page before.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        engine = self._access.engine
        query = moments_query(type, kinds, ids, metadata, since, until, limit, after)
        return await engine.ask(query)

    async def log(self, job_id: int) -> JobLog:
        """Reads the newest 1,000 lines that the handlers of a job logged by `ctx.log`.

        Raises:
            JobNotFound: If no job has this id.
        """
        engine = self._access.engine
        log = await engine.ask(GetLog(check_id(job_id)))
        if not log.lines and await engine.ask(GetJob(job_id)) is None:
            raise JobNotFound(job_id)
        return log

    async def steps(self, job_id: int) -> builtins.list[JobStep]:
        """Reads the operations of a durable handler, in the order in which they were stored first; empty if none is.

        Raises:
            JobNotFound: If there is no job of this id.
        """
        return await steps_of(self._access.engine, check_id(job_id))

    async def parent(self, job_id: int) -> ParentStep | None:
        """Reads which operation of which job has started a job; None if none has.

        Raises:
            JobNotFound: If there is no job of this id.
        """
        return await parent_of(self._access.engine, check_id(job_id))

    def watch(self, job_id: int, *, from_start: bool = False) -> JobWatch:
        """Returns an async iterator over the changes of a job, in whatever process it runs. The first one says how it
        stands; the last one is that by which it is finished.

        A slow iteration skips what was overtaken meanwhile, and holds up nothing.

        Args:
            job_id: The job.
            from_start: Whether the first one has the lines that were logged before; else only new ones come.

        Raises:
            JobNotFound: In the iteration, if no job has this id, or the job is deleted or pruned meanwhile.
            RunnerClosed: In the iteration, when the runner begins to drain.
        """
        check_flag("from_start", from_start)
        return self._access.engine.watchers.watch(check_id(job_id), from_start=from_start)

    async def explain(self, job_id: int) -> str:
        """Says in one sentence why a job does not run; or that it runs, or is finished, and how.

        It is of this moment, and for people: do not compare it. It names all that keeps the job from running: when it
        is due or expires, what holds it (its payload, or jobs that it runs after), what a suspended one waits for (a
        sleep, an event, a job, the retry of a step), the items that it still gathers, a pause and its author, a limit
        by key and its rate, the job before it in an ordered key, the limit of its type, the slots of the runners, a
        runner that is missing, stopping, or cannot write.

        Raises:
            JobNotFound: If no job has this id.
        """
        return await explain_with_usual(self._access, check_id(job_id))

    async def marks(self, jobs: Collection[Job]) -> Mapping[int, JobMark]:
        """What is to be said of the jobs of a list beyond their rows, by id: that a handler is stuck, and where; that
        the runner of a job is dead; or which limit by key a job is behind that is due. Few of them have something; at
        most 50 lanes are looked at.

        Raises:
            InvalidOption: If they are no jobs.
        """
        return await look_at_marks(self._access.engine, jobs)

    async def change_mark(self) -> str:
        """A mark of what is committed: another one after each transaction, of whatever process, that has changed
        anything, such as a job, a schedule or a limit. To be compared with another mark of this runner since its start.

        So a page that shows jobs asks at next to no cost whether there is anything new to read.
        """
        return await self._access.engine.ask(GetChangeMark())

    def key_of(self, job_id: int) -> str:
        """The key of a job, as `JobHandle.key`; no I/O."""
        return self._access.latest_engine.identity.key_of(check_id(job_id))

    def id_of(self, key: str) -> int | None:
        """The id of the job that has a key, as `JobHandle.key`; None if it is no key of a job of this database; no I/O.
        The job may be gone.

        Raises:
            InvalidOption: If it is no text.
        """
        return self._access.latest_engine.identity.id_of(check_job_key(key))

    async def run_now(self, job_id: int) -> None:
        """Makes a job due that waits for its retry or for its time. What else keeps it from running stays: a pause, a
        limit.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it does not wait for a time; the message says what it does.
        """
        engine = self._access.engine
        await engine.order(reschedule_one(engine, check_id(job_id), None))

    async def reschedule(self, job_id: int, *, at: datetime | Duration) -> None:
        """Sets when a pending job is due, earlier or later than it was.

        Args:
            job_id: The job.
            at: The earliest time that it may run: an aware datetime, or a duration from now.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is not pending, or is held; the message says what it does.
            InvalidOption: If `at` cannot work.
        """
        engine = self._access.engine
        due = check_instant("at", at, engine.now())
        await engine.order(reschedule_one(engine, check_id(job_id), due))

    async def cancel(self, job_id: int, reason: str | None = None) -> Status:
        """Cancels a pending job; asks a processing one to stop, in whatever process it runs.

        Args:
            job_id: The job.
            reason: Kept with the job, shortened to 2,000 characters.

        Returns:
            `cancelled`, or `processing` for one that was asked to stop: it is cancelled when its handler has ended,
            unless it completes before.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is completed or dead. A job that is cancelled already keeps its first reason.
        """
        engine = self._access.engine
        return await engine.order(cancel_one(engine, check_id(job_id), check_reason(reason)))

    async def redrive(self, job_id: int) -> None:
        """Sends a dead or cancelled job back to pending, due now, with all its attempts before it.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is neither dead nor cancelled, or another job has its unique key.
        """
        engine = self._access.engine
        await engine.order(redrive_one(engine, check_id(job_id)))

    async def delete(self, job_id: int) -> None:
        """Deletes a job with its history.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is processing.
        """
        engine = self._access.engine
        await engine.order(delete_one(engine, check_id(job_id)))

    async def wait(self, job_id: int) -> Finished:
        """Waits until a job is completed, dead, cancelled or gone. Its commit ends the wait; nothing is polled.

        Raises:
            RunnerClosed: If the runner's drain ended while the job was unfinished.
            RunnerError: If the handler of that very job awaits it.
        """
        engine = self._access.engine
        self._access.check_not_awaited_by("the wait for its own job", job_id)
        future = engine.waiters.add(check_id(job_id))
        try:
            job = await engine.ask(GetJob(job_id))  # it may have finished before the wait
            finished = Finished(None) if job is None else finished_as(job)
            if finished is None and engine.waiters.is_closed and not future.done():
                raise RunnerClosed
            return finished or await future
        except StoreUnavailable as error:
            raise (RunnerClosed() if error.code == CLOSED else error) from None
        finally:
            engine.waiters.discard(job_id, future)

    async def peek(self, job_id: int) -> Peeked | None:
        """The job and the instant, for the text of an error; None if it cannot be read within a moment."""
        try:
            engine = self._access.engine
            async with asyncio.timeout(_PEEK_S):
                job = await engine.ask(GetJob(check_id(job_id)))
        except (StoreError, RunnerError, TimeoutError):
            return None
        return None if job is None else Peeked(job, engine.now(), engine.is_clock_replaced)
