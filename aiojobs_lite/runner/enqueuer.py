"""How callers make jobs durable: one, many, or from a thread."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from aiojobs_lite.clock import Clock
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobEnqueued

P = ParamSpec("P")
R = TypeVar("R")


class EnqueueSurrounding(Protocol):
    """Is around the enqueues of a runner: its middleware."""

    async def enqueue(
        self,
        bound: Sequence[BoundJob[Any]],
        insert: Callable[[Sequence[BoundJob[Any]]], Awaitable[list[JobHandle[Any]]]],
    ) -> list[JobHandle[Any]]:
        """Enqueues jobs, which `insert` makes durable."""


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
        self._surrounding: EnqueueSurrounding | None = None  # nothing is around an enqueue

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
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the job may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        engine = self._access.engine
        if not isinstance(job, Enqueueable):
            raise _not_enqueueable(job)
        self._registry.check(job.job_type)
        if self._surrounding is not None:
            (handle,) = await self._surrounding.enqueue([job.bind(*args, **kwargs)], self._insert)
            return handle
        row = job.row(self._clock.now(), args, kwargs)
        ((job_id, is_new),) = await engine.write(Insert((row,)))
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
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the jobs may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        self._access.engine  # noqa: B018  # refused at once, if it cannot be used
        bound = check_bound(jobs, self._registry)
        if not bound:
            return []
        if self._surrounding is not None:
            return await self._surrounding.enqueue(bound, self._insert)
        return await self._insert(bound)

    async def _insert(self, bound: Sequence[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes jobs durable in one transaction."""
        now = self._clock.now()
        inserted = await self._access.engine.write(Insert(tuple([one.row(now) for one in bound])))
        return self._handles(bound, inserted)

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
