"""Figures over all processes: how attempts ended and how long they took, a type and hour.

Each runner counts the ends that it has saved and has the store add them up (`AddFigures`): a quarter of a second later
at most, in one transaction with what is to be written then. Hours are those of UTC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.model.buckets import bucket_of
from aiojobs_lite.model.ends import Again, Complete, End
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.writes import unanswered

HOUR: Final = 3600 * MICROSECONDS
DAY: Final = 24 * HOUR
ALL_TYPES: Final = ""
"""In place of a type: all of them together."""

KEPT_HOURS: Final = 30 * 24
"""For so long figures are kept."""

MOST_ERROR_TYPES: Final = 50
"""Of a type and hour that have a name; the others are counted together."""

OTHER_ERRORS: Final = "other"
NO_ERROR: Final = ""

FAILURES: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})
"""The outcomes that are failures. A cancel is none."""

MEASURED: Final = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT})
"""The outcomes of handlers that came to an end of their own: their durations are counted."""


def hour_of(instant: int) -> int:
    """When the hour of an instant began; both in microseconds."""
    return instant - instant % HOUR


class EndFigures(NamedTuple):
    """Attempts that ended alike, in one hour, or in a longer period.

    Attributes:
        type: The type of their jobs.
        outcome: How they ended.
        error_type: The name of what was raised, if they failed or their jobs died; else `NO_ERROR`.
        attempts: How many they are.
        dead: How many of their jobs died of it.
        cancelled: How many of their jobs were cancelled.
        micros: How long the handlers of those that are `MEASURED` took together.
        first_at: When the first of them ended.
        last_at: When the last of them did.
    """

    type: str
    outcome: Outcome
    error_type: str
    attempts: int
    dead: int
    cancelled: int
    micros: int
    first_at: int
    last_at: int

    def plus(self, other: EndFigures) -> EndFigures:
        """Both together."""
        return self._replace(
            attempts=self.attempts + other.attempts,
            dead=self.dead + other.dead,
            cancelled=self.cancelled + other.cancelled,
            micros=self.micros + other.micros,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
        )


class DurationFigures(NamedTuple):
    """How many of the attempts of a type and outcome took as long as one bucket says: those that are `MEASURED`."""

    type: str
    outcome: Outcome
    bucket: int
    attempts: int


class AddFigures(NamedTuple):
    """Adds what ended in an hour to the figures of that hour, and to those of all time. Answer: None.

    Of a type and hour the first `MOST_ERROR_TYPES` names of errors are kept apart; all others are `OTHER_ERRORS`, as
    `kept_apart` says. Of all time, and of all types together, no error types are kept.

    Attributes:
        hour: When the hour began.
        ends: How attempts ended.
        durations: How long they took.
    """

    hour: int
    ends: tuple[EndFigures, ...]
    durations: tuple[DurationFigures, ...]

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class PruneFigures(NamedTuple):
    """Deletes figures of hours that began before an instant, some of them at a time. Those of all time stay. A sum that
    begins before that instant may miss hours behind it from now on. Answer: the limit, if there may be more; else less.

    Attributes:
        before: That instant.
        limit: At most so many rows of each kind.
    """

    before: int
    limit: int

    def answer(self) -> int:
        """See `Write`."""
        unanswered()


class FigureSum(NamedTuple):
    """Figures of one period.

    Attributes:
        ends: How attempts ended, without error types, by type and outcome.
        durations: How long they took, by type, outcome and bucket.
    """

    ends: Sequence[EndFigures]
    durations: Sequence[DurationFigures]


class SumFigures(NamedTuple):
    """The figures of each type, of the hours that began from an instant on and before another one, or of all time, what
    was pruned included. Answer: a `FigureSum`.

    A store has sums of days (UTC): it reads the hours of two days at most.

    Attributes:
        since: The first hour; None: all time.
        until: Where the hours end; of all time it does not matter.
        names: Of the types from this name to that one; None: of each.
    """

    since: int | None
    until: int
    names: tuple[str, str] | None = None

    def answer(self) -> FigureSum:
        """See `Query`."""
        unanswered()


class ListHours(NamedTuple):
    """The figures of each of those hours. Answer: by the begin of the hour a `FigureSum`; hours without ends may be
    missing.

    Attributes:
        since: The first hour.
        until: Where the hours end.
        type: Of which type; `ALL_TYPES`: of all types together, as one.
    """

    since: int
    until: int
    type: str

    def answer(self) -> dict[int, FigureSum]:
        """See `Query`."""
        unanswered()


class ErrorSum(NamedTuple):
    """Attempts of a type that failed by one type of error, and jobs that died of it.

    Attributes:
        type: The type of their jobs.
        error_type: Its name, or `OTHER_ERRORS`.
        attempts: How many they are.
        dead: How many of their jobs died of it.
        first_at: When the first of them ended.
        last_at: When the last of them did.
    """

    type: str
    error_type: str
    attempts: int
    dead: int
    first_at: int
    last_at: int


class SumErrors(NamedTuple):
    """The errors of the hours that began from an instant on and before another one. Answer: a list of `ErrorSum`; those
    with the most attempts come first, and of these the first by the names of type and error.

    Attributes:
        since: The first hour.
        until: Where the hours end.
        type: Of which type; None: of every type.
        limit: At most so many.
    """

    since: int
    until: int
    type: str | None
    limit: int

    def answer(self) -> list[ErrorSum]:
        """See `Query`."""
        unanswered()


class Gathered:
    """The ends of one hour that one runner has counted."""

    def __init__(self) -> None:
        self.durations: dict[str, list[float]] = {}  # of the attempts that succeeded, by type
        self._others: dict[tuple[str, Outcome, str], EndFigures] = {}
        self._buckets: Counter[tuple[str, Outcome, int]] = Counter()

    def add(self, end: End, duration: float | None, now: int) -> None:
        """Counts an end that was saved.

        Args:
            end: The end.
            duration: How many seconds its attempt took; None: that is not known.
            now: When it was saved.
        """
        if isinstance(end, Complete):
            self.durations.setdefault(end.type, []).append(duration or 0.0)
            return
        if isinstance(end, Again) and not (end.is_recorded or end.is_suspended):
            return  # no handler ran
        status = None if isinstance(end, Again) else end.status
        key = end.type, end.outcome, error_of(end)
        micros = 0
        if duration is not None and end.outcome in MEASURED and not end.refund:  # of what does not count no handler ran
            micros = round(duration * MICROSECONDS)
            self._buckets[end.type, end.outcome, bucket_of(duration)] += 1
        one = EndFigures(*key, 1, int(status == "dead"), int(status == "cancelled"), micros, now, now)
        before = self._others.get(key)
        self._others[key] = one if before is None else before.plus(one)

    def write(self, hour: int, now: int) -> AddFigures | None:
        """What adds them to the figures; None: there is nothing."""
        ends = list(self._others.values())
        durations = [DurationFigures(*key, count) for key, count in self._buckets.items()]
        for job_type, took in self.durations.items():
            micros = round(math.fsum(took) * MICROSECONDS)
            ends.append(EndFigures(job_type, Outcome.SUCCEEDED, NO_ERROR, len(took), 0, 0, micros, now, now))
            for bucket, count in Counter(map(bucket_of, took)).items():
                durations.append(DurationFigures(job_type, Outcome.SUCCEEDED, bucket, count))
        return AddFigures(hour, tuple(ends), tuple(durations)) if ends else None


def error_of(end: End) -> str:
    """The error type under which an end is counted."""
    if isinstance(end, Complete):
        return NO_ERROR
    if end.outcome not in FAILURES and (isinstance(end, Again) or end.status != "dead"):
        return NO_ERROR
    return end.failure.error_type if end.failure is not None else end.outcome.value


def kept_apart(ends: Iterable[EndFigures], known: Mapping[str, Collection[str]]) -> list[EndFigures]:
    """The same with no more error types than are kept apart; those that are alike then together.

    Args:
        ends: What is added.
        known: The error types that the hour has already, by type.
    """
    names = {job_type: {*known.get(job_type, ())} - {NO_ERROR, OTHER_ERRORS} for job_type in {one.type for one in ends}}
    found: dict[tuple[str, Outcome, str], EndFigures] = {}
    for one in ends:
        of_type, error_type = names[one.type], one.error_type
        if error_type not in (NO_ERROR, OTHER_ERRORS) and error_type not in of_type:
            if len(of_type) < MOST_ERROR_TYPES:
                of_type.add(error_type)
            else:
                error_type = OTHER_ERRORS
        _add(found, one._replace(error_type=error_type))
    return list(found.values())


def merged(ends: Iterable[EndFigures], job_type: str | None = None) -> list[EndFigures]:
    """The same without error types; as if of one type, if one is given."""
    found: dict[tuple[str, Outcome, str], EndFigures] = {}
    for one in ends:
        _add(found, one._replace(error_type=NO_ERROR, type=one.type if job_type is None else job_type))
    return list(found.values())


class PeriodPart(NamedTuple):
    """A part of a period that is made of whole spans.

    Attributes:
        span: `HOUR` or `DAY`; 0: all time.
        since: When the first one begins.
        until: Before when the last one does.
    """

    span: int
    since: int
    until: int


OF_ALL_TIME: Final = PeriodPart(0, 0, 1)


def parts_of(since: int | None, until: int) -> list[PeriodPart]:
    """A period cut into as few parts as there can be: hours, days, hours. None: all time.

    Args:
        since: The begin of an hour, or None.
        until: Where the period ends.
    """
    if since is None:
        return [OF_ALL_TIME]
    first_day, last_day = since + -since % DAY, until - until % DAY
    if first_day >= last_day:
        return [PeriodPart(HOUR, since, until)]
    return [PeriodPart(HOUR, since, first_day), PeriodPart(DAY, first_day, last_day), PeriodPart(HOUR, last_day, until)]


def _add(found: dict[tuple[str, Outcome, str], EndFigures], one: EndFigures) -> None:
    key = one.type, one.outcome, one.error_type
    before = found.get(key)
    found[key] = one if before is None else before.plus(one)
