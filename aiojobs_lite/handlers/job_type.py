"""Job types: handlers with a stable name and defaults, and the registry of one runner."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import (
    Any,
    Generic,
    Literal,
    ParamSpec,
    TypeVar,
)

from aiojobs_lite.clock import after, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidJobType, InvalidOption
from aiojobs_lite.handlers.options import (
    _AS_DECLARED,
    Enqueueing,
    _aware,
    _exceptions,
    _flag,
    _priority,
    _whole,
)
from aiojobs_lite.handlers.signature import Result, Signature
from aiojobs_lite.model.job import Priority
from aiojobs_lite.model.writes import NewJob
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.settle import Policy

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
_LONGEST_NAME = 200
_MOST_ATTEMPTS = 1_000_000


@dataclass(slots=True, unsafe_hash=True)  # not frozen, which would double the time to make one; nobody changes it
class BoundJob(Generic[R_co]):
    """A job type with validated arguments, ready to be enqueued any number of times.

    Attributes:
        job_type: The job type.
        payload: The arguments as a JSON object.
        how: How it is enqueued.
    """

    job_type: JobType[..., R_co]
    payload: str
    how: Enqueueing

    def row(self, now: int) -> NewJob:
        """The row to insert, enqueued at `now` (microseconds)."""
        return _row(self.job_type, self.payload, self.how, now)


def _row(job_type: JobType[..., Any], payload: str, how: Enqueueing, now: int) -> NewJob:
    if how is _AS_DECLARED:
        return NewJob(job_type.name, payload, job_type.priority, now, job_type.max_attempts, now)
    scheduled_at = now
    if how.at is not None:
        scheduled_at = to_micros(how.at)
    elif how.delay is not None:
        scheduled_at = after(now, how.delay)
    priority = job_type.priority if how.priority is None else how.priority
    return NewJob(job_type.name, payload, priority, scheduled_at, job_type.max_attempts, now, how.idempotency_key)


class Enqueueable(Generic[P, R_co]):
    """A job type, with or without options for one call: what `enqueue` takes."""

    job_type: JobType[P, R_co]
    how: Enqueueing

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundJob[R_co]:
        """Validates the arguments now, for `enqueue_many`.

        Args:
            *args: The handler's arguments, without the context.
            **kwargs: The same by name; injected parameters are left out.

        Raises:
            InvalidPayload: If they do not fit the handler.
            PayloadTooLarge: If they take more than 256 KiB as JSON.
        """
        return BoundJob(self.job_type, self.job_type.signature.dump(args, kwargs), self.how)

    def row(self, now: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        """The row of `bind(*args, **kwargs)`, to be inserted, enqueued at `now` (microseconds)."""
        return _row(self.job_type, self.job_type.signature.dump(args, kwargs), self.how, now)

    def using(
        self,
        *,
        delay: Duration | None = None,
        at: datetime | None = None,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
    ) -> ConfiguredJob[P, R_co]:
        """The same job type with options for one enqueue. Used on options, it adds to them; the latest counts.

        Args:
            delay: How long from the enqueue until it may run, from 0.
            at: The earliest time that it may run, an aware datetime; not together with `delay`.
            priority: `high`, `medium` or `low`, instead of the type's.
            idempotency_key: 1 to 500 characters. Unique per type for as long as the job is kept: enqueuing it again
                returns the first job, which makes an enqueue of unknown outcome safe to repeat.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        if delay is not None and at is not None:
            raise InvalidOption("at", at, "either delay= or at=, not both")
        if at is not None:
            _aware("at", at)
        if idempotency_key is not None and not (
            isinstance(idempotency_key, str) and 1 <= len(idempotency_key) <= 500 and idempotency_key.isprintable()
        ):
            raise InvalidOption("idempotency_key", idempotency_key, "1 to 500 printable characters")
        when = self.how.delay, self.how.at
        if delay is not None or at is not None:
            when = None if delay is None else seconds(delay, "delay"), at
        how = replace(
            self.how,
            delay=when[0],
            at=when[1],
            priority=self.how.priority if priority is None else _priority(priority),
            idempotency_key=self.how.idempotency_key if idempotency_key is None else idempotency_key,
        )
        return ConfiguredJob(self.job_type, how)


class ConfiguredJob(Enqueueable[P, R_co]):
    """A job type with options for one enqueue, made by `using`."""

    def __init__(self, job_type: JobType[P, R_co], how: Enqueueing) -> None:
        self.job_type = job_type
        self.how = how


class JobType(Enqueueable[P, R_co]):
    """A handler with a stable name and defaults. Made by `@job` or `@runner.job`, which take `JobOptions`.

    Attributes:
        name: Its stable name, kept in the database.
        handler: The user's function.
        mode: `async` (on the event loop), `thread` or `process`.
        max_attempts: All attempts a job may have.
        policy: Backoff, and what is tried again.
        timeout: Seconds an attempt may take; None: any time.
        concurrency: Most processing jobs at once over all runners; None: any number.
        priority: 0 (high), 1 or 2 (low).
        signature: Its parameters.
        result: How its result is stored; None: it is not.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        name: str | None = None,
        max_attempts: int = 5,
        backoff: Backoff | None = None,
        timeout: Duration | None = None,
        concurrency: int | None = None,
        priority: Priority = "medium",
        retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
        abandon_on: type[BaseException] | tuple[type[BaseException], ...] = (),
        keep_result: bool = True,
        process: bool = False,
    ) -> None:
        if isinstance(handler, staticmethod):  # @job above @staticmethod
            handler = handler.__func__
        if not callable(handler) or isinstance(handler, type | JobType):
            raise InvalidJobType(str(name), f"expected a function, got {handler!r}")
        self.name = _name(name if name is not None else getattr(handler, "__name__", None))
        self.handler = handler
        self.mode = _mode(self.name, handler, process=_flag("process", process))
        self.max_attempts = _whole("max_attempts", max_attempts, _MOST_ATTEMPTS)
        if backoff is not None and not isinstance(backoff, Backoff):
            raise InvalidOption("backoff", backoff, 'a Backoff, such as Backoff(base="2s", cap="1h")')
        self.policy = Policy(
            backoff or Backoff(),
            None if retry_on is None else _exceptions("retry_on", retry_on),
            _exceptions("abandon_on", abandon_on),
        )
        self.timeout = None if timeout is None else seconds(timeout, "timeout", least=0.001)
        self.concurrency = None if concurrency is None else _whole("concurrency", concurrency, 1_000_000)
        self.priority = _priority(priority)
        self.signature = Signature(self.name, handler)
        if self.mode == "process" and self.signature.injected:
            problem = "process=True takes no injected parameters, they stay in this process; make them in the handler"
            raise InvalidJobType(self.name, problem)
        self.result = Result(self.name, self.signature.returns) if _flag("keep_result", keep_result) else None
        self.job_type = self
        self.how = _AS_DECLARED

    def __repr__(self) -> str:
        return f"<JobType {self.name!r} of {described(self.handler)}>"


class DeclaredJob(JobType[P, R_co], Generic[P, R_co, F]):
    """A job type that can still be called as the function it was made of."""

    handler: F

    @property
    def __call__(self) -> F:
        """A plain call of the function, with no job: useful in tests."""
        return self.handler


def described(handler: Callable[..., Any]) -> str:
    """Module and name of a function, for people."""
    name = getattr(handler, "__qualname__", repr(handler))
    return f"{getattr(handler, '__module__', '?')}.{name}"


def _name(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidOption("name", name, f"1 to {_LONGEST_NAME} printable characters")
    if name == "<lambda>":
        raise InvalidOption("name", name, 'a stable name; a lambda has none: job(name="...")')
    return name


def _mode(name: str, handler: Callable[..., Any], *, process: bool) -> Literal["async", "thread", "process"]:
    called = handler, type(handler).__call__
    is_async = any(map(inspect.iscoroutinefunction, called))
    if any(map(inspect.isasyncgenfunction, called)) or any(map(inspect.isgeneratorfunction, called)):
        raise InvalidJobType(name, "a generator cannot be a handler; return a list")
    if not process:
        return "async" if is_async else "thread"
    if is_async:
        raise InvalidJobType(name, "process=True is for plain `def`; an `async def` runs on the event loop")
    if inspect.ismethod(handler) or re.search("<(locals|lambda)>", getattr(handler, "__qualname__", "<locals>")):
        raise InvalidJobType(
            name, "process=True takes a function at the top of a module, which a new process can import"
        )
    return "process"
