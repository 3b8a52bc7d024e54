"""What `runner.stats()` returns, and how it is made of counts and meters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.telemetry.meters import Meter, Metrics


@dataclass(frozen=True, slots=True)
class TypeStats:
    """One job type at one moment.

    Attributes:
        pending: Jobs that wait, the three below included.
        scheduled: Pending, due later, no attempt spent: also what is suspended until then.
        retrying: Pending, after an attempt that was spent.
        held: Pending, and not claimable: the payload no longer fits the handler, the job runs after others that have
            not ended (`after=`), or is suspended for an event or a job without a limit. `job.held` says which;
            `runner.jobs.list(held="payload")` lists one kind.
        processing: Jobs being run, by any runner of the database.
        completed: Completed jobs not yet pruned.
        dead: Dead jobs not yet pruned.
        cancelled: Cancelled jobs not yet pruned.
        concurrency: Its limit, or None.
        p50: Median of the handler's time over this runner's last 512 attempts, in seconds; None before the first.
        p95: The same, 95th percentile.
        success_rate: Share of those attempts that succeeded, 0 to 1; None before the first.
        paused: Since when and by whom it is paused; None if it is not.
        throttled: Enqueues of this runner that its `Throttle` dropped.
    """

    pending: int = 0
    scheduled: int = 0
    retrying: int = 0
    held: int = 0
    processing: int = 0
    completed: int = 0
    dead: int = 0
    cancelled: int = 0
    concurrency: int | None = None
    p50: float | None = None
    p95: float | None = None
    success_rate: float | None = None
    paused: Pause | None = None
    throttled: int = 0


@dataclass(frozen=True, slots=True)
class RunnerStats:
    """A runner and its database at one moment, as of the last commit that the runner made or noticed.

    The counts from `pending` to `cancelled` and `unclaimed` are those of the whole database, whatever process enqueued
    or runs the jobs. A commit of another process is noticed within 0.1 s. The others are of this runner alone:
    `runner.figures` has times, rates and errors of the whole database.

    Attributes:
        pending: Jobs of all types that wait, whether due or not, the three below included.
        scheduled: Pending, due later, no attempt spent: also what is suspended until then.
        retrying: Pending, after an attempt that was spent.
        held: Pending, and not claimable: the payload no longer fits the handler, the job runs after others that have
            not ended (`after=`), or is suspended for an event or a job without a limit. `job.held` says which;
            `runner.jobs.list(held="payload")` lists one kind.
        processing: Jobs being run, by any runner of the database.
        completed: Completed jobs not yet pruned.
        dead: Dead jobs not yet pruned.
        cancelled: Cancelled jobs not yet pruned.
        running: Handlers running in this runner.
        stuck: Those of them that run on after they were stopped.
        oldest_due_age: How long the longest waiting due job of the types that this runner has registered has been due,
            in seconds, whatever process enqueued it; 0.0 if none is due. It may be too large, never too small, while a
            limit or a pause keeps jobs waiting, and for a moment after a claim.
        throughput: Attempts that ended in this runner, per second, over the last minute.
        loop_lag: How late the event loop was lately, in seconds.
        commits: How long the transactions of this runner took since its start, until their answers were back on the
            event loop: `commits.p95`, `commits.mean`. That is what an `enqueue` waits for.
        draining: Whether the runner stops: it claims nothing more.
        degraded: Why the database cannot be written, or None.
        refused_ends: Ends of attempts that came too late and changed nothing.
        skipped_ticks: Cron ticks that made no job.
        unclaimed: Pending jobs of types that this runner has not registered, by type.
        by_type: Name -> `TypeStats` of every type registered in this runner or present in the database, in the order of
            the names. Counts are those of the moment and of the whole database; times and rates are of this runner, and
            of when a type is first looked at.
    """

    pending: int
    scheduled: int
    retrying: int
    held: int
    processing: int
    completed: int
    dead: int
    cancelled: int
    running: int
    stuck: int
    oldest_due_age: float
    throughput: float
    loop_lag: float
    commits: Durations
    draining: bool
    degraded: str | None
    refused_ends: int
    skipped_ticks: int
    unclaimed: Mapping[str, int]
    by_type: Annotated[Mapping[str, TypeStats], PlainSerializer(dict, return_type=dict[str, TypeStats])]


def runner_stats(
    counts: Counts,
    *,
    limits: Mapping[str, int | None],
    metrics: Metrics,
    running: int,
    stuck: int,
    draining: bool,
    degraded: str | None,
    now: int,
) -> RunnerStats:
    """The stats of a runner. Takes well below a millisecond with 1,000 job types.

    Args:
        counts: The counts of its store, which do not change any more.
        limits: The names of its registered job types, each with its concurrency or None: `Registry.limits`.
        metrics: What it measured.
        running: How many handlers run in it.
        stuck: How many of them run on after they were stopped.
        draining: Whether it drains.
        degraded: Why its database cannot be written, or None.
        now: The instant, in microseconds.
    """
    return RunnerStats(
        **counts.total._asdict(),
        running=running,
        stuck=stuck,
        oldest_due_age=_oldest_due_age(counts.due, limits, now),
        throughput=metrics.throughput(),
        loop_lag=metrics.loop_lag,
        commits=metrics.commits.durations(),
        draining=draining,
        degraded=degraded,
        refused_ends=metrics.refused_ends,
        skipped_ticks=metrics.skipped_ticks,
        unclaimed=unclaimed(counts, limits),
        by_type=_StatsByType(counts, limits, metrics.meters),
    )


def unclaimed(counts: Counts, limits: Mapping[str, int | None]) -> dict[str, int]:
    """How many jobs are pending of each type that is not among the registered ones, by name, in order."""
    if not counts.total.pending:
        return {}
    strange = sorted({*counts.by_type}.difference(limits))
    return {job_type: pending for job_type in strange if (pending := counts.by_type[job_type].pending)}


def _oldest_due_age(due: Mapping[str, int], limits: Mapping[str, int | None], now: int) -> float:
    strange = {*due}.difference(limits)
    known = [due[job_type] for job_type in due if job_type not in strange] if strange else due.values()
    return max(0, now - min(known, default=now)) / MICROSECONDS


class _StatsByType(Mapping[str, TypeStats]):
    """The stats of each type, made when they are first looked at. A copy or pickle of it is a plain dict."""

    def __init__(self, counts: Counts, limits: Mapping[str, int | None], meters: Mapping[str, Meter]) -> None:
        self._counts = counts.by_type
        self._paused = counts.paused
        self._limits = limits
        self._meters = meters
        self._made: dict[str, TypeStats] = {}

    def __getitem__(self, job_type: str) -> TypeStats:
        made = self._made.get(job_type)
        if made is None:
            if job_type not in self:
                raise KeyError(job_type)
            made = self._made[job_type] = self._stats_of(job_type)
        return made

    def __contains__(self, job_type: object) -> bool:
        return job_type in self._limits or job_type in self._counts or job_type in self._paused

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._limits, *self._counts, *self._paused}))

    def __len__(self) -> int:
        return len({*self._limits, *self._counts, *self._paused})

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def _stats_of(self, job_type: str) -> TypeStats:
        meter = self._meters.get(job_type)
        return TypeStats(
            **self._counts.get(job_type, TypeCounts())._asdict(),
            concurrency=self._limits.get(job_type),
            p50=meter.percentile(0.5) if meter else None,
            p95=meter.percentile(0.95) if meter else None,
            success_rate=meter.success_rate() if meter else None,
            paused=self._paused.get(job_type),
            throttled=meter.throttled if meter else 0,
        )
