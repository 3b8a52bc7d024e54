"""Options of a job type and of one enqueue, and the row that a job becomes by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypedDict, cast

from aiojobs_lite.clock import after, to_micros
from aiojobs_lite.dead import OnDead
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.after import AfterJobs, HasId, check_after
from aiojobs_lite.handlers.by_arguments import DelayFunction, Delays
from aiojobs_lite.handlers.cancel_on import On
from aiojobs_lite.handlers.checks import check_attempts, check_aware, check_metadata, check_priority, check_text
from aiojobs_lite.handlers.flow import Flow, OnFull, make_flow
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.handlers.limits import Lanes
from aiojobs_lite.handlers.micro_batch import check_limit_keys, make_lanes
from aiojobs_lite.handlers.payloads import UpgradeStep
from aiojobs_lite.handlers.ranking import PriorityFunction, Ranking
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import Declared, Limit, Rate
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.after import After, AfterFailed
from aiojobs_lite.model.columns import OPTIONAL
from aiojobs_lite.model.debounce import Debounce
from aiojobs_lite.model.job import PRIORITIES, NewJob, Priority
from aiojobs_lite.model.micro_batch import Batch
from aiojobs_lite.model.throttle import Throttle
from aiojobs_lite.model.unique import Unique
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.sizes import LONGEST_IDEMPOTENCY_KEY_CHARS, LONGEST_LABEL_CHARS
from aiojobs_lite.text import show_duration


class TakesId(Protocol):
    """A job type, or one with options, that is enqueued with an id: that of a dead job, or of a batch."""

    how: Enqueueing

    def bind(self, number: int, /) -> object:
        """Validates the arguments of one job."""


class JobOptions(TypedDict, total=False):
    """What `@job`, `@runner.job` and `@runner.cron` take, all of it optional.

    Attributes:
        name: The stable name kept in the database, 1 to 200 printable characters; default: the function's name.
        max_attempts: All attempts a job may have, the first included; default 5.
        backoff: Waits between attempts; default `Backoff(base="2s", cap="1h")`.
        timeout: How long an attempt may take, from the first line of the handler; default: any time.
        concurrency: Most jobs of this type processing at once, over all runners of the database; default: any number.
        limits: At most four of `Limit` and `Rate`, which count the jobs of each key apart; default: none.
        priority: `high`, `medium` (default) or `low`; or a plain function of the arguments, given by name as plain JSON
            values, that returns one of these.
        delay: How long from the enqueue until it may run; or a plain function of the arguments that returns that, or an
            aware datetime. A job whose delay is negative, at least minus a day, goes before others of its priority.
            Default: it may run at once.
        retry_on: Only these exceptions are tried again, a class or a list of classes; default: all are.
        abandon_on: These exceptions make the job dead at once.
        keep_result: Whether what the handler returns is stored; default True.
        process: Runs a plain `def` in another process; default False: in a thread.
        largest_payload: Most bytes of the arguments as JSON; default 256 KiB.
        largest_result: Most bytes of the result as JSON; default 256 KiB. A job whose result is larger is completed,
            without it.
        unique: A `Unique`: of the jobs of this type with the same key there is one at a time; default: any number.
        debounce: A `Debounce`: many enqueues with the same key become one job, with the last arguments; default: none.
        throttle: A `Throttle`: of many enqueues with the same key the first makes a job; default: each does.
        batch: A `Batch`: one job has the items of several enqueues; default: each enqueue makes its own.
        max_pending: Most pending jobs of this type, over all runners; default: any number.
        on_full: What an enqueue does when there are as many: `raise` (the default) raises `QueueFull`, `wait` waits.
        expires: How long after it is due an attempt may begin; then the job is cancelled with the reason `expired`.
            Default: for ever.
        on_dead: Called with a `DeadJob` for each job of this type that dies, or a job type that is enqueued with its
            id; default: nothing.
        cancel_on: An `On`, or several: the events that cancel the unfinished jobs of this type that match; default:
            none.
        version: The version of the arguments, stored with each payload; default 1.
        upgrade: By version a plain function that makes of a dict of its arguments those of the next version: such
            as {1: from_1_to_2}. It runs on the event loop, before validation, each time that an older payload is read.
        secret: The names of arguments whose values lists, logs, errors and tests show as `REDACTED`; the handler is
            given them as they are. Default: none.
    """

    name: str | None
    max_attempts: int
    backoff: Backoff | None
    timeout: Duration | None
    concurrency: int | None
    limits: Sequence[Limit | Rate] | None
    priority: Priority | PriorityFunction
    delay: Duration | DelayFunction | None
    retry_on: type[BaseException] | Sequence[type[BaseException]] | None
    abandon_on: type[BaseException] | Sequence[type[BaseException]]
    keep_result: bool
    process: bool
    largest_payload: int
    largest_result: int
    unique: Unique | None
    debounce: Debounce | None
    throttle: Throttle | None
    batch: Batch | None
    max_pending: int | None
    on_full: OnFull | None
    expires: Duration | None
    on_dead: OnDead | TakesId | None
    cancel_on: On | Sequence[On] | None
    version: int
    upgrade: Mapping[int, UpgradeStep] | None
    secret: Sequence[str] | None


class EnqueueOptions(TypedDict, total=False):
    """What `using` takes for one enqueue, all of it optional; None is the same as to leave it out.

    Attributes:
        delay: How long from the enqueue until it may run, from 0.
        at: The earliest time that it may run, an aware datetime; not together with `delay`.
        priority: `high`, `medium` or `low`, instead of the type's.
        max_attempts: All attempts that it may have, the first included, instead of the type's.
        idempotency_key: 1 to 500 printable characters. Unique per type for as long as the job is kept: enqueuing it
            again returns the first job, which makes an enqueue of unknown outcome safe to repeat.
        label: 1 to 200 printable characters, for people and for lists: a tenant, a region.
        metadata: A small object that is kept with the job, at most 16 KiB as JSON: a request id, a trace parent. The
            handler finds it in `ctx.metadata`; it is no argument.
        unique: A `Unique`, instead of the type's.
        debounce: A `Debounce`, instead of the type's; without `delay` and `at`.
        throttle: A `Throttle`, instead of the type's.
        batch: A `Batch`, instead of the type's; without `delay`, `at`, `after` and `idempotency_key`.
        max_pending: Most pending jobs, instead of the type's.
        on_full: `raise` or `wait`, instead of the type's.
        expires: How long after it is due an attempt may begin, instead of the type's.
        limits: What `@job(limits=...)` takes, instead of the type's; an empty list: none; `DECLARED` among them: the
            type's as well. What they allow counts for the keys of this job from now on.
        after: The jobs that it runs after, at most 1,000 handles of them: it is held until all have ended. A `delay`
            counts from then.
        after_failed: `cancel` (default): if one of them is dead, cancelled or deleted, it is cancelled. `run`: it runs.
    """

    delay: Duration | None
    at: datetime | None
    priority: Priority | None
    max_attempts: int | None
    idempotency_key: str | None
    label: str | None
    metadata: Mapping[str, Any] | None
    unique: Unique | None
    debounce: Debounce | None
    throttle: Throttle | None
    batch: Batch | None
    max_pending: int | None
    on_full: OnFull | None
    expires: Duration | None
    limits: Sequence[Limit | Rate | Declared] | None
    after: Iterable[HasId] | None
    after_failed: AfterFailed | None


_COLUMNS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "idempotency_key": partial(check_text, longest=LONGEST_IDEMPOTENCY_KEY_CHARS),
    "label": partial(check_text, longest=LONGEST_LABEL_CHARS),
    "metadata": check_metadata,
}
"""The options that are stored, in the field of `NewJob` with the same name, and their checks."""


class Defaults(Protocol):
    """What a row takes from its job type."""

    name: str
    handler: Callable[..., Any]
    priority: int
    max_attempts: int
    lanes: Lanes | None
    signature: Signature


@dataclass(frozen=True, slots=True)
class Enqueueing:
    """The checked options of one enqueue.

    Attributes:
        delay: Seconds from the enqueue until it may run.
        at: The earliest time that it may run, aware.
        priority: Instead of its type's.
        columns: Name and value of what is stored as it is.
        flow: What holds the job back or refuses it; None: nothing does.
        lanes: Instead of its type's.
        ranking: Makes the priority of each job of a type; None: all have that of the type.
        delays: Says when each job of a type may run, in place of `delay`; or None.
        after: The jobs that it runs after.
        max_attempts: Instead of its type's.
    """

    delay: float | None = None
    at: datetime | None = None
    priority: int | None = None
    columns: tuple[tuple[str, Any], ...] = ()
    flow: Flow | None = None
    lanes: Lanes | None = None
    after: AfterJobs | None = None
    ranking: Ranking | None = None
    delays: Delays | None = None
    max_attempts: int | None = None

    @property
    def has_conditions(self) -> bool:
        """Whether a job is added under conditions only."""
        return self.flow is not None or "idempotency_key" in dict(self.columns)

    def candidate(self, row: NewJob) -> Candidate:
        """A row of these options with its conditions."""
        return Candidate(row) if self.flow is None else self.flow.candidate(row)

    def extended(self, job_type: Defaults, options: EnqueueOptions) -> Enqueueing:
        """These options of a job type and more; where both have a value, the latest counts.

        Raises:
            InvalidOption: If one of them cannot work, or there is no such option.
        """
        refuse_unknown(options, EnqueueOptions.__optional_keys__)
        delay, at, priority = options.get("delay"), options.get("at"), options.get("priority")
        if delay is not None and at is not None:
            raise InvalidOption("at", at, "either delay= or at=, not both")
        extended = self
        if delay is not None:
            extended = replace(extended, delay=seconds(delay, "delay"), at=None, delays=None)
        if at is not None and not isinstance(at, datetime):
            raise InvalidOption("at", at, "an aware datetime, such as datetime.now(UTC); a duration is given as delay=")
        if at is not None:
            extended = replace(extended, delay=None, at=check_aware("at", at), delays=None)
        if priority is not None:
            extended = replace(extended, priority=check_priority("priority", priority))
        if (most := options.get("max_attempts")) is not None:
            extended = replace(extended, max_attempts=check_attempts("max_attempts", most))
        flow = make_flow(options, self.flow, job_type.signature, job_type.handler)
        batch = None if flow is None else flow.batch
        if (limits := options.get("limits")) is not None:
            declared = () if job_type.lanes is None else job_type.lanes.limits
            lanes = make_lanes(job_type.name, limits, job_type.signature, batch, declared)
            extended = replace(extended, lanes=lanes)
        if flow is not self.flow:
            extended = replace(extended, flow=flow)
        if batch is not None:
            counted = extended.lanes or job_type.lanes
            check_limit_keys(batch, () if counted is None else counted.limits)
        after, failed = options.get("after"), options.get("after_failed")
        if after is not None or failed is not None:
            extended = replace(extended, after=check_after(self.after or AfterJobs(()), after, failed))
        columns = {
            name: check(name, value) for name, check in _COLUMNS.items() if (value := options.get(name)) is not None
        }
        if columns:
            extended = replace(extended, columns=tuple({**dict(self.columns), **columns}.items()))
        return extended

    def given(self) -> dict[str, Any]:
        """Those that are set, by name, as callers write them."""
        jobs, failed = self.after or AfterJobs(())
        after = {"after": list(jobs) or None, "after_failed": failed}
        delay = None if self.delay is None else show_duration(self.delay)
        priority = None if self.priority is None else list(PRIORITIES)[self.priority]
        own = {"delay": delay, "at": self.at, "priority": priority, "max_attempts": self.max_attempts}
        given = {**own, **dict(self.columns), **after}
        given |= {} if self.lanes is None else {"limits": list(self.lanes.given)}
        given |= {} if self.flow is None else self.flow.shown()
        return {name: value for name, value in given.items() if value is not None}

    def shown(self) -> str:
        """Those that are set, for people."""
        return ", ".join(f"{name}={value!r}" for name, value in self.given().items())

    def waits(self, row: NewJob) -> After:
        """What the job of a row is to run after."""
        if self.after is None:
            return After()
        at = None if self.at is None else row.scheduled_at
        return After(
            self.after.jobs, self.after.runs_anyway, row.scheduled_at - row.created_at if at is None else 0, at
        )

    def row(self, job_type: Defaults, payload: str, now: int) -> NewJob:
        """The row to insert.

        Args:
            job_type: The job's type.
            payload: Its arguments as JSON.
            now: The instant of the enqueue, in microseconds.
        """
        if self is AS_DECLARED and job_type.lanes is None:  # nearly always
            return _plain((job_type.name, payload, job_type.priority, now, job_type.max_attempts, now, *_NO_MORE))
        if self.priority is not None:
            priority = self.priority
        else:
            priority = job_type.priority if self.ranking is None else self.ranking.of(payload)
        if self.lanes is not None:
            lane = self.lanes.lane_with_limits(payload, priority)
        else:
            lane = None if job_type.lanes is None else job_type.lanes.lane(payload, priority)
        return NewJob(
            job_type.name, payload, priority, self._due(payload, now), self.max_attempts or job_type.max_attempts, now,
            **dict(self.columns), lane=lane,
        )  # fmt: skip

    def anew(self, row: NewJob, now: int) -> NewJob:
        """A row of these options as it is with another instant of the enqueue."""
        return row._replace(created_at=now, scheduled_at=self._due(row.payload, now))

    def _due(self, payload: str, now: int) -> int:
        if self.at is not None:
            return to_micros(self.at)
        if self.delays is not None:
            return self.delays.due(payload, now)
        return now if self.delay is None else after(now, self.delay)


_plain: Final = cast("Callable[[tuple[Any, ...]], NewJob]", partial(tuple.__new__, NewJob))  # without a call in Python
_NO_MORE: Final = (None,) * len(OPTIONAL)

AS_DECLARED: Final = Enqueueing()
"""No options: all is as the job type says."""


def enqueueing_of(options: JobOptions, signature: Signature, handler: Callable[..., Any]) -> Enqueueing:
    """What the options of a job type say of each of its enqueues.

    Raises:
        InvalidOption: If one of them cannot work, or not with another.
    """
    priority, delay = options.get("priority"), options.get("delay")
    how = Enqueueing(
        flow=make_flow(options, None, signature, handler),
        ranking=Ranking(priority, signature, handler) if callable(priority) else None,
        delays=Delays(delay, signature, handler) if callable(delay) else None,
        delay=None if delay is None or callable(delay) else seconds(delay, "delay"),
    )
    return AS_DECLARED if how == AS_DECLARED else check_together(how)


def check_together(how: Enqueueing) -> Enqueueing:
    """Checks that the options of one enqueue can work together.

    Raises:
        InvalidOption: If not.
    """
    if how.flow is None:
        return how
    key, option = dict(how.columns).get("idempotency_key"), how.flow.timing
    if option is not None and (how.delay, how.at, how.delays) != (None, None, None):
        name = "delay" if how.at is None else "at"
        problem = f"none together with {option}=, which says when the job is due"
        raise InvalidOption(name, how.given().get(name, how.delays), problem)
    if key is not None and how.flow.changing is not None:
        problem = f"none together with {how.flow.changing}=, which gives a job other arguments: a repeated call would"
        raise InvalidOption("idempotency_key", key, f"{problem} find those")
    if how.flow.batch is not None and how.after is not None:
        problem = "none together with batch=: the items of other enqueues would wait for these jobs as well"
        raise InvalidOption("after", list(how.after.jobs), problem)
    return how
