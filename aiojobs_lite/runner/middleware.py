"""Middleware: methods of the application around each enqueue, each attempt and each step."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from aiojobs_lite.durable.attempt import AroundStep
from aiojobs_lite.engine.around import Around
from aiojobs_lite.errors import MiddlewareMisused
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.handlers.middleware import AROUND_ATTEMPT, AROUND_ENQUEUE, AROUND_STEP
from aiojobs_lite.model.payloads import arguments_of, redacted
from aiojobs_lite.runner.context import JobContext, current_job
from aiojobs_lite.runner.handle import JobHandle

__all__ = ["JobToEnqueue", "Middleware"]


class JobToEnqueue:
    """One job that is being enqueued, as a middleware sees it.

    Attributes:
        metadata: What rides along with the job. A middleware may change it before it proceeds.
        handle: The handle, when the job is durable; None before.
    """

    __slots__ = ("_bound", "_payload", "handle", "metadata")

    def __init__(self, bound: BoundJob[Any]) -> None:
        self._bound = bound
        self._payload: Mapping[str, Any] | None = None
        self.metadata: dict[str, Any] = _metadata_of(bound)
        self.handle: JobHandle[Any] | None = None

    @property
    def type(self) -> str:
        """The name of its job type."""
        return self._bound.job_type.name

    @property
    def payload(self) -> Mapping[str, Any]:
        """Its arguments by name, as plain JSON values; `REDACTED` in place of those that are secret. They were checked,
        and cannot be changed any more.
        """
        if self._payload is None:
            self._payload = MappingProxyType(json.loads(arguments_of(redacted(self._bound.payload))))
        return self._payload

    @property
    def bound(self) -> BoundJob[Any]:
        """The job as it is to be enqueued."""
        if self.metadata == _metadata_of(self._bound):
            return self._bound
        how = self._bound.how.extended(self._bound.job_type, {"metadata": self.metadata})
        return BoundJob(self._bound.job_type, self._bound.payload, how)

    def __repr__(self) -> str:
        return f"<JobToEnqueue {self.type!r}>"


class Middleware:
    """The base class of middleware: override any of the methods. Without it the signatures are the same.

    It belongs to `JobRunner(middleware=[...])`, and is around all job types; or to a group, `Jobs(middleware=[...])`,
    and is around those of the group. The first of a list is the outermost, those of the runner are around those of a
    group. What is not overridden costs nothing.
    """

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        """Is around each call that enqueues: `enqueue`, `enqueue_named`, `enqueue_many`, `enqueue_threadsafe`,
        `enqueue_in` and `enqueue_many_in`.

        Args:
            jobs: The jobs of that call that belong to this group.
            proceed: Enqueues all jobs of the call in one transaction. It returns after the commit; that of
                `enqueue_in` returns when the jobs are in the caller's transaction. Await it exactly once. The caller
                gets what it raises, even if this method catches it.

        Raises:
            Exception: Any: the caller of the enqueue gets it. Before `proceed` nothing is enqueued; after it the jobs
                are there.
        """
        del jobs
        await proceed()

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Is around each call of a handler, on the event loop.

        Args:
            ctx: The context of the attempt.
            proceed: Calls the handler, and returns or raises what it does. It may be awaited once, or not at all.

        Returns:
            What becomes the result of the job.

        Raises:
            Exception: Any: it counts as if the handler had raised it.
        """
        del ctx
        return await proceed()

    async def around_step(self, ctx: JobContext, name: str, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Is around each call of the function of a `ctx.step(...)`. A step whose result is stored calls nothing.

        Args:
            ctx: The context of the attempt.
            name: The name of the step.
            proceed: Calls the function, and returns or raises what it does. It may be awaited once, or not at all.

        Returns:
            What is stored as the result of the step.

        Raises:
            Exception: Any: it counts as if the function had raised it.
        """
        del ctx, name
        return await proceed()


class Surrounding:
    """The middleware of a runner, by job type.

    Args:
        shared: That of the runner.
        job_types: The job types, each with the middleware of its group.
    """

    def __init__(self, shared: Sequence[Any], job_types: Iterable[JobType[..., Any]]) -> None:
        self._types: dict[int, set[str]] = {}
        self._order: list[Any] = []
        self.attempts: dict[str, Around] = {}
        self.steps: dict[str, AroundStep] = {}
        for job_type in job_types:
            of_type = (*shared, *(one for one in job_type.middleware if one not in shared))
            for one in of_type:
                if _has(one, AROUND_ENQUEUE):
                    if id(one) not in self._types:
                        self._order.append(one)
                    self._types.setdefault(id(one), set()).add(job_type.name)
            attempts = [one for one in of_type if _has(one, AROUND_ATTEMPT)]
            if attempts:
                self.attempts[job_type.name] = partial(_attempt, attempts)
            steps = [one for one in of_type if _has(one, AROUND_STEP)]
            if steps:
                self.steps[job_type.name] = partial(_step, steps)

    @property
    def has_enqueues(self) -> bool:
        """Whether anything is around an enqueue."""
        return bool(self._order)

    async def enqueue(
        self,
        bound: Sequence[BoundJob[Any]],
        insert: Callable[[Sequence[BoundJob[Any]]], Awaitable[list[JobHandle[Any]]]],
    ) -> list[JobHandle[Any]]:
        """Enqueues jobs within what is around them.

        Args:
            bound: The jobs.
            insert: Makes them durable.
        """
        jobs = [JobToEnqueue(one) for one in bound]
        handles: list[JobHandle[Any]] = []

        async def innermost() -> None:
            handles.extend(await insert([job.bound for job in jobs]))
            for job, handle in zip(jobs, handles, strict=True):
                job.handle = handle

        proceed: Callable[[], Awaitable[None]] = innermost
        for one in reversed(self._order):
            covered = [job for job in jobs if job.type in self._types[id(one)]]
            if covered:
                proceed = partial(_enqueue_step, one, covered, proceed)
        await proceed()
        return handles


def _metadata_of(bound: BoundJob[Any]) -> dict[str, Any]:
    stored = dict(bound.how.columns).get("metadata")
    decoded: dict[str, Any] = json.loads(stored) if stored else {}
    return decoded


def _has(one: Any, step: str) -> bool:
    """Whether a middleware has a step of its own."""
    found = getattr(one, step, None)
    return found is not None and getattr(found, "__func__", found) is not getattr(Middleware, step)


async def _attempt(middleware: Sequence[Any], call: Callable[[], Awaitable[Any]]) -> Any:
    ctx = current_job()
    for one in reversed(middleware):
        call = partial(one.around_attempt, ctx, _Once(one, call))
    return await call()


async def _step(middleware: Sequence[Any], name: str, called: Awaitable[Any]) -> Any:
    async def call() -> Any:
        return await called

    ctx, proceed = current_job(), call
    for one in reversed(middleware):
        proceed = partial(one.around_step, ctx, name, _Once(one, proceed))
    try:
        return await proceed()
    finally:
        if inspect.iscoroutine(called):
            called.close()  # it may not have begun


async def _enqueue_step(one: Any, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
    once = _Once(one, proceed)
    try:
        await one.around_enqueue(jobs, once)
    finally:
        once.has_returned = True
    once.check_succeeded()


class _Once:
    """What a middleware proceeds by.

    Attributes:
        has_returned: Whether the middleware has returned: from then on nothing is enqueued by it.
    """

    def __init__(self, owner: Any, call: Callable[[], Awaitable[Any]]) -> None:
        self._owner = owner
        self._call = call
        self._is_called = False
        self._has_ended = False
        self._error: BaseException | None = None
        self.has_returned = False

    async def __call__(self) -> Any:
        if self._is_called:
            problem = "awaited `proceed()` twice: a job is enqueued once, and an attempt and a step run once"
            raise self._misused(f"{problem}. Await it once")
        if self.has_returned:
            problem = "awaited `proceed()` after it had returned: nothing was enqueued by that"
            raise self._misused(f"{problem}. Await it before")
        self._is_called = True
        try:
            return await self._call()
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._has_ended = True

    def check_succeeded(self) -> None:
        """Raises what a middleware has kept from the caller of an enqueue.

        Raises:
            Exception: That of the call, if the middleware caught it.
            MiddlewareMisused: If there was no call, or it has not ended, or was cancelled.
        """
        if not self._is_called:
            problem = "returned from around_enqueue without `await proceed()`: nothing was enqueued"
            raise self._misused(f"{problem}. Raise an exception to refuse it")
        if isinstance(self._error, Exception):
            raise self._error
        if not self._has_ended or self._error is not None:
            problem = "returned from around_enqueue without the end of `proceed()`: the jobs may be enqueued or not"
            raise self._misused(f"{problem}. Await it, and cancel it by an exception only") from self._error

    def _misused(self, problem: str) -> MiddlewareMisused:
        return MiddlewareMisused(type(self._owner).__name__, problem)
