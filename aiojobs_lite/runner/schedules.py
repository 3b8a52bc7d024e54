"""`runner.schedules`: what a runner shows of its cron schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import UnknownJobType
from aiojobs_lite.handlers.checks import check_whole
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.policy.catch_up import Schedule

_MOST_PREVIEWED: Final = 1000  # instants


class Schedules:
    """The cron schedules of a runner: `runner.schedules`.

    Args:
        schedules: By name; the runner adds to it.
        registry: Has the job types, those without a schedule too.
        now: Reads the clock from which a preview starts, in microseconds.
    """

    def __init__(self, schedules: Mapping[str, Schedule], registry: Registry, now: Callable[[], int]) -> None:
        self._schedules = schedules
        self._registry = registry
        self._now = now

    def names(self) -> tuple[str, ...]:
        """The names of all schedules."""
        return tuple(self._schedules)

    def preview(self, name: str, count: int = 5) -> list[datetime]:
        """The next `count` instants (1 to 1,000) at which a schedule fires, UTC. Starts and reads nothing.

        Raises:
            UnknownJobType: If there is no such schedule.
            InvalidOption: If `count` is out of range.
        """
        if not isinstance(name, str) or name not in self._schedules:
            problem = "is not registered"
            if isinstance(name, str) and self._registry.find(name) is not None:
                problem = "is a job type without a schedule, which runs only when it is enqueued"
            raise UnknownJobType(name, self._schedules, "Declare it with @runner.cron(...).", problem)
        check_whole("count", count, _MOST_PREVIEWED)
        return self._schedules[name].cron.upcoming(to_datetime(self._now()), count)
