"""What follows from other jobs in one transaction: callbacks of batches, and jobs that are cancelled with another, or
by an event.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.engine.ports import CancellationListener, ChangeListener
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobBecameCancelled, JobEnqueued


class Cascades:
    """Notifies of jobs that a transaction has cancelled, or enqueued, by itself.

    Args:
        bus: Gets a fact for each.
        listener: Notifies the callers that await jobs.
        events: Notified of events that a transaction has sent by itself.
    """

    def __init__(self, bus: Bus, listener: CancellationListener, events: Sequence[ChangeListener]) -> None:
        self._bus = bus
        self._listener = listener
        self._events = events

    def followed(self, applied: Applied) -> None:
        """The transaction is durable."""
        self._listener.cancelled(applied.cancelled)
        if self._bus.is_watched(JobBecameCancelled):
            for cancellation in applied.cancelled:
                self._bus.publish(JobBecameCancelled(*cancellation))
        for one in self._events if applied.has_sent else ():
            one.look_again()
        if self._bus.is_watched(JobEnqueued):
            for job_id, row in applied.enqueued:
                self._bus.publish(JobEnqueued(job_id, row.type))
