"""What one runner measures of its own work."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from typing import Final

from aiojobs_lite.model.buckets import Durations, bucket_of
from aiojobs_lite.telemetry.service_rate import ServiceRate

_WINDOW: Final = 512  # attempts of a type that the percentiles and the success rate look back on
_THROUGHPUT_WINDOW_S: Final = 60


class Meter:
    """How long the latest attempts of one type took, and which succeeded.

    Attributes:
        throttled: Enqueues that its `Throttle` dropped.
    """

    def __init__(self) -> None:
        self.throttled = 0
        self._attempts: deque[tuple[float, bool]] = deque(maxlen=_WINDOW)

    def record(self, duration: float, *, succeeded: bool) -> None:
        """Adds an attempt; `duration` in seconds."""
        self._attempts.append((duration, succeeded))

    def percentile(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of the attempts did not exceed, in seconds; None without attempts."""
        if not self._attempts:
            return None
        durations = sorted(duration for duration, _ in self._attempts)
        return durations[max(0, math.ceil(share * len(durations)) - 1)]

    def success_rate(self) -> float | None:
        """Share of the attempts that succeeded, 0 to 1; None without attempts."""
        if not self._attempts:
            return None
        return sum(succeeded for _, succeeded in self._attempts) / len(self._attempts)


class CommitMeter:
    """How long the transactions of a runner took."""

    def __init__(self) -> None:
        self._total = 0.0
        self._buckets: Counter[int] = Counter()

    def record(self, duration: float) -> None:
        """Adds a transaction; `duration` in seconds."""
        self._total += duration
        self._buckets[bucket_of(duration)] += 1

    def durations(self) -> Durations:
        """All of them."""
        return Durations(self._buckets.total(), self._total, tuple(sorted(self._buckets.items())))


class Metrics:
    """What one runner measures of its own work.

    Attributes:
        meters: Of each job type that had an attempt.
        rates: Of each job type with a bound of pending jobs.
        commits: Of the transactions.
        refused_ends: Ends of attempts that came too late and changed nothing.
        skipped_ticks: Cron ticks that made no job.
        loop_lag: How late the event loop was lately, in seconds.
    """

    def __init__(self) -> None:
        self.meters: defaultdict[str, Meter] = defaultdict(Meter)
        self.rates: defaultdict[str, ServiceRate] = defaultdict(ServiceRate)
        self.commits = CommitMeter()
        self.refused_ends = 0
        self.skipped_ticks = 0
        self.loop_lag = 0.0
        self._started = time.monotonic()
        self._second = -1  # the last of them
        self._per_second: deque[list[int]] = deque(maxlen=_THROUGHPUT_WINDOW_S + 1)  # [second, attempts that ended]

    def ended(self, job_type: str, duration: float, *, succeeded: bool) -> None:
        """Counts an attempt that ended; `duration` in seconds. Takes the same time however much was counted."""
        self.meters[job_type].record(duration, succeeded=succeeded)
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._per_second.append([second, 0])
        self._per_second[-1][1] += 1

    def throughput(self) -> float:
        """Attempts that ended, per second, over the last minute (or since the start, at least a second)."""
        now = time.monotonic()
        ended = sum(count for second, count in self._per_second if second > now - _THROUGHPUT_WINDOW_S)
        return ended / max(1.0, min(_THROUGHPUT_WINDOW_S, now - self._started))
