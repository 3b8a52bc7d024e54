"""Batches: their counts move once a transaction, and those that are complete at its end enqueue their callbacks in it.

While no batch waits for anything, the end of a job looks for none: `Ledger.awaits_ends` is read again when another
process has committed.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.batches import (
    AbandonBatches,
    BatchEvent,
    BatchRow,
    BatchStats,
    BatchStatus,
    Callback,
    CancelBatch,
    CancelledPage,
    CloseBatch,
    FindBatchOf,
    GetBatch,
    InsertInBatch,
    ListBatchOwners,
    OpenBatch,
    stats_of,
)
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import PRIORITIES, NewJob, Status
from aiojobs_lite.model.writes import CancelJob, Inserted
from aiojobs_lite.stores.sqlite.due import NEVER
from aiojobs_lite.stores.sqlite.insert import insert
from aiojobs_lite.stores.sqlite.moves import cancel_job
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, BatchMoves, Transaction

_log = get_log("store")
_COUNTS: Final = (
    "total", "unfinished", "completed", "dead", "cancelled", "deleted", "batches", "batches_succeeded", "batches_dead",
)  # fmt: skip
MOVED_ROW: Final = f"({', '.join('?' * (1 + len(_COUNTS)))})"
JOB_ROW: Final = "(?)"
RANGE_ROW: Final = "(?, ?, ?)"


def open_batch(transaction: Transaction, write: OpenBatch) -> int | None:
    """See `OpenBatch`."""
    if write.parent is not None:
        if not takes_jobs(transaction, write.parent, is_member=write.is_member):
            return None
        counts = _moves(transaction).counts[write.parent]
        counts["batches"] += 1
        counts["unfinished"] += 1
    transaction.await_ends()
    return transaction.run("insert_batch", {**write._asdict(), "now": transaction.now}).lastrowid


def admit_to_batches(transaction: Transaction, writes: Sequence[InsertInBatch]) -> Sequence[bool]:
    """Which of these batches take jobs."""
    found: dict[int, BatchRow] = {}
    for _, _, cursor in transaction.many("batches_of_ids", ID_ROW, [(batch,) for batch in {w.batch for w in writes}]):
        found |= {row[0]: BatchRow(*row) for row in cursor.fetchall()}
    stored = [found.get(write.batch) for write in writes]
    return [
        row is not None and row.takes_jobs(of_member=write.is_member) for row, write in zip(stored, writes, strict=True)
    ]


def add_jobs(transaction: Transaction, batch: int, inserted: Sequence[Inserted]) -> None:
    """Adds jobs that were inserted to a batch."""
    moves, added = _moves(transaction), [job_id for job_id, is_new in inserted if is_new]
    moves.jobs[batch] += added
    counts = moves.counts[batch]
    counts["total"] += len(added)
    counts["unfinished"] += len(added)


def close_batch(transaction: Transaction, write: CloseBatch) -> bool | None:
    """See `CloseBatch`."""
    stored = _stored(transaction, write.batch)
    if stored is None:
        return None
    if stored.owner is None:
        return not stored.is_abandoned
    callbacks = None if write.is_abandoned else _as_text(write.callbacks)
    _end_block(transaction, write.batch, callbacks, is_abandoned=write.is_abandoned)
    return not write.is_abandoned


def abandon_batches(transaction: Transaction, write: AbandonBatches) -> tuple[int, ...]:
    """See `AbandonBatches`."""
    found = [row[0] for owner in write.owners for row in transaction.run("open_of_owner", (owner,)).fetchall()]
    for batch in found:
        _end_block(transaction, batch, None, is_abandoned=True)
    return tuple(sorted(found))


def cancel_batch(transaction: Transaction, write: CancelBatch) -> CancelledPage:
    """See `CancelBatch`."""
    if transaction.batches is not None:
        _store_jobs(transaction, transaction.batches)  # those that were added before in this transaction
    page = {"batch": write.batch, "after": write.after or 0, "limit": write.limit}
    jobs = transaction.run("jobs_of_batch_after", page).fetchall()
    pending = [(job_id, job_type) for job_id, job_type, status in jobs if status == Status.PENDING]
    for job_id, _ in pending:
        cancel_job(transaction, CancelJob(job_id, write.reason))
    return CancelledPage(tuple(pending), jobs[-1][0] if len(jobs) == write.limit else None)


def get_batch(connection: sqlite3.Connection, sql: Sql, query: GetBatch) -> BatchStats | None:
    """See `GetBatch`."""
    if abs(query.batch) > LARGEST_INTEGER:
        return None
    found = connection.execute(sql["batch"], (query.batch,)).fetchall()
    return stats_of(BatchRow(*found[0])) if found else None


def find_batch_of(connection: sqlite3.Connection, sql: Sql, query: FindBatchOf) -> int | None:
    """See `FindBatchOf`."""
    found = connection.execute(sql["batch_of_job"], {"job": query.job}).fetchall()
    return found[0][0] if found else None


def list_batch_owners(connection: sqlite3.Connection, sql: Sql, _query: ListBatchOwners) -> set[str]:
    """See `ListBatchOwners`."""
    return {row[0] for row in connection.execute(sql["batch_owners"]).fetchall()}


def settle_batches(transaction: Transaction) -> bool:
    """Moves the counts of the batches that the transaction is about; those that are complete enqueue their callbacks.
    Returns whether any is.

    Each round is about the batches that hold those of the round before.
    """
    if transaction.batches is not None:
        _store_jobs(transaction, transaction.batches)  # one that was inserted may have ended
    _take_in_jobs(transaction)
    is_any_finished = False
    while (moves := transaction.batches) is not None:
        transaction.batches = None
        _store_jobs(transaction, moves)
        moved = [(batch, counts) for batch, counts in moves.counts.items() if any(counts.values())]
        rows = [(batch, *[counts.get(name, 0) for name in _COUNTS]) for batch, counts in moved]
        if not rows:
            continue
        transaction.run_all("move_batches", MOVED_ROW, rows)
        for _, _, cursor in transaction.many("finished_batches", ID_ROW, [(row[0],) for row in rows]):
            for found in cursor.fetchall():
                _finish(transaction, BatchRow(*found[:-1]), found[-1])
                is_any_finished = True
    return is_any_finished


def _take_in_jobs(transaction: Transaction) -> None:
    """From the jobs that ended, or were redriven, to the counts of their batches."""
    alike: dict[tuple[str, str], list[int]] = {}
    for ids, before, after in transaction.moved:
        alike.setdefault((before, after), []).extend(ids)
    transaction.moved = []
    for (before, after), all_ids in alike.items():
        for batch, count in _batches_of(transaction, sorted(all_ids)):
            counts = _moves(transaction).counts[batch]
            counts[before] -= count
            counts[after] += count
            if after == "unfinished":
                transaction.await_ends()


def _batches_of(transaction: Transaction, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """How many of the jobs are in which batch; a batch may come more than once. The ids rise.

    Jobs that end together were mostly enqueued together: one statement reads the ranges from the first to the last, as
    many as there are jobs. If that is not all of them the other jobs are looked up one by one.
    """
    if not ids:
        return
    between = {"first": ids[0], "last": ids[-1], "limit": len(ids) + 1}
    ranges = transaction.run("ranges_between", between).fetchall()
    start = end = 0
    for first_id, last_id, batch in ranges:
        start = bisect_left(ids, first_id, end)
        end = bisect_right(ids, last_id, start)
        if end > start:
            yield batch, end - start
    if len(ranges) > len(ids):
        for _, _, cursor in transaction.many("batches_of_jobs", JOB_ROW, [(job_id,) for job_id in ids[end:]]):
            yield from cursor.fetchall()


def _store_jobs(transaction: Transaction, moves: BatchMoves) -> None:
    rows = sorted([(*one, batch) for batch, ids in moves.jobs.items() for one in _ranges(sorted(ids))])
    moves.jobs.clear()
    if rows:
        first, last, batch = rows[0]  # the others follow jobs of this transaction
        if transaction.run("extend_range", {"first": first, "last": last, "batch": batch}).rowcount:
            del rows[0]
    if rows:
        transaction.run_all("insert_ranges", RANGE_ROW, rows)


def _ranges(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of ids that follow each other; the ids rise."""
    if not ids:
        return
    first = last = ids[0]
    for job_id in ids[1:]:
        if job_id != last + 1:
            yield first, last
            first = job_id
        last = job_id
    yield first, last


def _finish(transaction: Transaction, batch: BatchRow, text: str | None) -> None:
    """A batch is complete: enqueues what is due of its callbacks, and counts it in the batch that it is in."""
    events = batch.events
    if not events:
        return
    callbacks, outcome = _of_text(batch.id, text), batch.outcome_now
    rows = [_due_now(one.row, transaction.now) for event in events for one in callbacks if one.event == event]
    left = () if outcome is BatchStatus.SUCCEEDED else [one for one in callbacks if one.event == "success"]
    kept = _as_text(left) if left else None
    stored = {"id": batch.id, "outcome": outcome, "now": transaction.now, "callbacks": kept}
    transaction.run("complete_batch", stored)
    inserted = insert(transaction, rows, None) if rows else []
    transaction.enqueued += [(made.id, row) for made, row in zip(inserted, rows, strict=True) if made.is_new]
    if batch.parent is None:
        return
    if inserted:
        add_jobs(transaction, batch.parent, inserted)
    moved = _moves(transaction).counts[batch.parent]
    moved["unfinished"] -= "complete" in events
    moved["batches_succeeded"] += outcome is BatchStatus.SUCCEEDED
    moved["batches_dead"] += (outcome is BatchStatus.DEAD) - (batch.outcome == BatchStatus.DEAD)


def _due_now(row: NewJob, now: int) -> NewJob:
    """A callback's job, enqueued at an instant, and due as long after it as it was to be."""
    due = min(now + row.scheduled_at - row.created_at, NEVER - 1)
    return row._replace(created_at=now, scheduled_at=due)


def _end_block(transaction: Transaction, batch: int, callbacks: str | None, *, is_abandoned: bool) -> None:
    transaction.run("close_batch", {"id": batch, "is_abandoned": int(is_abandoned), "callbacks": callbacks})
    _moves(transaction).counts[batch]["unfinished"] -= 1


def takes_jobs(transaction: Transaction, batch: int, *, is_member: bool) -> bool:
    """Whether a batch takes jobs now."""
    stored = _stored(transaction, batch)
    return stored is not None and stored.takes_jobs(of_member=is_member)


def _stored(transaction: Transaction, batch: int) -> BatchRow | None:
    found = transaction.one("batch", (batch,))
    return None if found is None else BatchRow(*found)


def _moves(transaction: Transaction) -> BatchMoves:
    if transaction.batches is None:
        transaction.batches = BatchMoves()
    return transaction.batches


# Callbacks as text: a JSON list of lists, each an event and the fields of a job that are not None.


def _as_text(callbacks: Sequence[Callback]) -> str:
    for _, row in callbacks:
        if row.priority not in PRIORITIES.values() or row.max_attempts < 1:
            raise StoreRejected(f"a callback cannot be inserted: {row}")
    listed = [(event, {name: value for name, value in row._asdict().items() if value is not None})
              for event, row in callbacks]  # fmt: skip
    return json.dumps(listed, ensure_ascii=False)


def _of_text(batch: int, text: str | None) -> list[Callback]:
    """The callbacks of a batch; none if another program has written something else."""
    try:
        listed: list[tuple[BatchEvent, dict[str, Any]]] = json.loads(text or "[]")
        return [Callback(event, NewJob(**row)) for event, row in listed]
    except (ValueError, TypeError, RecursionError) as error:
        _log.error("the callbacks of batch %s cannot be read, and are not enqueued: %s", batch, error)
        return []
