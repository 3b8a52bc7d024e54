"""The counts by type, moved with the rows in the same transaction, so that nobody ever counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from aiojobs_lite.model.job import Status
from aiojobs_lite.stores.base import TypeCounts

UNKNOWN: Final = -1  # an instant that is to be looked up


class Tally:
    """The counts of one type, mutable, and when its next job is due.

    `last_id`: the highest id that one of its jobs was given. `due_mark`: rows scheduled after it count as scheduled.
    `earliest`: the least `scheduled_at` of its pending jobs, None without any; only kept in memory.
    """

    __slots__ = (
        "cancelled", "completed", "dead", "due_mark", "earliest", "last_id", "parked", "pending", "processing",
        "retrying", "scheduled",
    )  # fmt: skip

    def __init__(self, *columns: int) -> None:
        self.earliest: int | None = UNKNOWN
        (
            self.pending,
            self.scheduled,
            self.retrying,
            self.parked,
            self.processing,
            self.completed,
            self.dead,
            self.cancelled,
            self.last_id,
            self.due_mark,
        ) = columns or (0,) * 10

    def columns(self) -> tuple[int, ...]:
        """All fields, in the order of the table."""
        return (
            self.pending,
            self.scheduled,
            self.retrying,
            self.parked,
            self.processing,
            self.completed,
            self.dead,
            self.cancelled,
            self.last_id,
            self.due_mark,
        )

    def move(self, status: Status, by: int, attempts: int = 0, scheduled_at: int = 0) -> None:
        """Adds `by` jobs (or takes them away) where `status` stands; the rest matters for pending ones."""
        if status is Status.PENDING:
            self.pending += by
            if attempts:
                self.retrying += by
            elif scheduled_at > self.due_mark:
                self.scheduled += by
            if by < 0:
                self.earliest = UNKNOWN
            elif self.earliest is None or scheduled_at < self.earliest:
                self.earliest = scheduled_at
        else:
            setattr(self, status, getattr(self, status) + by)

    def add(self, scheduled_at: int) -> None:
        """One more pending job, a new one."""
        self.pending += 1
        if scheduled_at > self.due_mark:
            self.scheduled += 1
        if self.earliest is None or scheduled_at < self.earliest:
            self.earliest = scheduled_at

    def claimed(self, count: int, retrying: int) -> None:
        """So many pending jobs that were due have become processing, some of them after a failed attempt."""
        self.pending -= count
        self.retrying -= retrying
        self.processing += count
        self.earliest = UNKNOWN

    def copy(self) -> Tally:
        """The same, to be changed."""
        copied = Tally(*self.columns())
        copied.earliest = self.earliest
        return copied

    def frozen(self) -> TypeCounts:
        """The counts as they are shown."""
        return TypeCounts(*self.columns()[:-2])


class Ledger:
    """The tallies of every type as of the last commit, and those that the open transaction changed."""

    def __init__(self, sql: Mapping[str, str]) -> None:
        self._sql = sql
        self._committed: Mapping[str, Tally] = {}
        self._open: dict[str, Tally] = {}
        self._last_id = self._open_last_id = 0

    def reload(self, connection: sqlite3.Connection) -> None:
        """Reads all tallies: somebody else has committed."""
        rows = connection.execute(self._sql["counts"]).fetchall()
        self._committed = {row[0]: Tally(*row[1:]) for row in rows}
        ((highest,),) = connection.execute(self._sql["highest_id"]).fetchall()  # a program of the user's may add rows
        self._last_id = max([self._last_id, highest or 0, *(tally.last_id for tally in self._committed.values())])
        self._open_last_id = self._last_id

    def begin(self) -> None:
        """Forgets what a transaction that failed had changed."""
        self._open = {}
        self._open_last_id = self._last_id

    def of(self, connection: sqlite3.Connection, job_type: str, now: int) -> Tally:
        """The tally of a type to be changed by the open transaction, its due mark moved up to `now`."""
        tally = self._open.get(job_type)
        if tally is None:
            committed = self._committed.get(job_type)
            tally = self._open[job_type] = committed.copy() if committed else Tally()
            if tally.scheduled:
                for priority in (0, 1, 2):
                    became_due = (job_type, priority, tally.due_mark, now)
                    tally.scheduled -= connection.execute(self._sql["became_due"], became_due).fetchall()[0][0]
            tally.due_mark = max(tally.due_mark, now)
        return tally

    def new_ids(self, count: int) -> range:
        """Ids that no job ever had. The tally of each one's type is to note them as its `last_id`."""
        first = self._open_last_id + 1
        self._open_last_id += count
        return range(first, first + count)

    def touched(self) -> Mapping[str, Tally]:
        """The tallies that the open transaction used, by type."""
        return self._open

    def flush(self, connection: sqlite3.Connection) -> None:
        """Writes the changed tallies, before the commit."""
        for job_type, tally in self._open.items():
            columns = tally.columns()
            committed = self._committed.get(job_type)
            if committed is None or committed.columns()[:-1] != columns[:-1]:
                connection.execute(self._sql["set_counts"], (job_type, *columns))

    def commit(self) -> None:
        """Takes the changes over, after the commit."""
        self._committed = {**self._committed, **self._open}
        self._last_id = self._open_last_id
        self._open = {}

    @property
    def committed(self) -> Mapping[str, Tally]:
        """All tallies as of the last commit, not to be changed; a later commit makes a new mapping."""
        return self._committed
