"""Jobs that run after others: they are held, and each end looks for those that wait for it, while any does."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.after import FAILED, After, AfterAnswer, Cancellation, InsertAfter, ListAfter
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import CancelJob
from aiojobs_lite.stores.sqlite.batches import add_jobs, takes_jobs
from aiojobs_lite.stores.sqlite.due import NEVER
from aiojobs_lite.stores.sqlite.expiries import count_from_release, move_expiry
from aiojobs_lite.stores.sqlite.insert import insert
from aiojobs_lite.stores.sqlite.moves import cancel_job
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Moved, Transaction
from aiojobs_lite.stores.sqlite.unique import admit

AFTER_ROW: Final = "(?, ?, ?, ?, ?)"
RELEASED_ROW: Final = "(?, ?)"
_UNFINISHED: Final = ("pending", "processing")


class _Wait(NamedTuple):
    """A row of the table."""

    waits_for: int
    job_id: int
    runs_anyway: int
    delay: int
    at: int | None


def place_after(transaction: Transaction, write: InsertAfter) -> AfterAnswer:
    """See `InsertAfter`."""
    if write.batch is not None and not takes_jobs(transaction, write.batch, is_member=write.is_member):
        return AfterAnswer((), is_closed=True)
    wanted = sorted({job_id for after in write.after for job_id in after.jobs})
    found: dict[int, str] = {}
    for _, _, cursor in transaction.many("statuses", ID_ROW, [(job_id,) for job_id in wanted]):
        found.update(cursor.fetchall())
    missing = [job_id for after in write.after for job_id in after.jobs if job_id not in found]
    if missing:
        return AfterAnswer((), missing=missing[0])
    inserted = (
        admit(transaction, Admit(write.conditions)) if write.conditions else insert(transaction, write.rows, None)
    )
    if isinstance(inserted, Refused):
        return AfterAnswer((), refused=inserted)
    if write.batch is not None:
        add_jobs(transaction, write.batch, inserted)
    for (job_id, is_new), after in zip(inserted, write.after, strict=True):
        if is_new and after.jobs:
            _place(transaction, job_id, after, found)
    return AfterAnswer(tuple(inserted))


def settle_after(transaction: Transaction) -> bool:
    """Releases or cancels what waited for the jobs that have ended since this was called last, and what waits for
    those; returns whether any did.

    Each round is about the jobs that ended in the round before.
    """
    is_any, has_waiting = False, transaction.one("is_any_waiting")[0]
    while len(transaction.moved) > transaction.moves_settled:
        moved = [move for move in transaction.moved[transaction.moves_settled :] if move.before == "unfinished"]
        transaction.moves_settled = len(transaction.moved)
        is_any |= bool(has_waiting) and _settle_round(transaction, moved)
    return is_any


def list_after(connection: sqlite3.Connection, sql: Sql, query: ListAfter) -> tuple[int, ...]:
    """See `ListAfter`."""
    return tuple(row[0] for row in connection.execute(sql["after_of_job"], (query.job, query.limit)).fetchall())


def _place(transaction: Transaction, job_id: int, after: After, found: dict[int, str]) -> None:
    """Holds a new job, cancels it, or leaves it as it is."""
    failed = [one for one in after.jobs if found[one] not in (*_UNFINISHED, Status.COMPLETED)]
    if failed and not after.runs_anyway:
        _cancel(transaction, job_id, min(failed), found[min(failed)])
        return
    left = sorted({one for one in after.jobs if found[one] in _UNFINISHED})
    if not left:
        return
    job_type, scheduled_at, created_at = transaction.one("type_and_instants", (job_id,))
    tally = transaction.tally(job_type)
    tally.move(Status.PENDING, -1, 0, scheduled_at)
    tally.move(Status.PENDING, 1, 0, transaction.now)
    tally.held += 1
    transaction.limits.leave(job_id)
    transaction.run("hold_after", (transaction.now, job_id))
    move_expiry(transaction, job_id, transaction.now - max(scheduled_at, created_at))
    rows = [(job_id, one, int(after.runs_anyway), after.delay, after.at) for one in left]
    transaction.run_all("insert_after", AFTER_ROW, rows)
    transaction.await_ends()


def _settle_round(transaction: Transaction, moved: Sequence[Moved]) -> bool:
    ended = {job_id: move.after for move in moved for job_id in move.ids}
    ids = [(job_id,) for job_id in ended]
    waits = [
        _Wait(*row)
        for _, _, cursor in transaction.many("waiting_for", ID_ROW, ids)
        for row in cursor.fetchall()
    ]  # fmt: skip
    forgotten = transaction.run_all("forget_waiting", ID_ROW, ids) if ids else 0
    if not waits:
        return forgotten > 0
    transaction.run_all("forget_ended", ID_ROW, ids)
    by_job: dict[int, list[_Wait]] = {}
    for wait in sorted(waits):
        by_job.setdefault(wait.job_id, []).append(wait)
    failed = {
        job_id: wait
        for job_id, of_job in by_job.items()
        for wait in reversed(of_job)
        if ended[wait.waits_for] != Status.COMPLETED and not wait.runs_anyway
    }
    for job_id, wait in sorted(failed.items()):
        _cancel(transaction, job_id, wait.waits_for, ended[wait.waits_for])
    left = {job_id for job_id in by_job if job_id not in failed}
    for _, _, cursor in transaction.many("still_waiting", ID_ROW, [(job_id,) for job_id in sorted(left)]):
        left -= {row[0] for row in cursor.fetchall()}
    _release(transaction, {job_id: by_job[job_id][0] for job_id in sorted(left)})
    return True


def _cancel(transaction: Transaction, job_id: int, waited_for: int, status: str) -> None:
    """Cancels a job, unless it has ended in this transaction."""
    how = "was deleted" if status == "deleted" else f"is {status}"
    reason = FAILED.format(job=waited_for, status=how)
    found = transaction.one("type_and_status", (job_id,))
    if found is not None and found[1] == Status.PENDING:
        cancel_job(transaction, CancelJob(job_id, reason))
        transaction.cancelled.append(Cancellation(job_id, found[0], reason))


def _release(transaction: Transaction, waits: Mapping[int, _Wait]) -> None:
    """Makes jobs claimable, by id, that are still held."""
    due_at: list[tuple[int, int]] = []
    later: list[tuple[int, int]] = []
    for _, _, cursor in transaction.many("held_after", ID_ROW, [(job_id,) for job_id in waits]):
        for job_id, job_type, priority, attempts, scheduled_at in cursor.fetchall():
            _, _, _, delay, at = waits[job_id]
            due = min(transaction.now + delay, NEVER - 1) if at is None else at
            tally = transaction.tally(job_type)
            tally.move(Status.PENDING, -1, attempts, scheduled_at)
            tally.move(Status.PENDING, 1, attempts, due)
            tally.held -= 1
            transaction.due.add(job_type, priority, due, job_id)
            due_at.append((job_id, due))
            later.append((job_id, max(due, transaction.now) - scheduled_at))
    if due_at:
        transaction.run_all("release_after", RELEASED_ROW, due_at)
        count_from_release(transaction, later)
        transaction.limits.shift([job_id for job_id, _ in due_at])
