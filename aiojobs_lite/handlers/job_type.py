"""Job types: handlers with a stable name and defaults, and what is enqueued of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Never, ParamSpec, TypeVar, Unpack

from aiojobs_lite.dead import OnDead
from aiojobs_lite.errors import InvalidJobType, InvalidOption, InvalidPayload
from aiojobs_lite.handlers.checks import check_text, check_values
from aiojobs_lite.handlers.event import Listening
from aiojobs_lite.handlers.habits import AnswersHabits, refuse_unknown
from aiojobs_lite.handlers.limits import Lanes
from aiojobs_lite.handlers.micro_batch import make_lanes
from aiojobs_lite.handlers.mode import Mode, mode_of
from aiojobs_lite.handlers.options import Enqueueing, EnqueueOptions, JobOptions, check_together, enqueueing_of
from aiojobs_lite.handlers.payloads import make_signature
from aiojobs_lite.handlers.ranking import priority_of_type
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.payloads import redacted
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.catch_up import Schedule
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.sizes import LONGEST_TYPE_NAME_CHARS
from aiojobs_lite.text import show

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
_NOT_INJECTED: Final = "process=True takes no injected parameters, they stay in this process; make them in the handler"


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
                `max_attempts`, `idempotency_key`, `label`, `metadata`, `unique`, `debounce`, `throttle`, `batch`,
                `max_pending`, `on_full`, `expires`, `limits`, `after`, `after_failed`.

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
        deps: The resources of its group.
    """

    name: str
    handler: Callable[..., Any]
    mode: Mode
    max_attempts: int
    policy: Policy
    timeout: float | None
    concurrency: int | None
    lanes: Lanes | None
    priority: int
    signature: Signature
    result: Result | None
    on_dead: OnDead | Enqueueable[..., Any] | None
    cron: Schedule | None = None
    listening: Listening | None = None
    middleware: tuple[Any, ...] = ()
    deps: Mapping[Any, Any] = MappingProxyType({})

    def __init__(self, handler: Callable[..., Any], **options: Unpack[JobOptions]) -> None:
        refuse_unknown(options, JobOptions.__optional_keys__)
        self.job_type, self.handler = self, _function(handler, options.get("name"))
        self.name = _name(self.handler, options.get("name"))
        value = check_values(options)
        self.mode = mode_of(self.name, self.handler, process=value["process"])
        self.max_attempts, self.timeout = value["max_attempts"], value["timeout"]
        self.concurrency, self.priority = value["concurrency"], priority_of_type(options.get("priority", "medium"))
        self.policy = Policy(value["backoff"] or Backoff(), value["retry_on"], value["abandon_on"])
        self.signature = self._make_signature(value, options)
        is_kept, largest = value["keep_result"], value["largest_result"]
        self.result = Result(self.name, self.signature.returns, largest) if is_kept else None
        self.how = enqueueing_of(options, self.signature, self.handler)
        self.lanes = self._make_lanes(options.get("limits"))
        self.on_dead = None if options.get("on_dead") is None else check_on_dead(options["on_dead"])

    def _make_signature(self, value: Mapping[str, Any], options: JobOptions) -> Signature:
        largest, version, is_kept = value["largest_payload"], value["version"], value["keep_result"]
        marks = version, options.get("upgrade"), options.get("secret")
        made = make_signature(self.name, self.handler, largest, *marks, reads_return=is_kept)
        if self.mode == "process" and made.injected:
            raise InvalidJobType(self.name, _NOT_INJECTED)
        return made

    def _make_lanes(self, limits: Sequence[Limit | Rate] | None) -> Lanes | None:
        if limits is None:
            return None
        batch = None if self.how.flow is None else self.how.flow.batch
        lanes = make_lanes(self.name, limits, self.signature, batch)
        return lanes if lanes.limits else None

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


def _name(handler: Callable[..., Any], given: object) -> str:
    name = check_text("name", getattr(handler, "__name__", None) if given is None else given, LONGEST_TYPE_NAME_CHARS)
    if name == "<lambda>":
        raise InvalidOption("name", name, 'a stable name; a lambda has none: job(name="...")')
    return name


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
