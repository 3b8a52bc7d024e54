"""Figures, and how the database stands, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.figures import (
    ALL_TIME,
    MOST_ERROR_TYPES,
    NO_ERROR,
    OTHER_ERRORS,
    AddFigures,
    DurationFigures,
    EndFigures,
    ErrorSum,
    PruneFigures,
    SumErrors,
    SumFigures,
    Summed,
)
from aiojobs_lite.model.job import Job, Outcome, Status
from aiojobs_lite.model.overview import BoundedCount, GetOverview, Overview
from tests.helpers import memory_runners

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Ends = dict[tuple[int, str, Outcome, str], EndFigures]
Durations = dict[tuple[int, str, Outcome, int], int]


def add_figures(phases: MemoryPhases, write: AddFigures) -> None:
    """See `AddFigures`."""
    ends, durations = phases.rows.ends, phases.rows.durations
    for one in write.ends:
        _add(ends, ALL_TIME, one._replace(error_type=NO_ERROR))
        known = {key[3] for key in ends if key[:2] == (write.hour, one.type)} - {NO_ERROR, OTHER_ERRORS}
        has_name = one.error_type in known | {NO_ERROR} or len(known) < MOST_ERROR_TYPES
        _add(ends, write.hour, one if has_name else one._replace(error_type=OTHER_ERRORS))
    for took in write.durations:
        for hour in (write.hour, ALL_TIME):
            key = hour, took.type, took.outcome, took.bucket
            durations[key] = durations.get(key, 0) + took.attempts


def _add(ends: Ends, hour: int, one: EndFigures) -> None:
    key = hour, one.type, one.outcome, one.error_type
    ends[key] = ends[key].plus(one) if key in ends else one


def prune_figures(phases: MemoryPhases, write: PruneFigures) -> int:
    """See `PruneFigures`."""
    return max(_prune(of_kind, write) for of_kind in (phases.rows.ends, phases.rows.durations))


def _prune(of_kind: dict[Any, Any], write: PruneFigures) -> int:
    old = sorted(key for key in of_kind if ALL_TIME < key[0] < write.before)[: write.limit]
    for key in old:
        del of_kind[key]
    return len(old)


def sum_figures(rows: Rows, query: SumFigures) -> Summed:
    """See `SumFigures`."""
    ends: dict[int, Ends] = {}
    durations: dict[int, Counter[tuple[str, Outcome, int]]] = {}
    for (hour, *_), one in sorted(rows.ends.items()):
        if _is_asked(query, hour, one.type):
            _add(ends.setdefault(_period(query, hour), {}), ALL_TIME, one._replace(error_type=NO_ERROR))
    for (hour, job_type, outcome, bucket), count in rows.durations.items():
        if _is_asked(query, hour, job_type):
            durations.setdefault(_period(query, hour), Counter())[job_type, outcome, bucket] += count
    return Summed(
        {hour: [of_hour[key] for key in sorted(of_hour)] for hour, of_hour in ends.items()},
        {hour: [DurationFigures(*key, counts[key]) for key in sorted(counts)] for hour, counts in durations.items()},
    )


def _is_asked(query: SumFigures, hour: int, job_type: str) -> bool:
    is_of_time = hour == ALL_TIME if query.since == ALL_TIME else query.since <= hour < query.until
    return is_of_time and query.type in {None, job_type}


def _period(query: SumFigures, hour: int) -> int:
    return hour if query.by_hour else ALL_TIME


def sum_errors(rows: Rows, query: SumErrors) -> list[ErrorSum]:
    """See `SumErrors`."""
    found: Ends = {}
    for (hour, *_), one in rows.ends.items():
        if query.since <= hour < query.until and one.error_type != NO_ERROR and query.type in {None, one.type}:
            _add(found, ALL_TIME, one._replace(outcome=Outcome.FAILED))
    sums = [ErrorSum(one.type, *one[2:5], *one[7:]) for one in found.values()]
    return sorted(sums, key=lambda one: (-one.attempts, one.type, one.error_type))[: query.limit]


def get_overview(rows: Rows, query: GetOverview) -> Overview:
    """See `GetOverview`."""
    due = [job for job in rows.claimable() if job.type not in rows.paused and to_micros(job.scheduled_at) <= query.now]
    held = Counter(job.held.value for job in rows.jobs.values() if job.held is not None)
    types = sorted({job.type for job in rows.jobs.values()})
    return Overview(
        counts={job_type: _counts(rows.jobs, job_type) for job_type in types},
        due=_bounded(len(due), query.most),
        oldest_due={job.type: to_micros(job.scheduled_at) for job in sorted(due, key=_later)},
        held={reason: _bounded(count, query.most) for reason, count in held.items()},
        paused=dict(rows.paused),
        runners=memory_runners.list_runners(rows.runners, rows.jobs.values()),
    )


def _counts(jobs: Mapping[int, Job], job_type: str) -> tuple[int, int, int, int, int]:
    counts = Counter(job.status for job in jobs.values() if job.type == job_type)
    pending, processing, completed, dead, cancelled = [counts[status] for status in Status]
    return pending, processing, completed, dead, cancelled


def _later(job: Job) -> int:
    return -to_micros(job.scheduled_at)


def _bounded(count: int, most: int) -> BoundedCount:
    return BoundedCount(min(count, most), count > most)


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {
    AddFigures: add_figures,
    PruneFigures: prune_figures,
}

READS: Final[Mapping[type, Callable[[Rows, Any], Any]]] = {
    SumFigures: sum_figures,
    SumErrors: sum_errors,
    GetOverview: get_overview,
}
