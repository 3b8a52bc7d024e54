"""Mentions attempts that run for long, once each. No attempt has a timer for it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiojobs_lite.clock import until_beat
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import AttemptTakesLong

LONG_LOOK_EVERY_S: Final = 1.0
LONG_ATTEMPT_S: Final = 5.0


class LongAttempts:
    """Looks every second at what runs.

    Args:
        bus: Gets a fact for each attempt that runs for long.
        attempts: What runs.
    """

    def __init__(self, *, bus: Bus, attempts: AttemptRegister) -> None:
        self._bus = bus
        self._attempts = attempts
        self._mentioned: set[tuple[int, int]] = set()  # job and attempt, of those that still run

    async def run(self) -> None:
        """Looks, until it is cancelled."""
        while True:
            await asyncio.sleep(until_beat(LONG_LOOK_EVERY_S))
            self.look()

    def look(self) -> None:
        """Mentions those that have come to be long since the last look."""
        now, mentioned = time.perf_counter(), set()
        for run in self._attempts:
            if not run.is_entered or (run.job_type.mode == "process" and run.worker is None):
                continue  # it waits for its first step, or for a process
            claimed, age = run.claimed, now - run.started
            if age < LONG_ATTEMPT_S:
                break  # they stand in the order of their start: those behind it are younger
            mentioned.add((claimed.id, claimed.attempt))
            if (claimed.id, claimed.attempt) not in self._mentioned and self._bus.is_watched(AttemptTakesLong):
                self._bus.publish(AttemptTakesLong(claimed.id, claimed.type, claimed.attempt, age))
        self._mentioned = mentioned
