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
        """Declares a function as a job type, with or without parentheses.

        Its name, kept in the database, is that of the function, or `name=`. A plain call of the job type calls the
        function.

        Args:
            handler: An `async def`, or a `def`: it runs in a thread, or with `process=True` in another process.
            **options: Those that `aiojobs_lite.handlers.options.JobOptions` describes: `name`, `max_attempts`,
                `backoff`, `timeout`, `concurrency`, `limits`, `priority`, `delay`, `retry_on`, `abandon_on`,
                `keep_result`, `process`, `largest_payload`, `largest_result`, `unique`, `debounce`, `throttle`,
                `batch`, `max_pending`, `on_full`, `expires`, `on_dead`, `cancel_on`, `version`, `upgrade`, `secret`.

        Raises:
            InvalidOption: If an option cannot work, or there is none of this name.
            InvalidJobType: If the function cannot be a handler: a parameter that JSON cannot hold, say.
            DuplicateJobType: If the runner or group has another job type of this name.
        """
        refuse_unknown(options, JobOptions.__optional_keys__)

        def declare(handler: Callable[..., Any], /) -> DeclaredJob[..., Any, Any]:
            job_type: DeclaredJob[..., Any, Any] = DeclaredJob(handler, **options)
            made(job_type)
            return job_type

        return declare if handler is None else declare(handler)

    decorate.__name__ = decorate.__qualname__ = "job"  # which `help` shows
    return decorate


def _keep_apart(job_type: JobType[..., Any]) -> None:
    """Does nothing: a bare `@job` waits for `JobRunner(jobs=[...])`."""


job = make_decorator(_keep_apart)
"""Declares a handler as a job type that belongs to no runner yet: give it to `JobRunner(jobs=[...])`."""
