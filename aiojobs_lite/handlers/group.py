"""Declaring handlers on a group or on a runner, and what `jobs=` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Unpack, get_args

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import ConflictingResources, InvalidJobType, InvalidOption, InvalidPayload, InvalidSchedule
from aiojobs_lite.handlers.checks import check_choice, check_resources
from aiojobs_lite.handlers.cron_words import expression_first
from aiojobs_lite.handlers.decorators import Declares, make_decorator
from aiojobs_lite.handlers.event import Event, check_listening
from aiojobs_lite.handlers.habits import HABITS_OF_LISTENERS, AnswersHabits, refuse_unknown
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.middleware import check_middleware
from aiojobs_lite.handlers.options import JobOptions
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.policy.catch_up import CatchUp, Overlap, schedule_of

_OVERLAP: Final = "use overlap="
_INSTEAD: Final = {
    "expires": "use catch_up= for ticks that are late",
    "batch": "a tick gives no items",
    "cancel_on": "a tick has no fields that an event could match",
}
_NO_PARENTHESES: Final = (
    'names of events, and it is a function, for there are no parentheses: write `@runner.on("user/signed.up")`'
)


class Declaring:
    """The decorators of a group and of a runner.

    Attributes:
        job: Declares a handler as a job type; see `JobOptions`.
    """

    def __init__(self) -> None:
        self.job = make_decorator(self._add)

    @expression_first
    def cron(
        self,
        expression: str | CronSchedule,
        *,
        tz: str = "UTC",
        catch_up: CatchUp = "latest",
        overlap: Overlap = "skip",
        jitter: Duration | None = None,
        **options: Unpack[JobOptions],
    ) -> Declares:
        """Declares a handler that runs by the clock: one job a tick, over all runners of the database.

        Args:
            expression: Five fields, or six with the seconds first; an interval, `every("45m")`; or a
                `CronSchedule`, which has its own zone.
            tz: Time zone in which it is read.
            catch_up: What becomes of ticks that were missed while nothing ran. `latest`: one run for all of them, if
                it is at most a day old. `skip`: none. `all`: each of the last 100, one after the other or at once.
            overlap: What becomes of a tick while the job of the last tick is not finished. `skip`: it makes no job.
                `queue`: it makes one all the same.
            jitter: Each tick fires up to so much later, by a delay that is derived from the name and the tick.
            **options: As for `@runner.job`. The name is also that of the schedule.

        Raises:
            InvalidSchedule: If the expression or the zone cannot work.
            InvalidJobType: If the handler needs arguments.
        """
        check_choice("catch_up", catch_up, get_args(CatchUp))
        check_choice("overlap", overlap, get_args(Overlap))
        if callable(expression):
            problem = 'it is a function, for there are no parentheses: write `@runner.cron("0 3 * * *")`'
            raise InvalidSchedule(getattr(expression, "__name__", ""), "expression", problem)
        schedule_of("", expression, tz, jitter=jitter)  # refuses what cannot work, at the line with the mistake

        def made(job_type: JobType[..., Any]) -> None:
            flow, delay = job_type.how.flow, options.get("delay")
            if delay is not None:
                raise InvalidOption("delay", delay, "no value on a cron handler: its ticks say when it runs")
            if flow is not None:
                option, value = next(iter(flow.shown().items()))
                raise InvalidOption(option, value, f"no value on a cron handler: {_INSTEAD.get(option, _OVERLAP)}")
            try:
                job_type.bind()
            except InvalidPayload as error:
                names = " and ".join(repr(path) for path, _ in error.problems)
                problem = (
                    "a cron handler takes nothing but the context and injected parameters: a scheduled job gets no "
                    f"arguments. Give {names} a default"
                )
                raise InvalidJobType(job_type.name, problem) from error
            job_type.cron = schedule_of(job_type.name, expression, tz, catch_up, overlap, jitter)
            self._add(job_type)

        return make_decorator(made)(**options)

    def on(
        self,
        *names: str | Sequence[str],
        when: Callable[[Event[Any]], bool] | None = None,
        **options: Unpack[JobOptions],
    ) -> Declares:
        """Declares a handler that events start. Each event makes one job of it, exactly once; with `batch=` one job has
        many events, and the handler takes a list of them.

        Args:
            *names: The events, by name: `"user/signed.up"`, or `"user/*"` for all whose names begin with `user/`; also
                a list of names.
            when: A plain function that takes the event and returns whether it starts the handler. None: each event
                does.
            **options: As for `@runner.job`. An option that names a field of the payload, such as a key, names one of
                the event: `"event.data.user_id"`.

        Raises:
            InvalidOption: If a name or `when` cannot work.
            InvalidJobType: If the handler does not take an `Event`, or with `batch` a list of them, and nothing else.
        """
        if names and callable(names[0]):
            raise InvalidOption("names", names[0], _NO_PARENTHESES)
        refuse_unknown(options, {*JobOptions.__optional_keys__, "when"}, HABITS_OF_LISTENERS)

        def made(job_type: JobType[..., Any]) -> None:
            gathers = options.get("batch") is not None
            job_type.listening = check_listening(names, when, job_type.signature, gathers=gathers)
            self._add(job_type)

        return make_decorator(made)(**options)

    def _add(self, job_type: JobType[..., Any]) -> None:
        raise NotImplementedError


class Jobs(Declaring, AnswersHabits):
    """A group of job types, declared in any number of modules without a runner: `JobRunner(jobs=[group])` runs them.

    It may join several runners. Iterating it gives its job types, in the order of their declaration.

    Args:
        middleware: What is around each enqueue and each attempt of its jobs; the first is the outermost.
        deps: Resources that its handlers need, as `JobRunner(deps=...)` takes them: each runner that it joins has them.

    Attributes:
        job: Declares a handler as a job type of this group; see `JobOptions`.

    Raises:
        InvalidOption: If `middleware` or `deps` cannot work.
    """

    def __init__(self, *, middleware: Iterable[Any] = (), deps: Mapping[Any, Any] | None = None) -> None:
        super().__init__()
        self._middleware = check_middleware("middleware", middleware)
        self._deps = check_resources("deps", deps)
        self._registry = Registry()

    def _add(self, job_type: JobType[..., Any]) -> None:
        self._registry.add(job_type)
        job_type.middleware, job_type.deps = self._middleware, self._deps

    def __iter__(self) -> Iterator[JobType[..., Any]]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    def __repr__(self) -> str:
        return f"<Jobs {', '.join(self._registry.names())}>"


JobSource = JobType[..., Any] | Jobs | ModuleType
"""What `jobs=` lists: a job type, a group, or a module that has job types or groups among its names."""


def job_types_of(source: object) -> Iterator[JobType[..., Any]]:
    """The job types of a source; of a module perhaps one of them several times.

    Raises:
        InvalidOption: If it is no source, or a module without any.
    """
    if isinstance(source, JobType):
        yield source
    elif isinstance(source, Jobs):
        yield from source
    elif isinstance(source, ModuleType):
        # By `type`: `isinstance` asks for `__class__`, with which a lazy object would set itself up.
        found = [value for value in vars(source).values() if issubclass(type(value), JobType | Jobs)]
        if not found:
            raise InvalidOption("jobs", source, "a module with job types or a group among its names: it has none")
        for one in found:
            yield from job_types_of(one)
    else:
        raise InvalidOption("jobs", source, "job types (made by @job), groups (Jobs()) or modules that have some")


def resources_of(job_types: Iterable[JobType[..., Any]], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """The resources of a runner: those of the groups of its job types, then its own, which replace them.

    Args:
        job_types: The job types of the runner.
        own: What its own `deps=` has.

    Raises:
        ConflictingResources: If two groups have different ones for a type, and the runner has none of its own.
    """
    found: dict[Any, Any] = {}
    for job_type in job_types:
        for wanted, resource in job_type.deps.items():
            if wanted not in own and found.setdefault(wanted, resource) is not resource:
                raise ConflictingResources(wanted)
    return {**found, **own}
