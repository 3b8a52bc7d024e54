"""Cancel, redrive, delete: what a person or a program does to single jobs."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import (
    CancelJob,
    DeleteJob,
    RedriveAsNew,
    RedriveDead,
    RedriveJob,
    Redriven,
    RedrivenAsNew,
    Reschedule,
)
from aiojobs_lite.stores.sqlite.children import delete_of_jobs, note_ends_of_children
from aiojobs_lite.stores.sqlite.expiries import forget_expiries, forget_expiries_of_dead, move_expiry
from aiojobs_lite.stores.sqlite.progress import delete_reports
from aiojobs_lite.stores.sqlite.steps import forget_unfinished, note_steps_done
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction
from aiojobs_lite.stores.sqlite.unique import admit, may_not_return, taken_key


class _Standing(NamedTuple):
    """Where one job stands."""

    type: str
    status: str
    attempts: int
    scheduled_at: int
    is_held: int
    priority: int


def cancel_job(transaction: Transaction, write: CancelJob) -> Status | None:
    """See `CancelJob`."""
    standing = _standing(transaction, write.id)
    if standing is None:
        return None
    if standing.status == Status.PENDING:
        tally = transaction.tally(standing.type)
        transaction.limits.leave(write.id)
        transaction.run("cancel_pending", {"id": write.id, "reason": write.reason, "now": transaction.now})
        tally.move(Status.PENDING, -1, standing.attempts, standing.scheduled_at)
        tally.held -= standing.is_held
        tally.cancelled += 1
        transaction.note_ends((write.id,), Status.CANCELLED)
        return Status.PENDING
    transaction.run("request_cancel", (write.reason, write.id))
    return Status(standing.status)


def reschedule(transaction: Transaction, write: Reschedule) -> bool:
    """See `Reschedule`."""
    standing = _standing(transaction, write.id)
    if standing is None or standing.status != Status.PENDING or standing.is_held:
        return False
    due = transaction.now if write.scheduled_at is None else write.scheduled_at
    if write.scheduled_at is None and standing.scheduled_at <= due:
        return False
    tally = transaction.tally(standing.type)
    tally.move(Status.PENDING, -1, standing.attempts, standing.scheduled_at)
    tally.move(Status.PENDING, 1, standing.attempts, due)
    transaction.due.add(standing.type, standing.priority, due, write.id)
    transaction.run("reschedule", (due, write.id))
    transaction.limits.shift([write.id])
    move_expiry(transaction, write.id, max(0, due - standing.scheduled_at))
    return True


def redrive_job(transaction: Transaction, write: RedriveJob) -> Redriven:
    """See `RedriveJob`."""
    standing = _standing(transaction, write.id)
    answer = Redriven(None if standing is None else Status(standing.status))
    if standing is None or not answer:
        return answer
    if (key := taken_key(transaction, write.id)) is not None:
        return answer._replace(taken_key=key)
    with_steps = forget_unfinished(transaction, [(write.id,)], standing.status)
    forget_expiries(transaction, [(write.id,)])
    due = max(transaction.now, standing.scheduled_at) if write.keeps_time else transaction.now
    tally = transaction.tally(standing.type)
    tally.move(Status(standing.status), -1)
    tally.move(Status.PENDING, 1, 0, due)
    transaction.note_redrive((write.id,), standing.status)
    transaction.due.add(standing.type, standing.priority, due, write.id)
    transaction.run("redrive", (due, write.id))
    note_steps_done(transaction, with_steps)
    transaction.limits.shift([write.id])
    return answer


def redrive_dead(transaction: Transaction, write: RedriveDead) -> int:
    """See `RedriveDead`."""
    kept_away = may_not_return(transaction, sorted(set(write.ids)))
    ids = [(job_id,) for job_id in sorted(set(write.ids)) if job_id not in kept_away]
    with_steps = forget_unfinished(transaction, ids, Status.DEAD)
    dead: list[int] = []
    for _, _, cursor in transaction.many("dead_of_ids", ID_ROW, ids):
        found = cursor.fetchall()
        dead += [job_id for job_id, _ in found]
        for job_type, count in Counter([job_type for _, job_type in found]).items():
            tally = transaction.tally(job_type)
            tally.dead -= count
            tally.move(Status.PENDING, count, 0, transaction.now)
            transaction.due.add_any(job_type, transaction.now)
    forget_expiries_of_dead(transaction, ids)
    if dead:
        transaction.note_redrive(dead, Status.DEAD)
    redriven = transaction.run_all("redrive_dead", ID_ROW, ids, (transaction.now,))
    note_steps_done(transaction, with_steps)
    transaction.limits.shift(write.ids)
    return redriven


def redrive_as_new(transaction: Transaction, write: RedriveAsNew) -> RedrivenAsNew:
    """See `RedriveAsNew`."""
    standing = _standing(transaction, write.id)
    before = Redriven(None if standing is None else Status(standing.status))
    if before and (key := taken_key(transaction, write.id)) is not None:
        before = before._replace(taken_key=key)
    if not before:
        return RedrivenAsNew(before)
    delete_job(transaction, DeleteJob(write.id))
    made = admit(transaction, Admit((Candidate(write.row, "raise"),)))
    if isinstance(made, Refused):
        raise StoreRejected(f"a job that is to stand for job {write.id} has the key of job {made.job_id}")
    return RedrivenAsNew(before, made[0].id)


def delete_job(transaction: Transaction, write: DeleteJob) -> Status | None:
    """See `DeleteJob`."""
    standing = _standing(transaction, write.id)
    if standing is None:
        return None
    if standing.status != Status.PROCESSING and write.only in {None, standing.status}:
        tally = transaction.tally(standing.type)
        if standing.status == Status.PENDING:
            transaction.note_ends((write.id,), "deleted")
        note_ends_of_children(transaction)
        delete_of_jobs(transaction, [(write.id,)])
        delete_reports(transaction, [(write.id,)])
        transaction.limits.leave(write.id)
        transaction.run_all("delete_jobs", ID_ROW, [(write.id,)])
        forget_expiries(transaction, [(write.id,)])
        tally.move(Status(standing.status), -1, standing.attempts, standing.scheduled_at)
        tally.held -= standing.is_held
    return Status(standing.status)


def _standing(transaction: Transaction, job_id: int) -> _Standing | None:
    found = transaction.one("standing", (job_id,))
    return None if found is None else _Standing._make(found)
