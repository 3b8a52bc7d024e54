"""The ends of attempts: those that succeeded many a statement, all others one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import MarkInterrupted
from aiojobs_lite.sizes import MOST_ATTEMPTS_KEPT
from aiojobs_lite.stores.sqlite.expiries import came_back, forget_expiries
from aiojobs_lite.stores.sqlite.steps import suspend
from aiojobs_lite.stores.sqlite.transaction import Fenced, Statements, Transaction

RESULT_ROW: Final = "(?, ?, ?, ?, ?)"

_Answers = list[Status | None]  # the status that each job has after its end; None: the attempt was not owned


def end(transaction: Transaction, ends: Sequence[End]) -> _Answers:
    """Ends attempts, those that succeeded first.

    Raises:
        Fenced: If an attempt among several in one statement was no longer owned.
    """
    answers: _Answers = [None] * len(ends)
    plain: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    with_results, others = [], []
    for index, ended in enumerate(ends):
        if type(ended) is not Complete:
            others.append(index)
        elif ended.result is None and ended.note is None:
            plain[ended.attempt, ended.owner].append(index)
        else:
            with_results.append(index)
    for fence, alike in plain.items():
        ids = [(ends[index].id,) for index in alike]
        _complete(ends, alike, answers, transaction, transaction.many("complete", "?", ids, (transaction.now, *fence)))
    if with_results:
        values = [_result_row(ends[index]) for index in with_results]
        statements = transaction.many("complete_with_results", RESULT_ROW, values, (transaction.now,))
        _complete(ends, with_results, answers, transaction, statements)
    for index in others:
        answers[index] = _end(transaction, ends[index])
    limits = transaction.limits
    if limits.types:
        done = zip(ends, answers, strict=True)
        limits.ended([(ended.id, status) for ended, status in done if status and limits.has_running(ended.type)])
    return answers


def mark_interrupted(transaction: Transaction, write: MarkInterrupted) -> bool:
    """See `MarkInterrupted`."""
    return transaction.run("mark_interrupted", write._asdict()).rowcount == 1


def _result_row(ended: Any) -> tuple[Any, ...]:
    return ended.id, ended.attempt, ended.result, ended.note, ended.owner


def _complete(
    ends: Sequence[End], indexes: Sequence[int], answers: _Answers, transaction: Transaction, statements: Statements
) -> None:
    for start, size, cursor in statements:
        is_owned = cursor.rowcount == size
        if not is_owned and size > 1:
            raise Fenced
        if is_owned:
            completed = indexes[start : start + size]
            if transaction.awaits_ends:
                transaction.note_ends([ends[index].id for index in completed], Status.COMPLETED)
            for index in completed:
                answers[index] = Status.COMPLETED
            for job_type, count in Counter([ends[index].type for index in completed]).items():
                tally = transaction.tally(job_type)
                tally.processing -= count
                tally.completed += count


def _end(transaction: Transaction, ended: Any) -> Status | None:
    owned_attempt = transaction.one("owned_attempt", (ended.id, ended.attempt, ended.owner))
    if owned_attempt is None:
        return None
    is_cancel_requested, reason, priority = owned_attempt
    if is_cancel_requested and type(ended) is Again:
        ended = ended.cancelled(reason)
    transaction.tally(ended.type).processing -= 1
    if type(ended) is Again:
        _end_again(transaction, ended, priority)
        return Status.PENDING
    _end_for_good(transaction, ended)
    status: Status = ended.status
    return status


def _end_again(transaction: Transaction, ended: Again, priority: int) -> None:
    ended = ended.resumed(transaction.now, has_ended_step=suspend(transaction, ended))
    values = {
        **_counters(ended),
        "restarts": int(ended.restarts),
        "counted": ended.counted,
        "scheduled_at": ended.scheduled_at,
        "held": ended.held,
        "reason": ended.reason,
    }
    transaction.run("end_again", values)
    if ended.is_suspended:
        forget_expiries(transaction, [(ended.id,)])
    else:
        came_back(transaction, ended.id)
    tally = transaction.tally(ended.type)
    tally.move(Status.PENDING, 1, ended.counted, ended.scheduled_at)
    if ended.held is None:
        transaction.due.add(ended.type, priority, ended.scheduled_at, ended.id)
    else:
        tally.held += 1
    if ended.is_recorded:
        _record(transaction, ended)


def _end_for_good(transaction: Transaction, ended: Close) -> None:
    values = {**_counters(ended), "status": ended.status, "now": transaction.now, "reason": ended.reason}
    transaction.run("end_for_good", values)
    transaction.tally(ended.type).move(ended.status, 1)
    transaction.note_ends((ended.id,), ended.status)
    _record(transaction, ended)


def _counters(ended: Again | Close) -> dict[str, Any]:
    """What both statements bind: the fence, whether the attempt counts, which counter moves, and the failure."""
    return {
        "id": ended.id,
        "attempt": ended.attempt,
        "owner": ended.owner,
        "refund": int(ended.refund),
        "error": ended.failure.summary if ended.failure else None,
        "interrupted": int(ended.counter == "interruptions"),
        "snoozed": int(ended.counter == "snoozes"),
        "lost": int(ended.counter == "crashes"),
    }


def _record(transaction: Transaction, ended: Again | Close) -> None:
    error_type, message, traceback, details = ended.failure or (None, ended.reason, None, None)
    values = {
        "id": ended.id,
        "attempt": ended.attempt,
        "outcome": ended.outcome,
        "now": transaction.now,
        "owner": ended.owner,
        "error_type": error_type,
        "message": message,
        "traceback": traceback,
        "details": details,
    }
    transaction.run("insert_attempt", values)
    transaction.run("forget_attempts", {"id": ended.id, "outcome": ended.outcome, "kept": MOST_ATTEMPTS_KEPT})
