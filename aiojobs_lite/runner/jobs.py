"""`runner.jobs`: reads and moves stored jobs."""

from __future__ import annotations

import asyncio
import builtins
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durations import Duration
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.waiters import Finished
from aiojobs_lite.engine.watchers import JobWatch
from aiojobs_lite.errors import (
    InvalidOption,
    JobNotAllowed,
    JobNotFound,
    RunnerClosed,
    RunnerError,
    StoreError,
    StoreUnavailable,
)
from aiojobs_lite.handlers.checks import check_choice, check_flag, check_instant, check_storable, check_whole
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Held, Job, ReasonName, Status, StatusName
from aiojobs_lite.model.progress import GetLog, JobLog
from aiojobs_lite.model.queries import FindJobs, GetJob, ListDead
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveDead, RedriveJob, Reschedule
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.explain import look_at, sentence
from aiojobs_lite.runner.steps import JobStep, ParentStep, parent_of, steps_of
from aiojobs_lite.runner.types import known_name, type_name
from aiojobs_lite.sizes import LONGEST_REASON_CHARS
from aiojobs_lite.telemetry.facts import DeadRedriven, JobBecameCancelled, JobRedriven, JobRescheduled
from aiojobs_lite.text import make_storable

_LARGEST_PAGE: Final = 1000  # jobs
_REASONS: Final = [str(known) for known in Held if known is not Held.UNKNOWN]
_TRIES: Final = 3  # to move a job that changes meanwhile
_PEEK_S: Final = 0.25  # that an error may take for its text
REDRIVE_AT_ONCE: Final = 500  # jobs a transaction: a rescue waits for no more


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


class StoredJobs:
    """The stored jobs of a runner's database: `runner.jobs`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def get(self, job_id: int) -> Job:
        """Reads one job with the history of its attempts.

        Raises:
            JobNotFound: If no job has this id.
        """
        engine = self._access.engine
        job = await engine.ask(GetJob(check_id(job_id)))
        if job is None:
            raise JobNotFound(job_id)
        return job

    async def list(
        self,
        *,
        status: Status | StatusName | None = None,
        type: JobType[..., Any] | str | None = None,  # noqa: A002  # the column's name
        label: str | None = None,
        batch: int | None = None,
        held: Held | ReasonName | None = None,
        limit: int = 100,
        after: int | None = None,
    ) -> builtins.list[Job]:
        """Reads a page of jobs, the newest first, without history.

        Args:
            status: Only jobs of this status.
            type: Only jobs of this type: the job type, or its name.
            label: Only jobs of this label.
            batch: Only jobs of the batch of this id.
            held: Only pending jobs that are held for this reason: `payload`, `after`, `event` or `listener`.
            limit: Size of the page, 1 to 1,000.
            after: Id of the last job of the page before.

        Raises:
            InvalidOption: If one of them cannot work.
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        check_whole("limit", limit, _LARGEST_PAGE)
        wanted = None if status is None else Status(check_choice("status", status, [str(known) for known in Status]))
        for option, value, expected in (("after", after, "the id of a job"), ("batch", batch, "the id of a batch")):
            is_id = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
            if value is not None and not is_id:
                raise InvalidOption(option, value, expected)
        reason = None if held is None else Held(check_choice("held", held, _REASONS))
        engine = self._access.engine
        wanted_type, wanted_label = type_name(type), check_storable("label", label)
        found = await engine.ask(FindJobs(
            status=wanted, type=wanted_type, label=wanted_label, batch=batch, held=reason, before=after, limit=limit
        ))  # fmt: skip
        if not found and wanted_type is not None:
            await known_name(engine, wanted_type)
        return found

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
        return sentence(await look_at(self._access.engine, check_id(job_id)))

    def key_of(self, job_id: int) -> str:
        """The key of a job, as `JobHandle.key`; no I/O."""
        return self._access.latest_engine.identity.key_of(check_id(job_id))

    async def run_now(self, job_id: int) -> None:
        """Makes a job due that waits for its retry or for its time. What else keeps it from running stays: a pause, a
        limit.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it does not wait for a time; the message says what it does.
        """
        engine = self._access.engine
        await engine.order(_reschedule(engine, check_id(job_id), None))

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
        await engine.order(_reschedule(engine, check_id(job_id), due))

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
        return await engine.order(_cancel(engine, check_id(job_id), check_reason(reason)))

    async def redrive(self, job_id: int) -> None:
        """Sends a dead or cancelled job back to pending, due now, with all its attempts before it.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is neither dead nor cancelled, or another job has its unique key.
        """
        engine = self._access.engine
        await engine.order(_redrive(engine, check_id(job_id)))

    async def redrive_all(self, *, type: JobType[..., Any] | str | None = None) -> int:  # noqa: A002
        """Sends all dead jobs (of one type, or of every type) back to pending, 500 in a transaction; returns how many.

        If it fails, those of the transactions before are pending. A job that dies again meanwhile stays dead.

        Raises:
            UnknownJobType: If no runner of the database has registered the type, and no job in it is of that type.
        """
        engine, wanted = self._access.engine, type_name(type)
        return await engine.order(_redrive_all(engine, wanted))

    async def delete(self, job_id: int) -> None:
        """Deletes a job with its history.

        Raises:
            JobNotFound: If no job has this id.
            JobNotAllowed: If it is processing.
        """
        engine = self._access.engine
        await engine.order(_delete(engine, check_id(job_id)))

    async def wait(self, job_id: int) -> Finished:
        """Waits until a job is completed, dead, cancelled or gone. Its commit ends the wait; nothing is polled.

        Raises:
            RunnerClosed: If the runner was closed while the job was unfinished.
        """
        engine = self._access.engine
        future = engine.waiters.add(check_id(job_id))
        try:
            job = await engine.ask(GetJob(job_id))  # it may have finished before the wait
            if job is None:
                return Finished(None)
            engine.waiters.check(job)
            return await future
        except StoreUnavailable as error:
            raise (RunnerClosed() if error.code == "CLOSED" else error) from None
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


# Orders: each a write and what follows from it.


async def _cancel(engine: Engine, job_id: int, reason: str | None) -> Status:
    before = await engine.write(CancelJob(job_id, reason))
    if before is None:
        raise JobNotFound(job_id)
    if before is Status.PROCESSING:
        engine.cancel(job_id, reason)
        return before
    if before is Status.PENDING:
        engine.waiters.notify(job_id, Finished(Status.CANCELLED, reason=reason))
        if engine.bus.is_watched(JobBecameCancelled):
            engine.bus.publish(JobBecameCancelled(job_id, await _type_of(engine, job_id), reason or ""))
    elif before is not Status.CANCELLED:
        raise JobNotAllowed(job_id, before, "cancelled", "a pending or processing job")
    return Status.CANCELLED


async def _reschedule(engine: Engine, job_id: int, due: int | None) -> None:
    """Makes a job due at an instant, or now."""
    is_now = due is None
    action = "run now" if is_now else "rescheduled"
    allowed = "a job that waits for its retry or for its time" if is_now else "a pending job that is not held"
    for _ in range(_TRIES):
        if await engine.write(Reschedule(job_id, due)):
            if engine.bus.is_watched(JobRescheduled):
                scheduled_at = to_datetime(engine.now() if due is None else due)
                engine.bus.publish(JobRescheduled(job_id, await _type_of(engine, job_id), scheduled_at))
            return
        found = await look_at(engine, job_id)
        job, why = found.job, sentence(found).rstrip(".")
        if job.status is not Status.PENDING or job.held is not None or (is_now and job.scheduled_at <= found.now):
            break
        why = "it changed each time that it was refused: repeat the call"
    raise JobNotAllowed(job_id, job.status, action, f"{allowed}; {why}")


async def _redrive(engine: Engine, job_id: int) -> None:
    redriven = await engine.write(RedriveJob(job_id))
    if redriven.status is None:
        raise JobNotFound(job_id)
    if not redriven:
        key = redriven.taken_key
        allowed = "a dead or cancelled job" if key is None else f"that no other job has its unique key, {key}"
        raise JobNotAllowed(job_id, redriven.status, "redriven", allowed)
    if engine.bus.is_watched(JobRedriven):
        engine.bus.publish(JobRedriven(job_id, await _type_of(engine, job_id)))


async def _redrive_all(engine: Engine, job_type: str | None) -> int:
    redriven, after, is_done = 0, None, False
    try:
        while not is_done:
            ids, after = await engine.ask(ListDead(job_type, REDRIVE_AT_ONCE, after))
            if not ids and not redriven and job_type is not None:
                await known_name(engine, job_type)
            redriven += await engine.write(RedriveDead(ids)) if ids else 0
            is_done = after is None
    finally:  # also those before a fault
        if (redriven or is_done) and engine.bus.is_watched(DeadRedriven):
            engine.bus.publish(DeadRedriven(redriven, job_type or "every type"))
    return redriven


async def _delete(engine: Engine, job_id: int) -> None:
    status = await engine.write(DeleteJob(job_id))
    if status is None:
        raise JobNotFound(job_id)
    if status is Status.PROCESSING:
        raise JobNotAllowed(job_id, status, "deleted", "a job that is not processing; cancel it first")
    engine.waiters.notify(job_id, Finished(None))


async def _type_of(engine: Engine, job_id: int) -> str:
    job = await engine.ask(GetJob(job_id))
    return job.type if job else "?"  # deleted meanwhile


def check_id(job_id: object) -> int:
    """Checks that a value is the id of a job; raises `JobNotFound` for one that no job can have."""
    if isinstance(job_id, bool) or not isinstance(job_id, int):
        raise InvalidOption("job_id", job_id, "the id of a job, a whole number")
    if abs(job_id) > LARGEST_INTEGER:
        raise JobNotFound(job_id)
    return job_id


def check_reason(reason: object) -> str | None:
    """Text for people, as it is stored, or None; not empty."""
    if reason is not None and (not isinstance(reason, str) or not reason):
        raise InvalidOption("reason", reason, "text that is not empty")
    return None if reason is None else make_storable(reason, LONGEST_REASON_CHARS)
