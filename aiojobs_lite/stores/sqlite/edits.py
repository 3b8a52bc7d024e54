"""Edits of jobs: see `model/edits.py`."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.edits import Edited, EditJob, EditRow, ListEdits
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.limits import lane_at
from aiojobs_lite.model.unique import UniqueScope
from aiojobs_lite.stores.sqlite.limits import give_lane
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction


class _Editable(NamedTuple):
    """What the edit of a job depends on."""

    type: str
    status: str
    attempts: int
    scheduled_at: int
    held: str
    priority: int
    payload: str
    unique_scope: str | None
    is_unstarted: int


def edit_job(transaction: Transaction, write: EditJob) -> Edited:
    """See `EditJob`."""
    found = transaction.one("editable", (write.id,))
    if found is None:
        return Edited(None)
    job = _Editable._make(found)
    answer = _obstacle(transaction, write, job)
    if not answer:
        return answer
    is_pending, is_released = job.status == Status.PENDING, job.held == Held.PAYLOAD
    due = min(job.scheduled_at, transaction.now) if is_released else job.scheduled_at
    lane = lane_at(write.lane, job.priority)
    if is_pending:
        transaction.limits.leave(write.id)
    transaction.run("keep_edit", {"id": write.id, "now": transaction.now})
    edited = {"payload": write.payload, "lane": lane, "unique_key": write.unique_key}
    transaction.run("edit", {"id": write.id, "scheduled_at": due, **edited})
    if is_pending:
        tally = transaction.tally(job.type)
        tally.move(Status.PENDING, -1, job.attempts, job.scheduled_at)
        tally.move(Status.PENDING, 1, job.attempts, due)
        tally.held -= is_released
        if is_released or not job.held:
            transaction.due.add(job.type, job.priority, due, write.id)
        give_lane(transaction, write.id, lane)
    return answer


def _obstacle(transaction: Transaction, write: EditJob, job: _Editable) -> Edited:
    """What stands against an edit, or nothing."""
    status = Status(job.status)
    if status not in (Status.PENDING, Status.DEAD):
        return Edited(status, "status")
    if job.payload != write.before:
        return Edited(status, "changed")
    if transaction.has_steps and transaction.one("has_operations", (write.id,))[0]:
        return Edited(status, "operations")
    if write.unique_key is not None and _has_key(job):
        other = transaction.one("job_with_unique_key", (job.type, write.unique_key))
        if other is not None and other[0] != write.id:
            return Edited(status, "key", write.unique_key)
    return Edited(status)


def _has_key(job: _Editable) -> bool:
    """Whether a job keeps others of its unique key away."""
    if job.status != Status.PENDING:
        return False
    return job.unique_scope == UniqueScope.UNFINISHED or (job.unique_scope is not None and bool(job.is_unstarted))


def list_edits(connection: sqlite3.Connection, sql: Sql, query: ListEdits) -> list[EditRow]:
    """See `ListEdits`."""
    found = connection.execute(sql["edits_of_job"], (query.job_id,)).fetchall()
    return [EditRow(to_datetime(at), payload) for at, payload in found]
