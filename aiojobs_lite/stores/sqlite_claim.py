"""The claim inside a transaction: which due jobs become processing, in what order, within which limits."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter

from aiojobs_lite.job import PRIORITIES, Claim, ClaimAnswer, Claimed, NewJob, Status
from aiojobs_lite.stores.sqlite_transaction import Transaction

_SCHEDULED_AT_AND_ID = itemgetter(4, 0)


class Claiming:
    """One `Claim` being carried out: first the due jobs of the store, then those that the transaction inserts.

    When a type still has room after the first, none of its due jobs is left in the store, so that a new job
    overtakes nobody.
    """

    def __init__(self, transaction: Transaction, claim: Claim) -> None:
        self._transaction = transaction
        self._claim = claim
        self._left = claim.limit
        self._room: dict[str, int] = {}
        self._taken: Counter[str] = Counter()
        self._paused = {row[0] for row in transaction.run("paused_types").fetchall()}
        self._jobs: list[Claimed] = []
        self.columns_of_claimed = (Status.PROCESSING.value, 1, claim.owner, transaction.now)
        transaction.look_at(*claim.look_at)

    def claim_due(self) -> None:
        """Claims the due jobs of the store."""
        touched = (job_type for job_type in self._transaction.touched() if self._transaction.tally(job_type).pending)
        types = [job_type for job_type in {*self._claim.look_at, *touched} if self._room_of(job_type) > 0]
        first = len(self._jobs)
        for priority in PRIORITIES.values():
            if self._left > 0:
                self._claim_priority(types, priority)
        ids = [(job.id,) for job in self._jobs[first:]]
        for _ in self._transaction.many("claim_jobs", "(?)", ids, (self._claim.owner, self._transaction.now)):
            pass

    def choose(self, rows: Sequence[NewJob]) -> set[int]:
        """Which of these new jobs to insert as processing already: their indexes."""
        now = self._transaction.now
        due = [index for index, row in enumerate(rows) if row.scheduled_at <= now and self._room_of(row.type) > 0]
        if len(due) > self._left:
            due.sort(key=lambda index: (rows[index].priority, rows[index].scheduled_at))
        chosen: set[int] = set()
        for index in due:
            if self._left > 0 and self._room[rows[index].type] > 0:
                self._take(rows[index].type)
                chosen.add(index)
        return chosen

    def inserted(self, jobs: Iterable[tuple[int, NewJob]]) -> None:
        """Notes the ids that the chosen jobs were given."""
        now, owner = self._transaction.now, self._claim.owner
        self._jobs += [
            Claimed(
                job_id, row.type, row.payload, row.priority, row.scheduled_at, 1, row.max_attempts, row.created_at,
                now, 0, 0, 0, row.tick, owner,
            )
            for job_id, row in jobs
        ]  # fmt: skip

    def answer(self) -> ClaimAnswer:
        """All that was claimed, and the types that could not use all the slots offered."""
        full = (job_type for job_type, room in self._room.items() if room <= 0)
        held_back = frozenset(
            job_type for job_type in full if self._taken[job_type] < self._claim.slots.get(job_type, 0)
        )
        return ClaimAnswer(self._jobs, held_back)

    def _claim_priority(self, types: Sequence[str], priority: int) -> None:
        now, owner = self._transaction.now, self._claim.owner
        cursors = [
            self._transaction.run("due_jobs", (job_type, priority, now, min(self._room[job_type], self._left)))
            for job_type in types
            if self._room[job_type] > 0
        ]
        for row in islice(heapq.merge(*cursors, key=_SCHEDULED_AT_AND_ID), self._left):
            job = Claimed._make((*row[:8], now, *row[8:], owner))
            self._jobs.append(job)
            self._take(job.type)
            tally = self._transaction.tally(job.type)
            tally.move(Status.PENDING, -1, job.attempt - 1, job.scheduled_at)
            tally.processing += 1
        for cursor in cursors:  # a half-read one would pin the write-ahead log
            cursor.close()

    def _take(self, job_type: str) -> None:
        self._room[job_type] -= 1
        self._taken[job_type] += 1
        self._left -= 1

    def _room_of(self, job_type: str) -> int:
        room = self._room.get(job_type)
        if room is None:
            room = 0 if job_type in self._paused else self._claim.slots.get(job_type, 0)
            limit = self._claim.concurrency.get(job_type)
            if room and limit is not None:
                processing: int = self._transaction.one("processing_of_type", (job_type,))[0]
                room = min(room, limit - processing)
            self._room[job_type] = room
        return room
