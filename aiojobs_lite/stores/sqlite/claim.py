"""The claim inside a transaction: which due jobs become processing, in what order, within which limits."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from aiojobs_lite.model.job import PRIORITIES, Claimed, Status
from aiojobs_lite.model.writes import Claim, ClaimAnswer, NewJob
from aiojobs_lite.stores.sqlite.transaction import Transaction

_SCHEDULED_AT_AND_ID = itemgetter(4, 0)
_PRIORITY_SCHEDULED_AT_AND_ID = itemgetter(3, 4, 0)
_NO_ID = math.inf  # of a new job: it will be above all that the store holds


class Claiming:
    """One `Claim` being carried out: the due jobs of the store and those that the transaction is about to insert, in
    one order.
    """

    def __init__(self, transaction: Transaction, claim: Claim) -> None:
        self._transaction = transaction
        self._claim = claim
        self._left = claim.limit
        self._room: dict[str, int] = {}
        self._taken: Counter[str] = Counter()
        self._paused = {row[0] for row in transaction.run("paused_types").fetchall()}
        self._jobs: list[Claimed] = []
        self.standing: tuple[Any, ...] = (Status.PROCESSING.value, 1, claim.owner, transaction.now)
        transaction.look_at(*claim.look_at)

    def claim(self, rows: Sequence[NewJob]) -> set[int]:
        """Claims due jobs of the store, and chooses which of these new ones to insert as processing already.

        Returns:
            The indexes of the chosen rows.
        """
        now = self._transaction.now
        new: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for index, row in enumerate(rows):
            if row.scheduled_at <= now and self._room_of(row.type) > 0:
                new[row.priority].append((_NO_ID, row.type, index, row.priority, row.scheduled_at))
        types = self._types_with_jobs({entry[1] for entries in new.values() for entry in entries})
        chosen: set[int] = set()
        for priority in PRIORITIES.values():
            if self._left > 0 and (types or priority in new):
                self._claim_priority(types, priority, sorted(new[priority], key=_SCHEDULED_AT_AND_ID), chosen)
        if self._jobs:
            self._record()
        return chosen

    def inserted(self, jobs: Sequence[tuple[int, NewJob]]) -> None:
        """Notes the ids that the chosen jobs were given."""
        now, owner = self._transaction.now, self._claim.owner
        self._jobs += [
            Claimed(
                job_id, row.type, row.payload, row.priority, row.scheduled_at, 1, row.max_attempts, row.created_at,
                now, 0, 0, 0, row.tick, owner,
            )
            for job_id, row in jobs
        ]  # fmt: skip
        self._jobs.sort(key=_PRIORITY_SCHEDULED_AT_AND_ID)

    def answer(self) -> ClaimAnswer:
        """All that was claimed, and the types that could not use all the slots offered."""
        full = (job_type for job_type, room in self._room.items() if room <= 0)
        held_back = frozenset(
            job_type for job_type in full if self._taken[job_type] < self._claim.slots.get(job_type, 0)
        )
        return ClaimAnswer(self._jobs, held_back)

    def _types_with_jobs(self, types: Collection[str]) -> list[str]:
        """Of these types, and of those that the claim or the transaction names: which may take jobs from the store."""
        named = {*types, *self._claim.look_at, *self._transaction.touched()}
        return [job_type for job_type in named if self._transaction.tally(job_type).pending and self._room_of(job_type)]

    def _claim_priority(
        self, types: Sequence[str], priority: int, new: Sequence[tuple[Any, ...]], chosen: set[int]
    ) -> None:
        now, owner = self._transaction.now, self._claim.owner
        cursors = [
            self._transaction.run("due_jobs", (now, owner, job_type, priority, now, min(room, self._left)))
            for job_type in types
            if (room := self._room[job_type]) > 0
        ]
        due: Iterable[tuple[Any, ...]]
        if (new and cursors) or len(cursors) > 1:  # each is read no further than it is needed
            due = heapq.merge(*cursors, new, key=_SCHEDULED_AT_AND_ID)
        else:
            due = cursors[0].fetchall() if cursors else new
        for row in due:
            if self._left <= 0:
                break
            job_type = row[1]
            if self._room[job_type] <= 0:
                continue
            self._room[job_type] -= 1
            self._taken[job_type] += 1
            self._left -= 1
            if row[0] is _NO_ID:
                chosen.add(row[2])
            else:
                self._jobs.append(Claimed._make(row))
        for cursor in cursors:  # a half-read one would pin the write-ahead log
            cursor.close()

    def _record(self) -> None:
        """Makes the claimed jobs of the store processing."""
        jobs, transaction = self._jobs, self._transaction
        retrying = Counter([job.type for job in jobs if job.attempt > 1])
        for job_type, count in Counter([job.type for job in jobs]).items():
            transaction.tally(job_type).claimed(count, retrying[job_type])
        ids = [(job.id,) for job in jobs]
        transaction.run_all("claim_jobs", "?", ids, (self._claim.owner, transaction.now))

    def _room_of(self, job_type: str) -> int:
        room = self._room.get(job_type)
        if room is None:
            room = 0 if job_type in self._paused else self._claim.slots.get(job_type, 0)
            limit = self._claim.concurrency.get(job_type)
            if room and limit is not None:
                processing: int = self._transaction.one("processing_of_type", (job_type,))[0]
                room = max(0, min(room, limit - processing))
            self._room[job_type] = room
        return room
