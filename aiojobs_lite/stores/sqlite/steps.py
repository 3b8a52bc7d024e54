"""Durable steps: what handlers have done already, many a statement, and the jobs that are suspended meanwhile.

No job is looked at for it while no operation is stored: `Ledger.has_steps` is read again when another process has
committed, and so is the number of operations of a job that have ended, which is kept in memory meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.ends import Again, count_restarted
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import memo_of
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.steps import (
    Awaited,
    ListAwaited,
    ListRestarted,
    ListSteps,
    NewStep,
    SaveRan,
    SaveSteps,
    StepKind,
    StepRow,
    StepState,
)
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Fenced, Transaction
from aiojobs_lite.stores.sqlite.waits import Wait, add_waits, drop_waits, first_event, forget_waits, match_of, wait_of

FENCE_ROW: Final = "(?, ?, ?, ?)"
STEP_ROW: Final = f"({', '.join('?' * 13)})"
RAN_ROW: Final = "(?, ?, ?, ?, ?, ?)"
KEY_ROW: Final = "(?, ?)"
END_ROW: Final = "(?, ?, ?, ?)"
PLACES_KEPT: Final = 10_000  # jobs whose last place is kept in memory
Fence = tuple[int, int, str]  # job, attempt, owner


class StoredStep(NamedTuple):
    """An operation, and the row that it has; None: it has none yet."""

    row: int | None
    step: StepRow


class Found(NamedTuple):
    """What is known of some attempts and their operations.

    Attributes:
        created_at: When the job of each attempt that is owned was enqueued.
        steps: The operations that are there, by job and name.
    """

    created_at: dict[Fence, int]
    steps: dict[tuple[int, str], StoredStep]


class EndedStep(NamedTuple):
    """An operation that waited, and has ended; whether its job is suspended for it."""

    row: int
    job_id: int
    state: StepState
    memo: str
    suspends: bool


def find_attempts(transaction: Transaction, wanted: Sequence[tuple[Fence, str]]) -> Found:
    """Finds which of these attempts are owned, and which of their operations of these names are there."""
    found = Found({}, {})
    rows = [(*fence, name) for fence, name in wanted]
    stored: list[tuple[int]] = []
    for job_id, attempt, owner, created_at, row in transaction.run_all_rows("steps_of_attempts", FENCE_ROW, rows):
        found.created_at[job_id, attempt, owner] = created_at
        if row is not None:
            stored.append((row,))
    for row, job_id, *columns in transaction.run_all_rows("steps_of_rows", ID_ROW, stored) if stored else ():
        step = _row_of(columns)
        found.steps[job_id, step.name] = StoredStep(row, step)
    return found


def save_ran(transaction: Transaction, write: SaveRan) -> list[StepRow | None] | None:
    """See `SaveRan`. Nothing is looked for: what is said is true, or refused by the index and the fence.

    Raises:
        Fenced: If it was not, or an attempt was no longer owned.
    """
    if transaction.is_row_by_row:
        saved = save_steps(transaction, [step.alone() for step in write.steps])
        for step in write.steps:  # the next ones of these jobs come with their places
            transaction.places.pop(step.id, None)
        found = [None if rows is None else rows[0] for rows in saved]
        return None if found == [step.row(transaction.now) for step in write.steps] else found
    transaction.note_steps()
    try:
        inserted = transaction.run_all("insert_ran", RAN_ROW, write.steps, (transaction.now,))
    except sqlite3.IntegrityError as error:
        raise Fenced from error
    if inserted != len(write.steps):
        raise Fenced
    return None


def save_steps(transaction: Transaction, writes: Sequence[SaveSteps]) -> list[tuple[StepRow, ...] | None]:
    """See `SaveSteps`; those of many attempts together. What is said to be new is not looked for.

    Raises:
        Fenced: If that was wrong, or its attempt was no longer owned.
    """
    are_trusted = [not transaction.is_row_by_row and _is_new(write) for write in writes]
    found = Found({}, {})
    if not all(are_trusted):
        doubtful = [write for write, is_trusted in zip(writes, are_trusted, strict=True) if not is_trusted]
        found = find_attempts(
            transaction, [(write[:3], step.name) for write in doubtful for step in write.steps or (_NONE,)]
        )
    first = [write.id for write, is_trusted in zip(writes, are_trusted, strict=True) if is_trusted and write.are_first]
    saving = Saving(transaction, found, map(_JOB, writes), first)
    answers: list[tuple[StepRow, ...] | None] = []
    for write, is_trusted in zip(writes, are_trusted, strict=True):
        if is_trusted:
            answers.append(saving.add(write))
        elif write[:3] in found.created_at:
            answers.append(tuple([saving.save(write[:3], step) for step in write.steps]))
        else:
            answers.append(None)
    saving.write()
    return answers


def _is_new(write: SaveSteps) -> bool:
    """Whether nothing is to be looked for: neither the operations nor events that they wait for."""
    return write.are_new and not any(map(_MATCH, write.steps))


_JOB: Final = attrgetter("id")
_MATCH: Final = attrgetter("match")
_NONE: Final = NewStep("", StepKind.RUN, StepState.DONE)  # stands for no operation, where an attempt is looked at


class Saving:
    """Operations that are being stored: what each becomes is known at once, and written together.

    Args:
        transaction: The open transaction.
        found: What is there of them.
        jobs: Whose they are.
        first: The jobs of which none is there.
    """

    def __init__(
        self, transaction: Transaction, found: Found, jobs: Iterable[int], first: Iterable[int] = ()
    ) -> None:  # fmt: skip
        self._transaction = transaction
        self.found = found
        self._places = places_of(transaction, jobs, first)
        self._added: list[tuple[Any, ...]] = []
        self._new: dict[tuple[int, str], tuple[Fence, StepRow]] = {}
        self._changed: dict[int, StepRow] = {}  # by row
        self._waits: dict[tuple[int, str], EventMatch] = {}

    def add(self, write: SaveSteps) -> tuple[StepRow, ...]:
        """Stores operations that are new and wait for no event, of an attempt that is owned; returns them."""
        fence, now, added = write[:3], self._transaction.now, []
        for new in write.steps:
            ended_at = place = None
            if new.state is not StepState.WAITING:
                self._places[write.id] = place = self._places[write.id] + 1
                ended_at = now
            step = StepRow(*new[:7], now, ended_at, place)
            self._added.append(_columns(fence, step))
            added.append(step)
        return tuple(added)

    def save(self, fence: Fence, new: NewStep) -> StepRow:
        """Stores an operation of an attempt that is owned; returns it as it stands then."""
        job_id, key = fence[0], (fence[0], new.name)
        known = self.found.steps.get(key)
        if known is not None and known.step.state is not StepState.WAITING:
            return known.step
        state, memo, match = new.state, new.memo, new.match if new.state is StepState.WAITING else None
        if known is None and match is not None:
            event = first_event(self._transaction, match, job_id, self.found.created_at[fence], after=new.after)
            if event is not None:
                state, memo, match = StepState.DONE, memo_of(event), None
        now, ended_at, place = self._transaction.now, None, None
        if state is not StepState.WAITING:
            self._places[job_id] = place = self._places[job_id] + 1
            ended_at = now
        started_at = now if known is None else known.step.started_at
        step = StepRow(
            new.name, new.kind, state, memo, new.error, new.attempts, new.until, started_at, ended_at, place
        )  # fmt: skip
        self.found.steps[key] = StoredStep(None if known is None else known.row, step)
        self._note(fence, known, step, match)
        return step

    def write(self) -> None:
        """Writes all, many a statement.

        Raises:
            Fenced: If an attempt among several was no longer owned, or something new was there.
        """
        transaction = self._transaction
        if self._added or self._new:
            transaction.note_steps()
            self._insert()
        for row, step in self._changed.items():
            changes = step._asdict() | {"row": row, "kind": step.kind.value, "state": step.state.value}
            transaction.run("change_step", changes)
        if self._waits:
            add_waits(transaction, self._new_waits())

    def _insert(self) -> None:
        rows = [*self._added, *[_columns(fence, step) for fence, step in self._new.values()]]
        try:
            inserted = self._transaction.run_all("insert_steps", STEP_ROW, rows)
        except sqlite3.IntegrityError as error:
            if self._transaction.is_row_by_row:
                raise
            raise Fenced from error
        if inserted != len(rows):
            raise Fenced

    def _note(self, fence: Fence, known: StoredStep | None, step: StepRow, match: EventMatch | None) -> None:
        """Notes what is to be written of an operation."""
        key = fence[0], step.name
        if known is None or known.row is None:
            self._new[key] = fence, step
        else:
            self._changed[known.row] = step
            match = self._new_match(key[0], known.row, match)
            awaits_child = step.state is StepState.WAITING and step.kind is StepKind.CHILD
            if known.step.kind is StepKind.CHILD and not awaits_child:
                self._transaction.run("forget_child", key)
        self._waits.pop(key, None)
        if match is not None:
            self._waits[key] = match

    def _new_match(self, job_id: int, row: int, match: EventMatch | None) -> EventMatch | None:
        """Forgets which event an operation waited for, if it waits for another one now; returns that."""
        stored = wait_of(self._transaction, job_id, row)
        if stored is None:
            return match
        if match == stored[1]:
            return None  # it keeps its place among those that wait
        drop_waits(self._transaction, [stored[0]])
        return match

    def _new_waits(self) -> list[Wait]:
        rows = {key: stored.row for key, stored in self.found.steps.items()}
        new = [key for key in self._waits if rows[key] is None]
        for _, _, cursor in self._transaction.many("rows_of_steps", KEY_ROW, new):
            rows |= {(job_id, name): row for job_id, name, row in cursor.fetchall()}
        return [(match, key[0], rows[key]) for key, match in self._waits.items()]


def places_of(transaction: Transaction, jobs: Iterable[int], first: Iterable[int] = ()) -> dict[int, int]:
    """The last place of the operations of these jobs, and of those that have none, in the memory of the ledger."""
    places = transaction.places
    if len(places) > PLACES_KEPT:
        places.clear()
    for job_id in first:
        places.setdefault(job_id, 0)
    # That a job has none is looked up again: steps that ran come with their places.
    unknown = [(job_id,) for job_id in sorted({*jobs}.difference(first)) if not places.get(job_id)]
    if unknown:
        places.update({job_id: 0 for (job_id,) in unknown})
        if transaction.has_steps:
            for _, _, cursor in transaction.many("last_places", ID_ROW, unknown):
                places.update(cursor.fetchall())
    return places


def end_steps(transaction: Transaction, ended: Sequence[EndedStep]) -> None:
    """Ends operations that waited, in their order. Pending jobs count attempts and crashes from there, or from the one
    before if that failed; those that are suspended for an operation that has ended are due now.
    """
    if not ended:
        return
    places = places_of(transaction, [step.job_id for step in ended])
    rows = []
    for step in ended:
        places[step.job_id] += 1
        rows.append((step.row, step.state.value, step.memo, places[step.job_id]))
    transaction.run_all("end_steps", END_ROW, rows, (transaction.now,))
    _go_on(transaction, ended)


def _go_on(transaction: Transaction, ended: Sequence[EndedStep]) -> None:
    """Has the pending jobs of operations that have ended go on behind these."""
    now, suspended = transaction.now, {step.job_id for step in ended if step.suspends}
    woken: list[int] = []
    restarted: list[int] = []
    ids = [(job_id,) for job_id in sorted({step.job_id for step in ended})]
    for job_id, job_type, priority, attempts, crashes, scheduled_at, held in transaction.run_all_rows(
        "pending_jobs", ID_ROW, ids
    ):
        is_woken = job_id in suspended and (held == Held.EVENT or (held is None and scheduled_at > now))
        # One that failed counts: a job without counters has no operations.
        left = 0 if is_woken else count_restarted(attempts, is_lost=crashes > 0)
        if not is_woken and left == attempts and crashes <= 1:
            continue
        due = min(now, scheduled_at) if is_woken else scheduled_at
        tally = transaction.tally(job_type)
        tally.move(Status.PENDING, -1, attempts, scheduled_at)
        tally.move(Status.PENDING, 1, left, due)
        if is_woken:
            tally.held -= held is not None
            transaction.due.add(job_type, priority, due, job_id)
        (woken if is_woken else restarted).append(job_id)
    if restarted:
        transaction.run_all("restart", ID_ROW, [(job_id,) for job_id in restarted])
    if woken:
        transaction.run_all("wake", ID_ROW, [(job_id,) for job_id in woken], (now,))
        transaction.limits.shift(woken)


def suspend(transaction: Transaction, ended: Again) -> bool:
    """Notes for which operations a job is suspended; returns whether one of them has ended already."""
    if not transaction.has_steps:
        return False
    names = {"id": ended.id, "names": json.dumps(ended.waits_for)}
    transaction.run("suspend", names)
    return bool(ended.waits_for) and bool(transaction.one("has_ended_step", names)[0])


def forget_unfinished(transaction: Transaction, ids: Sequence[tuple[int]], status: str) -> list[tuple[int]]:
    """Forgets the operations of jobs of a status that are not done: they are about to be redriven.

    Returns:
        Those of these jobs of which some are done.
    """
    if not transaction.has_steps and not transaction.awaits_ends:
        return []
    found = [row for *_, cursor in transaction.many("of_status", ID_ROW, ids, (status,)) for row in cursor.fetchall()]
    if not found:
        return []
    forget_waits(transaction, found)
    transaction.run_all("forget_unfinished", ID_ROW, found)
    for (job_id,) in found:
        transaction.places.pop(job_id, None)
    return transaction.run_all_rows("with_steps", ID_ROW, found)


def note_steps_done(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """Has redriven jobs count as suspended once, so that their next attempt reads what was done."""
    if ids:
        transaction.run_all("count_suspension", ID_ROW, ids)


def delete_steps(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """Deletes the operations of jobs."""
    transaction.run_all("delete_steps", ID_ROW, ids)


def list_steps(connection: sqlite3.Connection, sql: Sql, query: ListSteps) -> tuple[StepRow, ...]:
    """See `ListSteps`."""
    if abs(query.job) > LARGEST_INTEGER:
        return ()
    return tuple(map(_row_of, connection.execute(sql["steps_of_job"], (query.job,)).fetchall()))


def list_restarted(connection: sqlite3.Connection, sql: Sql, query: ListRestarted) -> set[int]:
    """See `ListRestarted`."""
    asked = {"ids": json.dumps(query.ids), "until": query.until}
    return {row[0] for row in connection.execute(sql["restarted"], asked).fetchall()}


def list_awaited(connection: sqlite3.Connection, sql: Sql, query: ListAwaited) -> tuple[Awaited, ...]:
    """See `ListAwaited`."""
    if abs(query.job) > LARGEST_INTEGER:
        return ()
    found = connection.execute(sql["awaited_of_job"], (query.job,)).fetchall()
    return tuple([_awaited(*row) for row in found])


def _awaited(child: int | None, event: str | None, fields: str, values: str, *columns: Any) -> Awaited:
    return Awaited(_row_of(columns), None if event is None else match_of(event, fields, values), child)


def _columns(fence: Fence, step: StepRow) -> tuple[Any, ...]:
    """An operation that is to be inserted, if an attempt is owned."""
    name, kind, state, *more = step
    return (*fence, name, str(kind), str(state), *more)  # the driver is slow with an enumeration


def _row_of(columns: Sequence[Any]) -> StepRow:
    step = StepRow._make(columns)
    return step._replace(kind=StepKind(step.kind), state=StepState(step.state))
