"""Reports of types that are paused and resumed, in whatever process that was done."""

from __future__ import annotations

from collections.abc import Mapping

from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import TypePaused, TypeResumed


class PauseMonitor:
    """Compares the pauses of the store with those of its look before, and publishes what is another.

    Args:
        store: Its counts have the pauses.
        bus: Gets the facts.
    """

    def __init__(self, *, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._known: Mapping[str, Pause] = {}

    def look(self) -> None:
        """Publishes what has changed since the look before; at the first look, every pause."""
        before, now = self._known, self._store.counts().paused
        if now is before:
            return
        self._known = now
        for job_type in sorted({*before, *now}):
            pause = now.get(job_type)
            if pause is None:
                self._bus.publish(TypeResumed(job_type))
            elif pause != before.get(job_type):
                self._bus.publish(TypePaused(job_type, pause.since, pause.by))
