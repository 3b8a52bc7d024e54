"""How callers make jobs durable: one, many, or from a thread."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

from aiojobs_lite.clock import Clock
from aiojobs_lite.errors import InvalidOption, JobNotFound
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.options import Enqueueing
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.after import AfterAnswer, InsertAfter
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobEnqueued

P = ParamSpec("P")
R = TypeVar("R")


class Enqueuer:
    """The half of a runner that enqueues.

    `JobRunner` inherits it: a method around each would cost every job one more call.

    Args:
        clock: Gives each job the instant of its enqueue.

    Attributes:
        jobs: Reads and moves stored jobs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._registry = Registry("Register it: JobRunner(jobs=[...]) or runner.register(...).")
        self._bus = Bus()
        self._access = EngineAccess()
        self.jobs = StoredJobs(self._access)

    async def enqueue(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Makes a job durable; returns after the commit.

        A caller that is cancelled leaves one whole job or none; with an idempotency key it can safely repeat the call.

        Args:
            job: A job type, or one with options (`.using(...)`).
            *args: The handler's arguments; injected parameters are left out.
            **kwargs: The same by name.

        Returns:
            A handle, by which the result can be awaited.

        Raises:
            UnknownJobType: If it is not registered in this runner.
            InvalidPayload: If the arguments do not fit the handler.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            JobNotFound: If there is none of the jobs that it is to run after (`after=`).
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the job may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        engine = self._access.engine
        if not isinstance(job, Enqueueable):
            raise _not_enqueueable(job)
        self._registry.check(job.job_type)
        row = job.row(self._clock.now(), args, kwargs)
        if job.how.after is None:
            ((job_id, is_new),) = await engine.write(Insert((row,)))
        else:
            ((job_id, is_new),) = inserted_after(await engine.write(insert_after((row,), (job.how,))))
        if is_new and self._bus.is_watched(JobEnqueued):
            self._bus.publish(JobEnqueued(job_id, job.job_type.name))
        return JobHandle(job.job_type, self.jobs, job_id, is_new=is_new)

    async def enqueue_named(self, name: str, /, **payload: Any) -> JobHandle[Any]:
        """The same as `enqueue`, for a job type of which only the name is known. pydantic checks its arguments.

        Args:
            name: The name of a job type that is registered in this runner.
            **payload: The handler's arguments by name.

        Raises:
            InvalidOption: If `name` is no text.
            UnknownJobType: If no registered job type has this name.
        """
        if not isinstance(name, str):
            raise InvalidOption("name", name, "the name of a job type; await runner.enqueue(...) takes the job type")
        return await self.enqueue(self._registry.get(name), **payload)

    async def enqueue_many(self, jobs: Iterable[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes many jobs durable in one transaction, all or none; 10,000 at once is fine.

        Args:
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            UnknownJobType: If one is not registered in this runner.
            JobNotFound: If there is none of the jobs that one is to run after (`after=`).
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the jobs may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        engine = self._access.engine
        bound = check_bound(jobs, self._registry)
        if not bound:
            return []
        now = self._clock.now()
        rows = tuple([one.row(now) for one in bound])
        if all(one.how.after is None for one in bound):
            return self._handles(bound, await engine.write(Insert(rows)))
        answer = await engine.write(insert_after(rows, [one.how for one in bound]))
        return self._handles(bound, inserted_after(answer))

    def enqueue_threadsafe(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """The same as `enqueue`, from a plain thread; returns after the commit.

        Raises:
            StoreUnavailable: If the database cannot be written now, or the event loop ended meanwhile.
            WrongEventLoop: If it is called on the event loop, which it would block for ever.
        """
        self._access.check_thread()
        check_enqueueable(job)
        bound = job.bind(*args, **kwargs)
        (handle,) = self._access.wait_for(self.enqueue_many([bound]))
        return handle

    def _handles(self, bound: Sequence[BoundJob[R]], inserted: Sequence[Inserted]) -> list[JobHandle[R]]:
        if self._bus.is_watched(JobEnqueued):
            for one, (job_id, is_new) in zip(bound, inserted, strict=True):
                if is_new:
                    self._bus.publish(JobEnqueued(job_id, one.job_type.name))
        jobs = self.jobs
        return [
            JobHandle(one.job_type, jobs, job_id, is_new=is_new)
            for one, (job_id, is_new) in zip(bound, inserted, strict=True)
        ]


def insert_after(
    rows: Sequence[NewJob], hows: Sequence[Enqueueing], batch: int | None = None, *, is_member: bool = False
) -> InsertAfter:
    """The write of jobs of which some run after others, in a batch or in none."""
    after = tuple([how.waits(row) for row, how in zip(rows, hows, strict=True)])
    return InsertAfter(tuple(rows), after, batch, is_member)


def inserted_after(answer: AfterAnswer) -> Sequence[Inserted]:
    """The jobs that were inserted.

    Raises:
        JobNotFound: If there is none of the jobs that one was to run after.
    """
    if answer.missing is not None:
        raise JobNotFound(answer.missing)
    return answer.inserted


def check_bound(jobs: Iterable[BoundJob[R]], registry: Registry) -> list[BoundJob[R]]:
    """Checks what is enqueued together: a list of bound jobs, each of a registered type.

    Raises:
        InvalidOption: If it is something else.
        UnknownJobType: If a type is not registered.
    """
    bound: list[BoundJob[R]] = check_each("jobs", jobs, "bound jobs, made by job_type.bind(...)")
    checked = None
    for one in bound:
        if not isinstance(one, BoundJob):
            for coroutine in filter(inspect.iscoroutine, bound):
                coroutine.close()
            raise InvalidOption("jobs", one, "a list of bound jobs, made by job_type.bind(...)")
        if one.job_type is not checked:
            checked = one.job_type
            registry.check(checked)
    return bound


def check_enqueueable(job: object) -> None:
    """Checks that something is a job type, with options or without.

    Raises:
        InvalidOption: If it is something else.
    """
    if not isinstance(job, Enqueueable):
        raise _not_enqueueable(job)


def _not_enqueueable(job: object) -> InvalidOption:
    if isinstance(job, str):
        return InvalidOption("job", job, "a job type; by name it is `enqueue_named(name, ...)`")
    if isinstance(job, BoundJob):
        return InvalidOption("job", job, "a job type; bound jobs are enqueued together, by `enqueue_many([...])`")
    if inspect.iscoroutine(job):
        job.close()
        name = job.__name__
        return InvalidOption(
            "job", job, f"the job type and its arguments, enqueue({name}, ...), not a call {name}(...)"
        )
    return InvalidOption("job", job, "a job type (a function with @runner.job or @job)")
