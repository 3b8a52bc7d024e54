"""The claim inside a transaction: which due jobs become processing, in what order, within which limits."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Generator, Sequence
from operator import itemgetter
from typing import Any, Final

from aiojobs_lite.model.columns import claimed_new
from aiojobs_lite.model.job import PRIORITIES, Claimed, NewJob, Status
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.sqlite.due import ANY_ID, AT_ONCE, NOT_DUE, Bound
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

_PRIORITY_SCHEDULED_AT_AND_ID = itemgetter(
    *map(Claimed._fields.index, ("priority", "scheduled_at", "id")),
)
_TYPE, _SCHEDULED_AT = map(Claimed._fields.index, ("type", "scheduled_at"))
_bound_of = itemgetter(*map(Claimed._fields.index, ("scheduled_at", "id")))
_LAST_ID = 2**63 - 1
_PRIORITIES = tuple(PRIORITIES.values())
_Opened = tuple[Bound, str, list[tuple[Any, ...]]]  # bound of the last row, type, rows from the last to the first
_BEFORE_ALL: Final[Bound] = (AT_ONCE, ANY_ID)
_MORE_ROWS: Final = 32  # of a type that has more due jobs than its share


class Claiming:
    """One `Claim` being carried out, over the due jobs of the store and those that the transaction is about to insert,
    in one order.

    Attributes:
        standing: Status, attempts, owner and started_at of a job that is inserted as claimed.
    """

    def __init__(self, transaction: Transaction, claim: Claim) -> None:
        self._transaction = transaction
        self._claim = claim
        self._left = claim.limit
        self._left_of: dict[str, int] = {}  # by type, of those that were looked at
        self._taken: Counter[str] = Counter()
        self._limited: set[str] = set()  # held back by a pause or by the limit over all owners
        self._paused = {row[0] for row in transaction.run("paused_types").fetchall()}
        self._bounds: dict[tuple[str, int], Bound | None] = {}  # of what was looked at; None: to be looked up
        self._jobs: list[Claimed] = []
        self.standing: tuple[Any, ...] = (Status.PROCESSING.value, 1, claim.owner, transaction.now)

    def choose(self, rows: Sequence[NewJob]) -> set[int]:
        """Claims due jobs of the store, and chooses which of these new ones to insert as processing already.

        Returns:
            The indexes of the chosen rows.
        """
        now, due = self._transaction.now, self._transaction.due
        new: dict[int, list[tuple[int, int, str]]] = {}
        for index, row in enumerate(rows):
            if row.scheduled_at <= now:
                new.setdefault(row.priority, []).append((row.scheduled_at, index, row.type))
        chosen: set[int] = set()
        for priority in _PRIORITIES:
            if self._left > 0:
                if due.has(priority, now):
                    self._claim_priority(priority, sorted(new.get(priority, ())), chosen)
                elif priority in new:
                    self._choose_new(sorted(new[priority]), chosen)
        if self._jobs:
            self._record()
        if self._bounds:
            self._correct_bounds()
        return chosen

    def inserted(self, jobs: Sequence[tuple[int, NewJob]]) -> None:
        """Takes the ids that the chosen jobs were given."""
        now, owner = self._transaction.now, self._claim.owner
        self._jobs += [claimed_new(job_id, row, now, owner) for job_id, row in jobs]
        self._jobs.sort(key=_PRIORITY_SCHEDULED_AT_AND_ID)

    def answer(self) -> ClaimAnswer:
        """All that was claimed, and the types that could not use all the slots offered."""
        held_back = [job_type for job_type in self._limited if self._left_of[job_type] <= 0]
        return ClaimAnswer(self._jobs, frozenset(held_back))

    def due(self) -> int:
        """When the same claim could take a job, at the earliest; `due.NEVER` if no job is known."""
        return self._transaction.due.earliest(self._may_take_more)

    def _may_take_more(self, job_type: str) -> bool:
        if job_type not in self._claim.types:
            return False
        if job_type in self._limited:
            return self._left_of[job_type] > 0
        slots = self._claim.slots.get(job_type)
        return slots is None or slots > self._taken[job_type]

    def _choose_new(self, new: Sequence[tuple[int, int, str]], chosen: set[int]) -> None:
        """Chooses among the new jobs of a priority of which the store has none that is due."""
        for _, index, job_type in new:
            if self._left > 0 and self._left_for(job_type) > 0:
                chosen.add(index)
                self._take(job_type)

    def _claim_priority(self, priority: int, new: Sequence[tuple[int, int, str]], chosen: set[int]) -> None:
        stored = self._stored(priority)
        row = next(stored, None)
        position = 0
        while self._left > 0:
            if position < len(new) and (row is None or new[position][0] < row[_SCHEDULED_AT]):
                _, index, job_type = new[position]
                position += 1
                if self._left_for(job_type) > 0:
                    chosen.add(index)
                    self._take(job_type)
            elif row is not None:
                if self._left_of[row[_TYPE]] > 0:  # a new job may have taken the last slot of its type
                    self._jobs.append(Claimed._make(row))
                    self._take(row[_TYPE])
                if self._left > 0:  # else nothing more is to be opened
                    row = next(stored, None)
            else:
                break
        stored.close()

    def _stored(self, priority: int) -> Generator[tuple[Any, ...], None, None]:
        """The due jobs of the store that may be claimed, in their order, few of each type at a time.

        A type is opened when its bound says that it may have a job before those that are at hand.
        """
        due, now = self._transaction.due, self._transaction.now
        opened: list[_Opened] = []
        aside: list[tuple[Bound, str]] = []
        try:
            while True:
                while found := due.take(priority, opened[0][0] if opened else (now, _LAST_ID)):
                    if self._left_for(found[1]) > 0:
                        # One more than its share: by it is known when the type is next.
                        self._open(opened, found[1], priority, self._left // due.size(priority) + 2)
                    else:
                        aside.append(found)
                if not opened:
                    return
                bound, job_type, rows = opened[0]
                yield rows[-1]
                if self._left_of[job_type] <= 0:
                    self._bounds[job_type, priority] = bound
                    heapq.heappop(opened)
                    continue
                rows.pop()
                if rows:
                    heapq.heapreplace(opened, (_bound_of(rows[-1]), job_type, rows))
                else:
                    heapq.heappop(opened)
                    self._open(opened, job_type, priority, _MORE_ROWS, bound)
        finally:
            for bound, job_type, _ in opened:
                self._bounds[job_type, priority] = bound
            for bound, job_type in aside:
                due.set(job_type, priority, bound)

    def _open(
        self, opened: list[_Opened], job_type: str, priority: int, most: int, behind: Bound = _BEFORE_ALL
    ) -> None:
        """Reads at most so many due jobs of a type that come behind a bound. No cursor stays open: it would pin the
        write-ahead log, and a second one of the same query is prepared anew.
        """
        transaction, now = self._transaction, self._transaction.now
        transaction.tally(job_type)  # if the transaction fails, the bound is looked up again
        self._bounds[job_type, priority] = None
        limit = min(self._left_of[job_type] + 1, most)
        wanted = (now, self._claim.owner, job_type, priority, *behind, now, limit)
        rows = transaction.run("due_jobs", wanted).fetchall()
        if rows:
            rows.reverse()
            heapq.heappush(opened, (_bound_of(rows[-1]), job_type, rows))

    def _take(self, job_type: str) -> None:
        self._left_of[job_type] -= 1
        self._taken[job_type] += 1
        self._left -= 1

    def _record(self) -> None:
        """Makes the claimed jobs of the store processing."""
        jobs, transaction = self._jobs, self._transaction
        retrying = Counter([job.type for job in jobs if job.attempt > 1])
        for job_type, count in Counter([job.type for job in jobs]).items():
            tally = transaction.tally(job_type)
            tally.pending -= count
            tally.retrying -= retrying[job_type]
            tally.processing += count
        ids = [(job.id,) for job in jobs]
        transaction.run_all("claim_jobs", ID_ROW, ids, (self._claim.owner, transaction.now))

    def _correct_bounds(self) -> None:
        """Sets the bounds of what was looked at, after what was claimed is gone."""
        transaction = self._transaction
        for (job_type, priority), bound in self._bounds.items():
            tally = transaction.tally(job_type)
            known = bound
            if tally.pending <= tally.held:
                known = NOT_DUE
            elif known is None:
                known = transaction.one("next_due", (job_type, priority)) or NOT_DUE
            transaction.due.set(job_type, priority, known)

    def _offered(self, job_type: str) -> int:
        return self._claim.slots.get(job_type, self._claim.limit) if job_type in self._claim.types else 0

    def _left_for(self, job_type: str) -> int:
        left = self._left_of.get(job_type)
        if left is None:
            left = self._offered(job_type)
            if left > 0:
                left = min(left, self._allowed(job_type, left))
            self._left_of[job_type] = left
        return left

    def _allowed(self, job_type: str, offered: int) -> int:
        """How many a pause and the limit over all owners allow."""
        if job_type in self._paused:
            self._limited.add(job_type)
            return 0
        limit = self._claim.concurrency.get(job_type)
        if limit is None:
            return offered
        processing: int = self._transaction.one("processing_of_type", (job_type,))[0]
        if limit - processing < offered:
            self._limited.add(job_type)
        return max(0, limit - processing)
