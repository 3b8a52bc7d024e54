"""What the parts of one transaction share: named queries, many rows a statement, the counts moved along.

Statements are few and big: each step of SQLite gives up the interpreter lock and must win it back.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.expiries import Expired
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.stores.sqlite import rows
from aiojobs_lite.stores.sqlite.counts import COUNTS_ROW, Ledger, Tally
from aiojobs_lite.stores.sqlite.due import Due, Expiries
from aiojobs_lite.stores.sqlite.lanes import Limits

MOST_ROWS: Final = 128  # a statement; smaller ones come in powers of two, so that all stay prepared
ID_ROW: Final = "?"
Laned = tuple[int, NewJob, int | None]  # the id of a new job, its row, and where it waits in its lane
Statements = Iterator[tuple[int, int, sqlite3.Cursor]]  # start and size of the rows that each is about


class Moved(NamedTuple):
    """Jobs that have ended, or not any more: where they count in their batches before it, and after it.

    `unfinished` `completed` `dead` `cancelled` `deleted`
    """

    ids: Sequence[int]
    before: str
    after: str


class BatchMoves:
    """What one transaction changes of batches, by id.

    Attributes:
        counts: By how much each of their counts moves.
        jobs: The jobs that they are given.
    """

    def __init__(self) -> None:
        self.counts: defaultdict[int, defaultdict[str, int]] = defaultdict(partial(defaultdict, int))
        self.jobs: defaultdict[int, list[int]] = defaultdict(list)


class Fenced(Exception):
    """An attempt is no longer its owner's, or what was said to be new is there; the transaction must be run again row
    by row.
    """


class Transaction:
    """One transaction; lives between BEGIN and COMMIT.

    Args:
        connection: Where it is open.
        sql: The named queries.
        ledger: The counts.
        now: Its instant, in microseconds.
        most_rows: Rows a statement; 1 finds out which attempts are fenced off.

    Attributes:
        now: As given.
        due: When the next jobs are due.
        expiries: When the next job expires.
        expired: The jobs that it cancelled since their expiry had come.
        moved: The jobs that ended, if their ends are awaited, and those that were redriven.
        moves_noted: How many of these are known to the operations that wait for jobs.
        moves_sent: How many of them have sent their events.
        moves_settled: How many of them are known to the jobs that run after others.
        has_fewer_waits: Whether an event has come, or a job has ended, that something waited for.
        has_sent: See `Applied`.
        batches: What it changes of batches; None: nothing yet.
        cancelled: See `Applied`.
        enqueued: See `Applied`.
    """

    expired: Sequence[Expired] = ()
    moves_noted = moves_sent = moves_settled = 0
    has_fewer_waits = False
    has_sent = False
    batches: BatchMoves | None = None

    def __init__(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], ledger: Ledger, now: int, most_rows: int
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._ledger = ledger
        self._most_rows = most_rows
        self.now = now
        self.due: Due = ledger.due
        self.expiries: Expiries = ledger.expiries
        self.limits: Limits = ledger.limits
        self.moved: list[Moved] = []
        self.cancelled: list[Cancellation] = []
        self.enqueued: list[tuple[int, NewJob]] = []

    @property
    def is_row_by_row(self) -> bool:
        """Whether it is run again, one row a statement."""
        return self._most_rows == 1

    @property
    def pauses(self) -> dict[str, Pause | None]:
        """The types that it pauses, and those that it resumes."""
        return self._ledger.open_pauses

    @property
    def paused(self) -> Set[str]:
        """The types that are paused, with what it has changed of that."""
        return self._ledger.paused

    def run(self, query: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Executes a named query."""
        return self._connection.execute(self._sql[query], parameters)

    def one(self, query: str, parameters: Any = ()) -> Any:
        """The only row of a named query, or None."""
        found = self._connection.execute(self._sql[query], parameters).fetchall()
        return found[0] if found else None

    def many(self, query: str, row: str, values: Sequence[Sequence[Any]], first: tuple[Any, ...] = ()) -> Statements:
        """Executes a `{rows}` query over all values; yields `(start, size, cursor)` a statement."""
        sql = self._sql[query]
        if len(values) == 1:
            yield 0, 1, self._connection.execute(rows.filled(sql, row, 1), (*first, *values[0]))
            return
        for start, size in rows.chunks(len(values), self._most_rows):
            flat = chain(first, chain.from_iterable(values[start : start + size]))
            yield start, size, self._connection.execute(rows.filled(sql, row, size), tuple(flat))

    def run_all(self, query: str, row: str, values: Sequence[Sequence[Any]], first: tuple[Any, ...] = ()) -> int:
        """The same as `many`; returns how many rows changed."""
        if len(values) == 1:
            return self._connection.execute(rows.filled(self._sql[query], row, 1), (*first, *values[0])).rowcount
        return sum(cursor.rowcount for _, _, cursor in self.many(query, row, values, first))

    def run_all_rows(self, query: str, row: str, values: Sequence[Sequence[Any]]) -> list[Any]:
        """The same as `many`; returns all rows that are found."""
        return [found for _, _, cursor in self.many(query, row, values) for found in cursor.fetchall()]

    @property
    def has_steps(self) -> bool:
        """See `Ledger.has_steps`."""
        return self._ledger.has_steps

    @property
    def places(self) -> dict[int, int]:
        """The last place of the operations of some jobs, to be changed."""
        self._ledger.is_placed = True
        return self._ledger.places

    def note_steps(self) -> None:
        """Notes that operations are stored, also if this is rolled back."""
        self._ledger.has_steps = True

    @property
    def awaits_ends(self) -> bool:
        """See `Ledger.awaits_ends`."""
        return self._ledger.awaits_ends

    def note_ends(self, ids: Sequence[int], after: str) -> None:
        """Notes, if that is awaited, that jobs have ended, or were deleted before."""
        if self._ledger.awaits_ends:
            self.moved.append(Moved(ids, "unfinished", after))

    def note_redrive(self, ids: Sequence[int], before: str) -> None:
        """Notes that jobs that were dead or cancelled are pending again."""
        self.moved.append(Moved(ids, before, "unfinished"))

    def await_ends(self) -> None:
        """Awaits the ends of jobs from now on, also if this is rolled back: then it costs a little, and is harmless."""
        self._ledger.awaits_ends = True
        self._ledger.open_awaits_ends = None

    def look_for_awaited(self) -> None:
        """Looks whether the ends of jobs are awaited from the commit on."""
        if not self.one("awaits_ends")[0]:
            self._ledger.open_awaits_ends = False

    def tally(self, job_type: str) -> Tally:
        """The counts of a type, to be changed."""
        return self._ledger.of(self._connection, job_type, self.now)

    def insert_pending(self, row: NewJob) -> int:
        """Inserts one job with all that it brings, and counts it; returns its id."""
        (job_id,) = self._ledger.new_ids(1)
        if row.lane is not None:
            self.insert_laned([self.place_laned(row, job_id)], rows.PENDING)
            return job_id
        self.count_pending(row, job_id)
        if rows.more_of(row) == rows.NOTHING_MORE:
            self.run_all("insert_pending", rows.NEW_ROW, [(job_id, *rows.required_of(row))])
        else:
            self.run("insert_job", (*rows.PENDING, job_id, *row))
        return job_id

    def place_laned(self, row: NewJob, job_id: int) -> Laned:
        """Says where a new pending job with limits by key waits, and counts it."""
        place = self.limits.place(row, job_id)
        self.count_pending(row, job_id, is_ordinary=place is None)
        return job_id, row, place

    def insert_laned(self, jobs: Sequence[Laned], standing: tuple[Any, ...]) -> None:
        """Inserts jobs with limits by key that were counted: pending ones, or those that a claim takes."""
        plain: list[tuple[Any, ...]] = []
        for job_id, row, place in jobs:
            if rows.more_of(row)[:-1] == rows.NOTHING_MORE[:-1]:
                plain.append((job_id, *rows.required_of(row), row.lane, place))
                continue
            self.run("insert_job", (*standing, job_id, *row))
            if place is not None:
                self.limits.set_place(job_id, place)
        if plain:
            self.run_all("insert_laned", rows.LANED_ROW, plain, standing)

    def count_pending(self, row: NewJob, job_id: int, count: int = 1, *, is_ordinary: bool = True) -> Tally:
        """Counts a new job that is pending, and may be claimed if it is an ordinary one; or the first of several alike.

        Raises:
            StoreRejected: If there is no such priority.
        """
        tally = self.tally(row.type)
        tally.last_id = job_id
        tally.pending += count
        if row.scheduled_at > tally.due_mark:
            tally.scheduled += count
        if not is_ordinary:
            return tally
        try:
            self.due.add(row.type, row.priority, row.scheduled_at, job_id)
        except IndexError as error:
            raise StoreRejected(f"there is no priority {row.priority}") from error
        return tally

    @property
    def last_job(self) -> int:
        """The highest id that a job ever had."""
        return self._ledger.new_ids(0).start - 1

    def new_ids(self, count: int) -> range:
        """See `Ledger.new_ids`."""
        return self._ledger.new_ids(count)

    def flush(self) -> None:
        """Writes the counts that moved."""
        if self.limits.types:
            self.limits.meters.flush()
            for job_type in self.limits.lines.types_due:
                self.tally(job_type)
        moved = self._ledger.moved()
        if moved:
            self.run_all("set_counts", COUNTS_ROW, moved)
