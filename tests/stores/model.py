"""What a store must do, once more, in plain Python: a dictionary of jobs, one write after the other, nothing clever.

Written from the docstrings of `job.py` and `stores/base.py`; a store is compared with it after every transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.job import FINISHED, PRIORITIES, PRIORITY_NAMES, Attempt, Claimed, Job, Outcome, Status
from aiojobs_lite.model.writes import (
    Cancel,
    Claim,
    ClaimAnswer,
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
from aiojobs_lite.stores.base import JobFilter, TypeCounts


@dataclass
class Scheduled:
    """A stored schedule."""

    expression: str
    tz: str
    next_tick: int
    latest_job: int | None = None


class Model:
    """All that a store holds.

    Attributes:
        jobs: By id.
        paused: The types that nobody may claim.
        made: Types that the last transaction made due jobs of.
        redriven: The jobs that the last transaction sent back to pending by a redrive.
        may_be_held_back: What the answer to the last claim may name at most; what it must, is in the model's answer.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.paused: set[str] = set()
        self.made: set[str] = set()
        self.redriven: list[int] = []
        self.may_be_held_back: set[str] = set()
        self._schedules: dict[str, Scheduled] = {}
        self._ticks: set[tuple[str, int]] = set()
        self._last_id = 0
        self._now = 0

    def copy(self) -> Model:
        """The same, to go another way from here."""
        other = Model()
        other.jobs = dict(self.jobs)
        other.paused = set(self.paused)
        other._schedules = {name: replace(schedule) for name, schedule in self._schedules.items()}
        other._ticks = set(self._ticks)
        other._last_id = self._last_id
        return other

    def apply(self, writes: Sequence[Write], now: int, also: Collection[str] = ()) -> list[Any]:
        """Does what `Store.apply` must; returns the answers.

        Args:
            writes: What to do.
            now: When.
            also: Types at whose stored jobs the claim looks besides those that it names.
        """
        self._now, self.made, self.redriven = now, set(), []
        answers: dict[int, Any] = {}
        for number, write in sorted(enumerate(writes), key=lambda numbered: _turn(numbered[1])):
            if isinstance(write, Claim):
                answers[number] = self._claim(write, {*write.look_at, *self.made, *also})
            else:
                answers[number] = getattr(self, f"_{type(write).__name__.lower()}")(write)
        return [answers[number] for number in range(len(writes))]

    # What is asked.

    def find(self, which: JobFilter) -> list[Job]:
        """What `Store.find` must answer."""
        found = [
            job
            for job in self.jobs.values()
            if (which.ids is None or job.id in which.ids)
            and (which.status is None or job.status is which.status)
            and (which.type is None or job.type == which.type)
            and (which.owner is None or job.owner == which.owner)
            and (which.cancel_requested is None or job.cancel_requested is which.cancel_requested)
            and (which.before is None or job.id < which.before)
        ]
        return sorted(found, key=lambda job: -job.id)[: which.limit]

    def due(self, job_type: str) -> int | None:
        """When the next job of a type can be claimed."""
        jobs = [job for job in self.jobs.values() if job.type == job_type and _claimable(job)]
        return min((to_micros(job.scheduled_at) for job in jobs), default=None)

    def counts(self, marks: Mapping[str, int]) -> dict[str, TypeCounts]:
        """The counts by counting; a job that is due later than the mark of its type counts as scheduled."""
        return {name: self._counts(name, marks.get(name, 0)) for name in {job.type for job in self.jobs.values()}}

    def _counts(self, name: str, mark: int) -> TypeCounts:
        jobs = [job for job in self.jobs.values() if job.type == name]
        pending = [job for job in jobs if job.status is Status.PENDING]
        return TypeCounts(
            pending=len(pending),
            scheduled=sum(to_micros(job.scheduled_at) > mark and job.attempts == 0 for job in pending),
            retrying=sum(job.attempts > 0 for job in pending),
            parked=sum(job.parked is not None for job in pending),
            **{
                status.value: sum(job.status is status for job in jobs)
                for status in Status
                if status is not Status.PENDING
            },
        )

    # The writes, by name.

    def _finish(self, end: Finish) -> bool:
        job = self._held(end)
        if job is None:
            return False
        if end.outcome is Outcome.SUCCEEDED:
            self._put(job, status=Status.COMPLETED, result_json=end.result, reason=end.reason)
            return True
        status, reason, parked = end.status, end.reason, end.parked
        if job.cancel_requested and status is Status.PENDING:
            status, reason, parked = Status.CANCELLED, "cancel requested", None
        job = self._put(
            job, status=status, reason=reason, parked=parked, attempts=end.attempts,
            scheduled_at=to_datetime(end.scheduled_at), interruptions=end.interruptions, snoozes=end.snoozes,
            crashes=end.crashes, error=end.failure.summary if end.failure else job.error,
        )  # fmt: skip
        if parked is None:
            said = end.failure or (None, reason, None)
            at = to_datetime(end.started_at), to_datetime(self._now)
            record = Attempt(end.attempt, end.outcome, *at, end.owner, *said)
            self.jobs[job.id] = replace(job, history=(*job.history, record))
        return True

    def _cancel(self, write: Cancel) -> Status | None:
        job = self.jobs.get(write.id)
        if job is None:
            return None
        if job.status is Status.PENDING:
            job = self._put(job, status=Status.CANCELLED, reason=write.reason, parked=None)
        elif job.status is Status.PROCESSING:
            self.jobs[job.id] = replace(job, cancel_requested=True)
        return job.status

    def _markinterrupted(self, write: MarkInterrupted) -> bool:
        job = self._held(write)
        if job is None:
            return False
        self.jobs[job.id] = replace(job, interrupted=True)
        return True

    def _redrive(self, write: Redrive) -> int:
        if write.id is None:
            wanted = [job for job in self.jobs.values() if job.status is Status.DEAD]
            wanted = [job for job in wanted if write.type in {None, job.type}]
        else:
            wanted = [job for job in self.find(JobFilter(ids=[write.id])) if _may_be_redriven(job)]
        for job in wanted:
            self._put(
                job, status=Status.PENDING, attempts=0, scheduled_at=to_datetime(self._now), reason=None,
                interruptions=0, snoozes=0, crashes=0,
            )  # fmt: skip
        self.redriven += [job.id for job in wanted]
        return len(wanted)

    def _delete(self, write: Delete) -> Status | None:
        job = self.jobs.get(write.id)
        if job is None:
            return None
        if job.status is not Status.PROCESSING:
            del self.jobs[job.id]
        return job.status

    def _pause(self, write: Pause) -> None:
        self.paused = self.paused | {write.type} if write.paused else self.paused - {write.type}

    def _unpark(self, write: Unpark) -> int:
        parked = [job for job in self.jobs.values() if job.parked is not None and job.type in write.types]
        for job in parked:
            self._put(job, parked=None)
        return len(parked)

    def _prune(self, write: Prune) -> int:
        pruned: list[Job] = []
        for status, before in (
            (Status.COMPLETED, write.completed_before),
            (Status.DEAD, write.dead_before),
            (Status.CANCELLED, write.dead_before),
        ):
            old = [(_ended(job), job.id, job) for job in self.jobs.values() if job.status is status]
            old = sorted(entry for entry in old if entry[0] < before)
            pruned += [job for *_, job in old[: write.limit - len(pruned)]]
        for job in pruned:
            del self.jobs[job.id]
        self._ticks = {(name, tick) for name, tick in self._ticks if tick >= write.ticks_before}
        return len(pruned)

    def _setschedule(self, write: SetSchedule) -> int:
        stored = self._schedules.get(write.name)
        if stored is None:
            stored = self._schedules[write.name] = Scheduled(write.expression, write.tz, write.next_tick)
        elif (stored.expression, stored.tz) != (write.expression, write.tz):
            stored.expression, stored.tz, stored.next_tick = write.expression, write.tz, write.next_tick
        return stored.next_tick

    def _tick(self, write: Tick) -> TickAnswer:
        schedule = self._schedules[write.schedule]
        schedule.next_tick = max(schedule.next_tick, write.next_tick)
        if (write.schedule, write.tick) in self._ticks:
            return TickAnswer("duplicate")
        self._ticks.add((write.schedule, write.tick))
        if write.row is None:
            return TickAnswer("skipped")
        latest = self.jobs.get(schedule.latest_job or 0)
        if write.skip_overlap and latest is not None and not latest.finished:
            return TickAnswer("overlap")
        schedule.latest_job = self._new(write.row)
        return TickAnswer("fired", schedule.latest_job)

    def _insert(self, write: Insert) -> list[Inserted]:
        answer = []
        for row in write.rows:
            holders = [job.id for job in self.jobs.values() if _has_key(job, row)]
            answer += [Inserted(job_id, is_new=False) for job_id in holders]
            if not holders:
                answer.append(Inserted(self._new(row), is_new=True))
        return answer

    def _claim(self, claim: Claim, types: Collection[str]) -> ClaimAnswer:
        claimed: list[Claimed] = []
        for job in sorted(self.jobs.values(), key=_order):
            is_due = _claimable(job) and to_micros(job.scheduled_at) <= self._now
            taken = [one.type for one in claimed].count(job.type)
            if not is_due or job.type not in types or len(claimed) >= claim.limit:
                continue
            if taken < claim.slots.get(job.type, 0) and self._room(claim, job.type):
                started = to_datetime(self._now)
                job = self._put(  # noqa: PLW2901
                    job, status=Status.PROCESSING, owner=claim.owner, attempts=job.attempts + 1, started_at=started
                )
                claimed.append(_as_told(job))
        could_take_more = {
            name for name, slots in claim.slots.items() if [one.type for one in claimed].count(name) < slots
        }
        self.may_be_held_back = {name for name in could_take_more if not self._room(claim, name)}
        waiting = {name for name in types if (due := self.due(name)) is not None and due <= self._now}
        return ClaimAnswer(claimed, frozenset(self.may_be_held_back & waiting))

    def _held(self, token: Finish | MarkInterrupted) -> Job | None:
        """The job of an attempt, if that is still its owner's."""
        job = self.jobs.get(token.id)
        if job is None or (job.status, job.attempts, job.owner) != (Status.PROCESSING, token.attempt, token.owner):
            return None
        return job

    def _room(self, claim: Claim, job_type: str) -> bool:
        """Whether a pause and the limit over all owners allow one more."""
        limit = claim.concurrency.get(job_type)
        running = len(self.find(JobFilter(status=Status.PROCESSING, type=job_type, limit=len(self.jobs))))
        return job_type not in self.paused and (limit is None or running < limit)

    def _new(self, row: NewJob) -> int:
        self._last_id += 1
        self.jobs[self._last_id] = Job(
            id=self._last_id, type=row.type, payload_json=row.payload, status=Status.PENDING,
            priority=PRIORITY_NAMES[row.priority], attempts=0, max_attempts=row.max_attempts,
            scheduled_at=to_datetime(row.scheduled_at), created_at=to_datetime(row.created_at), started_at=None,
            completed_at=None, owner=None, idempotency_key=row.idempotency_key, error=None, reason=None,
            result_json=None, interruptions=0, snoozes=0, crashes=0, cancel_requested=False, interrupted=False,
            parked=None, schedule=row.schedule, tick=None if row.tick is None else to_datetime(row.tick),
        )  # fmt: skip
        if row.scheduled_at <= self._now:
            self.made.add(row.type)
        return self._last_id

    def _put(self, job: Job, **changes: Any) -> Job:
        """Changes a job; what only a processing or a finished one has follows its status."""
        job = replace(job, **changes)
        if job.status is not Status.PROCESSING:
            job = replace(job, owner=None, cancel_requested=False, interrupted=False)
        job = replace(job, completed_at=to_datetime(self._now) if job.status in FINISHED else None)
        self.jobs[job.id] = job
        return job


_TURNS = (Finish, object, Insert, Claim)


def _turn(write: Write) -> tuple[int, bool]:
    """When a write of a transaction has its turn; those of the same keep their order."""
    kind = type(write)
    succeeded = isinstance(write, Finish) and write.outcome is Outcome.SUCCEEDED
    return _TURNS.index(kind if kind in _TURNS else object), not succeeded


def _claimable(job: Job) -> bool:
    return job.status is Status.PENDING and job.parked is None


def _may_be_redriven(job: Job) -> bool:
    return job.status in {Status.DEAD, Status.CANCELLED}


def _has_key(job: Job, row: NewJob) -> bool:
    return row.idempotency_key is not None and (job.type, job.idempotency_key) == (row.type, row.idempotency_key)


def _order(job: Job) -> tuple[Any, ...]:
    return PRIORITIES[job.priority], job.scheduled_at, job.id


def _ended(job: Job) -> int:
    assert job.completed_at is not None
    return to_micros(job.completed_at)


def _as_told(job: Job) -> Claimed:
    """A job that was claimed, as its owner is told of it."""
    assert job.started_at is not None
    return Claimed(
        job.id, job.type, job.payload_json, PRIORITIES[job.priority], to_micros(job.scheduled_at), job.attempts,
        job.max_attempts, to_micros(job.created_at), to_micros(job.started_at), job.interruptions, job.snoozes,
        job.crashes, None if job.tick is None else to_micros(job.tick), job.owner or "",
    )  # fmt: skip
