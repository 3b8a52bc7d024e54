"""When the next job of each type and priority is due: a lower bound, so that a claim looks only where it may find one.

A bound may be too early (then a look at the index corrects it), never too late. So it is lowered at once by whatever
makes a job claimable, raised only by a look, and an open transaction that fails need not give a lowered one back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiojobs_lite.model.job import PRIORITIES

NEVER: Final = 253402300800000000  # the end of the year 9999, in microseconds: after every instant that can be stored
AT_ONCE: Final = -62135596800000001  # before every instant that can be stored
_EVERY: Final = tuple(PRIORITIES.values())
Bounds = tuple[int, int, int]  # by priority
NOTHING: Final[Bounds] = (NEVER, NEVER, NEVER)


class Due:
    """The bounds of all types. One heap a priority finds the earliest; its outdated entries are dropped on the way.

    Attributes:
        made: The earliest instant at which the open transaction made a job claimable; `NEVER` if it made none.
    """

    def __init__(self) -> None:
        self._bounds: dict[str, list[int]] = {}
        self._heaps: tuple[list[tuple[int, str]], ...] = ([], [], [])
        self.made = NEVER

    def reload(self, stored: Mapping[str, Bounds]) -> None:
        """Takes over the bounds of the database: another owner has committed."""
        self._bounds = {job_type: list(bounds) for job_type, bounds in stored.items()}
        for priority, heap in enumerate(self._heaps):
            heap[:] = [(bounds[priority], job_type) for job_type, bounds in stored.items() if bounds[priority] < NEVER]
            heapq.heapify(heap)

    def bounds(self, job_type: str) -> Bounds:
        """The bounds of a type, by priority."""
        high, medium, low = self._bounds.get(job_type, NOTHING)
        return high, medium, low

    def earliest_by_type(self) -> dict[str, int]:
        """The bound of each type that may have claimable jobs."""
        return {job_type: least for job_type, bounds in self._bounds.items() if (least := min(bounds)) < NEVER}

    def add(self, job_type: str, priority: int, scheduled_at: int) -> None:
        """A job became claimable."""
        self.made = min(self.made, scheduled_at)
        bounds = self._bounds.get(job_type)
        if bounds is None:
            bounds = self._bounds[job_type] = list(NOTHING)
        if scheduled_at < bounds[priority]:
            bounds[priority] = scheduled_at
            heapq.heappush(self._heaps[priority], (scheduled_at, job_type))

    def add_any(self, job_type: str, scheduled_at: int = AT_ONCE) -> None:
        """Jobs became claimable whose priorities are not known; without an instant, nor are their times."""
        for priority in _EVERY:
            self.add(job_type, priority, scheduled_at)

    def set(self, job_type: str, priority: int, bound: int) -> None:
        """Sets a bound after a look at the index."""
        self._bounds.setdefault(job_type, list(NOTHING))[priority] = bound
        if bound < NEVER:
            heapq.heappush(self._heaps[priority], (bound, job_type))

    def forget(self, job_types: Iterable[str]) -> None:
        """The transaction failed that raised bounds of these types: they are looked up again."""
        for job_type in job_types:
            if job_type in self._bounds:
                self.add_any(job_type)

    def take(self, priority: int, until: int) -> tuple[str, int] | None:
        """Takes out the type whose bound is the earliest, if that is not after `until`. It is to be `set` again.

        Returns:
            The type and its bound, or None.
        """
        heap = self._heaps[priority]
        while heap and heap[0][0] <= until:
            bound, job_type = heapq.heappop(heap)
            bounds = self._bounds[job_type]
            if bounds[priority] == bound:
                bounds[priority] = NEVER
                return job_type, bound
        return None

    def earliest(self, is_wanted: Callable[[str], bool]) -> int:
        """The earliest bound of the types that are wanted; `NEVER` without one."""
        return min(self._earliest(priority, is_wanted) for priority in _EVERY)

    def _earliest(self, priority: int, is_wanted: Callable[[str], bool]) -> int:
        heap, aside, found = self._heaps[priority], [], NEVER
        while heap:
            bound, job_type = heap[0]
            if self._bounds[job_type][priority] != bound:
                heapq.heappop(heap)
            elif is_wanted(job_type):
                found = bound
                break
            else:
                aside.append(heapq.heappop(heap))
        for entry in aside:
            heapq.heappush(heap, entry)
        return found
