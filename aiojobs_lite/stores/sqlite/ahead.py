"""What a clock that was ahead has written, found and moved back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiojobs_lite.clock import FIRST_INSTANT
from aiojobs_lite.model.ahead import (
    CLOCK_TOLERANCE_US,
    AheadPage,
    ListAhead,
    ListEndedAhead,
    MoveBack,
    MovedBack,
    Place,
)
from aiojobs_lite.model.job import FINISHED, PRIORITIES, Status
from aiojobs_lite.stores.sqlite.due import AT_ONCE
from aiojobs_lite.stores.sqlite.expiries import move_expiry
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

_ORDERED: Final = max(PRIORITIES.values()) + 1  # stands for the jobs of a type in ordered lanes
_PARTS: Final = [*sorted(PRIORITIES.values()), _ORDERED]


class _Pending(NamedTuple):
    """A pending job, and when it was written."""

    id: int
    type: str
    priority: int
    scheduled_at: int
    attempts: int
    is_held: int
    written: int


def list_ahead(connection: sqlite3.Connection, sql: Sql, query: ListAhead) -> AheadPage:
    """See `ListAhead`."""
    ids: list[int] = []
    left = query.limit
    is_among_lanes = query.after is not None and query.after.lane is not None
    for job_type, priority, at, job_id in () if is_among_lanes else _ranges(connection, sql, query):
        jobs = sql["ordered_after" if priority == _ORDERED else "pending_after"]
        wanted = {"type": job_type, "priority": priority, "at": at, "id": job_id, "limit": left}
        for job in map(_Pending._make, connection.execute(jobs, wanted).fetchall()):
            left -= 1
            if _ahead(job, query.now):
                ids.append(job.id)
            if not left:
                return AheadPage(tuple(ids), Place(job.type, priority, job.scheduled_at, job.id))
    return _list_lanes(connection, sql, query, ids, left)


def _list_lanes(connection: sqlite3.Connection, sql: Sql, query: ListAhead, ids: list[int], left: int) -> AheadPage:
    """Goes on with the jobs that wait in lanes."""
    after = query.after if query.after is not None and query.after.lane is not None else None
    wanted: dict[str, Any] = {"now": query.now, "limit": left, "lane": "", "at": 0, "id": 0}
    if after is not None:
        wanted |= {"lane": after.lane, "at": after.scheduled_at, "id": after.id}
    found = [(lane, _Pending._make(row)) for lane, *row in connection.execute(sql["waiting_after"], wanted).fetchall()]
    ids += [job.id for _, job in found if _ahead(job, query.now)]
    if len(found) == left:
        lane, job = found[-1]
        return AheadPage(tuple(ids), Place(job.type, job.priority, job.scheduled_at, job.id, lane))
    starts = connection.execute(sql["starts_ahead"], {"at": query.now + CLOCK_TOLERANCE_US}).fetchall()
    return AheadPage(tuple(ids), None, bool(starts))


def list_ended_ahead(connection: sqlite3.Connection, sql: Sql, query: ListEndedAhead) -> tuple[int, ...]:
    """See `ListEndedAhead`."""
    ids: list[int] = []
    for status in sorted(FINISHED):
        parameters = {"status": status, "after": query.now + CLOCK_TOLERANCE_US, "limit": query.limit - len(ids)}
        ids += [row[0] for row in connection.execute(sql["ended_after"], parameters).fetchall()]
    return tuple(ids)


def move_back(transaction: Transaction, write: MoveBack) -> MovedBack:
    """See `MoveBack`."""
    now, ids, moved = transaction.now, [(job_id,) for job_id in sorted(set(write.ids))], MovedBack()
    pending = [row for *_, cursor in transaction.many("pending_of_ids", ID_ROW, ids) for row in cursor.fetchall()]
    for job in map(_Pending._make, pending):
        ahead = _ahead(job, now)
        if ahead:
            scheduled_at = job.scheduled_at - ahead
            tally = transaction.tally(job.type)
            tally.move(Status.PENDING, -1, job.attempts, job.scheduled_at)
            tally.move(Status.PENDING, 1, job.attempts, scheduled_at)
            transaction.run("move_pending_back", (scheduled_at, job.id))
            move_expiry(transaction, job.id, -ahead)
            if transaction.has_steps:
                _move_steps_back(transaction, job, ahead)
            if not job.is_held:
                transaction.due.add(job.type, job.priority, scheduled_at, job.id)
            moved = _add(moved, ahead)
    if moved.jobs:
        transaction.limits.shift(write.ids)
    if transaction.limits.types:
        transaction.limits.meters.move_back(CLOCK_TOLERANCE_US)
    transaction.limits.meters.move_pauses_back(CLOCK_TOLERANCE_US)
    ended = [row for *_, cursor in transaction.many("ended_of_ids", ID_ROW, ids) for row in cursor.fetchall()]
    for job_id, completed_at in ended:
        if completed_at > now + CLOCK_TOLERANCE_US:
            transaction.run(
                "move_ended_back", {"id": job_id, "now": now, "ahead": completed_at - now, "first": FIRST_INSTANT}
            )
            moved = _add(moved, completed_at - now)
    return moved


def _move_steps_back(transaction: Transaction, job: _Pending, ahead: int) -> None:
    """Moves what a job waits for, as far as the same clock has written it."""
    values = {
        "id": job.id,
        "by": ahead,
        "earliest": job.written - CLOCK_TOLERANCE_US,
        "latest": job.written + ahead,
        "right": transaction.now + CLOCK_TOLERANCE_US,
    }
    transaction.run("move_steps_back", values)


def _ranges(connection: sqlite3.Connection, sql: Sql, query: ListAhead) -> Iterator[tuple[str, int, int, int]]:
    """The type and priority, or `_ORDERED`, of each range of jobs to be looked at, and behind what it begins."""
    after = query.after or Place("", 0, AT_ONCE, 0, None)
    for (job_type,) in connection.execute(sql["types_ahead"], (query.now, after.type)).fetchall():
        for priority in _PARTS:
            if (job_type, priority) == after[:2]:
                yield job_type, priority, max(query.now, after.scheduled_at), after.id
            elif (job_type, priority) > after[:2]:
                yield job_type, priority, query.now, 0


def _ahead(job: _Pending, now: int) -> int:
    """By how much the clock was ahead that wrote a job, if it is to be moved back; else 0."""
    ahead = job.written - now
    behind = job.scheduled_at - job.written
    return ahead if ahead > CLOCK_TOLERANCE_US and -CLOCK_TOLERANCE_US <= behind < ahead - CLOCK_TOLERANCE_US else 0


def _add(moved: MovedBack, ahead: int) -> MovedBack:
    return MovedBack(moved.jobs + 1, max(moved.longest, ahead))
