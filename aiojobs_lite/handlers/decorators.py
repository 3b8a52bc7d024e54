"""`@job`, with and without parentheses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Unpack, overload

from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.job_type import DeclaredJob, JobType, P, R
from aiojobs_lite.handlers.options import JobOptions


class Declares(Protocol):
    """A decorator that makes a handler a job type: what `@job(...)` returns."""

    @overload
    def __call__(  # a coroutine function is a function, too: the first match counts
        self, handler: Callable[P, Coroutine[Any, Any, R]], /
    ) -> DeclaredJob[P, R, Callable[P, Coroutine[Any, Any, R]]]: ...
    @overload
    def __call__(self, handler: Callable[P, R], /) -> DeclaredJob[P, R, Callable[P, R]]: ...


class JobDecorator(Protocol):
    """`@job` and `@runner.job`: with and without parentheses."""

    @overload
    def __call__(
        self, handler: Callable[P, Coroutine[Any, Any, R]], /
    ) -> DeclaredJob[P, R, Callable[P, Coroutine[Any, Any, R]]]: ...
    @overload
    def __call__(self, handler: Callable[P, R], /) -> DeclaredJob[P, R, Callable[P, R]]: ...
    @overload
    def __call__(self, **options: Unpack[JobOptions]) -> Declares: ...


def make_decorator(made: Callable[[DeclaredJob[..., Any, Any]], None]) -> JobDecorator:
    """Makes a `@job` decorator.

    Args:
        made: Is given every job type that the decorator makes.
    """

    def decorate(handler: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Declares a function as a job type. With or without parentheses; takes `JobOptions`."""
        refuse_unknown(options, JobOptions.__optional_keys__)

        def declare(handler: Callable[..., Any], /) -> DeclaredJob[..., Any, Any]:
            job_type: DeclaredJob[..., Any, Any] = DeclaredJob(handler, **options)
            made(job_type)
            return job_type

        return declare if handler is None else declare(handler)

    return decorate


def _keep_apart(job_type: JobType[..., Any]) -> None:
    """Does nothing: a bare `@job` waits for `JobRunner(jobs=[...])`."""


job = make_decorator(_keep_apart)
"""Declares a handler as a job type that belongs to no runner yet: give it to `JobRunner(jobs=[...])`."""
