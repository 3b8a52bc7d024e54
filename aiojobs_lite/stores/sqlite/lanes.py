"""Limits by key: the lanes in which jobs wait for the capacity of their meters.

A job with limits is an ordinary pending job until the claim finds it over a limit; only then it waits in its lane. A
lane with jobs that wait has one row, and stands in one line: that of its type, where the claim looks, or that of the
meter that is exhausted. So a job that waits is never looked at, however many there are.

- Each pending job with a place has the row of its lane. A lane without jobs is deleted when it is looked at.
- No job of a lane can be claimed before its bound. Whatever makes one claimable sooner lowers it.
- A lane stands in the line of a meter only while that is exhausted, or while as many lanes of its priority as the meter
  allows stand in the line of their type. One that does not use what it is allowed sets that free for those behind it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import (
    END,
    ChangeLimit,
    Lane,
    LimitedLane,
    PauseLimit,
    RestartRate,
    StoredLimit,
    lane_of,
)
from aiojobs_lite.model.run_starts import later_lane
from aiojobs_lite.stores.sqlite.due import Bound, Due
from aiojobs_lite.stores.sqlite.limit_rows import LimitRows
from aiojobs_lite.stores.sqlite.limited_types import LanedAttempts, LimitedTypes
from aiojobs_lite.stores.sqlite.lines import Lines
from aiojobs_lite.stores.sqlite.meters import Meters
from aiojobs_lite.stores.sqlite.rows import Sql, chunks, filled

ORDERED_PLACE: Final = 0
_MOST_HINTS: Final = 10_000


class _Waiting(NamedTuple):
    """What tells where a job with a lane stands."""

    id: int
    lane: str
    place: int | None
    status: str
    held: str | None
    priority: int
    scheduled_at: int


class Limits:
    """The lanes and meters of one database, as one connection knows them.

    Args:
        sql: The named queries.
        due: When the jobs of each type are due.

    Attributes:
        meters: What each limit allows.
        lines: Where the lanes stand.
        types: The types that have limits by key, or had.
        rows: The rows of limits, lanes and meters.
    """

    def __init__(self, sql: Sql, due: Due) -> None:
        self.rows = LimitRows(sql)
        self._due = due
        self._types, self._attempts = LimitedTypes(), LanedAttempts()
        self._hints: Counter[str] = Counter()  # ordinary jobs of a lane that were inserted and not claimed yet
        # By ordered lane the jobs that were placed in it, and are about to be inserted: priority and bound by id.
        self._placed: dict[str, dict[int, tuple[int, Bound]]] = {}
        self._is_stale = False
        self.meters = Meters(self.rows, due)
        self.lines = Lines(self.rows, due, self.meters, self._types)
        self.types: Collection[str] = self._types.names

    # The life of a transaction.

    def begin(self, connection: sqlite3.Connection, now: int) -> None:
        """A transaction has begun."""
        self.rows.connection, self.rows.now = connection, now
        if self.lines.types_due:
            self.lines.types_due.clear()
        if self._placed:
            self._placed.clear()
        if self._is_stale:
            self.reload(connection)

    def reload(self, connection: sqlite3.Connection) -> None:
        """Reads all anew: another owner has committed, or a transaction has failed."""
        self.rows.connection = connection
        self.meters.reload()
        self._types.load(self.rows.all("limited"))
        self.lines.clear()
        self._attempts.count(self.meters.count_running() if self.types else Counter())
        if self.types:
            self.lines.has_lanes = bool(self.rows.all("any_lane"))
        self._is_stale = self.rows.is_changed = False

    def discard(self) -> None:
        """Forgets what a transaction that was not committed has changed."""
        if self.rows.is_changed:
            self._is_stale = True
            self.rows.is_changed = False
            self._attempts.forget()  # another job may get its ids

    def commit(self) -> None:
        """The transaction is committed."""
        self.rows.is_changed = False

    # Limits.

    def set(self, limit: StoredLimit) -> StoredLimit | None:
        """See `SetLimits`; returns what it was, if that was something else."""
        before = self.meters.limits.set(limit)
        if before is None:
            return None
        self.lines.free_limit(limit.name, limit.key)
        return None if before.most is None else StoredLimit(limit.name, before.most, before.per, limit.key)

    def change(self, write: ChangeLimit | PauseLimit) -> bool:
        """See `ChangeLimit` and `PauseLimit`."""
        limits = self.meters.limits
        is_known = limits.change(write) if isinstance(write, ChangeLimit) else limits.pause(write)
        if is_known and isinstance(write, PauseLimit) and write.until is not None:
            self.meters.look_at(write.until)
        if is_known and not (isinstance(write, PauseLimit) and write.paused):
            self.lines.free_limit(write.name, write.key)
        return is_known

    def restart(self, write: RestartRate) -> bool:
        """See `RestartRate`."""
        meter = f"{write.name}{END}{write.key}"
        is_known = write.name in self.meters.limits.stored
        if is_known:
            self.meters.restart(meter)
            self.lines.free(meter)
        return is_known

    def start(self, text: str, lane: Lane, *ids: int) -> None:
        """The attempts of jobs start that are stored."""
        self.start_new(text, lane, len(ids))
        self._attempts.note(text, ids)

    def place_claimed(self, text: str, job_id: int) -> int | None:
        """Where a job waits whenever it is pending again that is inserted as claimed; None: it is an ordinary one."""
        self._attempts.note(text, (job_id,))
        return ORDERED_PLACE if lane_of(text).is_ordered else None

    def start_new(self, text: str, lane: Lane, count: int = 1) -> None:
        """The attempt of a job starts that is about to be inserted, or of so many."""
        self._attempts.begin(lane.type, count)
        self._hints.pop(text, None)
        self.meters.start(lane, count)

    def has_running(self, job_type: str) -> bool:
        """Whether an attempt of a type runs that has limits."""
        return self._attempts.are_any(job_type)

    def ended(self, ended: Iterable[tuple[int, Status]]) -> None:
        """The attempts of these jobs have ended, which stand so now; the one function that sets meters free."""
        unknown, known = [], Counter[str]()
        for job_id, status in ended:
            text = self._attempts.take(job_id)
            if text is None or status is Status.PENDING:
                unknown.append(job_id)
            else:
                known[text] += 1
        for text, count in known.items():
            self._end(lane_of(text), count)
        for job in self._waiting(unknown) if unknown else ():
            lane = lane_of(job.lane)
            self._end(lane)
            if job.status == Status.PENDING and (left := later_lane(job.lane)) != job.lane:
                self.rows.run("keep_lane", (left, job.id))
            else:
                self._wait_again(job, lane)

    # Lanes.

    def note(self, text: str, lane: Lane) -> None:
        """Notes that a type has the limits of a lane, and stores those that a new job brings."""
        for name in self._types.add(lane):
            self.rows.is_changed = True
            self.rows.run("note_limited", (name, lane.type))
        if isinstance(text, LimitedLane):
            for limit in text.limits:
                self.set(limit)

    def prepare(self, rows: Iterable[NewJob]) -> None:
        """Reads what is needed of new jobs that are about to be placed, many a statement."""
        self.meters.prepare([lane_of(row.lane) for row in rows if row.lane is not None])

    def place(self, row: NewJob, job_id: int) -> int | None:
        """Where a new job that is not claimed waits; None: it is an ordinary one."""
        text = row.lane or ""
        lane, bound = lane_of(text), (row.scheduled_at, job_id)
        self.note(text, lane)
        if lane.is_ordered:
            if text not in self._placed and not (self.has_lane(text) and self.rows.all("heads_of_lane", (text, 1))):
                self._set_head(text, lane, row.priority, bound)
            self._placed.setdefault(text, {})[job_id] = (row.priority, bound)
            return ORDERED_PLACE
        if row.scheduled_at > self.rows.now:
            return None
        self._hints[text] = hints = self._hints.get(text, 0) + 1
        most = self.meters.most(lane)
        if hints <= most:
            if len(self._hints) > _MOST_HINTS:
                self._hints.clear()
            return None
        self.add(text, row.priority, bound, None if most else self.meters.full(lane))
        return max(row.scheduled_at, 1)

    def set_place(self, job_id: int, place: int) -> None:
        """A job waits in its lane whenever it is pending."""
        self.rows.run("set_place", (place, job_id))

    def add(self, text: str, priority: int, bound: Bound, full: str | None) -> None:
        """A job waits in a lane, from a bound on; if the lane is new, a meter may be exhausted for it."""
        self.rows.is_changed = self.lines.has_lanes = True
        lane = lane_of(text)
        self.note(text, lane)
        found = self.rows.all("add_lane", (text, self.lines.put(lane, full), priority, *bound))
        for line, its_priority in found:
            self.lines.goes_on_by(bound, line, lane.type, its_priority)
        if full is None:
            self._due.made = min(self._due.made, bound[0])  # it may be claimed, behind others of its lane

    def find(self, text: str, priority: int, bound: Bound) -> None:
        """Jobs wait in a lane that has no row, or one whose bound is too late."""
        lane = lane_of(text)
        if lane.is_ordered:
            self._set_head(text, lane, priority, bound)
        else:
            self.add(text, priority, bound, self.meters.full(lane))

    def count_again(self) -> list[str]:
        """Counts the attempts that run once more; returns the meters that were counted wrong."""
        running, wrong = self.meters.count_again()
        self._attempts.count(running)
        self.lines.free(*wrong)
        return wrong

    def has_lane(self, text: str) -> bool:
        """Whether jobs may wait in a lane."""
        return self.lines.has_lanes and bool(self.rows.all("lane_line", (text,)))

    def move(self, text: str, priority: int, bound: Bound, full: str | None) -> None:
        """A lane that was looked at goes where it belongs, and sets the meters free that it does not use."""
        lane, self.rows.is_changed = lane_of(text), True
        self.rows.run("move_lane", (self.lines.put(lane, full), priority, *bound, text))
        self.lines.give_up(lane, full)

    def set_bound(self, text: str, bound: Bound) -> None:
        """A lane stays where it stands, and its first jobs are taken."""
        self.rows.is_changed = True
        self.rows.run("set_bound", (*bound, text))

    def delete(self, text: str) -> None:
        """A lane that was looked at has no jobs."""
        self.rows.run("delete_lane", (text,))
        self.rows.is_changed, self.lines.has_lanes = True, bool(self.rows.all("any_lane"))
        self.lines.give_up(lane_of(text), None)

    def shift(self, ids: Sequence[int]) -> None:
        """These jobs may have become pending, or are due at another time."""
        for job in self._waiting(ids) if self.types else ():
            self._wait_again(job, lane_of(job.lane))

    def leave(self, *ids: int) -> None:
        """These jobs are about to be cancelled, deleted or given another lane: ordered lanes go on with others."""
        leaving = list(self._waiting(ids)) if self.types else []
        for text in {job.lane: None for job in leaving if job.place == ORDERED_PLACE}:
            placed = self._placed.get(text, {})
            for job_id in placed.keys() & set(ids):
                del placed[job_id]
            if self.has_lane(text):
                self._look_for_head(text, lane_of(text), ids)
            if not placed:
                self._placed.pop(text, None)

    def ordered_became_due(self, job_type: str, after: int, until: int) -> int:
        """How many jobs in ordered lanes of a type that never ran became due between two instants."""
        return int(self.rows.all("ordered_became_due", {"type": job_type, "after": after, "until": until})[0][0])

    def _end(self, lane: Lane, count: int = 1) -> None:
        self._attempts.end(lane.type, count)
        self.meters.end(lane, count)
        self.lines.free(*lane.meters)

    def _wait_again(self, job: _Waiting, lane: Lane) -> None:
        """A job that is pending in an ordered lane waits there."""
        if job.status == Status.PENDING and job.place == ORDERED_PLACE and job.held is None:
            self._look_for_head(job.lane, lane, ())

    def _look_for_head(self, text: str, lane: Lane, leaving: Collection[int]) -> None:
        """Finds which job of an ordered lane is next, without those that leave it; else one that is about to come."""
        found = self.rows.all("heads_of_lane", (text, len(leaving) + 1))
        heads = [(priority, (at, job_id)) for at, job_id, priority in found if job_id not in leaving]
        if heads := heads or list(self._placed.get(text, {}).values()):
            self._set_head(text, lane, *heads[0])
            self.lines.give_up(lane, None)  # it may come later than others now
        else:
            self.delete(text)

    def _set_head(self, text: str, lane: Lane, priority: int, bound: Bound) -> None:
        """An ordered lane stands by its next job, which no other one of it can overtake."""
        self.rows.is_changed = self.lines.has_lanes = True
        self.note(text, lane)
        ((line,),) = self.rows.all("set_head", (text, self.lines.put(lane, self.meters.full(lane)), priority, *bound))
        self.lines.goes_on_by(bound, line, lane.type, priority)

    def _waiting(self, ids: Sequence[int]) -> Iterable[_Waiting]:
        sql = self.rows.sql["lanes_of_ids"]
        for start, size in chunks(len(ids), 128):
            rows = self.rows.connection.execute(filled(sql, "?", size), tuple(ids[start : start + size])).fetchall()
            yield from map(_Waiting._make, rows)
