"""What a runner shows other processes of itself: that its event loop turns, which handlers are stuck, what blocks
it, and that it cannot write the database.

It is written on the thread of the loop monitor: a blocked loop could not write it, and a slow disk delays no handler.
"""

from __future__ import annotations

import time
from typing import Final

from aiojobs_lite.clock import Clock, after, to_datetime
from aiojobs_lite.engine.health import Health
from aiojobs_lite.engine.running import AttemptRegister, trouble_of
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.troubles import BEAT_EVERY_S, Trouble, TroubleReport, report_text
from aiojobs_lite.stores.base import Owners

REPORTED_S: Final = 5.0
"""A loop that is blocked for longer is reported, and a database that cannot be written for longer."""


class TroubleReporter:
    """Reports the troubles of this runner when they change, and beats every few seconds while its event loop turns.

    Args:
        owners: Where it is shown.
        clock: The time.
        attempts: Knows which of them are stuck.
        health: Knows whether the database can be written.
    """

    def __init__(self, *, owners: Owners, clock: Clock, attempts: AttemptRegister, health: Health) -> None:
        self._owners = owners
        self._clock = clock
        self._attempts = attempts
        self._health = health
        self._of_loop = TroubleReport()  # what is found on the event loop
        self._written = TroubleReport()
        self._blocked: Trouble | None = None
        self._degraded: Trouble | None = None
        self._beat_at = time.monotonic()  # what shows that the owner lives is as new

    def turned(self) -> None:
        """See `LoopReporter`."""
        if self._health.age < REPORTED_S:
            self._degraded = None
        elif self._degraded is None:
            self._degraded = _degraded(after(self._clock.now(), -self._health.age), self._health.fault)
        of_store = () if self._degraded is None else (self._degraded,)
        self._of_loop = TroubleReport((*of_store, *self._attempts.troubles()))

    def left(self) -> None:
        """See `LoopReporter`: what still runs goes on without the runner."""
        now = self._clock.now()
        troubles = tuple([run.trouble or trouble_of(run, now) for run in self._attempts])
        self._of_loop = TroubleReport(troubles, is_left=bool(troubles))

    # On the thread.

    def looked(self, late: float, found: Claimed | None, place: str) -> None:
        """See `LoopReporter`."""
        if late < REPORTED_S:
            self._blocked = None
        elif self._blocked is None:
            self._blocked = _blocked(after(self._clock.now(), -late), found, place)
        report = self._of_loop
        if self._blocked is not None:
            report = report._replace(troubles=(self._blocked, *report.troubles))
        if report != self._written:
            self._owners.report(report_text(report))
            self._written = report
        now = time.monotonic()
        if not late and now - self._beat_at >= BEAT_EVERY_S:
            self._owners.beat()
            self._beat_at = now


def _degraded(since: int, fault: str | None) -> Trouble:
    return Trouble("degraded", to_datetime(since), None, None, None, fault, "")


def _blocked(since: int, found: Claimed | None, place: str) -> Trouble:
    if found is None:
        return Trouble("blocked", to_datetime(since), None, None, None, None, place)
    return Trouble("blocked", to_datetime(since), found.type, found.id, found.attempt, None, place)
