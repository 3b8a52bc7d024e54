"""Reports the jobs that expired: to the callers that await them, and as facts."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.engine.ports import ExpiryWaiters
from aiojobs_lite.model.expiries import EXPIRED, Expired
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobBecameCancelled


class ExpiryReporter:
    """Reports the jobs that a transaction of this runner cancelled since their expiry had come.

    Args:
        waiters: The callers that await jobs.
        bus: Gets a fact for each job.
    """

    def __init__(self, waiters: ExpiryWaiters, bus: Bus) -> None:
        self._waiters = waiters
        self._bus = bus

    def expired(self, jobs: Sequence[Expired]) -> None:
        """See `ExpiryListener.expired`."""
        is_watched = self._bus.is_watched(JobBecameCancelled)
        for job_id, job_type in jobs:
            self._waiters.expired(job_id)
            if is_watched:
                self._bus.publish(JobBecameCancelled(job_id, job_type, EXPIRED))
