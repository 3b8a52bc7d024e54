"""Jobs that were cancelled with one that they were to run after: their callers and the listeners are notified."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.engine.ports import CancellationListener
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobBecameCancelled


class Cascades:
    """Notifies of jobs that a transaction has cancelled by itself.

    Args:
        bus: Gets a fact for each.
        listener: Notifies the callers that await jobs.
    """

    def __init__(self, bus: Bus, listener: CancellationListener) -> None:
        self._bus = bus
        self._listener = listener

    def cancelled(self, cancellations: Sequence[Cancellation]) -> None:
        """The transaction is durable."""
        self._listener.cancelled(cancellations)
        if self._bus.is_watched(JobBecameCancelled):
            for one in cancellations:
                self._bus.publish(JobBecameCancelled(*one))
