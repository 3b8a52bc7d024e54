"""The claim inside a transaction: which due jobs become processing, in what order, within which limits.

`Claiming.choose` is the claim: what has expired is cancelled, paused types are left out, each priority in turn gives
its due jobs, and the chosen ones become processing. Which rows are due is asked by `due_jobs` in `merge.sql`;
`claim_jobs` in `claim.sql` marks them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from aiojobs_lite.model.columns import claimed_new
from aiojobs_lite.model.job import PRIORITIES, Claimed, NewJob, Status
from aiojobs_lite.model.limits import lane_of
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.sqlite.counts import Tally
from aiojobs_lite.stores.sqlite.due import NEVER, NOT_DUE
from aiojobs_lite.stores.sqlite.expiries import expire, expire_those
from aiojobs_lite.stores.sqlite.limits import LanedJobs
from aiojobs_lite.stores.sqlite.merge import DueJobs
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

_PRIORITY_SCHEDULED_AT_AND_ID = itemgetter(
    *map(Claimed._fields.index, ("priority", "scheduled_at", "id")),
)
_PRIORITIES = tuple(PRIORITIES.values())
_New = tuple[int, int, str]  # of a job that is about to be inserted: scheduled_at, index, type
_NO_TYPES: Final[frozenset[str]] = frozenset()
_BEHIND_ALL: Final[_New] = (NEVER, -1, "")


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
        self._left_in_pool = claim.pool_slots
        self._limited: set[str] = set()  # by a pause or by the limit over all owners
        self._paused = transaction.paused
        self._ids: list[tuple[int]] = []  # of the claimed jobs of the store
        self._tallies: dict[str, Tally] = {}  # of their types
        self._emptied: list[tuple[str, int]] = []  # types and priorities of which no due job is left
        self._jobs: list[Claimed] = []
        self._is_partial = False
        self._new_lanes: dict[int, str] = {}  # of the new jobs that have limits by key, by index
        self.standing: tuple[Any, ...] = (Status.PROCESSING.value, 1, claim.owner, transaction.now)

    def choose(self, rows: Sequence[NewJob]) -> set[int]:
        """Claims due jobs of the store, and chooses which of these new ones to insert as processing already.

        Returns:
            The indexes of the chosen rows.
        """
        if self._transaction.expiries.at <= self._transaction.now:
            expire(self._transaction)
        self._leave_out_paused()
        limits = self._transaction.limits
        if limits.types:
            limits.lines.wake()
        chosen = self._choose_by_priority(rows)
        self._record()
        return chosen

    def inserted(self, jobs: Sequence[tuple[int, NewJob]]) -> None:
        """Takes the ids that the chosen jobs were given."""
        now, owner = self._transaction.now, self._claim.owner
        self._jobs += [claimed_new(job_id, row, now, owner) for job_id, row in jobs]
        self._jobs.sort(key=_PRIORITY_SCHEDULED_AT_AND_ID)

    def answer(self) -> ClaimAnswer:
        """All that was claimed, and the types that could not use all the slots offered."""
        if not self._limited:
            return ClaimAnswer(self._jobs, _NO_TYPES, self._is_partial)
        limited = [one for one in self._limited if self._left_of[one] <= 0 and not self._has_full_pool(one)]
        return ClaimAnswer(self._jobs, frozenset(limited), self._is_partial)

    def due(self) -> int:
        """When the same claim could take a job, at the earliest; `due.NEVER` if no job is known."""
        return min(self._transaction.due.earliest(self._may_take_more), self._transaction.limits.meters.next_free)

    def _may_take_more(self, job_type: str) -> bool:
        if job_type not in self._claim.types or self._has_full_pool(job_type):
            return False
        if job_type not in self._limited and job_type not in self._claim.slots:
            return True
        left = self._left_of.get(job_type)
        return self._claim.slots[job_type] > 0 if left is None else left > 0

    def _leave_out_paused(self) -> None:
        """Paused types are not looked at any more, and the answer names those that have due jobs."""
        now, due = self._transaction.now, self._transaction.due
        due.set_paused(self._paused)
        for job_type in self._paused:
            if due.is_due(job_type, now) and self._offered(job_type) > 0:
                self._limited.add(job_type)
                self._left_of[job_type] = 0

    def _choose_by_priority(self, rows: Sequence[NewJob]) -> set[int]:
        """Chooses due jobs of the store and of the new rows, the highest priority first; the indexes of the rows."""
        now, due = self._transaction.now, self._transaction.due
        new: dict[int, list[_New]] = {}
        for index, row in enumerate(rows):
            if row.lane is not None:
                self._new_lanes[index] = row.lane
            if row.scheduled_at <= now:
                new.setdefault(row.priority, []).append((row.scheduled_at, index, row.type))
        if self._new_lanes and rows:
            self._note_lanes()
        chosen: set[int] = set()
        for priority in _PRIORITIES:
            if self._left > 0:
                candidates = new.get(priority)
                if due.has(priority, now):
                    self._choose_stored_and_new(priority, sorted(candidates or ()), chosen)
                elif candidates:
                    self._choose_new(sorted(candidates), chosen)
        return chosen

    def _note_lanes(self) -> None:
        """Notes the limits of the new jobs, some of which may bring their own."""
        limits = self._transaction.limits
        lanes = [lane_of(text) for text in self._new_lanes.values()]
        for text, lane in zip(self._new_lanes.values(), lanes, strict=True):
            limits.note(text, lane)
        limits.meters.prepare(lanes)
        limits.lines.wake()

    def _choose_stored_and_new(self, priority: int, new: Iterable[_New], chosen: set[int]) -> None:
        """Chooses jobs of a priority; of those that are due at one instant the stored ones come before the new ones."""
        transaction = self._transaction
        laned = LanedJobs(transaction, priority, self._left, self._slots_left) if transaction.limits.types else None
        stored = DueJobs(transaction, priority, self._left, self._slots_left, laned)
        for candidate in (*new, _BEHIND_ALL):
            while self._left > 0 and (taken := stored.take(candidate[0], self._left)):
                job_type, jobs = taken
                self._ids += [(job_id,) for _, job_id in jobs]
                if job_type not in self._tallies:  # before they are claimed: it counts what has come due
                    self._tallies[job_type] = self._transaction.tally(job_type)
                self._take(job_type, len(jobs))
            if candidate is not _BEHIND_ALL:
                self._choose_new((candidate,), chosen)
        stored.close()
        self._is_partial |= laned is not None and laned.is_partial
        self._emptied += [(job_type, priority) for job_type in stored.emptied]

    def _choose_new(self, new: Iterable[_New], chosen: set[int]) -> None:
        for _, index, job_type in new:
            if self._left > 0 and self._slots_left(job_type) > 0 and (not self._new_lanes or self._may_start(index)):
                chosen.add(index)
                self._take(job_type, 1)

    def _take(self, job_type: str, count: int) -> None:
        self._left -= count
        self._left_of[job_type] -= count
        if job_type in self._claim.pooled:
            self._left_in_pool -= count

    def _may_start(self, index: int) -> bool:
        """Whether the limits of a new job allow that it is inserted as claimed; it has started for them then."""
        text = self._new_lanes.get(index)
        if text is None:
            return True
        limits, lane = self._transaction.limits, lane_of(text)
        if limits.meters.full(lane) is not None:
            return False
        if lane.is_ordered and (
            limits.has_lane(text)
            or any(before == text for earlier, before in self._new_lanes.items() if earlier < index)
        ):
            return False
        limits.start_new(text, lane)
        return True

    def _record(self) -> None:
        """Makes the chosen jobs of the store processing, and finds when their types are next."""
        if self._ids and self._transaction.expiries.at <= self._transaction.now:
            self._leave_out_expired()
        if self._ids:
            self._mark_processing()
            self._ids = []
        if self._emptied:
            self._look_for_next()
            self._emptied = []

    def _leave_out_expired(self) -> None:
        """Very many jobs expired, and some are still pending: no attempt of them begins."""
        expired = {one.id: one.type for one in expire_those(self._transaction, self._ids)}
        self._ids = [one for one in self._ids if one[0] not in expired]
        for job_type, count in Counter(expired.values()).items():
            self._left_of[job_type] += count

    def _mark_processing(self) -> None:
        transaction, ids = self._transaction, self._ids
        transaction.run_all("claim_jobs", ID_ROW, ids, (self._claim.owner, transaction.now))
        jobs: list[Claimed] = []
        for _, _, cursor in transaction.many("claimed_jobs", ID_ROW, ids):
            jobs += map(Claimed._make, cursor.fetchall())
        self._jobs = sorted(self._jobs + jobs, key=_PRIORITY_SCHEDULED_AT_AND_ID)
        retrying = Counter([job.type for job in jobs if job.attempt > 1])
        for job_type, count in Counter([job.type for job in jobs]).items():
            tally = self._tallies[job_type]
            tally.pending -= count
            tally.retrying -= retrying[job_type]
            tally.processing += count

    def _look_for_next(self) -> None:
        """Finds when the types are next of which no due job is left."""
        transaction = self._transaction
        for job_type, priority in self._emptied:
            tally = transaction.tally(job_type)
            has_more = tally.pending > tally.held
            found = transaction.one("next_due", (job_type, priority)) if has_more else None
            if job_type in transaction.limits.types and transaction.limits.lines.has_lanes:
                lane = transaction.one("first_lane", (job_type, priority))
                found = min(found or NOT_DUE, lane or NOT_DUE)
            transaction.due.set(job_type, priority, found or NOT_DUE)

    def _slots_left(self, job_type: str) -> int:
        """How many more jobs of a type the claim may take."""
        left = self._left_of.get(job_type)
        if left is None:
            left = self._offered(job_type)
            if left > 0:
                left = min(left, self._allowed(job_type, left))
            self._left_of[job_type] = left
        return min(left, self._left_in_pool) if job_type in self._claim.pooled else left

    def _offered(self, job_type: str) -> int:
        if job_type not in self._claim.types or self._has_full_pool(job_type):
            return 0
        return self._claim.slots.get(job_type, self._claim.limit)

    def _has_full_pool(self, job_type: str) -> bool:
        return self._left_in_pool <= 0 and job_type in self._claim.pooled

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
