"""Limits by key: the capacity of each meter, and the lanes in which jobs wait for it.

A job with limits is an ordinary pending job until the claim finds it over a limit; only then it waits in its lane. A
lane with jobs that wait has one row, and stands in one line: that of its type, where the claim looks, or that of the
meter that is exhausted. So a job that waits is never looked at, however many there are.

- Each pending job with a place has the row of its lane. A lane without jobs is deleted when it is looked at.
- No job of a lane can be claimed before its bound. Whatever makes one claimable sooner lowers it.
- A lane stands in the line of a meter only while that is exhausted, or while as many lanes as it allows stand in the
  line of their type. A lane that does not use what it is allowed sets that free for those behind it.
- The attempts that run are counted from the rows, again after each commit of another owner.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import (
    Lane,
    Starts,
    StoredLimit,
    capacity_in,
    free_at,
    lane_of,
    limit_of,
    moved_back,
    started,
    within,
)
from aiojobs_lite.stores.sqlite.due import ANY_ID, AT_ONCE, NEVER, Bound, Due
from aiojobs_lite.stores.sqlite.rows import Sql, chunks, filled

ORDERED_PLACE: Final = 0
_UNLIMITED: Final = 2**62
_MOST_FREED: Final = 500  # meters whose time has come, looked at in one transaction
_MOST_HINTS: Final = 10_000
_MOST_METERS: Final = 10_000  # kept in memory


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
    """The limits of one database, as one connection knows them.

    Args:
        sql: The named queries.
        due: When the jobs of each type are due.

    Attributes:
        types: The types that have limits by key, or had.
        types_due: Those of which the transaction lets lanes be claimed, whose bounds are to be stored.
        has_lanes: Whether jobs wait in any lane.
        next_free: When the line of a rate is to be looked at; `NEVER` if there is none.
    """

    def __init__(self, sql: Sql, due: Due) -> None:
        self._sql = sql
        self._due = due
        self._connection: sqlite3.Connection
        self._now = AT_ONCE
        self._stored: dict[str, StoredLimit] = {}
        self._types_of: defaultdict[str, set[str]] = defaultdict(set)  # by the name of a limit
        self._running: Counter[str] = Counter()  # by meter
        self._running_of: Counter[str] = Counter()  # by type
        self._meters: dict[str, tuple[Starts, int | None]] = {}  # of rates: starts, and when to look at its line
        self._moved: set[str] = set()  # meters of rates, to be stored
        self._freed: dict[str, None] = {}  # meters that may have capacity, in the order in which they got it
        self._hints: Counter[str] = Counter()  # ordinary jobs of a lane that were inserted and not claimed yet
        self.has_lanes = False
        self._is_changed = self._is_stale = False
        self.types: set[str] = set()
        self.types_due: set[str] = set()
        self.next_free = NEVER

    # The life of a transaction.

    def begin(self, connection: sqlite3.Connection, now: int) -> None:
        """A transaction has begun."""
        self._connection, self._now = connection, now
        self.types_due.clear()
        if self._is_stale:
            self.reload(connection)

    def reload(self, connection: sqlite3.Connection) -> None:
        """Reads all anew: another owner has committed, or a transaction has failed."""
        self._connection = connection
        self._is_stale = self._is_changed = False
        self._stored = {row[0]: StoredLimit(*row) for row in self._all("limit_values")}
        self._types_of.clear()
        for name, job_type in self._all("limited"):
            self._types_of[name].add(job_type)
        self.types = set().union(*self._types_of.values())
        for known in (self._running, self._running_of, self._meters, self._freed):
            known.clear()
        self._moved.clear()
        if self.types:
            for job_type, lane, count in self._all("running_lanes"):
                self._running_of[job_type] += count
                for meter in lane_of(lane).meters:
                    self._running[meter] += count
            self.has_lanes = bool(self._all("any_lane"))
            self._look_for_next_free()

    def discard(self) -> None:
        """Forgets what a transaction that was not committed has changed."""
        self._is_stale |= self._is_changed
        self._is_changed = False

    def flush(self) -> None:
        """Stores what the transaction has moved; before its commit, and after `wake`."""
        for meter in self._moved:
            starts, look_at = self._meters[meter]
            self._run("set_meter", (meter, json.dumps(starts, separators=(",", ":")), look_at))
        self._moved.clear()
        if len(self._meters) > _MOST_METERS:
            self._meters.clear()

    def commit(self) -> None:
        """The transaction is committed."""
        self._is_changed = False

    # Limits.

    def set(self, limit: StoredLimit) -> StoredLimit | None:
        """Stores a limit; returns what it was, if that was something else."""
        known = self._stored.get(limit.name)
        if known == limit:
            return None
        self._is_changed = True
        self._run("set_limit", limit)
        self._stored[limit.name] = limit
        first = json.dumps([limit.name], ensure_ascii=False)[:-1] + ","
        for (line,) in self._all("lines_of_limit", (first, first + "\U0010ffff")) if known else ():
            self._freed[line.partition("\n")[0]] = None
        return known

    def capacity(self, meter: str) -> int:
        """How many more attempts a meter allows."""
        limit = self._stored.get(limit_of(meter))
        if limit is None or limit.per is None:
            return _UNLIMITED if limit is None else limit.most - self._running[meter]
        return capacity_in(self._starts(meter, limit), limit)

    def full(self, lane: Lane) -> str | None:
        """The first meter of a lane that is exhausted, or None."""
        for meter in lane.meters:
            if self.capacity(meter) <= 0:
                return meter
        return None

    def most(self, lane: Lane) -> int:
        """How many attempts of a lane its meters leave capacity for."""
        return max(0, min([_UNLIMITED, *map(self.capacity, lane.meters)]))

    def start(self, text: str) -> None:
        """An attempt of a lane starts."""
        lane = lane_of(text)
        self._is_changed = True
        self._running_of[lane.type] += 1
        self._hints.pop(text, None)
        for meter in lane.meters:
            self._running[meter] += 1
            limit = self._stored.get(limit_of(meter))
            if limit is not None and limit.per is not None:
                starts = started(self._starts(meter, limit), limit, self._now)
                look_at = self._meters[meter][1]
                if look_at is not None and capacity_in(starts, limit) <= 0:
                    look_at = self._look_at(free_at(starts, limit))
                self._meters[meter] = starts, look_at
                self._moved.add(meter)

    def has_running(self, job_type: str) -> bool:
        """Whether an attempt of a type runs that has limits."""
        return self._running_of[job_type] > 0

    def ended(self, ids: Sequence[int]) -> None:
        """The attempts of these jobs have ended; the one function that sets meters free."""
        for job in self._waiting(ids):
            lane = lane_of(job.lane)
            self._is_changed = True
            self._running_of[lane.type] -= 1
            for meter in lane.meters:
                self._running[meter] -= 1
                if self._running[meter] <= 0:
                    del self._running[meter]
                self._freed[meter] = None
            self._wait_again(job, lane)

    # Lanes.

    def note_type(self, lane: Lane) -> None:
        """Notes that a type has the limits of a lane."""
        for meter in lane.meters:
            types = self._types_of[limit_of(meter)]
            if lane.type not in types:
                self._is_changed = True
                self._run("note_limited", (limit_of(meter), lane.type))
                types.add(lane.type)
        self.types.add(lane.type)

    def place(self, row: NewJob, job_id: int) -> int | None:
        """Where a new job that is not claimed waits; None: it is an ordinary one."""
        text = row.lane or ""
        lane, bound = lane_of(text), (row.scheduled_at, job_id)
        self.note_type(lane)
        if lane.is_ordered:
            self.add(text, row.priority, bound, self.full(lane))
            return ORDERED_PLACE
        if row.scheduled_at > self._now:
            return None
        full = self.full(lane)
        self._hints[text] += 1
        if full is None and self._hints[text] <= self.most(lane):
            if len(self._hints) > _MOST_HINTS:
                self._hints.clear()
            return None
        self.add(text, row.priority, bound, full)
        return max(row.scheduled_at, 1)

    def set_place(self, job_id: int, place: int) -> None:
        """A job waits in its lane whenever it is pending."""
        self._run("set_place", (place, job_id))

    def add(self, text: str, priority: int, bound: Bound, full: str | None) -> None:
        """A job waits in a lane, from a bound on; if the lane is new, a meter may are exhausted for it."""
        self._is_changed = self.has_lanes = True
        lane = lane_of(text)
        self.note_type(lane)
        found = self._all("add_lane", (text, self._line(lane, full), priority, *bound))
        if found and found[0][0] == lane.type:
            self.make_due(lane.type, found[0][1], bound)

    def has_lane(self, text: str) -> bool:
        """Whether jobs may wait in a lane."""
        return self.has_lanes and bool(self._all("lane_line", (text,)))

    def move(self, text: str, priority: int, bound: Bound, full: str | None) -> None:
        """A lane that was looked at goes where it belongs, and sets the meters free that it does not use."""
        lane, self._is_changed = lane_of(text), True
        self._run("move_lane", (self._line(lane, full), priority, *bound, text))
        self._give_up(lane, full)

    def delete(self, text: str) -> None:
        """A lane that was looked at has no jobs."""
        self._run("delete_lane", (text,))
        self._is_changed, self.has_lanes = True, bool(self._all("any_lane"))
        self._give_up(lane_of(text), None)

    def shift(self, ids: Sequence[int]) -> None:
        """These jobs may have become pending, or are due at another time."""
        for job in self._waiting(ids) if self.types else ():
            self._wait_again(job, lane_of(job.lane))

    def leave(self, job_id: int) -> None:
        """A job is about to be cancelled or deleted: the next one of an ordered lane may be due sooner."""
        for job in self._waiting([job_id]) if self.types else ():
            lane = lane_of(job.lane)
            if lane.is_ordered and self.has_lane(job.lane):
                self.add(job.lane, job.priority, (AT_ONCE, ANY_ID), self.full(lane))

    def wake(self) -> bool:
        """Lets as many lanes as there is capacity for go on from the lines of meters; returns whether any does."""
        has_woken = False
        if self.next_free <= self._now:
            self._free_by_time()
        while self._freed:
            meter, _ = self._freed.popitem()
            capacity, woken = self.capacity(meter), 0
            if capacity <= 0:
                continue
            for job_type in sorted(self._types_of[limit_of(meter)]):
                self._due.add_known(job_type)
                wanted = (job_type, f"{meter}\n{job_type}", capacity)
                found = self._all("wake_lanes", wanted) if self.has_lanes else []
                for priority, *bound in found:
                    self.make_due(job_type, priority, (bound[0], bound[1]))
                woken = max(woken, len(found))
            has_woken |= woken > 0
            self._is_changed |= woken > 0
            self._set_time(meter, may_have_more=woken == capacity)
        return has_woken

    def ordered_became_due(self, job_type: str, after: int, until: int) -> int:
        """How many jobs in ordered lanes of a type that never ran became due between two instants."""
        return int(self._all("ordered_became_due", (job_type, after, until))[0][0])

    # Rates.

    def _starts(self, meter: str, limit: StoredLimit) -> Starts:
        """The starts of a meter that count now."""
        known = self._meters.get(meter)
        if known is None:
            found = self._all("meter", (meter,))
            known = self._meters[meter] = (_read(found[0][0]), found[0][1]) if found else ([], None)
        return within(known[0], limit, self._now)

    def move_back(self, tolerance: int) -> None:
        """The clock was set right: what it noted while it was ahead started now."""
        for meter, text, look_at in self._all("all_meters") if self.types else ():
            starts = _read(text)
            moved = moved_back(starts, self._now, tolerance)
            if moved != starts:
                self._is_changed = True
                self._meters[meter] = moved, None if look_at is None else self._look_at(self._now)
                self._moved.add(meter)

    def _set_time(self, meter: str, *, may_have_more: bool) -> None:
        """Notes when the line of a rate is to be looked at."""
        limit = self._stored.get(limit_of(meter))
        if limit is None or limit.per is None:
            return
        starts, look_at = self._starts(meter, limit), None
        before = self._meters[meter][1]
        if may_have_more:
            first = starts[0][0] if starts else self._now
            look_at = self._look_at(free_at(starts, limit) if capacity_in(starts, limit) <= 0 else first + limit.per)
        if look_at != before:
            self._is_changed = True
            self._meters[meter] = starts, look_at
            self._moved.add(meter)

    def _look_at(self, instant: int) -> int:
        self.next_free = min(self.next_free, instant)
        self._due.made = min(self._due.made, instant)
        return instant

    def _free_by_time(self) -> None:
        """Sets the meters free whose time has come."""
        found = self._all("free_meters", (self._now, _MOST_FREED))
        self._freed |= dict.fromkeys(meter for (meter,) in found)
        for (meter,) in found:
            limit = self._stored.get(limit_of(meter))
            if limit is not None and limit.per is not None:
                self._set_time(meter, may_have_more=self.capacity(meter) <= 0)
            else:  # it is no rate any more
                self._meters[meter] = [], None
                self._moved.add(meter)
                self._is_changed = True
        self.flush()
        self._look_for_next_free()

    def _look_for_next_free(self) -> None:
        (((found,),)) = self._all("next_free")
        self.next_free = NEVER if found is None else found

    # Rows.

    def _give_up(self, lane: Lane, full: str | None) -> None:
        """A lane leaves the line of its type: what it does not use is free for others."""
        for meter in lane.meters:
            if meter != full:
                self._freed[meter] = None

    def make_due(self, job_type: str, priority: int, bound: Bound) -> None:
        """A lane may be claimed."""
        self._due.add(job_type, priority, *bound)
        self.types_due.add(job_type)

    def _line(self, lane: Lane, full: str | None) -> str:
        """Where a lane stands."""
        if full is None:
            return lane.type
        self._set_time(full, may_have_more=True)
        return f"{full}\n{lane.type}"

    def _wait_again(self, job: _Waiting, lane: Lane) -> None:
        """A job that is pending in an ordered lane waits there."""
        if job.status == Status.PENDING and job.place == ORDERED_PLACE and job.held is None:
            self.add(job.lane, job.priority, (job.scheduled_at, job.id), self.full(lane))

    def _waiting(self, ids: Sequence[int]) -> Iterable[_Waiting]:
        sql = self._sql["lanes_of_ids"]
        for start, size in chunks(len(ids), 128):
            rows = self._connection.execute(filled(sql, "?", size), tuple(ids[start : start + size])).fetchall()
            yield from map(_Waiting._make, rows)

    def _all(self, query: str, parameters: Any = ()) -> list[Any]:
        return self._connection.execute(self._sql[query], parameters).fetchall()

    def _run(self, query: str, parameters: Any) -> None:
        self._connection.execute(self._sql[query], parameters)


def _read(text: str) -> Starts:
    return [(at, count) for at, count in json.loads(text)]
