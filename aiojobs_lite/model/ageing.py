"""Jobs that have waited for long: their priority rises, so that none waits for ever behind those of a higher one."""

from __future__ import annotations

from typing import Final, NamedTuple

from aiojobs_lite.model.job import PRIORITIES
from aiojobs_lite.model.writes import unanswered


class RaisePriorities(NamedTuple):
    """Raises the priority of pending jobs that are not held and have been due for long: to high if they were due before
    `high_before`, else from low to medium if before `medium_before`. Answer: how many, at most `limit`.

    First those of medium priority that become high, then those of low priority that do, then those that become medium;
    of each by type, `scheduled_at` and id.

    Types with limits by key are left out: a job waits in its lane, which is of one priority, and is not looked at
    there. A type has them from the first job on that is in a lane.
    """

    medium_before: int
    high_before: int
    limit: int

    def answer(self) -> int:
        """See `Write`."""
        unanswered()

    @property
    def steps(self) -> tuple[tuple[int, int, int], ...]:
        """What is done in turn: from which priority, to which one, and due before which instant."""
        high, medium, low = (PRIORITIES[name] for name in ("high", "medium", "low"))
        return (
            (medium, high, self.high_before),
            (low, high, self.high_before),
            (low, medium, self.medium_before),
        )


MOST_RAISED: Final = 500
"""Jobs whose priority rises in one transaction: a rescue waits for no more."""
