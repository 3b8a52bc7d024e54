"""What is enqueued, checked, and what may be around an enqueue."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.runner.handle import JobHandle

R = TypeVar("R")
M = TypeVar("M", bound=Callable[..., Any])
_BOUND: Final = (
    "a job type and its arguments; bound jobs are enqueued together, by `enqueue_many([...])`, and awaited together by "
    "`ctx.gather(name, [...])`"
)


class EnqueueSurrounding(Protocol):
    """Is around the enqueues of a runner: its middleware."""

    async def enqueue(
        self,
        bound: Sequence[BoundJob[Any]],
        insert: Callable[[Sequence[BoundJob[Any]]], Awaitable[list[JobHandle[Any]]]],
    ) -> list[JobHandle[Any]]:
        """Enqueues jobs, which `insert` makes durable."""


def check_bound(jobs: Iterable[BoundJob[R]], registry: Registry) -> list[BoundJob[R]]:
    """Checks what is enqueued together: a list of bound jobs, each of a registered type.

    Raises:
        InvalidOption: If it is something else, or one has a rate by the name of a limit, or a limit by that of a rate.
        UnknownJobType: If a type is not registered.
    """
    bound: list[BoundJob[R]] = check_each("jobs", jobs, "bound jobs, made by job_type.bind(...)")
    job_type, how = None, None  # of the job before
    for one in bound:
        if not isinstance(one, BoundJob):
            raise not_bound(one, bound)
        if one.job_type is not job_type or one.how is not how:
            job_type, how = one.job_type, one.how
            registry.check(one)
    return bound


def not_bound(one: object, given: Sequence[object]) -> InvalidOption:
    """The error for something among bound jobs that is none."""
    for coroutine in filter(inspect.iscoroutine, given):
        coroutine.close()
    place = next(place for place, other in enumerate(given) if other is one)
    return InvalidOption(f"jobs[{place}]", one, "a bound job, made by job_type.bind(...)")


def check_enqueueable(job: object) -> None:
    """Checks that something is a job type, with options or without.

    Raises:
        InvalidOption: If it is something else.
    """
    if not isinstance(job, Enqueueable):
        raise not_enqueueable(job)


def not_enqueueable(job: object) -> InvalidOption:
    """The error for something that is no job type."""
    if isinstance(job, str):
        return InvalidOption("job", job, "a job type; by name it is `enqueue_named(name, ...)`")
    if isinstance(job, BoundJob):
        return InvalidOption("job", job, _BOUND)
    if inspect.iscoroutine(job):
        job.close()
        name = job.__name__
        return InvalidOption(
            "job", job, f"the job type and its arguments, enqueue({name}, ...), not a call {name}(...)"
        )
    return InvalidOption("job", job, "a job type (a function with @runner.job or @job)")


def name_first(method: M) -> M:
    """Says in the error of a call that does not fit a method of a context, such as `ctx.sleep("3d")`, that the name of
    the operation comes first.
    """
    _, _, *others = inspect.signature(method).parameters.values()
    needed = [one.name for one in others if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    usage = f"ctx.{method.__name__}({', '.join(['name', *needed])})".replace(", args", ", ...")

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # it was called
            if "unexpected keyword" in str(error):
                raise TypeError(f"{error}. It is called as {usage}.") from None
            raise TypeError(f"{error}. The name of the operation comes first: {usage}.") from None

    return cast("M", call)
