"""When the next job of each type and priority is due: a lower bound, so that a claim looks only where it may find one.

A bound may be too early (then a look at the index corrects it), never too late. So it is lowered at once by whatever
makes a job claimable, raised only by a look, and an open transaction that fails need not give a lowered one back.

A bound has the id of the job, too: of many types whose jobs are due at the same instant, as `enqueue_many` makes them,
a claim looks at those only that it takes from.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import UTC, datetime
from typing import Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.job import PRIORITIES

NEVER: Final = to_micros(datetime.max.replace(tzinfo=UTC)) + 1  # in microseconds: after every instant that is stored
AT_ONCE: Final = to_micros(datetime.min.replace(tzinfo=UTC)) - 1  # before every one
ANY_ID: Final = 0  # before every id
Bound = tuple[int, int]  # an instant in microseconds, and the id of the first job at it
Stored = tuple[int, int, int]  # the instants by priority, as the table of counts has them
NOT_DUE: Final[Bound] = (NEVER, ANY_ID)
NOTHING: Final[Stored] = (NEVER, NEVER, NEVER)
_EVERY: Final = tuple(PRIORITIES.values())


class Expiries:
    """When the first pending job expires: a lower bound as well.

    Attributes:
        at: No pending job expires before it; `NEVER` if none does.
        has_any: Whether any job may have an expiry.
        is_raised: Whether the open transaction has raised the bound.
    """

    def __init__(self) -> None:
        self.at = NEVER
        self.has_any = self.is_raised = False

    def reload(self, first: int | None, *, has_any: bool) -> None:
        """Takes over what is in the database: another owner has committed."""
        self.at = NEVER if first is None else first
        self.has_any = has_any

    def add(self, expires_at: int) -> None:
        """A job expires at an instant."""
        self.at = min(self.at, expires_at)
        self.has_any = True

    def set(self, at: int) -> None:
        """Sets the bound after a look at the index."""
        self.at = at
        self.is_raised = True

    def forget(self) -> None:
        """The transaction failed that raised the bound: it is looked up again."""
        self.at = AT_ONCE
        self.is_raised = False


class Due:
    """The bounds of all types. One heap a priority finds the earliest; its outdated entries are dropped on the way.

    Attributes:
        made: The earliest instant at which the open transaction made a job claimable; `NEVER` if it made none.
        looked_at: The types whose bounds the open transaction may have raised.
    """

    def __init__(self) -> None:
        self._bounds: dict[str, list[Bound]] = {}
        self._heaps: tuple[list[tuple[Bound, str]], ...] = ([], [], [])
        self.made = NEVER
        self.looked_at: set[str] = set()
        self._paused: Set[str] = frozenset()

    def reload(self, stored: Mapping[str, Stored]) -> None:
        """Takes over the bounds of the database: another owner has committed."""
        self._bounds = {
            job_type: [(at, ANY_ID) for at in instants] for job_type, instants in stored.items() if instants != NOTHING
        }
        for priority, heap in enumerate(self._heaps):
            entries = ((bounds[priority], job_type) for job_type, bounds in self._bounds.items())
            heap[:] = [entry for entry in entries if entry[0] < NOT_DUE]
            heapq.heapify(heap)

    def stored(self, job_type: str) -> Stored:
        """The instants of a type's bounds, by priority."""
        bounds = self._bounds.get(job_type)
        return NOTHING if bounds is None else (bounds[0][0], bounds[1][0], bounds[2][0])

    def earliest_by_type(self) -> dict[str, int]:
        """The earliest instant of each type that may have claimable jobs."""
        bounds = list(self._bounds.items())  # in one step: another thread may be changing them
        return {job_type: least for job_type, of_type in bounds if (least := min(of_type)[0]) < NEVER}

    def add(self, job_type: str, priority: int, scheduled_at: int, job_id: int) -> None:
        """A job became claimable."""
        self.made = min(self.made, scheduled_at)
        bounds = self._bounds.get(job_type)
        if bounds is None:
            bounds = self._bounds[job_type] = [NOT_DUE] * len(_EVERY)
        bound = (scheduled_at, job_id)
        if bound < bounds[priority]:
            bounds[priority] = bound
            heapq.heappush(self._heaps[priority], (bound, job_type))

    def add_any(self, job_type: str, scheduled_at: int = AT_ONCE) -> None:
        """Jobs became claimable whose priorities are not known; without an instant, nor are their times."""
        for priority in _EVERY:
            self.add(job_type, priority, scheduled_at, ANY_ID)

    def set_paused(self, paused: Set[str]) -> None:
        """Leaves these types out of `take` and `earliest`, and no others: a claim does not look at each of them."""
        for job_type in self._paused - paused:
            for priority, bound in enumerate(self._bounds.get(job_type, ())):
                if bound < NOT_DUE:
                    heapq.heappush(self._heaps[priority], (bound, job_type))
        self._paused = paused

    def add_known(self, job_type: str) -> None:
        """The jobs of a type that are known already became claimable: it is paused no more."""
        self.made = min(self.made, *self.stored(job_type))

    def set(self, job_type: str, priority: int, bound: Bound) -> None:
        """Sets a bound after a look at the index."""
        bounds = self._bounds.setdefault(job_type, [NOT_DUE] * len(_EVERY))
        bounds[priority] = bound
        if bound < NOT_DUE:
            heapq.heappush(self._heaps[priority], (bound, job_type))
        elif min(bounds) == NOT_DUE:  # the statistics walk through all bounds
            del self._bounds[job_type]

    def forget(self, job_types: Iterable[str]) -> None:
        """The transaction failed that raised bounds of these types: they are looked up again."""
        for job_type in job_types:
            self.add_any(job_type)

    def has(self, priority: int, until: int) -> bool:
        """Whether a job of a priority may be due at an instant."""
        heap = self._heaps[priority]
        return bool(heap) and heap[0][0][0] <= until

    def is_due(self, job_type: str, now: int) -> bool:
        """Whether a job of a type may be due at an instant."""
        bounds = self._bounds.get(job_type)
        return bounds is not None and min(bounds)[0] <= now

    def take(self, priority: int, until: Bound) -> tuple[Bound, str] | None:
        """Takes out the type whose bound is the earliest, if that is not after `until`. It is to be `set` again.

        Returns:
            The bound and the type, or None.
        """
        heap = self._heaps[priority]
        while heap and heap[0][0] <= until:
            bound, job_type = heapq.heappop(heap)
            if self._is_current(job_type, priority, bound):
                self._bounds[job_type][priority] = NOT_DUE
                self.looked_at.add(job_type)
                return bound, job_type
        return None

    def first(self, priority: int) -> Bound:
        """No bound of a priority that `take` has left is before this one."""
        heap = self._heaps[priority]
        return heap[0][0] if heap else NOT_DUE

    def size(self, priority: int) -> int:
        """About how many types have claimable jobs of a priority; at least 1."""
        return len(self._heaps[priority]) + 1

    def earliest(self, is_wanted: Callable[[str], bool]) -> int:
        """The earliest instant at which a job of the types that are wanted may be due; `NEVER` without one."""
        found = NOT_DUE
        for priority, heap in enumerate(self._heaps):
            if heap:
                found = min(found, self._earliest(priority, is_wanted))
        return found[0]

    def _earliest(self, priority: int, is_wanted: Callable[[str], bool]) -> Bound:
        heap, aside, found = self._heaps[priority], [], NOT_DUE
        while heap:
            bound, job_type = heap[0]
            if not self._is_current(job_type, priority, bound):
                heapq.heappop(heap)
            elif is_wanted(job_type):
                found = bound
                break
            else:
                aside.append(heapq.heappop(heap))
        for entry in aside:
            heapq.heappush(heap, entry)
        return found

    def _is_current(self, job_type: str, priority: int, bound: Bound) -> bool:
        """Whether an entry of a heap is the bound of a type that is not paused."""
        bounds = self._bounds.get(job_type)
        return bounds is not None and bounds[priority] == bound and job_type not in self._paused
