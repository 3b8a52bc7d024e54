"""Time, behind a protocol, so that tests can replace it.

Instants are integer microseconds since 1970 UTC below the API, aware UTC datetimes at the API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST_INSTANT = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime, exact."""
    return (instant - _EPOCH) // _MICROSECOND


def to_datetime(micros: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970 UTC, exact."""
    return _EPOCH + timedelta(microseconds=micros)


def after(now: int, delay: float) -> int:
    """The instant `delay` seconds after `now`, in microseconds; of the years 1 to 9999, which datetimes have."""
    return min(max(now + round(delay * MICROSECONDS), FIRST_INSTANT), LAST_INSTANT)


class Timer(Protocol):
    """A call that was arranged and can be called off."""

    def cancel(self) -> None:
        """Calls it off; does nothing once it was made."""


class Clock(Protocol):
    """The time as the library needs it. `SystemClock` is the real one, `testing.FakeClock` stands still."""

    def now(self) -> int:
        """The wall clock: microseconds since 1970 UTC. It may jump."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Calls `callback` on the event loop `delay` seconds from now."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The wall clock: microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Calls `callback` on the running event loop, `delay` seconds from now by its monotonic clock."""
        return asyncio.get_running_loop().call_later(delay, callback)


async def sleep(clock: Clock, delay: float) -> None:
    """Returns when `delay` seconds have passed on a clock, however often it was set meanwhile."""
    passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(delay, lambda: None if passed.done() else passed.set_result(None))
    try:
        await passed
    finally:
        timer.cancel()


def until_beat(every: float) -> float:
    """Seconds until the clock of the event loop shows the next multiple of `every` seconds.

    For what looks at something again and again: looks at the same multiples wake an idle process once.
    """
    return every - asyncio.get_running_loop().time() % every


class Alarm:
    """Wakes one waiter: when it is rung, or at a given instant.

    A ring without a waiter is kept: the next wait returns at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wakes the waiter, or the next one."""
        if self._waiter is None:
            self._is_rung = True
        elif not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, until: int | None = None) -> None:
        """Returns when rung, or when the clock reads `until` (microseconds; None: only when rung)."""
        if self._is_rung:
            self._is_rung = False
            return
        if until is not None and until <= self._clock.now():  # a clock that stands still would never ring for it
            await asyncio.sleep(0)
            return
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        timer = None
        if until is not None:
            timer = self._clock.call_later(max(0.0, (until - self._clock.now()) / MICROSECONDS), self.ring)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
