"""Notices that the wall clock was moved: no timer knows of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Clock, until_beat
from aiojobs_lite.engine.ports import ClockListener

CLOCK_LOOK_EVERY_S: Final = 0.1
_SMALLEST_JUMP_S: Final = 0.5  # that the wall clock drifts from the monotonic one, at once or little by little


class ClockMonitor:
    """Compares the wall clock with the monotonic one.

    Args:
        clock: Has the wall clock.
        listeners: Notified of each jump.
    """

    def __init__(self, *, clock: Clock, listeners: Sequence[ClockListener]) -> None:
        self._clock = clock
        self._listeners = tuple(listeners)
        self._offset = self._measure_offset()

    async def run(self) -> None:
        """Compares, until it is cancelled. Sleeps by the event loop's own clock: a test's does not jump by itself."""
        while True:
            await asyncio.sleep(until_beat(CLOCK_LOOK_EVERY_S))
            offset = self._measure_offset()
            if abs(offset - self._offset) > _SMALLEST_JUMP_S:  # since the last jump, not since the last look
                self._offset = offset
                for listener in self._listeners:
                    listener.clock_jumped()

    def _measure_offset(self) -> float:
        """By how many seconds the wall clock is ahead of the monotonic one."""
        return self._clock.now() / MICROSECONDS - time.monotonic()
