"""The jobs that operations start: made once, and the end of each noted once, while any end is awaited."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.steps import (
    GetParent,
    ListChildren,
    NewStep,
    StartChild,
    StepKind,
    StepRow,
    StepState,
    end_memo,
    start_memo,
)
from aiojobs_lite.model.writes import Inserted
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.steps import EndedStep, Saving, delete_steps, end_steps, find_attempts
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction
from aiojobs_lite.stores.sqlite.unique import admit
from aiojobs_lite.stores.sqlite.waits import forget_waits

NO_STEP: Final = ""
_UNFINISHED: Final = (Status.PENDING, Status.PROCESSING)
_DELETED: Final = (0, "deleted", None, None, None)  # stands for a job whose window has outlived it


def start_child(transaction: Transaction, write: StartChild) -> tuple[StepRow, Inserted | None] | Refused | None:
    """See `StartChild`."""
    fence = (write.id, write.attempt, write.owner)
    found = find_attempts(transaction, [(fence, write.name)])
    if fence not in found.created_at:
        return None
    known = found.steps.get((write.id, write.name))
    if known is not None:
        child = transaction.one("child_of_step", (write.id, write.name))
        return known.step, None if child is None else Inserted(child[0], is_new=False)
    inserted = admit(transaction, Admit((write.child,)))
    if isinstance(inserted, Refused):
        return inserted
    (child,) = inserted
    new = _step_of(transaction, write, child)
    saving = Saving(transaction, found, [write.id])
    step = saving.save(fence, new)
    saving.write()
    is_awaited = step.state is StepState.WAITING
    started = {"parent": write.id, "step": write.name, "child": child.id}
    transaction.run("insert_child", {**started, "is_new": int(child.is_new), "is_awaited": int(is_awaited)})
    if is_awaited:
        transaction.await_ends()
    return step, child


def note_place(transaction: Transaction, job_id: int, held: int) -> None:
    """Notes that a job has the place of one that was held for it: it counts as started by that, and by no operation."""
    transaction.note_steps()
    transaction.run("insert_child", {"parent": held, "step": NO_STEP, "child": job_id, "is_new": 0, "is_awaited": 0})


def note_ends_of_children(transaction: Transaction) -> None:
    """Has those of the jobs that have ended since this was called last wait for nothing any more, and ends the
    operations that wait for them; to be called before any of them is changed.
    """
    moved = [move for move in transaction.moved[transaction.moves_noted :] if move.before == "unfinished"]
    transaction.moves_noted = len(transaction.moved)
    if not moved:
        return
    has_waits, has_awaited = transaction.one("waits_and_awaited")
    ids = [(job_id,) for move in moved for job_id in move.ids]
    if has_waits and forget_waits(transaction, ids):
        transaction.has_fewer_waits = True
    if has_awaited:
        if transaction.run_all("forget_awaited", ID_ROW, ids):
            transaction.has_fewer_waits = True
        _end(transaction, ids, {job_id: move.after for move in moved for job_id in move.ids})


def delete_of_jobs(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """Deletes the operations of jobs, and what is known of who started them; to be called before they are deleted."""
    if ids and transaction.has_steps:
        delete_steps(transaction, ids)
        transaction.run_all("delete_parents", ID_ROW, ids)
        transaction.run_all("delete_children", ID_ROW, ids)


def list_children(connection: sqlite3.Connection, sql: Sql, query: ListChildren) -> tuple[tuple[str, int], ...]:
    """See `ListChildren`."""
    if abs(query.job) > LARGEST_INTEGER:
        return ()
    return tuple(connection.execute(sql["children_of_job"], (query.job,)).fetchall())


def get_parent(connection: sqlite3.Connection, sql: Sql, query: GetParent) -> tuple[int, str] | None:
    """See `GetParent`."""
    if abs(query.job) > LARGEST_INTEGER:
        return None
    found = connection.execute(sql["parent_of_job"], (query.job,)).fetchall()
    return found[0] if found else None


def _step_of(transaction: Transaction, write: StartChild, child: Inserted) -> NewStep:
    """The operation that starts a job as it is stored."""
    if not write.is_awaited:
        return NewStep(write.name, StepKind.RUN, StepState.DONE, start_memo(child), attempts=1)
    new = NewStep(write.name, StepKind.CHILD, StepState.WAITING, until=write.until)
    if child.is_new:
        return new
    found = transaction.run_all_rows("ends_of_jobs", ID_ROW, [(child.id,)])
    _, status, *end = found[0] if found else _DELETED
    if status in _UNFINISHED:
        return new
    return new._replace(state=_state_after(status), memo=end_memo(status, *end))


def _state_after(status: str) -> StepState:
    return StepState.DONE if status == Status.COMPLETED else StepState.FAILED


def _end(transaction: Transaction, ids: Sequence[tuple[int]], statuses: dict[int, str]) -> None:
    """Ends the operations that wait for jobs which have ended."""
    found = transaction.run_all_rows("awaited_children", ID_ROW, ids)
    if not found:
        return
    children = [(child,) for child in sorted({row[0] for row in found})]
    transaction.run_all("note_ended_children", ID_ROW, children)
    transaction.has_fewer_waits = True
    ends = {row[0]: row[2:] for row in transaction.run_all_rows("ends_of_jobs", ID_ROW, children)}
    ended = []
    for child, parent, row, suspends in sorted(found):
        status = statuses[child]
        memo = end_memo(status, *ends[child])
        ended.append(EndedStep(row, parent, _state_after(status), memo, bool(suspends)))
    end_steps(transaction, ended)
