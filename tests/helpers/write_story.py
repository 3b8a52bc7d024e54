"""Transactions in words: one line each, for a person who reads how a test came to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.after import InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.batches import AbandonBatches, CancelBatch, CancelledPage, CloseBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.documents import DeleteDocument, PruneDocuments, PutDocument
from aiojobs_lite.model.edits import EditJob
from aiojobs_lite.model.ends import Again, Close, Complete
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.events import DeliverEvents, NewEvent, PlaceHeld, PruneEvents, SendEvents, SetListeners
from aiojobs_lite.model.figures import AddFigures, PruneFigures
from aiojobs_lite.model.job import PRIORITY_NAMES, NewJob
from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, RestartRate, SetLimits
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.runners import EndRunners, MarkDraining, SetRunner, SetRunnerTypes
from aiojobs_lite.model.schedules import (
    DeleteSchedule,
    FireTick,
    MoveTickBack,
    PauseSchedule,
    PutSchedule,
    RunSchedule,
    SetSchedule,
    StopSchedules,
)
from aiojobs_lite.model.steps import NewRan, NewStep, SaveRan, SaveSteps, StartChild, StepRow
from aiojobs_lite.model.writes import (
    CancelJob,
    Claim,
    ClaimAnswer,
    DeleteJob,
    Insert,
    Inserted,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveAsNew,
    RedriveDead,
    RedriveJob,
    Release,
    Reschedule,
    Unit,
    Write,
)
from tests.helpers.stores import NOW


class Story:
    """What was done, one line a transaction; an error that comes up inside `telling` brings it along.

    Attributes:
        has_failed: Whether one did.
    """

    def __init__(self) -> None:
        self.has_failed = False
        self._lines: list[str] = []

    def add(self, now: int, where: str, units: Sequence[Unit]) -> None:
        """Adds a transaction that is about to be made."""
        said = " | ".join(" + ".join(map(in_words, unit)) for unit in units) or "nothing"
        self._lines.append(f"{len(self._lines) + 1:3}. {_at(now)}, {where}: {said}")

    def answered(self, answers: Sequence[Any]) -> None:
        """Adds what the latest transaction was answered."""
        self._lines[-1] += f"  ->  {', '.join(map(answer_in_words, answers))}"

    def note(self, now: int, text: str) -> None:
        """Adds what is no transaction."""
        self._lines.append(f"{len(self._lines) + 1:3}. {_at(now)}, {text}")

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Adds the story to an error that comes up inside."""
        try:
            yield
        except Exception as error:
            self.has_failed = True
            error.add_note("\n".join(["What was written:", *self._lines]))
            raise


def in_words(write: Write[Any]) -> str:
    """A write in a few words."""
    return WORDS[type(write)](write)


def answer_in_words(answer: Any) -> str:
    """An answer in a few words."""
    if isinstance(answer, ClaimAnswer):
        jobs = " ".join(f"{job.id}/{job.attempt}" for job in answer.jobs) or "none"
        return jobs + (f" (limited: {' '.join(sorted(answer.limited_types))})" if answer.limited_types else "")
    if isinstance(answer, list):
        return " ".join(_inserted(one) for one in answer) or "none"
    if isinstance(answer, CancelledPage):
        return f"cancelled {' '.join(str(job_id) for job_id, _ in answer.jobs) or 'none'}, on behind {answer.next}"
    return str(answer)


def _inserted(answer: Inserted | StepRow | None) -> str:
    if not isinstance(answer, Inserted):
        return str(answer)
    return f"{answer.id}" if answer.is_new else f"{answer.id} (known)"


def _at(instant: int) -> str:
    """An instant, in seconds from the one at which all tests begin."""
    return f"{(instant - NOW) / 1_000_000:+g} s"


def _row(row: NewJob) -> str:
    parts = [row.type, PRIORITY_NAMES[row.priority], _at(row.scheduled_at), f"{row.max_attempts} attempts"]
    parts += [f"key {row.idempotency_key}"] if row.idempotency_key is not None else []
    parts += [f"lane {row.lane}"] if row.lane is not None else []
    return f"({', '.join(parts)})"


def _candidate(candidate: Candidate) -> str:
    row, parts = candidate.row, [str(candidate.on_conflict)]
    parts += [f"unique {row.unique_key} {row.unique_scope}"] if row.unique_key is not None else []
    parts += [f"window {candidate.window_key}"] if candidate.window_key is not None else []
    parts += [f"expires {candidate.expires}"] if candidate.expires is not None else []
    parts += [f"{row.payload} of {candidate.capacity}"] if candidate.capacity is not None else []
    parts += [f"cancelled by {_match(match)}" for match in candidate.cancel_on]
    return f"{_row(row)} [{', '.join(parts)}]"


def _claim(claim: Claim) -> str:
    text = f"claim {claim.limit} of {' '.join(sorted(claim.types))} by {claim.owner}"
    for word, limits in (("slots", claim.slots), ("concurrency", claim.concurrency)):
        text += f", {word} {' '.join(f'{name}={count}' for name, count in limits.items())}" if limits else ""
    return text + (f", {claim.pool_slots} of {' '.join(sorted(claim.pooled))} together" if claim.pooled else "")


def _by_member(write: Any) -> str:
    return ", by a job of it," if write.is_member else ""


def _token(write: Any) -> str:
    return f"{write.id}/{write.attempt} of {write.owner}"


def _again(end: Again) -> str:
    more = [*(["refunded"] if end.refund else []), *([f"held: {end.held}"] if end.held else [])]
    more += [f"for {' '.join(end.waits_for)}"] if end.waits_for else []
    more += ["restarts"] if end.restarts else []
    return ", ".join([f"{end.outcome} {_token(end)}: again at {_at(end.scheduled_at)}", *more])


def _match(match: EventMatch) -> str:
    return f"{match.event} {dict(zip(match.fields, json.loads(match.values), strict=True)) or ''}".strip()


def _step(step: NewStep) -> str:
    until = "" if step.until is None else f" until {_at(step.until)}"
    return f"{step.name} ({step.kind}) {step.state}{until}" + (f" for {_match(step.match)}" if step.match else "")


def _ran(step: NewRan) -> str:
    return f"{step.id}.{step.attempt} of {step.owner}: {step.name} at place {step.place}"


def _event(event: NewEvent) -> str:
    starts = f" starts {' '.join(map(_candidate, event.starts))}" if event.starts else ""
    return f"{event.name} {event.data} at {_at(event.sent_at)}" + (f" key {event.key}" if event.key else "") + starts


def _tick(tick: FireTick) -> str:
    made = "no job" if tick.job is None else _candidate(tick.job)
    overlap = "not over the job before" if tick.skip_overlap else "whatever was before"
    schedule = f"{tick.schedule} as {tick.expression!r}" + (f" of {tick.revision}" if tick.revision is not None else "")
    return f"tick {_at(tick.tick)} of {schedule}: {made}, {overlap}, next {_at(tick.next_tick)}"


WORDS: Final[Mapping[type, Callable[[Any], str]]] = {
    Insert: lambda write: f"insert {' '.join(map(_row, write.rows)) or 'nothing'}",
    Admit: lambda write: f"admit {' '.join(map(_candidate, write.rows)) or 'nothing'}",
    Claim: _claim,
    Complete: lambda end: f"complete {_token(end)}" + (f" with {end.result}" if end.result else ""),
    Again: _again,
    Close: lambda end: f"{end.outcome} {_token(end)}: {end.status}, {end.reason}" + ", refunded" * end.refund,
    MoveBack: lambda write: f"move back {' '.join(map(str, write.ids)) or 'no job'}",
    MoveTickBack: lambda write: (
        f"move the tick of {write.schedule} as {write.expression!r} back to {_at(write.next_tick)}"
    ),
    MarkInterrupted: lambda write: f"mark {_token(write)} as interrupted",
    CancelJob: lambda write: f"cancel {write.id}",
    OpenBatch: lambda write: (
        f"open a batch of {write.owner}" + (f" in {write.parent}{_by_member(write)}" if write.parent else "")
    ),
    InsertAfter: lambda write: (
        "insert after others: "
        + " ".join(f"{_row(row)} after {after}" for row, after in zip(write.rows, write.after, strict=True))
        + (f" into batch {write.batch}{_by_member(write)}" if write.batch else "")
    ),
    InsertInBatch: lambda write: (
        f"insert into batch {write.batch}{_by_member(write)} {' '.join(map(_row, write.rows)) or 'nothing'}"
    ),
    CloseBatch: lambda write: (
        f"{'abandon' if write.is_abandoned else 'close'} batch {write.batch} with "
        f"{' '.join(f'{event}: {_row(row)}' for event, row in write.callbacks) or 'nothing'}"
    ),
    AbandonBatches: lambda write: f"abandon the batches of {' '.join(write.owners)}",
    CancelBatch: lambda write: f"cancel {write.limit} of batch {write.batch} after {write.after}",
    RedriveJob: lambda write: f"redrive {write.id}{' at its time' if write.keeps_time else ''}",
    RedriveDead: lambda write: f"redrive the dead of {' '.join(map(str, write.ids)) or 'no job'}",
    EditJob: lambda write: f"edit {write.id}: {write.payload} for {write.before} in {write.lane}, {write.unique_key}",
    RedriveAsNew: lambda write: f"redrive {write.id} as {_row(write.row)}",
    DeleteJob: lambda write: f"delete {write.id}" + (f" if it is {write.only}" if write.only else ""),
    PauseType: lambda write: f"{'pause' if write.paused else 'resume'} {write.type}",
    Reschedule: lambda write: (
        f"reschedule {write.id}: " + ("now" if write.scheduled_at is None else _at(write.scheduled_at))
    ),
    ChangeLimit: lambda write: (
        f"limit {write.name} of {write.key} is {write.most} per {write.per}" + (", pinned" if write.is_pinned else "")
    ),
    PauseLimit: lambda write: f"{'pause' if write.paused else 'resume'} limit {write.name} of {write.key}",
    RestartRate: lambda write: f"restart the rate {write.name} of {write.key}",
    SetLimits: lambda write: f"limits {' '.join(f'{one.name}={one.most}' for one in write.limits)}",
    SetRunner: lambda write: f"runner {write.id} starts",
    SetRunnerTypes: lambda write: f"runner {write.id} has {write.types}, while {' '.join(write.dead)} are dead",
    MarkDraining: lambda write: f"runner {write.id} drains",
    EndRunners: lambda write: f"runners {' '.join(write.ids)} are dead",
    RaisePriorities: lambda write: (
        f"raise {write.limit}: due before {_at(write.medium_before)} to medium, before {_at(write.high_before)} to high"
    ),
    Report: lambda write: (
        f"{_token(write)} reports {write.serial}: "
        + ("" if write.at is None else f"{write.fraction} {write.text} at {_at(write.at)}, ")
        + f"{len(write.lines)} lines, {write.dropped} dropped"
        + ", with its end" * write.goes_with_end
    ),
    Release: lambda write: f"release {write.held} of {' '.join(map(str, write.ids)) or 'no job'}",
    Prune: lambda write: (
        f"prune {write.limit}: completed before {_at(write.completed_before)}, dead before {_at(write.dead_before)}, "
        f"ticks before {_at(write.ticks_before)}"
    ),
    SaveRan: lambda write: f"{', '.join(map(_ran, write.steps)) or 'nothing'} ran",
    SaveSteps: lambda write: f"{_token(write)} saves {', '.join(map(_step, write.steps)) or 'nothing'}",
    StartChild: lambda write: (
        f"{_token(write)} starts {_candidate(write.child)} as {write.name}" + ", awaited" * write.is_awaited
    ),
    SendEvents: lambda write: (
        f"send {', '.join(map(_event, write.events)) or 'nothing'}"
        + (f", knows {' '.join(sorted(write.knows))}" if write.knows else "")
        + (f", as {write.step.name} of {_token(write.step)}" if write.step else "")
    ),
    DeliverEvents: lambda _write: "deliver events",
    SetListeners: lambda write: f"listen: {', '.join(f'{one.type} to {one.patterns}' for one in write.listeners)}",
    PlaceHeld: lambda write: f"place {_candidate(write.place) if write.place else 'nothing'} for {write.id}",
    PutDocument: lambda write: f"put {write.kind} {write.name}, expected {write.expected}, until {write.expires_at}",
    DeleteDocument: lambda write: f"delete {write.kind} {write.name}, expected {write.expected}",
    PruneDocuments: lambda write: f"prune {write.limit} documents",
    AddFigures: lambda write: f"figures of {_at(write.hour)}: {write.ends}, {write.durations}",
    PruneFigures: lambda write: f"prune {write.limit} figures before {_at(write.before)}",
    PruneEvents: lambda write: f"prune {write.limit} events before {_at(write.before)}",
    SetSchedule: lambda write: f"schedule {write.name} as {write.expression!r}, next {_at(write.next_tick)}",
    PutSchedule: lambda write: (
        f"put schedule {write.name} as {write.expression!r} of {write.revision}, next {_at(write.next_tick)}"
    ),
    StopSchedules: lambda write: (
        f"{' '.join(write.names)} left the code of {write.owner}, while {' '.join(write.dead)} are dead"
    ),
    DeleteSchedule: lambda write: f"delete schedule {write.name}",
    PauseSchedule: lambda write: f"{'pause' if write.paused else 'resume'} schedule {write.name}",
    RunSchedule: lambda write: f"run schedule {write.schedule}: {_candidate(write.job)}",
    FireTick: _tick,
}
"""Every write."""
