"""The counts by type, moved with the rows in the same transaction, so that nothing is ever counted."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.model.job import PRIORITIES, Status
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.stores.sqlite.due import NOTHING, Due, Expiries, Stored
from aiojobs_lite.stores.sqlite.lanes import Limits

COUNTS_ROW: Final = f"({', '.join('?' * 14)})"
_NONE: Final = TypeCounts()
_ZEROS: Final = (0,) * 9


class Tally:
    """The counts of one type, to be changed by one transaction and never after its commit.

    `last_id`: the highest id that one of its jobs was given. `due_mark`: jobs scheduled after it count as scheduled.
    `stored` and `stored_due`: the columns, and the instants of its bounds, as they stand in the table; `stored` is None
    if it is not there yet.
    """

    __slots__ = (
        "_frozen", "cancelled", "completed", "dead", "due_mark", "held", "last_id", "pending", "processing", "retrying",
        "scheduled", "stored", "stored_due",
    )  # fmt: skip

    def __init__(self, stored: tuple[int, ...] | None = None, due_mark: int = 0, stored_due: Stored = NOTHING) -> None:
        (
            self.pending,
            self.scheduled,
            self.retrying,
            self.held,
            self.processing,
            self.completed,
            self.dead,
            self.cancelled,
            self.last_id,
        ) = stored or _ZEROS
        self.due_mark = due_mark
        self.stored = stored
        self.stored_due = stored_due
        self._frozen: TypeCounts | None = None

    def columns(self) -> tuple[int, ...]:
        """All counts and `last_id`, in the order of the table."""
        return (
            self.pending,
            self.scheduled,
            self.retrying,
            self.held,
            self.processing,
            self.completed,
            self.dead,
            self.cancelled,
            self.last_id,
        )

    def move(self, status: Status, by: int, attempts: int = 0, scheduled_at: int = 0) -> None:
        """Adds `by` jobs (or takes them away) where `status` stands; the rest matters for pending ones."""
        if status is Status.PENDING:
            self.pending += by
            if by > 0:
                self.stored = None  # to be written though no count is another: what counts as scheduled is by the mark
            if attempts:
                self.retrying += by
            elif scheduled_at > self.due_mark:
                self.scheduled += by
        else:
            setattr(self, status, getattr(self, status) + by)

    @property
    def frozen(self) -> TypeCounts:
        """The counts as a value; made once, for the tally does not change any more."""
        if self._frozen is None:
            self._frozen = TypeCounts._make(self.columns()[:-1])
        return self._frozen


_NEW: Final = Tally()  # of a type that was not counted before


class _ByType(Mapping[str, TypeCounts]):
    """The counts of all types at one moment, each made when it is looked at."""

    def __init__(self, tallies: Mapping[str, Tally]) -> None:
        self._tallies = tallies

    def __getitem__(self, job_type: str) -> TypeCounts:
        return self._tallies[job_type].frozen

    def __iter__(self) -> Iterator[str]:
        return iter(self._tallies)

    def __len__(self) -> int:
        return len(self._tallies)


def stored_pauses(rows: Iterable[tuple[str, int | None, str | None]]) -> dict[str, Pause]:
    """The pauses of rows, by type."""
    return {row[0]: Pause(None if row[1] is None else to_datetime(row[1]), row[2]) for row in rows}


class Ledger:
    """The tallies of every type as of the last commit, and those that the open transaction changes.

    Attributes:
        due: When the next jobs are due.
        expiries: When the next job expires.
        limits: The limits by key.
        pending: How many jobs are pending, of all types.
        scheduled: How many of them are scheduled.
        open_pauses: The types that the open transaction pauses; None: that it resumes.
        awaits_ends: Whether batches or jobs may wait for the ends of jobs, or jobs for what ends with them.
        open_awaits_ends: The same from the commit of the open transaction on; None: it changes nothing of it.
        has_steps: Whether any operation may be stored, or any job that one has started.
        places: The last place of the operations of some jobs.
        is_placed: Whether the open transaction may have changed them.
    """

    def __init__(self, sql: Mapping[str, str]) -> None:
        self._sql = sql
        self._committed: dict[str, Tally] = {}
        self._total = _NONE  # without what `_moved` has
        self._moved: dict[str, Tally] = {}  # of the types that moved since the total was made: the tally then
        self.pending = self.scheduled = 0
        self._open: dict[str, Tally] = {}
        self._last_id = self._open_last_id = 0
        self.due = Due()
        self.expiries = Expiries()
        self.limits = Limits(sql, self.due)
        self._pauses: dict[str, Pause] = {}  # never changed
        self.open_pauses: dict[str, Pause | None] = {}
        self.awaits_ends = False
        self.open_awaits_ends: bool | None = None
        self.has_steps = self.is_placed = False
        self.places: dict[int, int] = {}
        self._lock = threading.Lock()  # a commit may come on the connection's thread while the event loop reads

    def reload(self, connection: sqlite3.Connection) -> None:
        """Reads all tallies: another owner has committed."""
        rows = connection.execute(self._sql["counts"]).fetchall()
        committed = {row[0]: Tally(row[1:10], row[10], row[11:]) for row in rows}
        total = TypeCounts(*map(sum, zip(*(row[1:9] for row in rows), strict=True))) if rows else _NONE
        with self._lock:
            self._committed, self._total, self._moved = committed, total, {}
            self._pauses = stored_pauses(connection.execute(self._sql["pauses"]).fetchall())
        self.pending, self.scheduled = total.pending, total.scheduled
        ((awaits_ends,),) = connection.execute(self._sql["awaits_ends"]).fetchall()
        self.awaits_ends = bool(awaits_ends)
        self.due.reload({row[0]: row[11:] for row in rows})
        found = connection.execute(self._sql["highest_id_and_what_is_used"]).fetchall()
        ((highest, first_expiry, has_expiries, has_steps),) = found
        self.has_steps = bool(has_steps)
        self.places.clear()
        self.expiries.reload(first_expiry, has_any=bool(has_expiries))
        of_rows = highest or 0  # a program of the user's may add rows
        self._last_id = max([self._last_id, of_rows, *(row[9] for row in rows)])
        self._open_last_id = self._last_id
        self.limits.reload(connection)

    def discard(self) -> None:
        """Forgets what a transaction that was not committed had changed."""
        if self._open or self.due.looked_at:
            self.due.forget({*self._open, *self.due.looked_at})
            self._open = {}
        if self.expiries.is_raised:
            self.expiries.forget()
        self._open_last_id = self._last_id
        self.open_pauses.clear()
        if self.limits.types or self.limits.rows.is_changed:
            self.limits.discard()
        self.open_awaits_ends = None
        if self.is_placed:
            self.places.clear()
            self.is_placed = False

    def of(self, connection: sqlite3.Connection, job_type: str, now: int) -> Tally:
        """The tally of a type to be changed by the open transaction, its due mark moved up to `now`."""
        tally = self._open.get(job_type)
        if tally is None:
            before = self._committed.get(job_type, _NEW)
            tally = self._open[job_type] = Tally(before.stored, before.due_mark, before.stored_due)
            if tally.scheduled:
                for priority in PRIORITIES.values():
                    became_due = (job_type, priority, tally.due_mark, now)
                    tally.scheduled -= connection.execute(self._sql["became_due"], became_due).fetchall()[0][0]
                if job_type in self.limits.types:
                    tally.scheduled -= self.limits.ordered_became_due(job_type, tally.due_mark, now)
            tally.due_mark = max(tally.due_mark, now)
        return tally

    @property
    def paused(self) -> Set[str]:
        """The types that are paused, as far as the open transaction is."""
        if not self.open_pauses:
            return self._pauses.keys()
        return {job_type for job_type, pause in {**self._pauses, **self.open_pauses}.items() if pause is not None}

    def new_ids(self, count: int) -> range:
        """Ids that no job ever had. The tally of each job's type is to note them as its `last_id`."""
        first = self._open_last_id + 1
        self._open_last_id += count
        return range(first, first + count)

    def moved(self) -> list[tuple[object, ...]]:
        """The rows of the table of counts that the open transaction changed, to be stored before its commit."""
        rows = []
        for job_type, tally in self._open.items():
            columns, bounds = tally.columns(), self.due.stored(job_type)
            if columns != tally.stored or any(
                new < stored for new, stored in zip(bounds, tally.stored_due, strict=True)
            ):
                rows.append((job_type, *columns, tally.due_mark, *bounds))
                tally.stored, tally.stored_due = columns, bounds
        return rows

    def commit(self) -> None:
        """Takes the changes over, after the commit."""
        with self._lock:
            for job_type, tally in self._open.items():
                before = self._committed.get(job_type, _NEW)
                self._moved.setdefault(job_type, before)
                self.pending += tally.pending - before.pending
                self.scheduled += tally.scheduled - before.scheduled
            self._committed.update(self._open)
            if self.open_pauses:
                moved: dict[str, Pause | None] = {**self._pauses, **self.open_pauses}
                self._pauses = {job_type: pause for job_type, pause in moved.items() if pause is not None}
                self.open_pauses.clear()
        if self.open_awaits_ends is not None:
            self.awaits_ends, self.open_awaits_ends = self.open_awaits_ends, None
        self._open = {}
        self.due.looked_at.clear()
        self.expiries.is_raised = self.is_placed = False
        self._last_id = self._open_last_id
        if self.limits.types or self.limits.rows.is_changed:
            self.limits.commit()

    def counts(self) -> Counts:
        """The counts as of the last commit. May be called while a transaction is open on another thread."""
        with self._lock:
            tallies = dict(self._committed)
            if self._moved:
                self._total = _moved_on(self._total, self._moved, tallies)
                self._moved = {}
            return Counts(self._total, _ByType(tallies), self.due.earliest_by_type(), self._pauses)

    def much_comes_due(self, now: int, many: int, unseen: int) -> bool:
        """Whether of some type more than `many` jobs are scheduled that were last looked at over `unseen` ago: to count
        what of them came due may take long.
        """
        return any(tally.scheduled > many and now - tally.due_mark > unseen for tally in self._committed.values())


def _moved_on(total: TypeCounts, before: Mapping[str, Tally], after: Mapping[str, Tally]) -> TypeCounts:
    """The total after some types have moved."""
    sums = list(total)
    for job_type, tally in before.items():
        now, then = after[job_type].columns(), tally.columns()
        for index in range(len(sums)):
            sums[index] += now[index] - then[index]
    return TypeCounts._make(sums)
