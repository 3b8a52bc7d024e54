"""Figures, and how the database stands, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.figures import (
    ALL_TYPES,
    MOST_ERROR_TYPES,
    NO_ERROR,
    OTHER_ERRORS,
    AddFigures,
    DurationFigures,
    EndFigures,
    ErrorSum,
    FigureSum,
    ListHours,
    PruneFigures,
    SumErrors,
    SumFigures,
)
from aiojobs_lite.model.job import Job, Outcome, Status
from aiojobs_lite.model.overview import IN_LANES, PAUSED, WITHOUT_HANDLER, BoundedCount, GetOverview, Overview
from tests.helpers import memory_limits, memory_runners

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Ends = dict[tuple[int | None, str, Outcome, str], EndFigures]
Durations = dict[tuple[int | None, str, Outcome, int], int]
"""Both by hour; None: of all time."""


def add_figures(phases: MemoryPhases, write: AddFigures) -> None:
    """See `AddFigures`."""
    ends, durations = phases.rows.ends, phases.rows.durations
    for one in write.ends:
        _add(ends, None, one._replace(error_type=NO_ERROR))
        known = {key[3] for key in ends if key[:2] == (write.hour, one.type)} - {NO_ERROR, OTHER_ERRORS}
        has_name = one.error_type in known | {NO_ERROR} or len(known) < MOST_ERROR_TYPES
        _add(ends, write.hour, one if has_name else one._replace(error_type=OTHER_ERRORS))
    for took in write.durations:
        for hour in (write.hour, None):
            key = hour, took.type, took.outcome, took.bucket
            durations[key] = durations.get(key, 0) + took.attempts


def _add(ends: Ends, hour: int | None, one: EndFigures) -> None:
    key = hour, one.type, one.outcome, one.error_type
    ends[key] = ends[key].plus(one) if key in ends else one


def prune_figures(phases: MemoryPhases, write: PruneFigures) -> int:
    """See `PruneFigures`."""
    return max(_prune(of_kind, write) for of_kind in (phases.rows.ends, phases.rows.durations))


def _prune(of_kind: dict[Any, Any], write: PruneFigures) -> int:
    old = [key for key in of_kind if key[0] is not None and key[0] < write.before][: write.limit]
    for key in old:
        del of_kind[key]
    return len(old)


def sum_figures(rows: Rows, query: SumFigures) -> FigureSum:
    """See `SumFigures`."""
    hours = {None} if query.since is None else _hours(rows, query.since, query.until)
    found = _sum(rows, hours, None)
    if query.names is None:
        return found
    first, last = query.names
    ends = [one for one in found.ends if first <= one.type <= last]
    return FigureSum(ends, [one for one in found.durations if first <= one.type <= last])


def list_hours(rows: Rows, query: ListHours) -> dict[int, FigureSum]:
    """See `ListHours`."""
    sums = {hour: _sum(rows, {hour}, query.type) for hour in _hours(rows, query.since, query.until)}
    return {hour: found for hour, found in sums.items() if found.ends}


def _hours(rows: Rows, since: int, until: int) -> set[int]:
    hours = {key[0] for of_kind in (rows.ends, rows.durations) for key in of_kind}
    return {hour for hour in hours if hour is not None and since <= hour < until}


def _sum(rows: Rows, hours: Collection[int | None], job_type: str | None) -> FigureSum:
    """The sum of some hours: of each type (None), of one, or of all together."""
    ends: Ends = {}
    counts: Counter[tuple[str, Outcome, int]] = Counter()
    for (hour, kind, *_), one in rows.ends.items():
        if hour in hours and job_type in {None, ALL_TYPES, kind}:
            _add(ends, None, one._replace(type=kind if job_type is None else job_type, error_type=NO_ERROR))
    for (hour, kind, outcome, bucket), count in rows.durations.items():
        if hour in hours and job_type in {None, ALL_TYPES, kind}:
            counts[kind if job_type is None else job_type, outcome, bucket] += count
    in_order = sorted(ends.values(), key=lambda one: one[:2])
    return FigureSum(in_order, [DurationFigures(*key, counts[key]) for key in sorted(counts)])


def sum_errors(rows: Rows, query: SumErrors) -> list[ErrorSum]:
    """See `SumErrors`."""
    found: Ends = {}
    hours = _hours(rows, query.since, query.until)
    for (hour, *_), one in rows.ends.items():
        if hour in hours and one.error_type != NO_ERROR and query.type in {None, one.type}:
            _add(found, None, one._replace(outcome=Outcome.FAILED))
    sums = [ErrorSum(one.type, *one[2:5], *one[7:]) for one in found.values()]
    return sorted(sums, key=lambda one: (-one.attempts, one.type, one.error_type))[: query.limit]


def get_overview(rows: Rows, query: GetOverview) -> Overview:
    """See `GetOverview`."""
    ready = [job for job in rows.claimable() if to_micros(job.scheduled_at) <= query.now]
    due = [job for job in ready if job.type not in rows.paused]
    waiting = {PAUSED: [job for job in ready if job.type in rows.paused]}
    for held_for in WITHOUT_HANDLER:
        jobs = [job for job in rows.jobs.values() if job.held is held_for]
        waiting[held_for.value] = [job for job in jobs if to_micros(job.scheduled_at) <= query.now]
    held = Counter(job.held.value for job in rows.jobs.values() if job.held is not None)
    held[IN_LANES] = sum(memory_limits.is_in_lane(rows, job) for job in rows.jobs.values())
    types = sorted({job.type for job in rows.jobs.values()})
    return Overview(
        counts={job_type: _counts(rows.jobs, job_type) for job_type in types},
        due=_bounded(len(due), query.most),
        oldest_due=_oldest(due),
        waiting={reason: _oldest(jobs) for reason, jobs in waiting.items() if jobs},
        held={reason: _bounded(count, query.most) for reason, count in held.items() if count},
        paused=dict(rows.paused),
        runners=memory_runners.list_runners(rows.runners, rows.jobs.values()),
    )


def _counts(jobs: Mapping[int, Job], job_type: str) -> tuple[int, int, int, int, int]:
    counts = Counter(job.status for job in jobs.values() if job.type == job_type)
    pending, processing, completed, dead, cancelled = [counts[status] for status in Status]
    return pending, processing, completed, dead, cancelled


def _oldest(jobs: Iterable[Job]) -> dict[str, int]:
    return {job.type: to_micros(job.scheduled_at) for job in sorted(jobs, key=_later)}


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
    ListHours: list_hours,
    SumErrors: sum_errors,
    GetOverview: get_overview,
}
