"""Counts the ends that were saved, and has the store add them to the figures of all processes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from aiojobs_lite.clock import Clock, Timer
from aiojobs_lite.engine.ports import TimedCommits
from aiojobs_lite.errors import StoreError, StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.figures import HOUR, Gathered, hour_of
from aiojobs_lite.model.writes import Unit

_log = get_log("engine")
FIGURES_EVERY_S: Final = 0.25  # that ends are counted before the store has them


class FigureCounter:
    """Counts ends for a moment, and has them written with what is to be written then.

    A moment begins with its first end: a runner without ends has no timer. In a drain it lasts for one turn of the
    event loop.

    Args:
        commits: Makes the figures durable.
        clock: The time.
    """

    def __init__(self, *, commits: TimedCommits, clock: Clock) -> None:
        self._commits = commits
        self._clock = clock
        self._gathered = Gathered()
        self._succeeded = self._gathered.durations
        self._begin = self._end = 0  # of the hour of what is gathered, in microseconds
        self._timer: Timer | None = None
        self._unsaved = 0  # units on their way
        self._is_draining = False

    def completed(self, job_type: str, duration: float) -> None:
        """Counts an attempt that succeeded; `duration` in seconds. Of all ends nearly each is one."""
        if not self._begin <= self._commits.instant < self._end:
            self._open()
        durations = self._succeeded.get(job_type)
        if durations is None:
            self._succeeded[job_type] = [duration]
        else:
            durations.append(duration)

    def ended(self, end: End, duration: float | None) -> None:
        """Counts the end of an attempt; `duration` in seconds, or None if it is not known."""
        if not self._begin <= self._commits.instant < self._end:
            self._open()
        self._gathered.add(end, duration, self._commits.instant)

    def write(self) -> None:
        """Has written what is gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        write = self._gathered.write(self._begin, self._commits.instant)
        self._begin = self._end = 0
        if write is not None:
            self._gathered = Gathered()
            self._succeeded = self._gathered.durations
            self._unsaved += 1
            self._commits.keep((write,), self._saved)

    async def settle(self) -> None:
        """Has written what is gathered, and returns when it is, or when the store cannot be written now."""
        self.write()
        if self._unsaved:
            with contextlib.suppress(StoreUnavailable):  # it is kept until it is saved
                await self._commits.settle()

    def drain(self) -> None:
        """From now on there is no timer."""
        self._is_draining = True
        self.write()

    def _open(self) -> None:
        """The first end of a moment, or of an hour, comes."""
        self.write()
        instant = self._commits.instant
        self._begin = hour_of(instant)
        self._end = self._begin + HOUR
        if self._is_draining:
            asyncio.get_running_loop().call_soon(self.write)
        else:
            self._timer = self._clock.call_later(FIGURES_EVERY_S, self.write)

    def _saved(self, _unit: Unit, _answer: Any, error: StoreError | None) -> None:
        self._unsaved -= 1
        if error is not None:
            _log.error("figures of attempts that ended could not be saved, and are lost: %s", error)
