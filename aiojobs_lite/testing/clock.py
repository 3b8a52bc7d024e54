"""A clock that stands still."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from aiojobs_lite.clock import after, to_datetime, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.handlers.checks import check_aware

_START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeTimer:
    """A call that a fake clock will make."""

    def __init__(self, due: int, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Calls it off."""
        self.callback = None


class FakeClock:
    """A clock that the test moves: due times, backoff, timeouts of handlers and cron follow it.

    Args:
        start: What it reads at first, an aware datetime.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._now = to_micros(check_aware("start", start))
        self._order = count()
        self._timers: list[tuple[int, int, FakeTimer]] = []

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._now

    @property
    def time(self) -> datetime:
        """What the clock reads, UTC."""
        return to_datetime(self._now)

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        """Arranges a call for when the clock was moved on by `delay` seconds."""
        timer = FakeTimer(after(self._now, delay), callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def advance(self, by: Duration) -> None:
        """Moves the clock on, and makes each call that comes due, in order, at its own time.

        What these calls start has not happened when this returns: follow with `await runner.run_until_idle()`.
        """
        self.jump_to(to_datetime(after(self._now, seconds(by, "by"))))

    def jump_to(self, instant: datetime) -> None:
        """Sets the clock, back as well; on the way forward it makes each call that comes due."""
        target = to_micros(check_aware("instant", instant))
        while self._timers and self._timers[0][0] <= target:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if timer.callback is not None:
                timer.callback()
        self._now = target
