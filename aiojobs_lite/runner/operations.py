"""What a durable handler asks its context for: steps, sleeps, and what is to be the same in each attempt."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, Final, ParamSpec, overload
from uuid import UUID

from typing_extensions import TypeVar

from aiojobs_lite.clock import after, to_micros
from aiojobs_lite.durable.attempt import DurableAttempt
from aiojobs_lite.durable.step import Step, check_name, miswritten
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.resources import AttemptResources
from aiojobs_lite.errors import (
    JobCancelled,
    JobDead,
    JobError,
    ResultTimeout,
    RunnerNotStarted,
    StepMismatch,
    StepUnfit,
    WrongEventLoop,
)
from aiojobs_lite.handlers.checks import check_aware, check_each
from aiojobs_lite.handlers.context import AttemptContext
from aiojobs_lite.handlers.event import Event, data_kind, event_of, make_match
from aiojobs_lite.handlers.habits import answers_words_of_steps
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.reference import JobReference
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.keys import Scalar
from aiojobs_lite.model.steps import StepRow, StepState, result_of
from aiojobs_lite.runner.binding import check_enqueueable, name_first, not_bound
from aiojobs_lite.runner.children import Children, DurableAccess
from aiojobs_lite.runner.enqueuer import Enqueuer
from aiojobs_lite.runner.events import EventToSend, check_event
from aiojobs_lite.runner.handle import JobHandle

P = ParamSpec("P")
T = TypeVar("T")
_NAMES_KEPT: Final = 1_000
_STEP: Final = "step(name, function, ...)"
D = TypeVar("D", default=Any)  # of an event that was asked for without saying what its data are


class Operations(AttemptContext):
    """The half of a context that is about durable operations.

    Each has a name, by which it is known in the attempts that follow. It is done once in the life of the job: an
    attempt after a failure, a deploy or a crash gets what was stored.
    """

    __slots__ = ()

    # Two signatures, so mypy names no argument of a wrong call. Of one with `Awaitable[T] | T` it infers Never, and an
    # awaitable of a class of its own is no coroutine, which `create_task` takes.

    @overload
    def step(
        self, step: str | Step, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(
        self, step: str | Step, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @answers_words_of_steps
    def step(
        self, step: str | Step, function: Callable[..., Any] | None = None, /, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Any]:
        """Calls a function, and stores what it returns before it goes on; plain functions run in a thread.

        A step that fails is tried again by itself, and no attempt of the job is used: the attempt ends, if no other
        branch has anything to do, and the handler comes here again.

        Args:
            step: Its name, or a `Step` with options of its own.
            function: What is called. Its return annotation says what is stored.
            *args: Its arguments; they are not stored.
            **kwargs: The same by name.

        Raises:
            StepFailed: If it failed for good; the handler may catch it.
            StepNotStored: If what it returned cannot be stored.
            StepUnfit: If what an attempt before has stored does not fit its annotation any more.
            StepMismatch: If its name stands for another kind of operation in this job.
            TooManySteps: If the job has 1,000 operations.
            InvalidOption: If it is given a `PerAttempt` resource, which ends with the attempt while the step stays.
            WrongEventLoop: If the handler runs in a thread or in a worker process.
        """
        operations: DurableAttempt | None = self._durable
        if operations is None or operations.find(self.id) is not operations.run:
            operations = self._operations()
        return operations.step(
            _named(step) if type(step) is str else _step(step, _STEP),
            function if type(function) is FunctionType else _check_function(function),
            args,
            kwargs,
        )

    @name_first
    def sleep(self, name: str, duration: Duration) -> Coroutine[Any, Any, None]:
        """Returns after a time, of up to a century. The attempt ends meanwhile: no task, no slot and no memory is held.

        Args:
            name: Its name.
            duration: How long, from when this was asked for first.
        """
        delay, operations = seconds(duration, "duration"), self._operations()
        return operations.sleep(check_name(name), lambda: after(operations.clock.now(), delay))

    @name_first
    def sleep_until(self, name: str, at: datetime) -> Coroutine[Any, Any, None]:
        """Returns at an instant, an aware datetime; the first that was asked for counts. `sleep` takes a duration."""
        until = to_micros(check_aware("at", at))
        return self._operations().sleep(check_name(name), lambda: until)

    @name_first
    def wait_for_event(
        self,
        name: str,
        event: str,
        *,
        data: type[D] | None = None,
        match: Mapping[str, Scalar] | None = None,
        timeout: Duration | None = None,
    ) -> Coroutine[Any, Any, Event[D] | None]:
        """Waits for the first event that matches, sent since the job was enqueued. The attempt ends meanwhile.

        Args:
            name: Its name.
            event: The name of the event.
            data: What its data are, such as a model; None: plain JSON values.
            match: What its data must have, by dotted paths: `{"user_id": 7}`; None: any event of the name will do.
            timeout: How long at most, from when this was asked for first; None: for ever.

        Returns:
            The event; None: it did not come in time.

        Raises:
            ValidationError: If its data do not fit, from pydantic.
        """
        operations, kind = self._operations(), event_of(data)
        wanted = make_match(event, match, data_kind(kind))
        limit = None if timeout is None else seconds(timeout, "timeout")
        until = partial(_end, operations, limit)
        return _event(operations.event(check_name(name), wanted, until), kind)

    @name_first
    def invoke(
        self, step: str | Step, job: Enqueueable[P, T] | JobReference[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]:
        """Starts a job, once, and waits for its end. The attempt ends meanwhile.

        Args:
            step: Its name; or a `Step` whose `timeout` says how long to wait at most. It has no attempts: the job has.
            job: A job type, or one with options (`.using(...)`); or a function of an app by its id,
                `aiojobs_lite.inngest.reference_function(...)`.
            *args: Its arguments.
            **kwargs: The same by name.

        Returns:
            What the job returned.

        Raises:
            JobDead: If it died.
            JobCancelled: If it was cancelled, or deleted.
            ResultTimeout: If it did not end in time; it goes on.
            EnqueueError: If its options refuse it.
        """
        checked = _step(step, "invoke(name, job_type, ...)")
        if isinstance(job, str):
            raise miswritten("job", job, "a job type, as `@job` makes it of a function, and not its name")
        if not isinstance(job, JobReference):
            check_enqueueable(job)
        children, operations = self._children(), self._operations()
        returned: Result | None
        if isinstance(job, JobReference):
            candidate, returned = partial(children.candidate_by_name, job, args, kwargs), job.result
        else:
            candidate, returned = partial(children.candidate, job, args, kwargs), job.job_type.result
        return Invocation(children, operations, checked, returned).result(candidate)

    @name_first
    async def gather(self, name: str, jobs: Iterable[BoundJob[T]]) -> list[T]:
        """Starts jobs, once, and waits until all have ended; returns what they returned, in their order.

        Raises:
            JobError: As of `invoke`, of one that did not complete, when all have ended at the latest; the others go on.
        """
        children, operations = self._children(), self._operations()
        bound: list[BoundJob[T]] = check_each("jobs", jobs, "bound jobs, made by job_type.bind(...)")
        for one in bound:
            if not isinstance(one, BoundJob):
                raise not_bound(one, bound)
        step, join = Step(name), object()
        returned: list[T] = await asyncio.gather(
            *[
                Invocation(children, operations, step, one.job_type.result, join).result(
                    partial(children.candidate_of, one)
                )
                for one in bound
            ]
        )
        return returned

    @name_first
    def send(
        self,
        name: str,
        event: str,
        data: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the field's name
    ) -> Coroutine[Any, Any, None]:
        """Sends an event, once in the life of the job; see `runner.send`.

        Args:
            name: The name of the operation.
            event: The name of the event.
            data: What there is to say.
            id: An id of your own, or None.

        Raises:
            InvalidOption: If its name or its id cannot be one.
            InvalidEvent: If its data cannot be stored, or `when` of a listener raises.
            EnqueueError: If the options of a listener refuse its job.
        """
        operations, wanted = self._operations(), EventToSend(event, data, id)
        check_event(wanted)  # in each attempt alike, and before the name of the operation is taken
        return operations.sent(check_name(name), partial(self._send, wanted))

    async def _enqueued(
        self, name: str, job: Enqueueable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> JobHandle[Any]:
        """Enqueues a job, once in the life of this one."""
        children, operations = self._children(), self._operations()
        candidate = partial(children.candidate, job, args, kwargs)
        row = await operations.started(check_name(name), candidate)
        if isinstance(row, Refused):
            raise children.refusal(row, [candidate()])
        started = json.loads(row.memo or "null")
        if not isinstance(started, dict) or started.keys() != {"id", "is_new"}:
            raise StepMismatch(self.id, row.name, row.kind.value, row.state.value, "job")
        return JobHandle(job.job_type, self._awaited(Enqueuer).jobs, started["id"], is_new=started["is_new"])

    def now(self) -> Coroutine[Any, Any, datetime]:
        """The instant at which this was asked for first, UTC: the same in each attempt."""
        return self._operations().now()

    def uuid(self) -> Coroutine[Any, Any, UUID]:
        """A random UUID, the same in each attempt."""
        return self._operations().uuid()

    def random(self) -> Coroutine[Any, Any, float]:
        """A random number from 0 to 1, the same in each attempt."""
        return self._operations().random()

    def _operations(self) -> DurableAttempt:
        """The operations of the attempt, if it still is that of its runner."""
        if self._stopping is not None:
            problem = f"{self.type!r} is a plain `def`, runs in a thread and has no durable steps"
            raise WrongEventLoop(f"{problem}. Make it an `async def`; a step may be a plain function.")
        durable = self._awaited(DurableAccess).durable
        if durable is None:
            raise RunnerNotStarted
        own = self._deps.by_parameter() if isinstance(self._deps, AttemptResources) else None
        operations = self._durable = durable.of(self._claimed, own)
        return operations

    def _children(self) -> Children:
        return self._awaited(DurableAccess).children

    def _send(self, event: EventToSend, fence: StepFence) -> Awaitable[object]:
        return self._awaited(Enqueuer).events.send_many([event], step=fence)

    def _awaited(self, part: type[T]) -> T:
        """A part of the runner, for an `async def`."""
        found: T | None = self._deps.get(part)
        if found is None:
            problem = f"{self.type!r} has no runner at hand, as in a worker process (process=True)"
            raise WrongEventLoop(f"{problem}. Durable steps need an `async def`.")
        return found


class Invocation:
    """A child that a handler starts and waits for.

    Args:
        children: Makes it.
        operations: Those of the parent.
        step: Its name, and how long to wait.
        returned: Reads what it returned; None: its type does not keep that.
        join: The same of all that are awaited together, or None.
    """

    def __init__(
        self, children: Children, operations: DurableAttempt, step: Step, returned: Result | None, join: object = None
    ) -> None:
        self._children = children
        self._operations = operations
        self._step = step
        self._returned = returned
        self._join = join

    async def result(self, candidate: Callable[[], Candidate]) -> Any:
        """Starts it, once, and returns what it returned."""
        until = partial(_end, self._operations, self._step.timeout)
        row = await self._operations.child(self._step.name, candidate, until, self._join)
        if isinstance(row, Refused):
            raise self._children.refusal(row, [candidate()])
        if row.state is StepState.DONE:
            data = "null" if row.memo is None else result_of(row.memo)
            try:
                return json.loads(data) if self._returned is None else self._returned.load(data)
            except ValueError as problem:
                raise StepUnfit(self._operations.run.claimed.id, row.name, str(problem)) from None
        error = await self._error(row)
        error.is_final = True
        raise error

    async def _error(self, row: StepRow) -> JobError:
        child = await self._operations.child_id(row.name)
        error = json.loads(row.memo or "{}").get("error", {})
        if error.get("status") == "timeout":
            return ResultTimeout(child, self._step.timeout or 0.0)
        if error.get("status") == Status.DEAD:
            return JobDead(child, error.get("reason"), error.get("error"))
        return JobCancelled(child, error.get("reason"))


def _step(step: object, call: str) -> Step:
    if isinstance(step, str):
        return _named(step)
    if not isinstance(step, Step):
        raise miswritten("name", step, f"the name of the operation, which comes first, ctx.{call}, or a Step")
    return step


@lru_cache(maxsize=_NAMES_KEPT)
def _named(name: str) -> Step:
    """A step without options of its own; handlers ask for the same ones again and again."""
    return Step(name)


def _check_function(function: object) -> Callable[..., Any]:
    """What a step calls."""
    if isinstance(function, Enqueueable):
        raise miswritten("function", function, "a function; a job is started by `ctx.invoke(name, job_type, ...)`")
    if callable(function):
        return function
    if inspect.iscoroutine(function):
        function.close()
        called = function.__name__
        expected = f"the function and its arguments, step(name, {called}, ...), not a call {called}(...)"
    else:
        expected = "a function, and behind it its arguments"
    raise miswritten("function", function, expected)


async def _event(found: Coroutine[Any, Any, str | None], kind: type[Event[D]]) -> Event[D] | None:
    memo = await found
    return None if memo is None else kind.model_validate_json(memo)


def _end(operations: DurableAttempt, limit: float | None) -> int | None:
    return None if limit is None else after(operations.clock.now(), limit)
