"""Many writes applied in one transaction by one function call on the connection's thread."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby, islice, repeat
from typing import Any

from aiojobs_lite.model.job import FINISHED, Outcome, Status
from aiojobs_lite.model.writes import (
    Cancel,
    Claim,
    Delete,
    Finish,
    Insert,
    Inserted,
    MarkInterrupted,
    NewJob,
    Pause,
    Prune,
    Redrive,
    SetSchedule,
    Tick,
    TickAnswer,
    Unpark,
    Write,
)
from aiojobs_lite.stores.sqlite.claim import Claiming
from aiojobs_lite.stores.sqlite.transaction import Fenced, Statements, Transaction

_NEW_ROW = "(?, ?, ?, ?, ?, ?, ?)"
_END_ROW = "(?, ?, ?, ?, ?)"
_PENDING: tuple[Any, ...] = (Status.PENDING.value, 0, None, None)  # status, attempts, owner, started_at


def apply(transaction: Transaction, writes: Sequence[Write]) -> list[Any]:
    """Applies all writes to the open transaction, in the order that the store contract sets.

    Returns:
        One answer a write, in the order of `writes`.

    Raises:
        Fenced: If an attempt among several in one statement was no longer held.
    """
    answers: list[Any] = [None] * len(writes)
    ends, inserts, others, claim = [], [], [], -1
    for index, write in enumerate(writes):
        kind = type(write)
        if kind is Finish:
            ends.append(index)
        elif kind is Insert:
            inserts.append(index)
        elif kind is Claim:
            claim = index
        else:
            others.append(index)
    if ends:
        _finish_all(transaction, writes, ends, answers)
    for index in others:
        answers[index] = _ONE_BY_ONE[type(writes[index])](transaction, writes[index])
    claiming = Claiming(transaction, writes[claim]) if claim >= 0 else None  # type: ignore[arg-type]
    if len(inserts) == 1:
        answers[inserts[0]] = _insert_all(transaction, writes[inserts[0]].rows, claiming)  # type: ignore[union-attr]
    else:
        rows = list(chain.from_iterable([writes[index].rows for index in inserts]))  # type: ignore[union-attr]
        inserted = iter(_insert_all(transaction, rows, claiming))
        for index in inserts:
            answers[index] = list(islice(inserted, len(writes[index].rows)))  # type: ignore[union-attr]
    if claiming:
        answers[claim] = claiming.answer()
    return answers


# The ends of attempts.


def _finish_all(transaction: Transaction, writes: Sequence[Any], indexes: Sequence[int], answers: list[Any]) -> None:
    """Ends attempts: those that succeeded many a statement, all others one by one."""
    plain: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    with_results, failed = [], []
    for index in indexes:
        end = writes[index]
        if end.outcome is not Outcome.SUCCEEDED:
            failed.append(index)
        elif end.result is None and end.reason is None:
            plain[end.attempt, end.owner].append(index)
        else:
            with_results.append(index)
    for held_by, same in plain.items():
        ids = [(writes[index].id,) for index in same]
        statements = transaction.many("finish_succeeded", "?", ids, (transaction.now, *held_by))
        _complete(transaction, writes, same, answers, statements)
    ends = [writes[index] for index in with_results]
    values = [(end.id, end.attempt, end.result, end.reason, end.owner) for end in ends]
    statements = transaction.many("finish_with_results", _END_ROW, values, (transaction.now,))
    _complete(transaction, writes, with_results, answers, statements)
    for index in failed:
        answers[index] = _finish(transaction, writes[index])


def _complete(
    transaction: Transaction, writes: Sequence[Any], indexes: Sequence[int], answers: list[Any], statements: Statements
) -> None:
    for start, size, cursor in statements:
        held = cursor.rowcount == size
        if not held and size > 1:
            raise Fenced
        ended = indexes[start : start + size]
        for index in ended:
            answers[index] = held
        if held:
            for job_type, count in Counter([writes[index].type for index in ended]).items():
                tally = transaction.tally(job_type)
                tally.processing -= count
                tally.completed += count


def _finish(transaction: Transaction, end: Finish) -> bool:
    asked = transaction.one("cancel_requested", (end.id,))
    if asked and asked[0]:
        end = end.cancelled()
    named = {
        "id": end.id,
        "attempt": end.attempt,
        "owner": end.owner,
        "status": end.status.value,
        "attempts": end.attempts,
        "scheduled_at": end.scheduled_at,
        "completed_at": transaction.now if end.status in FINISHED else None,
        "error": end.failure.summary if end.failure else None,
        "reason": end.reason,
        "interruptions": end.interruptions,
        "snoozes": end.snoozes,
        "crashes": end.crashes,
        "parked": end.parked,
    }
    tally = transaction.tally(end.type)
    if transaction.run("finish", named).rowcount == 0:
        return False
    tally.processing -= 1
    tally.move(end.status, 1, end.attempts, end.scheduled_at)
    if end.parked is not None:
        tally.parked += 1
        transaction.look_at(end.type)  # pending, and not claimable
    else:
        record = (end.id, end.attempt, end.outcome.value, end.started_at, transaction.now, end.owner)
        transaction.run("insert_attempt", (*record, *(end.failure or (None, end.reason, None))))
    return True


# New jobs.


def _insert_all(transaction: Transaction, rows: Sequence[NewJob], claiming: Claiming | None) -> list[Inserted]:
    """Inserts jobs, their ids in the order of the rows, and carries out the claim."""
    if {row.idempotency_key for row in rows} <= {None}:
        return _insert(transaction, rows, claiming)
    answers: list[Inserted] = []
    for has_key, run in groupby(rows, lambda row: row.idempotency_key is not None):
        if has_key:
            answers += [_insert_once(transaction, row) for row in run]
        else:
            answers += _insert(transaction, list(run), None)
    if claiming:
        claiming.claim(())
    return answers


def _insert_once(transaction: Transaction, row: NewJob) -> Inserted:
    transaction.tally(row.type)  # touched, in any case
    found = transaction.one("job_of_key", (row.type, row.idempotency_key))  # an INSERT in vain would use up an id
    if found is not None:
        return Inserted(found[0], is_new=False)
    return _insert(transaction, [row], None)[0]


def _insert(transaction: Transaction, rows: Sequence[NewJob], claiming: Claiming | None) -> list[Inserted]:
    """Inserts jobs, many a statement, claimed at once where the claim has room."""
    chosen = claiming.claim(rows) if claiming else ()
    standing: tuple[Any, ...] = claiming.standing if claiming else ()
    ids = transaction.new_ids(len(rows))
    pending: list[tuple[Any, ...]] = []
    claimed: list[tuple[Any, ...]] = []
    known = None
    for index, row in enumerate(rows):
        job_id = ids[index]
        job_type, payload, priority, scheduled_at, max_attempts, created_at, key, schedule, tick = row
        if job_type != known:
            known, tally = job_type, transaction.tally(job_type)
        tally.last_id = job_id
        is_chosen = index in chosen
        if is_chosen:
            tally.processing += 1
        else:
            tally.add(scheduled_at)
        if key is None and schedule is None and tick is None:
            values = claimed if is_chosen else pending
            values.append((job_id, job_type, payload, priority, scheduled_at, max_attempts, created_at))
        else:
            transaction.run("insert_job", (*(standing if is_chosen else _PENDING), job_id, *row))
    for query, alike, first in (("insert_pending", pending, ()), ("insert_claimed", claimed, standing)):
        if alike:
            transaction.run_all(query, _NEW_ROW, alike, first)
    if claiming:
        claiming.inserted([(ids[index], rows[index]) for index in sorted(chosen)])
    return list(map(Inserted, ids, repeat(True)))  # noqa: FBT003  # each is new


# Writes that come one by one.


def _cancel(transaction: Transaction, write: Cancel) -> Status | None:
    standing = transaction.one("standing", (write.id,))
    if standing is None:
        return None
    job_type, status, attempts, scheduled_at, is_parked = standing
    if status == Status.PENDING:
        tally = transaction.tally(job_type)
        tally.parked -= is_parked
        transaction.run("cancel_pending", (transaction.now, write.reason, write.id))
        tally.move(Status.PENDING, -1, attempts, scheduled_at)
        tally.cancelled += 1
        return Status.CANCELLED
    transaction.run("request_cancel", (write.id,))
    return Status(status)


def _mark_interrupted(transaction: Transaction, write: MarkInterrupted) -> bool:
    return transaction.run("mark_interrupted", write).rowcount == 1


def _redrive(transaction: Transaction, write: Redrive) -> int:
    if write.id is None:
        for job_type, count in transaction.run("dead_of_type", (write.type,)).fetchall():
            tally = transaction.tally(job_type)
            tally.dead -= count
            tally.move(Status.PENDING, count, 0, transaction.now)
        return transaction.run("redrive_dead", (transaction.now, write.type)).rowcount
    standing = transaction.one("standing", (write.id,))
    if standing is None or standing[1] not in (Status.DEAD, Status.CANCELLED):
        return 0
    tally = transaction.tally(standing[0])
    tally.move(Status(standing[1]), -1)
    tally.move(Status.PENDING, 1, 0, transaction.now)
    return transaction.run("redrive", (transaction.now, write.id)).rowcount


def _delete(transaction: Transaction, write: Delete) -> Status | None:
    standing = transaction.one("standing", (write.id,))
    if standing is None:
        return None
    job_type, status, attempts, scheduled_at, is_parked = standing
    if status != Status.PROCESSING:
        tally = transaction.tally(job_type)
        tally.parked -= is_parked
        transaction.run("delete", (write.id,))
        tally.move(Status(status), -1, attempts, scheduled_at)
    return Status(status)


def _pause(transaction: Transaction, write: Pause) -> None:
    transaction.run("pause" if write.paused else "resume", (write.type,))
    transaction.look_at(write.type)


def _unpark(transaction: Transaction, write: Unpark) -> int:
    transaction.look_at(*write.types)
    unparked = 0
    for job_type in write.types:
        count = transaction.run("unpark", (job_type,)).rowcount
        if count:
            transaction.tally(job_type).parked -= count
        unparked += count
    return unparked


def _prune(transaction: Transaction, write: Prune) -> int:
    pruned = 0
    for status, before in (
        (Status.COMPLETED, write.completed_before),
        (Status.DEAD, write.dead_before),
        (Status.CANCELLED, write.dead_before),
    ):
        old = transaction.run("prunable", (status.value, before, write.limit - pruned)).fetchall()
        for job_id, job_type in old:
            transaction.run("delete", (job_id,))
            transaction.tally(job_type).move(status, -1)
        pruned += len(old)
    for (schedule,) in transaction.run("schedule_names").fetchall():
        transaction.run("prune_ticks", (schedule, write.ticks_before))
    return pruned


# Cron.


def _set_schedule(transaction: Transaction, write: SetSchedule) -> int:
    transaction.run("set_schedule", write)
    stored: int = transaction.one("next_tick", (write.name,))[0]
    return stored


def _tick(transaction: Transaction, write: Tick) -> TickAnswer:
    transaction.run("move_schedule", (write.next_tick, write.schedule))
    if transaction.run("insert_tick", (write.schedule, write.tick)).rowcount == 0:
        return TickAnswer("duplicate")
    if write.row is None:
        return TickAnswer("skipped")
    if write.skip_overlap and transaction.one("schedule_busy", (write.schedule,))[0]:
        return TickAnswer("overlap")
    ((job_id, _),) = _insert(transaction, [write.row], None)
    transaction.run("tick_job", (job_id, write.schedule, write.tick))
    transaction.run("latest_job", (job_id, write.schedule))
    return TickAnswer("fired", job_id)


_ONE_BY_ONE: Mapping[type, Callable[[Transaction, Any], Any]] = {
    Cancel: _cancel,
    MarkInterrupted: _mark_interrupted,
    Redrive: _redrive,
    Delete: _delete,
    Pause: _pause,
    Unpark: _unpark,
    Prune: _prune,
    SetSchedule: _set_schedule,
    Tick: _tick,
}
