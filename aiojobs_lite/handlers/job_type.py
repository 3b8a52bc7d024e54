"""Job types: handlers with a stable name and defaults, and what is enqueued of them."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Never, ParamSpec, TypeVar, Unpack

from aiojobs_lite.dead import OnDead
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidJobType, InvalidOption, InvalidPayload
from aiojobs_lite.handlers.cancel_on import On
from aiojobs_lite.handlers.checks import check_exceptions, check_flag, check_text, check_whole
from aiojobs_lite.handlers.event import Listening
from aiojobs_lite.handlers.flow import FLOW_OPTIONS, OnFull, make_flow
from aiojobs_lite.handlers.habits import AnswersHabits, refuse_unknown
from aiojobs_lite.handlers.limits import Lanes
from aiojobs_lite.handlers.micro_batch import make_lanes
from aiojobs_lite.handlers.options import AS_DECLARED, Enqueueing, EnqueueOptions, JobOptions, check_together
from aiojobs_lite.handlers.payloads import UpgradeStep, make_signature
from aiojobs_lite.handlers.ranking import PriorityFunction, Ranking, priority_of_type
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.debounce import Debounce
from aiojobs_lite.model.job import NewJob, Priority
from aiojobs_lite.model.micro_batch import Batch
from aiojobs_lite.model.payloads import redacted
from aiojobs_lite.model.throttle import Throttle
from aiojobs_lite.model.unique import Unique
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.catch_up import Schedule
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES, LARGEST_RESULT_BYTES, LARGEST_VALUE_BYTES, LONGEST_TYPE_NAME_CHARS
from aiojobs_lite.text import show

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
_NOT_INJECTED: Final = "process=True takes no injected parameters, they stay in this process; make them in the handler"
_DEEPEST_WRAPPING: Final = 100  # decorators; a function may wrap itself
_MOST_ATTEMPTS: Final = 1_000_000
_MOST_AT_ONCE: Final = 1_000_000  # jobs of a type with a concurrency


@dataclass(slots=True, unsafe_hash=True, repr=False)  # frozen would double the time to make it
class BoundJob(Generic[R_co]):
    """A job type with validated arguments, ready to be enqueued any number of times.

    Attributes:
        job_type: The job type.
        payload: The arguments as a JSON object.
        how: The options of its enqueue.
    """

    job_type: JobType[..., R_co]
    payload: str
    how: Enqueueing

    def row(self, now: int) -> NewJob:
        """The row to insert, enqueued at `now` (microseconds)."""
        return self.how.row(self.job_type, self.payload, now)

    def __repr__(self) -> str:
        return f"<BoundJob {self.job_type.name!r} {show(str(redacted(self.payload)))[1:-1]}>"


class Enqueueable(AnswersHabits, Generic[P, R_co]):
    """What `enqueue` takes: a job type, with or without options.

    Attributes:
        job_type: The job type.
        how: The options.
    """

    job_type: JobType[P, R_co]
    how: Enqueueing

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundJob[R_co]:
        """Validates the arguments now, for `enqueue_many`.

        Args:
            *args: The handler's arguments; injected parameters are left out.
            **kwargs: The same by name.

        Raises:
            InvalidPayload: If they do not fit the handler.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
        """
        return BoundJob(self.job_type, self.job_type.signature.dump(args, kwargs), self.how)

    def row(self, now: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        """The row of `bind(*args, **kwargs)`, to be inserted, enqueued at `now` (microseconds)."""
        return self.how.row(self.job_type, self.job_type.signature.dump(args, kwargs), now)

    def using(self, **options: Unpack[EnqueueOptions]) -> ConfiguredJob[P, R_co]:
        """The same job type with options for one enqueue. Used on options, it adds to them; the latest counts.

        Args:
            **options: Those that `aiojobs_lite.handlers.options.EnqueueOptions` describes: `delay`, `at`, `priority`,
                `idempotency_key`, `label`, `metadata`, `unique`, `debounce`, `throttle`, `batch`, `max_pending`,
                `on_full`, `expires`, `limits`, `after`, `after_failed`.

        Raises:
            InvalidOption: If one of them cannot work, or not with another.
        """
        return ConfiguredJob(self.job_type, check_together(self.how.extended(self.job_type, options)))


class ConfiguredJob(Enqueueable[P, R_co]):
    """A job type with options for one enqueue, made by `using`."""

    def __init__(self, job_type: JobType[P, R_co], how: Enqueueing) -> None:
        self.job_type = job_type
        self.how = how

    if not TYPE_CHECKING:  # a type checker refuses the call by itself

        def __call__(self, *_: object, **__: object) -> Never:
            """Refuses the call: a plain call takes no options, and makes no job."""
            name = getattr(self.job_type.handler, "__name__", self.job_type.name)
            made = f"await runner.enqueue({name}.using(...), ...) makes a job"
            raise TypeError(f"{self!r} is not called: {made}, and {name}(...) is a plain call, without options")

    def __repr__(self) -> str:
        return f"<JobType {self.job_type.name!r} with {self.how.shown() or 'no options'}>"


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
        lanes: Makes the lane of each job, by its limits; None: it has no limits by key.
        priority: 0 (high), 1 or 2 (low).
        signature: Its parameters.
        result: How its result is stored; None: it is not.
        cron: When it runs by the clock; None: only when it is enqueued.
        listening: Which events start it; None: none do.
        on_dead: What is called or enqueued for each job that dies, or None.
        middleware: What its group has around its enqueues and attempts.
    """

    cron: Schedule | None = None
    listening: Listening | None = None
    middleware: tuple[Any, ...] = ()

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        name: str | None = None,
        max_attempts: int = 5,
        backoff: Backoff | None = None,
        timeout: Duration | None = None,
        concurrency: int | None = None,
        limits: Sequence[Limit | Rate] | None = None,
        priority: Priority | PriorityFunction = "medium",
        retry_on: type[BaseException] | Sequence[type[BaseException]] | None = None,
        abandon_on: type[BaseException] | Sequence[type[BaseException]] = (),
        keep_result: bool = True,
        process: bool = False,
        largest_payload: int = LARGEST_PAYLOAD_BYTES,
        largest_result: int = LARGEST_RESULT_BYTES,
        unique: Unique | None = None,
        debounce: Debounce | None = None,
        throttle: Throttle | None = None,
        batch: Batch | None = None,
        max_pending: int | None = None,
        on_full: OnFull | None = None,
        expires: Duration | None = None,
        on_dead: OnDead | Enqueueable[..., Any] | None = None,
        cancel_on: On | Sequence[On] | None = None,
        version: int = 1, upgrade: Mapping[int, UpgradeStep] | None = None, secret: Sequence[str] | None = None,
        **unknown: Never,
    ) -> None:  # fmt: skip
        refuse_unknown(unknown, JobOptions.__optional_keys__)
        self.job_type, self.handler = self, _function(handler, name)
        self.name, self.mode = _name_and_mode(self.handler, name, process)
        self.max_attempts, self.policy = _attempts(max_attempts), _policy(backoff, retry_on, abandon_on)
        self.timeout, self.concurrency = _timeout(timeout), _concurrency(concurrency)
        self.priority, is_kept = priority_of_type(priority), check_flag("keep_result", keep_result)
        self.signature = _signature(self, largest_payload, version, upgrade, secret, reads_return=is_kept)
        self.result = _result(self.name, self.signature.returns, largest_result, is_kept=is_kept)
        self.how = _how(self, priority, unique, debounce, throttle, batch, max_pending, on_full, expires, cancel_on)
        self.lanes, self.on_dead = _lanes(self, limits), None if on_dead is None else check_on_dead(on_dead)

    @property
    def version(self) -> int:
        """The version of its payloads."""
        return self.signature.version

    def __repr__(self) -> str:
        return f"<JobType {self.name!r} of {qualified_name(self.handler)}>"


class DeclaredJob(JobType[P, R_co], Generic[P, R_co, F]):
    """A job type that can still be called as the function it was made of."""

    handler: F

    @property
    def __call__(self) -> F:
        """A plain call of the function, with no job: useful in tests."""
        return self.handler


def check_on_dead(value: object) -> OnDead | Enqueueable[..., Any]:
    """A function that can be called with a `DeadJob`, or a job type that can be enqueued with the id of a job.

    Raises:
        InvalidOption: If it is neither.
    """
    expected = "a function that takes a DeadJob, or a job type that takes the id of a dead job"
    if isinstance(value, Enqueueable):
        if value.how.after is not None:
            raise InvalidOption("on_dead", value, f"{expected}, without after=")
        try:
            value.bind(1)
        except InvalidPayload as error:
            raise InvalidOption("on_dead", value, f"{expected} and nothing else: {error.summary}") from None
        return value
    if not callable(value) or isinstance(value, type):
        raise InvalidOption("on_dead", value, expected)
    try:
        inspect.signature(value).bind(None)
    except TypeError as error:
        raise InvalidOption("on_dead", value, f"{expected} and nothing else: {error}") from None
    except ValueError:  # it has no signature to be read
        pass
    return value


def qualified_name(handler: Callable[..., Any]) -> str:
    """Module and name of a function, for people."""
    name = getattr(handler, "__qualname__", repr(handler))
    return f"{getattr(handler, '__module__', '?')}.{name}"


def _lanes(job_type: JobType[..., Any], limits: Sequence[Limit | Rate] | None) -> Lanes | None:
    if limits is None:
        return None
    flow = job_type.how.flow
    lanes = make_lanes(job_type.name, limits, job_type.signature, None if flow is None else flow.batch)
    return lanes if lanes.limits else None


def _signature(job_type: JobType[..., Any], largest: int, *marks: Any, reads_return: bool) -> Signature:
    made = make_signature(job_type.name, job_type.handler, largest, *marks, reads_return=reads_return)
    if job_type.mode == "process" and made.injected:
        raise InvalidJobType(job_type.name, _NOT_INJECTED)
    return made


def _attempts(max_attempts: object) -> int:
    return check_whole("max_attempts", max_attempts, _MOST_ATTEMPTS)


def _timeout(timeout: Duration | None) -> float | None:
    return None if timeout is None else seconds(timeout, "timeout", least=0.001)


def _concurrency(concurrency: object) -> int | None:
    return None if concurrency is None else check_whole("concurrency", concurrency, _MOST_AT_ONCE)


def _policy(backoff: object, retry_on: object, abandon_on: object) -> Policy:
    if backoff is None:
        backoff = Backoff()
    if not isinstance(backoff, Backoff):
        raise InvalidOption("backoff", backoff, 'a Backoff, such as Backoff(base="2s", cap="1h")')
    return Policy(
        backoff,
        None if retry_on is None else check_exceptions("retry_on", retry_on),
        check_exceptions("abandon_on", abandon_on),
    )


def _result(name: str, returns: Any, largest: object, *, is_kept: bool) -> Result | None:
    most = check_whole("largest_result", largest, LARGEST_VALUE_BYTES)
    return Result(name, returns, most) if is_kept else None


def _how(job_type: JobType[..., Any], priority: object, *given: object) -> Enqueueing:
    ranking = Ranking(priority, job_type.signature, job_type.handler) if callable(priority) else None
    flow = make_flow(dict(zip(FLOW_OPTIONS, given, strict=True)), None, job_type.signature, job_type.handler)
    return AS_DECLARED if flow is None and ranking is None else Enqueueing(flow=flow, ranking=ranking)


def _function(handler: Callable[..., Any], name: object) -> Callable[..., Any]:
    """What is called: of `@job` above `@staticmethod` the function in it."""
    if isinstance(handler, staticmethod):
        handler = handler.__func__
    if callable(handler) and not isinstance(handler, type | Enqueueable):
        return handler
    problem, own_name = f"expected a function, got {show(handler)}", show(handler)
    if isinstance(handler, str):
        problem, own_name = f"{problem}. A name is given by name: @job(name={show(handler)})", handler
    elif isinstance(handler, JobType):
        problem, own_name = f"{problem}. It is declared already: once is enough", handler.name
    elif isinstance(handler, type):
        problem, own_name = f"{problem}. Declare a function that uses the class", handler.__name__
    else:
        problem = f"{problem}. Put @job above a function, or call job(function)"
    raise InvalidJobType(own_name if name is None else str(name), problem)


def _within(function: Any) -> Iterator[Any]:
    """A function and those that it wraps, as decorators and `functools.partial` leave them."""
    for _ in range(_DEEPEST_WRAPPING):
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif getattr(function, "__wrapped__", None) is not None:
            function = function.__wrapped__
        else:
            return


def _name_and_mode(
    handler: Callable[..., Any], name: object, process: object
) -> tuple[str, Literal["async", "thread", "process"]]:
    checked = _name(getattr(handler, "__name__", None) if name is None else name)
    return checked, _mode(checked, handler, process=check_flag("process", process))


def _name(name: object) -> str:
    checked = check_text("name", name, LONGEST_TYPE_NAME_CHARS)
    if checked == "<lambda>":
        raise InvalidOption("name", name, 'a stable name; a lambda has none: job(name="...")')
    return checked


def _check_dispatch(name: str, handler: Callable[..., Any]) -> None:
    """Checks that a handler does not need its first argument by position: a payload is given by name.

    Raises:
        InvalidJobType: If `functools.singledispatch` chooses by that argument.
    """
    for function in _within(handler):
        code = getattr(function, "__code__", None)
        if isinstance(function, functools.partial):
            if function.args:
                return
        elif code is None or code.co_argcount or code.co_kwonlyargcount:  # it need not pass on what it takes
            return
        elif code.co_qualname.startswith("singledispatch") and code.co_filename == functools.__file__:
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is None or first.kind is first.POSITIONAL_ONLY:
                return
            chooser = code.co_qualname.partition(".")[0]
            problem = (
                f"functools.{chooser} chooses by an argument that is given by position, and a payload is given by "
                "name. Declare a function of your own that calls it"
            )
            raise InvalidJobType(name, problem)


def _mode(name: str, handler: Callable[..., Any], *, process: bool) -> Literal["async", "thread", "process"]:
    _check_dispatch(name, handler)
    bare = handler
    while isinstance(bare, functools.partial):
        bare = bare.func
    called = bare, type(bare).__call__
    is_async = any(map(inspect.iscoroutinefunction, called))
    inner = [within for function in called for within in _within(function)]
    if any(map(inspect.isasyncgenfunction, inner)) or any(map(inspect.isgeneratorfunction, inner)):
        raise InvalidJobType(name, "a generator cannot be a handler; return a list")
    if not is_async and any(map(inspect.iscoroutinefunction, inner)):
        problem = (
            "a decorator hides its `async def`, whose coroutine nothing would await. Make the decorator's function an "
            "`async def` too, or delete its `__wrapped__` if it runs the coroutine itself"
        )
        raise InvalidJobType(name, problem)
    if not process:
        return "async" if is_async else "thread"
    if is_async:
        problem = "process=True is for plain `def`; an `async def` runs on the event loop. Leave out one of both"
        raise InvalidJobType(name, problem)
    if inspect.ismethod(handler) or re.search("<(locals|lambda)>", getattr(handler, "__qualname__", "<locals>")):
        raise InvalidJobType(
            name, "process=True takes a function at the top of a module, which a new process can import"
        )
    return "process"
