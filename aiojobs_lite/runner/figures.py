"""`runner.figures`: how attempts ended and how long they took, over all processes; and how the database stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from aiojobs_lite.clock import MICROSECONDS, after, to_datetime, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_aware, check_whole
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.model.figures import (
    ALL_TYPES,
    FAILURES,
    HOUR,
    KEPT_HOURS,
    DurationFigures,
    EndFigures,
    FigureSum,
    ListHours,
    SumErrors,
    SumFigures,
    hour_of,
)
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.overview import BoundedCount, GetOverview
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.types import type_name

F = TypeVar("F", EndFigures, DurationFigures)
_MOST_JOBS_COUNTED: Final = 10_000
MOST_ERROR_GROUPS: Final = 1000
"""Groups of one answer. Those by which jobs died may be rare among those by which attempts failed."""

_NOTHING: Final = FigureSum((), ())
_COUNTED: Final = (Status.PENDING, Status.PROCESSING, Status.COMPLETED, Status.DEAD, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Figures:
    """How attempts ended, and how long they took.

    Attributes:
        outcomes: How many attempts had each outcome; only what there is.
        dead: Jobs that died.
        cancelled: Jobs that were cancelled while an attempt ran. One that was cancelled while it was pending had none.
        durations: How long the handlers took.
    """

    outcomes: Mapping[Outcome, int]
    dead: int
    cancelled: int
    durations: Durations

    @property
    def completed(self) -> int:
        """Jobs that were completed."""
        return self.outcomes.get(Outcome.SUCCEEDED, 0)

    @property
    def failed(self) -> int:
        """Attempts that failed, timed out or were lost. A cancel is no failure."""
        return sum(self.outcomes.get(outcome, 0) for outcome in FAILURES)

    @property
    def failure_rate(self) -> float | None:
        """The share of failed ones of the attempts that succeeded or failed, 0 to 1; None without any."""
        judged = self.completed + self.failed
        return self.failed / judged if judged else None


@dataclass(frozen=True, slots=True)
class TypeFigures(Figures):
    """The figures of a job type.

    Attributes:
        type: The name of the type.
        first_at: When the first of these attempts ended, UTC.
    """

    type: str
    first_at: datetime


@dataclass(frozen=True, slots=True)
class HourFigures(Figures):
    """The figures of an hour.

    Attributes:
        hour: When the hour began, UTC.
        type: The name of the type; None: they are of all types together.
    """

    hour: datetime
    type: str | None


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """Attempts of a job type that failed by the same type of error.

    Attributes:
        type: The name of the job type.
        error_type: The name of the error; that of the outcome, if nothing was raised (`lost`); `other` for all that are
            not among the first 50 error types of an hour.
        attempts: How many attempts failed so.
        dead: How many jobs died of it.
        first_at: When the first one failed, UTC: in the hours that were asked for.
        last_at: When the last one failed, UTC.
    """

    type: str
    error_type: str
    attempts: int
    dead: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """How the database stands at one moment, whatever process runs the jobs.

    Attributes:
        at: The moment, UTC.
        counts: How many jobs of each type have each status, by type and status.
        due: The jobs that could start now if a slot were free: they are due, not held, their type is not paused, and no
            limit by key holds them back. Of jobs with the same key that wait for a limit only the first counts.
        oldest_due_at: When the one that has been due longest was due, UTC; None if none is due.
        oldest_due_by_type: The same of each type that has any.
        oldest_waiting: The same of jobs that are due and wait for something else than a slot, by reason and type:
            `paused`, since their type is; `lane`, behind a full or paused limit by key, where they wait longer than
            what is due of their type, of the first jobs of 10,000 keys; `payload` and `listener`, for a handler that
            takes them, of the first hundred of a type. Only what there is.
        held: The jobs that are held, by reason, as `job.held` has it; and under `lane` those that wait for a limit by
            key, or for their turn. Only what there is.
        paused: The paused types: since when, and by whom.
        runners: The runners that live.
        unclaimed: How many jobs are pending of each type that no live runner has registered; nothing is, while none
            lives that runs jobs.
        last_runner: The runner of those that ran jobs that ended last, if none lives that runs jobs, and one is listed.
    """

    at: datetime
    counts: Mapping[str, Mapping[Status, int]]
    due: BoundedCount
    oldest_due_at: datetime | None
    oldest_due_by_type: Mapping[str, datetime]
    oldest_waiting: Mapping[str, Mapping[str, datetime]]
    held: Mapping[str, BoundedCount]
    paused: Mapping[str, Pause]
    runners: tuple[RunnerInfo, ...]
    unclaimed: Mapping[str, int]
    last_runner: RunnerInfo | None = None

    def total(self, status: Status) -> int:
        """How many jobs of all types have a status."""
        return sum(of_type[status] for of_type in self.counts.values())

    @property
    def processing(self) -> int:
        """How many jobs are being run, by any runner."""
        return self.total(Status.PROCESSING)

    def waiting_age(self, reason: str) -> float:
        """For how many seconds the first job that waits for a reason of `oldest_waiting` has been due; else 0.0."""
        first = min(self.oldest_waiting.get(reason, {}).values(), default=self.at)
        return (self.at - first).total_seconds()

    @property
    def oldest_due_age(self) -> float:
        """For how many seconds the job that has been due longest has been due; 0.0 if none is due."""
        return 0.0 if self.oldest_due_at is None else (self.at - self.oldest_due_at).total_seconds()


class JobFigures:
    """The figures of a runner's database, over all processes: `runner.figures`.

    Ends are counted when they are stored, by the runner that ran the attempt; those of lost ones by the runner that
    gives them back. They are written within a quarter of a second, by the hour (UTC), and kept for 30 days. A process
    that is killed loses the ends that it has not written; of jobs it loses none.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def types(
        self,
        *,
        since: datetime | Duration = "1d",
        until: datetime | None = None,
        names: tuple[str, str] | None = None,
    ) -> tuple[TypeFigures, ...]:
        """The figures of each job type that had ends, in the order of their names.

        Args:
            since: From which hour on: an aware datetime in it, or a duration before now.
            until: The hours before the one of this aware datetime; None: up to now.
            names: Of the types from this name to that one, as a page of very many has them; None: of each.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        first, end = self._hours(since, until)
        return await self._types(first, end, _check_names(names))

    async def totals(self, *, names: tuple[str, str] | None = None) -> tuple[TypeFigures, ...]:
        """The figures of each job type since its first end, those that were pruned included: they only grow.

        Args:
            names: Of the types from this name to that one, as a page of very many has them; None: of each.

        Raises:
            InvalidOption: If they are no names.
        """
        return await self._types(None, 0, _check_names(names))

    async def hours(
        self,
        type: JobType[..., Any] | str | None = None,  # noqa: A002  # the field's name
        *,
        since: datetime | Duration = "1d",
        until: datetime | None = None,
    ) -> tuple[HourFigures, ...]:
        """The figures of each hour, also of those without ends, the earliest first.

        Args:
            type: Of which type; None: of all types together.
            since: From which hour on: an aware datetime in it, or a duration before now.
            until: The hours before the one of this aware datetime; None: up to now.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        first, end = self._hours(since, until)
        name = None if type is None else type_name(type)
        engine = await self._flushed()
        found = await engine.ask(ListHours(first, end, ALL_TYPES if name is None else name))
        return tuple(
            HourFigures(*_figures(*found.get(hour, _NOTHING)), to_datetime(hour), name)
            for hour in range(first, end, HOUR)
        )

    async def errors(
        self,
        type: JobType[..., Any] | str | None = None,  # noqa: A002  # the field's name
        *,
        since: datetime | Duration = "1d",
        until: datetime | None = None,
        limit: int = 100,
    ) -> tuple[ErrorFigures, ...]:
        """The errors by which attempts failed, those with the most attempts first.

        Args:
            type: Of which type; None: of every type.
            since: From which hour on: an aware datetime in it, or a duration before now.
            until: The hours before the one of this aware datetime; None: up to now.
            limit: At most so many, 1 to 1,000.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        check_whole("limit", limit, MOST_ERROR_GROUPS)
        first, end = self._hours(since, until)
        name = None if type is None else type_name(type)
        engine = await self._flushed()
        return tuple(
            ErrorFigures(*one[:4], to_datetime(one.first_at), to_datetime(one.last_at))
            for one in await engine.ask(SumErrors(first, end, name, limit))
        )

    async def now(self) -> DatabaseFigures:
        """How the database stands: what a person asks first. Costs the same however many jobs there are."""
        engine = self._access.engine
        now = engine.now()
        found = await engine.ask(GetOverview(now, _MOST_JOBS_COUNTED))
        listed, _ = await engine.runners()
        runners = tuple(runner for runner in listed if runner.is_alive)
        registered = {name for runner in runners for name in runner.types if runner.max_running}
        oldest = {name: to_datetime(at) for name, at in found.oldest_due.items()}
        counts = {name: dict(zip(_COUNTED, of_type, strict=True)) for name, of_type in found.counts.items()}
        strange = {name: of_type[Status.PENDING] for name, of_type in counts.items() if name not in registered}
        return DatabaseFigures(
            at=to_datetime(now),
            counts=counts,
            due=found.due,
            oldest_due_at=min(oldest.values(), default=None),
            oldest_due_by_type=oldest,
            oldest_waiting={
                reason: {name: to_datetime(at) for name, at in of_types.items()}
                for reason, of_types in found.waiting.items()
            },
            held=found.held,
            paused=dict(sorted(found.paused.items())),
            runners=runners,
            unclaimed={name: pending for name, pending in strange.items() if pending and registered},
            last_runner=None if any(one.max_running for one in runners) else _last_of(listed),
        )

    async def _types(self, first: int | None, end: int, names: tuple[str, str] | None) -> tuple[TypeFigures, ...]:
        engine = await self._flushed()
        found = await engine.ask(SumFigures(first, end, names))
        ends, durations = _by_type(found.ends), _by_type(found.durations)
        first_at = {name: to_datetime(min(one.first_at for one in of_type)) for name, of_type in ends.items()}
        return tuple(TypeFigures(*_figures(ends[name], durations[name]), name, first_at[name]) for name in sorted(ends))

    async def _flushed(self) -> Engine:
        """The engine, when the ends that this runner has saved are among the figures."""
        engine = self._access.engine
        await engine.write_figures()
        return engine

    def _hours(self, since: datetime | Duration, until: datetime | None) -> tuple[int, int]:
        """The first hour of a period, and where its hours end; at most as many as are kept."""
        now = self._access.engine.now()
        if isinstance(since, datetime):
            first = to_micros(check_aware("since", since))
        else:
            first = after(now, -seconds(since, "since"))
        last = now if until is None else min(to_micros(check_aware("until", until)) - 1, now)
        return max(hour_of(first), hour_of(now) - KEPT_HOURS * HOUR), hour_of(last) + HOUR


def _last_of(runners: Iterable[RunnerInfo]) -> RunnerInfo | None:
    """The runner that ended last of those that ran jobs."""
    ran = [runner for runner in runners if runner.max_running]
    return max(ran, key=lambda one: one.ended_at or one.last_sign_at or one.started_at, default=None)


def _check_names(names: tuple[str, str] | None) -> tuple[str, str] | None:
    is_pair = isinstance(names, tuple) and len(names) == 2 and all(isinstance(name, str) for name in names)
    if names is not None and not is_pair:
        raise InvalidOption("names", names, "the names of the first type and of the last one, or None")
    return names


def _by_type(found: Iterable[F]) -> defaultdict[str, list[F]]:
    of_types: defaultdict[str, list[F]] = defaultdict(list)
    for one in found:
        of_types[one.type].append(one)
    return of_types


def _figures(
    ends: Iterable[EndFigures], durations: Iterable[DurationFigures]
) -> tuple[Mapping[Outcome, int], int, int, Durations]:
    """The fields of `Figures`, of what was summed."""
    outcomes, buckets = Counter[Outcome](), Counter[int]()
    dead = cancelled = micros = 0
    for one in ends:
        outcomes[one.outcome] += one.attempts
        dead, cancelled, micros = dead + one.dead, cancelled + one.cancelled, micros + one.micros
    for took in durations:
        buckets[took.bucket] += took.attempts
    counted = tuple(sorted(buckets.items()))
    return dict(outcomes), dead, cancelled, Durations(buckets.total(), micros / MICROSECONDS, counted)
