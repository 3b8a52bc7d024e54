"""The durable steps of a store of plain Python; written from `model/steps.py` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.ends import Again, Close, count_restarted
from aiojobs_lite.model.event_match import EventMark, EventMatch
from aiojobs_lite.model.events import EventRow, Listener, mark_of, matches, memo_of
from aiojobs_lite.model.job import Held, Job, Status
from aiojobs_lite.model.steps import (
    Awaited,
    GetParent,
    ListAwaited,
    ListChildren,
    ListRestarted,
    ListSteps,
    NewStep,
    SaveRan,
    SaveSteps,
    StartChild,
    StepKind,
    StepRow,
    StepState,
    end_memo,
    start_memo,
)
from aiojobs_lite.model.writes import Inserted
from tests.helpers.memory_admission import admit

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Key = tuple[int, str]  # of an operation: its job and its name
Wait = tuple[EventMatch, int, str | None]  # what for, the job, and its operation; None: it is cancelled


@dataclass
class Durable:
    """All operations and events of a database.

    Attributes:
        steps: The operations, in the order in which they were stored first.
        suspended: The operations for which their jobs are suspended.
        children: The job of each operation that has one, by the job and the operation: whether it is new.
        awaited: Those of these whose end is awaited.
        waits: What waits for events, in the order in which it did.
        last_wait: The highest number that was given to one.
        events: By number.
        behind: The highest id of the jobs that were there when each was sent.
        held_before: The job that was held in the place of a job.
        unreached: Of those that have not reached all, which waits they are still to reach.
        listeners: By type.
    """

    steps: dict[Key, StepRow] = field(default_factory=dict)
    suspended: set[Key] = field(default_factory=set)
    children: dict[tuple[int, Key], bool] = field(default_factory=dict)
    awaited: set[tuple[int, Key]] = field(default_factory=set)
    waits: dict[int, Wait] = field(default_factory=dict)
    last_wait: int = 0
    events: dict[int, EventRow] = field(default_factory=dict)
    behind: dict[int, int] = field(default_factory=dict)
    held_before: dict[int, int] = field(default_factory=dict)
    unreached: dict[int, int] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)

    def copy(self) -> Durable:
        """The same, to be changed by one transaction."""
        found: dict[str, Any] = {one.name: copy(getattr(self, one.name)) for one in fields(self)}
        return Durable(**found)

    def has_steps(self, job_id: int) -> bool:
        """Whether a job has operations."""
        return any(of == job_id for of, _ in self.steps)

    def add_wait(self, wait: Wait) -> None:
        """Something waits for an event."""
        self.last_wait += 1
        self.waits[self.last_wait] = wait

    def drop_waits(self, job_id: int, step: str | None, *, is_any: bool = False) -> None:
        """An operation of a job (or any, or the job) waits for no event."""
        self.waits = {
            number: wait for number, wait in self.waits.items() if wait[1] != job_id or not (is_any or wait[2] == step)
        }

    def first_event(
        self, match: EventMatch, job_id: int, but: str | None = None, after: EventMark | None = None
    ) -> EventRow | None:
        """The first event that matches and was sent since a job was enqueued, or the one that was held in its place,
        and after another one; not the one that is `but` as JSON.
        """
        named = {number: event for number, event in self.events.items() if event.name == match.event}
        if after is not None:
            same = [number for number, event in named.items() if mark_of(memo_of(event)) == after]
            named = {
                number: event
                for number, event in named.items()
                if (number > max(same) if same else event.sent_at > after.sent_at)
            }
        found = [
            number
            for number, event in named.items()
            if self.behind[number] >= self.held_before.get(job_id, job_id)
            and matches(match, event)
            and memo_of(event) != but
        ]
        return self.events[min(found)] if found else None

    def forget(self, job_id: int) -> None:
        """A job waits for nothing more."""
        self.drop_waits(job_id, None, is_any=True)
        self.awaited = {one for one in self.awaited if one[1][0] != job_id}


# Writes.


def save_steps(phases: MemoryPhases, write: SaveSteps) -> tuple[StepRow, ...] | None:
    """See `SaveSteps`."""
    job = phases.held(write)
    return None if job is None else tuple([_save(phases, job, step) for step in write.steps])


def save_ran(phases: MemoryPhases, write: SaveRan) -> list[StepRow | None] | None:
    """See `SaveRan`."""
    saved = [save_steps(phases, step.alone()) for step in write.steps]
    found = [None if rows is None else rows[0] for rows in saved]
    return None if found == [step.row(phases.now) for step in write.steps] else found


def start_child(phases: MemoryPhases, write: StartChild) -> tuple[StepRow, Inserted | None] | Refused | None:
    """See `StartChild`."""
    job = phases.held(write)
    if job is None:
        return None
    durable, key = phases.rows.durable, (write.id, write.name)
    if key in durable.steps:
        known = [child for child, of in durable.children if of == key]
        return durable.steps[key], Inserted(max(known), is_new=False) if known else None
    inserted = admit(phases, Admit((write.child,)))
    if isinstance(inserted, Refused):
        return inserted
    (made,) = inserted
    child = phases.rows.jobs.get(made.id)  # None: its window has outlived it
    new = NewStep(write.name, StepKind.RUN, StepState.DONE, start_memo(made), attempts=1)
    if write.is_awaited:
        new = NewStep(write.name, StepKind.CHILD, StepState.WAITING, until=write.until)
        if child is None:
            new = new._replace(state=StepState.FAILED, memo=end_memo("deleted", None, None, None))
        elif not made.is_new and child.is_finished:
            new = new._replace(state=_state_after(child.status), memo=_memo_of(child, child.status))
    if child is not None:
        durable.children[made.id, key] = made.is_new
    if new.state is StepState.WAITING:
        durable.awaited.add((made.id, key))
    return _save(phases, job, new), made


def suspend(phases: MemoryPhases, end: Again) -> Again:
    """Notes for what a job is suspended; returns what the end is then."""
    durable = phases.rows.durable
    durable.suspended = {key for key in durable.suspended if key[0] != end.id}
    found = [durable.steps[end.id, name] for name in end.waits_for if (end.id, name) in durable.steps]
    durable.suspended |= {(end.id, step.name) for step in found if step.state is StepState.WAITING}
    has_ended_step = any(step.state is not StepState.WAITING for step in found)
    if has_ended_step:
        phases.restarted[end.id] = 1 - end.refund
    return end.resumed(phases.now, has_ended_step=has_ended_step)


def counted_after(job: Job, end: Again | Close) -> dict[str, int]:
    """How many attempts of a job count after the end of one, and how many crashes before it."""
    restarts = isinstance(end, Again) and end.restarts
    attempts = end.counted if isinstance(end, Again) else max(job.attempts - end.refund, 0)
    return {"attempts": attempts, "crashes": 0 if restarts else job.crashes}


def note_ends(phases: MemoryPhases) -> None:
    """Has jobs that have ended wait for nothing more, and ends the operations that wait for them."""
    ended, phases.ends_to_note = phases.ends_to_note, []
    durable = phases.rows.durable
    for job, _ in ended:
        durable.forget(job.id)
    of_job = {job.id: (job, status) for job, status in ended}
    due = sorted(
        (child, of[0], list(durable.steps).index(of), of) for child, of in durable.awaited if child in of_job
    )  # fmt: skip
    for child, _, _, key in due:
        durable.awaited.discard((child, key))
        job, status = of_job[child]
        how = "deleted" if status is None else status
        end(phases, key, _state_after(how), _memo_of(phases.rows.jobs.get(child, job), how))


def redrive(phases: MemoryPhases, job_id: int) -> bool:
    """Forgets the operations of a job that are not done; returns whether any stay."""
    durable = phases.rows.durable
    durable.forget(job_id)
    durable.steps = {
        key: step for key, step in durable.steps.items() if key[0] != job_id or step.state is StepState.DONE
    }
    durable.suspended = durable.suspended & durable.steps.keys()
    return durable.has_steps(job_id)


def delete(phases: MemoryPhases, job_id: int) -> None:
    """Deletes the operations of a job, and what is known of who started it."""
    durable = phases.rows.durable
    durable.forget(job_id)
    durable.steps = {key: step for key, step in durable.steps.items() if key[0] != job_id}
    durable.suspended = durable.suspended & durable.steps.keys()
    durable.held_before.pop(job_id, None)
    durable.children = {one: made for one, made in durable.children.items() if job_id not in {one[0], one[1][0]}}


def end(phases: MemoryPhases, key: Key, state: StepState, memo: str) -> None:
    """Ends an operation that waits; a job that is suspended for it is due now."""
    durable, job = phases.rows.durable, phases.rows.jobs[key[0]]
    step = durable.steps[key]
    if step.state is not StepState.WAITING:
        return
    durable.steps[key] = step._replace(state=state, memo=memo, ended_at=phases.now, place=_place(durable, key[0]))
    if job.status is Status.PENDING:
        attempts = count_restarted(job.attempts, is_lost=job.crashes > 0)
        job = phases.put(job, attempts=attempts, crashes=min(job.crashes, 1))
        phases.restarted[job.id] = job.attempts
    is_later = job.held is None and to_micros(job.scheduled_at) > phases.now
    if key in durable.suspended and job.status is Status.PENDING and (job.held is Held.EVENT or is_later):
        due = to_datetime(min(phases.now, to_micros(job.scheduled_at)))
        changed, phases.restarted[job.id] = phases.put(job, attempts=0, crashes=0, held=None, scheduled_at=due), 0
        phases.make(changed)


def is_suspended(rows: Rows, job_id: int) -> bool:
    """Whether the latest attempt of a job was suspended, and an operation that it was suspended for waits."""
    steps = rows.durable.steps
    return any(of == job_id and steps[of, name].state is StepState.WAITING for of, name in rows.durable.suspended)


def move_back(phases: MemoryPhases, job_id: int, by: int, written: int) -> None:
    """What a job waits for that a clock has written which was ahead is over earlier; see `MoveBack`."""
    for key, step in phases.rows.durable.steps.items():
        if key[0] == job_id and step.state is StepState.WAITING and step.until is not None:
            is_near = -CLOCK_TOLERANCE_US <= step.until - written <= by
            if is_near and (step.kind.bound is StepKind.RUN or step.started_at > phases.now + CLOCK_TOLERANCE_US):
                phases.rows.durable.steps[key] = step._replace(until=step.until - by)


# Queries.


def list_steps(rows: Rows, query: ListSteps) -> tuple[StepRow, ...]:
    """See `ListSteps`."""
    return tuple(step for key, step in rows.durable.steps.items() if key[0] == query.job)


def list_restarted(rows: Rows, query: ListRestarted) -> set[int]:
    """See `ListRestarted`."""
    found = set()
    for (job_id, _), step in rows.durable.steps.items():
        job = rows.jobs[job_id]
        if job_id not in query.ids or job.status is not Status.PROCESSING or step.ended_at is None:
            continue
        assert job.started_at is not None
        if to_micros(job.started_at) <= step.ended_at <= query.until:
            found.add(job_id)
    return found


def list_awaited(rows: Rows, query: ListAwaited) -> tuple[Awaited, ...]:
    """See `ListAwaited`."""
    durable, job = rows.durable, rows.jobs.get(query.job)
    if job is None or job.status is not Status.PENDING:
        return ()
    steps = [step for key, step in durable.steps.items() if key in durable.suspended and key[0] == query.job]
    waits = {name: match for match, job_id, name in durable.waits.values() if job_id == query.job}
    children: dict[str, int] = {}
    for child, (job_id, name) in sorted(durable.awaited):
        if job_id == query.job:
            children[name] = child
    return tuple(
        Awaited(step, waits.get(step.name), children.get(step.name))
        for step in steps
        if step.state is StepState.WAITING
    )


def list_children(rows: Rows, query: ListChildren) -> tuple[tuple[str, int], ...]:
    """See `ListChildren`."""
    found = sorted((child, name) for child, (job_id, name) in rows.durable.children if job_id == query.job)
    return tuple((name, child) for child, name in found)


def get_parent(rows: Rows, query: GetParent) -> tuple[int, str] | None:
    """See `GetParent`."""
    children = rows.durable.children.items()
    return next((key for (child, key), is_new in children if is_new and child == query.job), None)


def counts(rows: Rows) -> dict[int, int]:
    """How many operations each job has."""
    found: dict[int, int] = {}
    for job_id, _ in rows.durable.steps:
        found[job_id] = found.get(job_id, 0) + 1
    return found


def _save(phases: MemoryPhases, job: Job, new: NewStep) -> StepRow:
    durable, key = phases.rows.durable, (job.id, new.name)
    there = durable.steps.get(key)
    if there is not None and there.state is not StepState.WAITING:
        return there
    match = new.match if new.state is StepState.WAITING else None
    if there is None and match is not None:
        event = durable.first_event(match, job.id, after=new.after)
        if event is not None:
            new, match = new._replace(state=StepState.DONE, memo=memo_of(event)), None
    is_over = new.state is not StepState.WAITING
    step = durable.steps[key] = StepRow(
        new.name, new.kind, new.state, new.memo, new.error, new.attempts, new.until,
        phases.now if there is None else there.started_at,
        phases.now if is_over else None,
        _place(durable, job.id) if is_over else None,
    )  # fmt: skip
    if is_over or step.kind is not StepKind.CHILD:
        durable.awaited = {one for one in durable.awaited if one[1] != key}
    waited = [wait[0] for wait in durable.waits.values() if wait[1:] == key]
    if waited != [match]:
        durable.drop_waits(*key)
        if match is not None:
            durable.add_wait((match, *key))
    return step


def _place(durable: Durable, job_id: int) -> int:
    return 1 + max([step.place or 0 for key, step in durable.steps.items() if key[0] == job_id], default=0)


def _state_after(status: str) -> StepState:
    return StepState.DONE if status == Status.COMPLETED else StepState.FAILED


def _memo_of(job: Job, status: str) -> str:
    return end_memo(status, job.result_json, job.reason, job.error)


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {SaveRan: save_ran, StartChild: start_child}
