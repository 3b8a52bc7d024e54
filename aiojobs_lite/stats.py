"""What `runner.stats()` returns, and the meters that it is read from."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_WINDOW: Final = 512  # attempts of a type that the percentiles and the success rate look back on
_THROUGHPUT_SECONDS: Final = 60


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


class Meter:
    """How long the latest attempts of one type took, and which succeeded."""

    def __init__(self) -> None:
        self._attempts: deque[tuple[float, bool]] = deque(maxlen=_WINDOW)

    def record(self, duration: float, *, succeeded: bool) -> None:
        """Adds an attempt; `duration` in seconds."""
        self._attempts.append((duration, succeeded))

    def percentile(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of the attempts did not exceed; None without attempts."""
        if not self._attempts:
            return None
        durations = sorted(duration for duration, _ in self._attempts)
        return durations[max(0, math.ceil(share * len(durations)) - 1)]

    def success_rate(self) -> float | None:
        """Share of the attempts that succeeded; None without attempts."""
        if not self._attempts:
            return None
        return sum(succeeded for _, succeeded in self._attempts) / len(self._attempts)


class Metrics:
    """What one runner measures of its own work."""

    def __init__(self) -> None:
        self.meters: defaultdict[str, Meter] = defaultdict(Meter)
        self.refused_ends = 0
        self.skipped_ticks = 0
        self.loop_lag = 0.0
        self._started = time.monotonic()
        self._per_second: deque[list[int]] = deque(maxlen=_THROUGHPUT_SECONDS + 1)

    def ended(self, job_type: str, duration: float, *, succeeded: bool) -> None:
        """Counts an attempt that ended; `duration` in seconds."""
        self.meters[job_type].record(duration, succeeded=succeeded)
        second = int(time.monotonic())
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1][1] += 1
        else:
            self._per_second.append([second, 1])

    def throughput(self) -> float:
        """Attempts that ended, per second, over the last minute (or since the start, at least a second)."""
        now = time.monotonic()
        ended = sum(count for second, count in self._per_second if second > now - _THROUGHPUT_SECONDS)
        return ended / max(1.0, min(_THROUGHPUT_SECONDS, now - self._started))
