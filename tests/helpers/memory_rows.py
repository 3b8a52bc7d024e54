"""What a store must do to its rows, in plain Python: a dictionary of jobs, one write after the other, nothing clever.

Written from the docstrings of `model/` and `stores/base.py` alone; `memory_store.py` makes a store of it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.after import Cancellation, InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import (
    MoveBack,
)
from aiojobs_lite.model.batches import (
    AbandonBatches,
    CancelBatch,
    CloseBatch,
    InsertInBatch,
    OpenBatch,
)
from aiojobs_lite.model.edits import EditJob
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.expiries import Expired
from aiojobs_lite.model.job import (
    FINISHED,
    PRIORITIES,
    PRIORITY_NAMES,
    TRANSITIONS,
    Attempt,
    Claimed,
    Job,
    NewJob,
    Status,
)
from aiojobs_lite.model.limits import ChangeLimit, LimitRow, PauseLimit, RestartRate, SetLimits, lane_at
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.run_starts import later_lane
from aiojobs_lite.model.runners import EndRunners, MarkDraining, SetRunner, SetRunnerTypes
from aiojobs_lite.model.schedule_rows import ScheduleRow
from aiojobs_lite.model.steps import SaveSteps, StartChild, StepRow
from aiojobs_lite.model.unique import UniqueScope
from aiojobs_lite.model.writes import (
    CancelJob,
    Claim,
    ClaimAnswer,
    DeleteJob,
    Inserted,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveAsNew,
    RedriveDead,
    RedriveJob,
    Redriven,
    Release,
    Reschedule,
    Write,
)
from aiojobs_lite.sizes import MOST_ATTEMPTS_KEPT
from tests.helpers import (
    memory_after,
    memory_ageing,
    memory_ahead,
    memory_batches,
    memory_documents,
    memory_edits,
    memory_events,
    memory_figures,
    memory_job_events,
    memory_limits,
    memory_lists,
    memory_progress,
    memory_runners,
    memory_schedules,
    memory_steps,
)
from tests.helpers.memory_admission import admit, redriven
from tests.helpers.memory_expiries import expire

_LARGEST: Final = 2**63 - 1
Fenced = End | MarkInterrupted | Report | SaveSteps | StartChild | StepFence


@dataclass
class Rows:
    """All that a database holds.

    Attributes:
        jobs: By id, with their history.
        paused: The types that no owner may claim, since when and by whom.
        schedules: By name.
        ticks: By (schedule, tick) that was dealt with, the job that was made, or None.
        last_id: The highest id that was given.
        marks: By type, the latest instant of a transaction after which one of its jobs stood elsewhere.
        runners: By id.
        limits: By name and key.
        limited: The types of which a job has had a lane.
        starts: By meter of a rate, the instants at which attempts started.
        batches: The batches.
        waits: What each job that is held after others waits for.
        database: Its random id. `windows`: by type and key of a window, the job that has it, since and until when.
        expiries: When jobs expire, by id.
        logs: By the id of the job.
        durable: The operations and events.
        documents: By kind and name.
        ends: How attempts ended, by hour, type, outcome and error type. `durations`: by bucket. `edits`: by job.
    """

    jobs: dict[int, Job] = field(default_factory=dict)
    paused: dict[str, Pause] = field(default_factory=dict)
    schedules: dict[str, ScheduleRow] = field(default_factory=dict)
    ticks: dict[tuple[str, int], int | None] = field(default_factory=dict)
    last_id: int = 0
    marks: dict[str, int] = field(default_factory=dict)
    runners: memory_runners.Runners = field(default_factory=dict)
    limits: dict[tuple[str, str | None], LimitRow] = field(default_factory=dict)
    limited: set[str] = field(default_factory=set)
    starts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batches: memory_batches.Batches = field(default_factory=memory_batches.Batches)
    waits: memory_after.Waits = field(default_factory=dict)
    database: str = field(default_factory=lambda: secrets.token_hex(8))
    windows: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    expiries: dict[int, int] = field(default_factory=dict)
    logs: memory_progress.Logs = field(default_factory=dict)
    durable: memory_steps.Durable = field(default_factory=memory_steps.Durable)
    documents: memory_documents.Documents = field(default_factory=dict)
    ends: memory_figures.Ends = field(default_factory=dict)
    durations: memory_figures.Durations = field(default_factory=dict)
    edits: memory_edits.Edits = field(default_factory=dict)

    def copy(self) -> Rows:
        """The same rows, to be changed by one transaction."""
        return Rows(
            dict(self.jobs),
            dict(self.paused),
            dict(self.schedules),
            dict(self.ticks),
            self.last_id,
            dict(self.marks),
            dict(self.runners),
            dict(self.limits),
            set(self.limited),
            dict(self.starts),
            self.batches.copy(),
            dict(self.waits),
            self.database,
            dict(self.windows),
            dict(self.expiries),
            dict(self.logs),
            self.durable.copy(),
            dict(self.documents),
            dict(self.ends),
            dict(self.durations),
            {job_id: [*edits] for job_id, edits in self.edits.items()},
        )

    def find(self, query: FindJobs) -> list[Job]:
        """See `FindJobs`."""
        return memory_lists.find(self, query)

    def processing(self, job_type: str) -> int:
        """How many jobs of a type are processing."""
        return sum(job.type == job_type and job.status is Status.PROCESSING for job in self.jobs.values())

    def claimable(self) -> list[Job]:
        """The jobs that may be claimed when they are due, in the order of the claim."""
        return sorted((job for job in self.jobs.values() if is_claimable(job)), key=_order)


class MemoryPhases:
    """The phases of one transaction, for `stores.grouping`.

    Args:
        rows: What is changed.
        now: The instant of the transaction.
        living: The other owners that live: their attempts are theirs to end.

    Attributes:
        rows: As given.
        now: As given.
        made: The ids of the jobs that became claimable, or are due at another time.
        moves: What moves in the counts of batches.
        ended: The jobs that ended, and how; None: it was deleted.
        ends_to_note: Those that are not known yet to the operations that wait for them.
        ends_to_send: Those that have not sent their events yet.
        cancelled, enqueued, has_sent: See `Applied`.
        claim: The claim, or None.
        types: The types of the jobs that were changed.
        redriven: The jobs that were sent back to pending by a redrive.
        restarted: The jobs of which an operation has ended from outside, and how many attempts count.
        may_be_held_back: The types that the answer to the claim may name at most.
        expired: The jobs that were cancelled since their expiry had come.
    """

    def __init__(self, rows: Rows, now: int, living: Collection[str] = ()) -> None:
        self.rows, self._before = rows, rows.copy()
        self.now, self._living, self.has_sent = now, living, False
        self.moves = memory_batches.Moves(rows.batches)
        self.ended: list[tuple[int, Status | None]] = []
        self.ends_to_note, self.ends_to_send = list[tuple[Job, Status | None]](), list[tuple[int, Status | None]]()
        self.cancelled, self.enqueued = list[Cancellation](), list[tuple[int, NewJob]]()
        self.made, self.redriven = list[int](), list[int]()
        self.claim: Claim | None = None
        self._taken: Counter[str] = Counter()
        self.types: set[str] = set()
        self.restarted: dict[int, int] = {}
        self.may_be_held_back: frozenset[str] = frozenset()
        self.expired: list[Expired] = []

    def due(self, known: Mapping[str, int] = MappingProxyType({})) -> int | None:
        """See `Applied.due`; exact. `known`: see `memory_limits.due`."""
        claim = self.claim
        if claim is None:
            return memory_limits.due(self._before, self.rows, self.now, self.made, known)
        could_take = [job for job in self.rows.claimable() if self._is_wanted(claim, self._taken, job.type)]
        return memory_limits.first_start(self.rows, could_take, self.now)

    # See `Phases`.

    def end(self, ends: Sequence[End]) -> list[Status | None]:
        """See `Phases`."""
        in_turn = sorted(range(len(ends)), key=lambda index: not isinstance(ends[index], Complete))
        answers = {index: self._end(ends[index]) for index in in_turn}
        memory_job_events.note_ends(self)
        return [answers[index] for index in range(len(ends))]

    def write(self, write: Write[Any]) -> Any:
        """See `Phases`."""
        answer = WRITES[type(write)](self, write)
        memory_job_events.note_ends(self)
        return answer

    def save_steps(self, writes: Sequence[SaveSteps]) -> list[tuple[StepRow, ...] | None]:
        """See `Phases`."""
        return [memory_steps.save_steps(self, write) for write in writes]

    def insert_and_claim(
        self, rows: Sequence[NewJob], claim: Claim | None
    ) -> tuple[list[Inserted], ClaimAnswer | None]:
        """See `Phases`."""
        return [self.insert(row) for row in rows], None if claim is None else self._claim(claim)

    def admit(self, writes: Sequence[InsertInBatch]) -> list[bool]:
        """See `Phases`."""
        return [memory_batches.takes_jobs(self.rows.batches, write.batch, write.is_member) for write in writes]

    def add_to_batch(self, batch: int, inserted: Sequence[Inserted]) -> None:
        """See `Phases`."""
        memory_batches.add_jobs(self, batch, inserted)

    def settle(self) -> None:
        """See `Phases`; the jobs that this enqueues are not claimed with it, and may be due."""
        while self.ended:
            memory_after.settle(self)
            memory_job_events.note_ends(self)
        memory_batches.settle(self)

    # Ends.

    def _end(self, end: End) -> Status | None:
        job = self.held(end)
        if job is None or end.owner in self._living:
            return None
        if isinstance(end, Complete):
            self.put(job, status=Status.COMPLETED, result_json=end.result, reason=end.note)
            return Status.COMPLETED
        if isinstance(end, Again) and job.cancel_requested:
            end = end.cancelled(job.reason)
        if isinstance(end, Again):
            end = memory_steps.suspend(self, end)
        changes: dict[str, Any] = {
            "status": Status.PENDING,
            "reason": end.reason,
            **memory_steps.counted_after(job, end),
        }
        if end.failure is not None:
            changes["error"] = end.failure.summary
        if isinstance(end, Close):
            changes["status"] = end.status
        else:
            changes |= {"held": end.held, "scheduled_at": to_datetime(end.scheduled_at), "lane": later_lane(job.lane)}
        if isinstance(end, Again) and end.is_suspended:
            self.rows.expiries.pop(job.id, None)
        if isinstance(end, Close) or end.is_recorded:
            alike = [past for past in job.history if past.outcome is end.outcome]
            oldest = max(len(alike) + 1 - MOST_ATTEMPTS_KEPT, 0)
            kept = [past for past in job.history if not any(past is gone for gone in alike[:oldest])]
            failure = end.failure or (None, end.reason, None, None)
            past = Attempt(end.attempt, end.outcome, job.started_at, to_datetime(self.now), end.owner, *failure)
            changes["history"] = (*kept, past)
        if end.counter is not None:
            moved = changes.get(end.counter, getattr(job, end.counter)) + 1
            changes[end.counter] = min(moved, _LARGEST)
        self.put(job, **changes)
        status: Status = changes["status"]
        return status

    def held(self, token: Fenced) -> Job | None:
        """The job of an attempt, if that is still its owner's."""
        job = self.rows.jobs.get(token.id)
        if job is None or (job.status, job.attempts, job.owner) != (Status.PROCESSING, token.attempt, token.owner):
            return None
        return job

    # Other writes.

    def report(self, write: Report) -> bool:
        """See `Report`."""
        job = self.rows.jobs.get(write.id) if write.goes_with_end else self.held(write)
        if job is None:
            return False
        self.put(job, progress=memory_progress.progressed(job, write))
        self.rows.logs[job.id] = memory_progress.logged(self.rows.logs, write)
        return True

    def mark_interrupted(self, write: MarkInterrupted) -> bool:
        """See `MarkInterrupted`."""
        job = self.held(write)
        if job is not None:
            self.put(job, interrupted=True)
        return job is not None

    def cancel_job(self, write: CancelJob) -> Status | None:
        """See `CancelJob`."""
        job = self.rows.jobs.get(write.id)
        if job is None:
            return None
        if job.status is Status.PENDING:
            self.put(job, status=Status.CANCELLED, reason=write.reason, held=None)
        elif job.status is Status.PROCESSING:
            earlier = job.reason if job.cancel_requested else None
            self.put(job, cancel_requested=True, reason=write.reason or earlier)
        return job.status

    def redrive_job(self, write: RedriveJob) -> Redriven:
        """See `RedriveJob`."""
        job = self.rows.jobs.get(write.id)
        if job is None or not (answer := redriven(self, job)):
            return Redriven(None) if job is None else answer
        due = max(to_datetime(self.now), job.scheduled_at) if write.keeps_time else to_datetime(self.now)
        self.redriven.append(job.id)
        self.rows.expiries.pop(job.id, None)
        if job.unique_scope is UniqueScope.PENDING:
            job = self.put(job, unique_key=None, unique_scope=None)
        self.put(
            job, status=Status.PENDING, attempts=0, scheduled_at=due, reason=None,
            interruptions=0, snoozes=int(memory_steps.redrive(self, job.id)), crashes=0,
        )  # fmt: skip
        return answer

    def redrive_dead(self, write: RedriveDead) -> int:
        """See `RedriveDead`."""
        dead = self.rows.find(FindJobs(ids=write.ids, status=Status.DEAD, limit=_LARGEST))
        return sum(bool(self.redrive_job(RedriveJob(job.id))) for job in reversed(dead))

    def delete_job(self, write: DeleteJob) -> Status | None:
        """See `DeleteJob`."""
        job = self.rows.jobs.get(write.id)
        if job is None:
            return None
        if job.status is not Status.PROCESSING and write.only in {None, job.status}:
            self.delete(job)
        return job.status

    def pause_type(self, write: PauseType) -> None:
        """See `PauseType`."""
        self.types.add(write.type)
        if write.paused:
            self.rows.paused.setdefault(write.type, Pause(to_datetime(self.now), write.by))
        elif write.type in self.rows.paused:
            del self.rows.paused[write.type]
            self.make(*(job for job in self.rows.claimable() if job.type == write.type))

    def reschedule(self, write: Reschedule) -> bool:
        """See `Reschedule`."""
        job = self.rows.jobs.get(write.id)
        if job is None or not is_claimable(job):
            return False
        due = self.now if write.scheduled_at is None else write.scheduled_at
        if write.scheduled_at is None and to_micros(job.scheduled_at) <= due:
            return False
        changed = self.put(job, scheduled_at=to_datetime(due))
        if job.id in self.rows.expiries:
            self.rows.expiries[job.id] += max(0, due - to_micros(job.scheduled_at))
        self.make(changed)
        return True

    def release(self, write: Release) -> int:
        """See `Release`."""
        held = [job for job in self.rows.jobs.values() if job.held is write.held and job.id in write.ids]
        for job in held:
            due = min(job.scheduled_at, to_datetime(self.now))
            self.put(job, held=None, reason=None, scheduled_at=due)
        return len(held)

    def prune(self, write: Prune) -> int:
        """See `Prune`."""
        steps = memory_steps.counts(self.rows)
        jobs, ticks, answer = memory_progress.pruned(
            self.rows.jobs.values(), self.rows.ticks, self.rows.logs, steps, write
        )
        for job in jobs:
            self.delete(job)
        self.rows.ticks = {tick: self.rows.ticks[tick] for tick in self.rows.ticks.keys() - ticks}
        return answer + memory_batches.prune_batches(self.rows.batches, write, max(write.limit - answer, 0))

    # Inserts and the claim.

    def insert(self, row: NewJob) -> Inserted:
        """Adds a job, unless its key is taken."""
        if row.idempotency_key is not None:
            for job in self.rows.jobs.values():
                if (job.type, job.idempotency_key) == (row.type, row.idempotency_key):
                    return Inserted(job.id, is_new=False)
        return Inserted(self.new_job(row), is_new=True)

    def give(self, job: Job, row: NewJob, due: datetime) -> None:
        """Gives a pending job the payload of another one, with the lane that it has by that, and another time."""
        lane = lane_at(row.lane, PRIORITIES[job.priority])
        changed = self.put(job, payload_json=row.payload, scheduled_at=due, lane=lane)
        self.make(memory_limits.noted(self.rows, changed, lane))

    def _claim(self, claim: Claim) -> ClaimAnswer:
        expire(self)
        taken, claimed = Counter[str](), list[Claimed]()
        for job in self.rows.claimable():
            if len(claimed) < claim.limit and self._could_take(claim, taken, job):
                taken[job.type] += 1
                claimed.append(as_claimed(self._start(job, claim.owner)))
                memory_limits.start(self.rows, job, self.now)
        waiting = [job for job in self.rows.claimable() if _is_offered(claim, taken, job.type)]
        is_full = len(claimed) >= claim.limit  # then it had no need to look any further
        refused = {job.type for job in waiting if self._may_start(job) and not self._has_capacity(claim, job.type)}
        offered = {name for name in claim.types if _is_offered(claim, taken, name)}
        self.may_be_held_back = frozenset(name for name in offered if not self._has_capacity(claim, name))
        self.claim, self._taken = claim, taken
        return ClaimAnswer(claimed, frozenset() if is_full else frozenset(refused))

    def _may_start(self, job: Job) -> bool:
        return to_micros(job.scheduled_at) <= self.now and memory_limits.may_start(self.rows, job, self.now)

    def _could_take(self, claim: Claim, taken: Mapping[str, int], job: Job) -> bool:
        return self._is_wanted(claim, taken, job.type) and self._may_start(job)

    def _is_wanted(self, claim: Claim, taken: Mapping[str, int], job_type: str) -> bool:
        return _is_offered(claim, taken, job_type) and self._has_capacity(claim, job_type)

    def _has_capacity(self, claim: Claim, job_type: str) -> bool:
        """Whether a pause and the limit over all owners allow one more."""
        limit = claim.concurrency.get(job_type)
        return job_type not in self.rows.paused and (limit is None or self.rows.processing(job_type) < limit)

    # Rows.

    def new_job(self, row: NewJob) -> int:
        """Adds a job that is pending; returns its id."""
        self.rows.last_id += 1
        job = Job(
            id=self.rows.last_id, type=row.type, payload_json=row.payload, status=Status.PENDING,
            priority=PRIORITY_NAMES[row.priority], attempts=0, max_attempts=row.max_attempts,
            scheduled_at=to_datetime(row.scheduled_at), created_at=to_datetime(row.created_at), started_at=None,
            completed_at=None, owner=None, idempotency_key=row.idempotency_key, error=None, reason=None,
            result_json=None, interruptions=0, snoozes=0, crashes=0, cancel_requested=False, interrupted=False,
            held=None, schedule=row.schedule, label=row.label, metadata_json=row.metadata, lane=row.lane,
            tick=None if row.tick is None else to_datetime(row.tick), unique_key=row.unique_key,
            unique_scope=None if row.unique_scope is None else UniqueScope(row.unique_scope),
        )  # fmt: skip
        self.rows.jobs[job.id] = memory_limits.noted(self.rows, job, row.lane)
        self._mark(job.type)
        self.make(job)
        return job.id

    def _start(self, job: Job, owner: str) -> Job:
        started_at = to_datetime(self.now)
        return self.put(
            job, status=Status.PROCESSING, owner=owner, attempts=min(job.attempts + 1, _LARGEST), started_at=started_at
        )

    def put(self, job: Job, **changes: Any) -> Job:
        """Changes a job; what only a processing or a finished one has follows its status."""
        changed = replace(job, **changes)
        assert changed.status is job.status or (job.status, changed.status) in TRANSITIONS
        if changed.status is not Status.PROCESSING:
            changed = replace(changed, owner=None, cancel_requested=False, interrupted=False)
        changed = replace(changed, completed_at=to_datetime(self.now) if changed.status in FINISHED else None)
        if is_claimable(changed) and not is_claimable(job):
            self.make(changed)
        self.rows.jobs[job.id] = changed
        self._note_move(job, changed.status)
        self.types.add(job.type)
        if standing(job) != standing(changed):
            self._mark(job.type)
        return changed

    def make(self, *jobs: Job) -> None:
        """Jobs became claimable, or are due at another time."""
        self.made += [job.id for job in jobs]

    def delete(self, job: Job) -> None:
        del self.rows.jobs[job.id]
        self.rows.expiries.pop(job.id, None)
        self._note_move(job, None)
        memory_steps.note_ends(self)
        memory_steps.delete(self, job.id)
        self.rows.logs.pop(job.id, None)
        self._mark(job.type)

    def _note_move(self, job: Job, status: Status | None) -> None:
        self.moves.job(job.id, job.status, status)
        if not job.is_finished and (status is None or status in FINISHED):
            self.ended.append((job.id, status))
            self.ends_to_note.append((job, status))
            self.ends_to_send.append((job.id, status))

    def _mark(self, job_type: str) -> None:
        self.types.add(job_type)
        self.rows.marks[job_type] = max(self.rows.marks.get(job_type, self.now), self.now)


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {
    **memory_events.WRITES,
    **memory_schedules.WRITES,
    **memory_steps.WRITES,
    AbandonBatches: memory_batches.abandon_batches,
    Admit: admit,
    CancelBatch: memory_batches.cancel_batch,
    CancelJob: MemoryPhases.cancel_job,
    CloseBatch: memory_batches.close_batch,
    DeleteJob: MemoryPhases.delete_job,
    InsertAfter: memory_after.insert_after,
    MarkInterrupted: MemoryPhases.mark_interrupted,
    MoveBack: memory_ahead.move_back,
    OpenBatch: memory_batches.open_batch,
    PauseType: MemoryPhases.pause_type,
    SetLimits: lambda phases, write: memory_limits.set_limits(phases.rows, write.limits),
    ChangeLimit: lambda phases, write: memory_limits.change(phases.rows, write),
    PauseLimit: lambda phases, write: memory_limits.pause(phases.rows, write, phases.now),
    EndRunners: lambda phases, write: memory_runners.end_runners(phases.rows.runners, write, phases.now),
    MarkDraining: lambda phases, write: memory_runners.mark_draining(phases.rows.runners, write),
    Reschedule: MemoryPhases.reschedule,
    RestartRate: lambda phases, write: memory_limits.restart(phases.rows, write),
    SetRunner: lambda phases, write: memory_runners.set_runner(phases.rows.runners, write, phases.now),
    SetRunnerTypes: memory_events.set_runner_types,
    Prune: MemoryPhases.prune,
    RaisePriorities: memory_ageing.raise_priorities,
    EditJob: memory_edits.edit_job,
    RedriveAsNew: memory_lists.redrive_as_new,
    RedriveDead: MemoryPhases.redrive_dead,
    RedriveJob: MemoryPhases.redrive_job,
    Release: MemoryPhases.release,
    Report: MemoryPhases.report,
    **memory_documents.WRITES,
    **memory_figures.WRITES,
}
"""Every write that is neither an end, an insert nor a claim."""


def is_claimable(job: Job) -> bool:
    """Whether a job may be claimed when it is due."""
    return job.status is Status.PENDING and job.held is None


def standing(job: Job) -> tuple[object, ...]:
    """What the counts and the next claim depend on."""
    return job.status, job.attempts, job.scheduled_at, job.held


def _is_offered(claim: Claim, taken: Mapping[str, int], job_type: str) -> bool:
    """Whether the claim's own limits allow one more of a type."""
    is_full = job_type in claim.pooled and sum(taken[name] for name in claim.pooled) >= claim.pool_slots
    return job_type in claim.types and not is_full and taken[job_type] < claim.slots.get(job_type, claim.limit + 1)


def _order(job: Job) -> tuple[Any, ...]:
    return PRIORITIES[job.priority], job.scheduled_at, job.id


def as_claimed(job: Job) -> Claimed:
    """What an owner is given of a job that is processing."""
    assert job.started_at is not None
    return Claimed(
        job.id, job.type, stored_payload(job.payload_json), PRIORITIES[job.priority], to_micros(job.scheduled_at),
        job.attempts, job.max_attempts, to_micros(job.created_at), to_micros(job.started_at), job.interruptions,
        job.snoozes, job.crashes, None if job.tick is None else to_micros(job.tick), job.owner or "", job.label,
        job.metadata_json,
    )  # fmt: skip
