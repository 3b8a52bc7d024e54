"""What `runner.stats()` returns, and the meters that it is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TypeStats:
    """One job type at one moment.

    Attributes:
        pending: Jobs that wait, the three below included.
        scheduled: Pending, due later, no attempt spent.
        retrying: Pending, after an attempt that was spent.
        parked: Pending, and not to run before the next start: their stored payload no longer fits their handler.
        processing: Jobs being run, by any runner of the database.
        completed: Completed jobs not yet pruned.
        dead: Dead jobs not yet pruned.
        cancelled: Cancelled jobs not yet pruned.
        concurrency: Its limit, or None.
        p50: Median of the handler's time over this runner's last 512 attempts, in seconds; None before the first.
        p95: The same, 95th percentile.
        success_rate: Share of those attempts that succeeded, 0 to 1; None before the first.
    """

    pending: int = 0
    scheduled: int = 0
    retrying: int = 0
    parked: int = 0
    processing: int = 0
    completed: int = 0
    dead: int = 0
    cancelled: int = 0
    concurrency: int | None = None
    p50: float | None = None
    p95: float | None = None
    success_rate: float | None = None


@dataclass(frozen=True, slots=True)
class RunnerStats:
    """A runner and its database at one moment, as of the last commit that the runner made or noticed.

    Attributes:
        pending: Jobs that wait, the three below included.
        scheduled: Pending, due later, no attempt spent.
        retrying: Pending, after an attempt that was spent.
        parked: Pending, and not to run before the next start: their stored payload no longer fits their handler.
        processing: Jobs being run, by any runner of the database.
        completed: Completed jobs not yet pruned.
        dead: Dead jobs not yet pruned.
        cancelled: Cancelled jobs not yet pruned.
        running: Handlers running in this runner.
        stuck: Those of them that were told to stop and go on.
        oldest_due_age: How long the longest waiting due job of this runner's types has been due, in seconds.
        throughput: Attempts that ended in this runner, per second, over the last minute.
        loop_lag: How late the event loop was lately, in seconds.
        draining: The runner stops: it claims nothing more.
        degraded: Why the database cannot be written, or None.
        refused_ends: Ends of attempts that came too late and changed nothing.
        skipped_ticks: Cron ticks that made no job.
        unclaimed: Pending jobs of types that this runner does not know, by type.
        by_type: Every type registered here or present in the database.
    """

    pending: int
    scheduled: int
    retrying: int
    parked: int
    processing: int
    completed: int
    dead: int
    cancelled: int
    running: int
    stuck: int
    oldest_due_age: float
    throughput: float
    loop_lag: float
    draining: bool
    degraded: str | None
    refused_ends: int
    skipped_ticks: int
    unclaimed: Mapping[str, int]
    by_type: Mapping[str, TypeStats]
