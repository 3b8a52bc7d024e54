"""How quickly the jobs of a type come to an end, over all runners of the database."""

from __future__ import annotations

from collections import deque
from typing import Final

_SPAN_S: Final = 60.0
_SAMPLE_EVERY_S: Final = 0.25
_UNKNOWN_S: Final = 1.0  # the wait without a measured rate
_SHORTEST_S: Final = 0.1
_LONGEST_WAIT_S: Final = 60.0


class ServiceRate:
    """The rate of one type, from how many of its jobs were finished at some instants."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()  # instant, jobs finished up to it
        self._latest = 0  # finished jobs that are kept, when it was looked at last
        self._finished = 0

    def sample(self, now: float, kept: int) -> None:
        """Takes how many finished jobs are kept now; fewer than before: some were pruned. `now` in seconds."""
        self._finished += max(0, kept - self._latest) if self._samples else 0
        self._latest = kept
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_EVERY_S:
            self._samples.append((now, self._finished))
        while len(self._samples) > 2 and now - self._samples[0][0] > _SPAN_S:
            self._samples.popleft()

    def per_second(self, now: float) -> float | None:
        """Jobs that came to an end, per second; None if it is not known yet."""
        if not self._samples:
            return None
        first, finished = self._samples[0]
        if now - first < _SAMPLE_EVERY_S:
            return None
        return (self._finished - finished) / (now - first)

    def wait_for(self, jobs: int, now: float) -> float:
        """Seconds until so many jobs have come to an end, by the rate; bounded."""
        rate = self.per_second(now)
        if not rate:
            return _UNKNOWN_S
        return min(max(jobs / rate, _SHORTEST_S), _LONGEST_WAIT_S)
