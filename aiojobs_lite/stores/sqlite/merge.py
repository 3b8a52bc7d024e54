"""The due jobs of one priority in their order, over all types, of which a claim looks at no more than it takes from.

Each type has a range of the index of its own, so the order over all types is a merge. A type is looked at when its
bound says that it may have a job before those that are at hand, and few of its jobs are read at a time: there may be
two types with a million jobs each, or a thousand types with one.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Collection
from typing import Final

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.stores.sqlite.due import Bound
from aiojobs_lite.stores.sqlite.limits import LanedJobs
from aiojobs_lite.stores.sqlite.transaction import Transaction

_MORE: Final = 4  # times as many are read of a type each time
_Head = tuple[Bound, str, list[Bound], int]  # the first job that is not taken, the type, its read jobs, its place there


class DueJobs:
    """The jobs of the store that are due at the transaction's instant, of one priority. To be `closed`.

    Args:
        transaction: The open transaction.
        priority: The priority.
        wanted: How many jobs are wanted at most.
        slots_left: How many more jobs of a type may be taken.
        laned: Those of types with limits by key; None: there are no such types.

    Attributes:
        emptied: The types of which every due job was taken.
    """

    def __init__(
        self, transaction: Transaction, priority: int, wanted: int, slots_left: Callable[[str], int],
        laned: LanedJobs | None = None,
    ) -> None:  # fmt: skip
        self._laned = laned
        self._laned_types: Collection[str] = () if laned is None else laned.types
        self._transaction = transaction
        self._due = transaction.due
        self._priority = priority
        # By one more than its share of what is wanted it is known when a type is next.
        self._share = wanted // transaction.due.size(priority) + 2
        self._slots_left = slots_left
        self._heads: list[_Head] = []  # a heap
        self._next_read: dict[str, int] = {}  # how many are read of a type that is looked at again
        self._aside: list[tuple[Bound, str]] = []
        self._is_all: dict[str, bool] = {}  # whether no more of a type are due than were read
        self.emptied: list[str] = []

    def take(self, until: int, most: int) -> tuple[str, list[Bound]] | None:
        """Takes the next jobs, as far as they are of one type.

        Args:
            until: The last instant at which they are due.
            most: How many to take at most; at least 1.

        Returns:
            Their type, and when each is due and its id; None if there is no such job.
        """
        while True:
            self._read_before(self._heads[0][0] if self._heads else (self._transaction.now, LARGEST_INTEGER))
            if self._laned is not None:
                if taken := self._take_laned(self._laned, until, most):
                    return taken
                if self._laned.goes_on():
                    continue
            if not self._heads or self._heads[0][0][0] > until:
                return None
            bound, job_type, _, _ = self._heads[0]
            slots_left = self._slots_left(job_type)
            if slots_left > 0:
                return job_type, self._take((until, LARGEST_INTEGER), min(most, slots_left))
            heapq.heappop(self._heads)
            self._aside.append((bound, job_type))

    def _take_laned(self, laned: LanedJobs, until: int, most: int) -> tuple[str, list[Bound]] | None:
        """Takes the next jobs of a type with limits by key, if they are the next ones of all."""
        last = (min(until, self._transaction.now), LARGEST_INTEGER)  # a job that waits in a lane may be due later
        return laned.take(min(last, self._heads[0][0]) if self._heads else last, most)

    def _take(self, until: Bound, most: int) -> list[Bound]:
        """Takes the jobs of the first type that come before those of all others."""
        _, job_type, found, place = self._heads[0]
        until = min([until, self._due.first(self._priority), *[head[0] for head in self._heads[1:3]]])
        if self._laned is not None:
            until = min(until, self._laned.first())
        end = min(bisect_right(found, until, place), place + most)
        if end < len(found):
            heapq.heapreplace(self._heads, (found[end], job_type, found, end))
        else:
            heapq.heappop(self._heads)
            if self._is_all[job_type]:
                self.emptied.append(job_type)
            else:
                scheduled_at, job_id = found[-1]
                self._due.set(job_type, self._priority, (scheduled_at, job_id + 1))
        return found[place:end]

    def close(self) -> None:
        """Gives the bounds of what was looked at, and not taken, back."""
        for bound, job_type in (*self._aside, *[head[:2] for head in self._heads]):
            self._due.add(job_type, self._priority, *bound)  # lanes that went on may have brought another one
        if self._laned is not None:
            self._laned.close()
            self.emptied += self._laned.emptied

    def _read_before(self, until: Bound) -> None:
        """Reads the first jobs of each type that may have one up to a bound."""
        while found := self._due.take(self._priority, until):
            bound, job_type = found
            left = self._slots_left(job_type)
            if left > 0 and self._laned is not None and job_type in self._laned_types:
                self._laned.open(job_type, bound)
            elif left > 0:
                self._read(job_type, bound, left)
                if self._heads:
                    until = self._heads[0][0]
            else:
                self._aside.append(found)

    def _read(self, job_type: str, bound: Bound, slots_left: int) -> None:
        """Reads due jobs of a type from a bound on. No cursor stays open: it would pin the write-ahead log, and a
        second one of the same query is prepared anew.
        """
        scheduled_at, job_id = bound
        most = self._next_read.get(job_type, self._share)
        self._next_read[job_type] = most * _MORE
        most = min(most, slots_left + 1)
        # In the order of the query: names would make each claim's most frequent read a third slower.
        wanted = (job_type, self._priority, scheduled_at, job_id - 1, self._transaction.now, most)
        found = self._transaction.run("due_jobs", wanted).fetchall()
        self._is_all[job_type] = len(found) < most
        if found:
            heapq.heappush(self._heads, (found[0], job_type, found, 0))
        else:
            self.emptied.append(job_type)
