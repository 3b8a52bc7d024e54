"""A clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from aiojobs_lite.clock import after, to_datetime, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.handlers.checks import check_aware

_START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeTimer:
    """A call that a fake clock will make."""

    def __init__(self, due: int, callback: Callable[[], object], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.due = due
        self.callback: Callable[[], object] | None = callback
        self._loop = loop

    @property
    def has_ended(self) -> bool:
        """Whether the call was made, or was cancelled."""
        return self.callback is None

    def cancel(self) -> None:
        """Calls it off."""
        self.callback = None

    def ring(self) -> None:
        """Makes the call, if it was not called off: at once, or on the event loop that arranged it."""
        if self._loop is None or self._loop is _running_loop():
            self._call()
            return
        with contextlib.suppress(RuntimeError):  # that loop is closed
            self._loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


class FakeClock:
    """A clock that the test moves: due times, backoff, timeouts of handlers and cron follow it.

    It may be moved on any thread: each call is made on the event loop that arranged it.

    Args:
        start: What it reads at first, an aware datetime.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._now = to_micros(check_aware("start", start))
        self._order = count()
        self._timers: list[tuple[int, int, FakeTimer]] = []
        self._lock = threading.Lock()

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._now

    @property
    def time(self) -> datetime:
        """What the clock reads, UTC."""
        return to_datetime(self._now)

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        """Arranges a call for when the clock was moved on by `delay` seconds."""
        timer = FakeTimer(after(self._now, delay), callback, _running_loop())
        with self._lock:
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
        while (timer := self._taken(target)) is not None:
            timer.ring()

    def _taken(self, target: int) -> FakeTimer | None:
        """The next call that is due until then, with the clock at its time; without one the clock stands there."""
        with self._lock:
            if not self._timers or self._timers[0][0] > target:
                self._now = target
                return None
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            return timer


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
