"""What `Admit` must do, in plain Python: one row after the other, and all of it taken back if one is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.admission import MOST_SKEW_US, Admit, Candidate, Refused
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.unique import UniqueScope
from aiojobs_lite.model.writes import Inserted, Redriven
from tests.helpers.memory_expiries import expire
from tests.helpers.memory_micro_batch import append, begun

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases

_KEPT: Final = ("jobs", "marks", "windows", "expiries", "limits", "limited")


_Why = Literal["key", "unique"]


def has_key(job: Job, job_type: str, key: str) -> bool:
    """Whether a job has this unique key now."""
    if (job.type, job.unique_key) != (job_type, key):
        return False
    if job.unique_scope is UniqueScope.PENDING:
        return job.status is Status.PENDING and job.started_at is None
    return job.status in {Status.PENDING, Status.PROCESSING}


def redriven(phases: MemoryPhases, job: Job) -> Redriven:
    """Whether a job may be pending again."""
    answer = Redriven(job.status)
    if not answer or job.unique_key is None or job.unique_scope is not UniqueScope.UNFINISHED:
        return answer
    is_taken = any(has_key(other, job.type, job.unique_key) for other in phases.rows.jobs.values())
    return Redriven(job.status, job.unique_key if is_taken else None)


class CancelOn(NamedTuple):
    """The events that cancel a job, and the row of an `Admit` that has them."""

    position: int
    job_id: int
    matches: tuple[EventMatch, ...]


def set_cancels(phases: MemoryPhases, cancels: Sequence[CancelOn]) -> None:
    """Sets which events cancel jobs."""
    durable = phases.rows.durable
    for one in cancels:
        durable.drop_waits(one.job_id, None)
        for match in one.matches:
            durable.add_wait((match, one.job_id, None))


def admit(phases: MemoryPhases, write: Admit) -> list[Inserted] | Refused:
    """See `Admit`."""
    cancels: list[CancelOn] = []
    answers = admit_uncancelled(phases, write, cancels)
    set_cancels(phases, cancels)
    return answers


def admit_uncancelled(phases: MemoryPhases, write: Admit, cancels: list[CancelOn]) -> list[Inserted] | Refused:
    """The same, but which events cancel the jobs is added to a list."""
    rows = phases.rows
    for job_id in sorted({holder for candidate in write.rows for holder in _holders(phases, candidate)}):
        expire(phases, {job_id})  # it stays so, whatever becomes of the rows
    kept = {name: copy(getattr(rows, name)) for name in _KEPT}
    last_id, made, types = rows.last_id, list(phases.made), set(phases.types)
    ended, moves, to_note = list(phases.ended), phases.moves.copy(), list(phases.ends_to_note)
    to_send = list(phases.ends_to_send)
    given: dict[int, CancelOn] = {}  # by job: of several rows that one has, those of the last
    answers = _admit_all(phases, write.rows, given)
    if isinstance(answers, Refused):
        for name, value in kept.items():
            setattr(rows, name, value)
        rows.last_id, phases.made, phases.types = last_id, made, types
        phases.ended, phases.moves, phases.ends_to_note, phases.ends_to_send = ended, moves, to_note, to_send
        is_there = answers.job_id is not None and answers.job_id <= last_id
        job = rows.jobs.get(answers.job_id or 0) if is_there else None
        return answers._replace(job_id=answers.job_id if is_there else None, status=None if job is None else job.status)
    cancels += given.values()
    _forget_windows(
        phases, 2 * sum(new.is_new and one.window_key is not None for new, one in zip(answers, write.rows, strict=True))
    )
    return answers


def _forget_windows(phases: MemoryPhases, most: int) -> None:
    """Forgets some windows that are over, which a clock that is set back would bring back."""
    windows = phases.rows.windows
    over = sorted((until, key) for key, (_, _, until) in windows.items() if until <= phases.now)
    for _, key in over[:most]:
        del windows[key]


def _admit_all(
    phases: MemoryPhases, candidates: Sequence[Candidate], given: dict[int, CancelOn]
) -> list[Inserted] | Refused:
    """Adds all rows that may be, as if any number of jobs might be pending; the first that may not be is refused."""
    pending = Counter(job.type for job in phases.rows.jobs.values() if job.status is Status.PENDING)
    answers: list[Inserted] = []
    refused: Refused | None = None
    wanted = Counter[str]()
    for position, candidate in enumerate(candidates):
        job_type, most = candidate.row.type, candidate.max_pending
        answer = _admit_one(phases, candidate)
        if not isinstance(answer, _Admitted):
            refused = refused or Refused(position, *answer, None)
            continue
        inserted, has_row = answer
        answers.append(inserted)
        before = wanted[job_type]
        if inserted.is_new and most is not None and pending[job_type] + before >= most:
            refused = refused or Refused(position, "full", None, None, pending[job_type] + before, left=-before)
        wanted[job_type] += inserted.is_new
        if has_row:
            given.pop(inserted.id, None)
            given[inserted.id] = CancelOn(position, inserted.id, candidate.cancel_on)
    if refused is None or refused.why != "full":
        return refused or answers
    added = wanted[candidates[refused.position].row.type]
    return refused._replace(wanted=added, left=added + refused.left)


class _Admitted(NamedTuple):
    """The answer to a row, and whether its job has its payload."""

    inserted: Inserted
    has_row: bool


def _admit_one(phases: MemoryPhases, candidate: Candidate) -> _Admitted | tuple[_Why, int]:
    row, rows = candidate.row, phases.rows
    for job in list(rows.jobs.values()):
        if row.idempotency_key is not None and (job.type, job.idempotency_key) == (row.type, row.idempotency_key):
            is_same = json.loads(stored_payload(job.payload_json)) == json.loads(row.payload)
            return _Admitted(Inserted(job.id, is_new=False), has_row=False) if is_same else ("key", job.id)
    full, end = _window(phases, candidate)
    if full is not None and row.unique_key is not None:
        return _Admitted(Inserted(full, is_new=False), has_row=False)
    found = next(_holders(phases, candidate), None)
    if found is not None and candidate.on_conflict == "append" and candidate.capacity is not None:
        held = rows.jobs.get(found)
        if held is None or held.status is not Status.PENDING:
            return "unique", found
        if append(phases, held, candidate, candidate.capacity):
            return _Admitted(Inserted(found, is_new=False), has_row=False)
        found = None
    if found is None:
        row = begun(candidate)
        job_id = phases.new_job(row)
        if candidate.window_key is not None:
            rows.windows[row.type, candidate.window_key] = job_id, phases.now, end + candidate.window
        _set_expiry(phases, job_id, candidate, row.scheduled_at)
        return _Admitted(Inserted(job_id, is_new=True), has_row=True)
    if candidate.on_conflict == "raise":
        return "unique", found
    if candidate.on_conflict == "replace" and not _replace(phases, rows.jobs.get(found), candidate):
        return "unique", found
    return _Admitted(Inserted(found, is_new=False), has_row=candidate.on_conflict == "replace")


def _replace(phases: MemoryPhases, job: Job | None, candidate: Candidate) -> bool:
    """Gives a pending job the payload and the time of a row; returns whether it may."""
    if job is None or job.status is not Status.PENDING or phases.rows.durable.has_steps(job.id):
        return False
    due = candidate.row.scheduled_at
    if candidate.max_wait is not None:
        created_at = to_micros(job.created_at)
        if created_at > phases.now + MOST_SKEW_US:  # it would be put off until then
            created_at, due = phases.now, min(due, to_micros(job.scheduled_at))
        due = min(due, created_at + candidate.max_wait)
    if job.held is not None:
        due = min(due, phases.now)
    phases.give(job, candidate.row, to_datetime(due))
    _set_expiry(phases, job.id, candidate, due)
    return True


def _set_expiry(phases: MemoryPhases, job_id: int, candidate: Candidate, due: int) -> None:
    phases.rows.expiries.pop(job_id, None)
    if candidate.expires is not None:
        phases.rows.expiries[job_id] = max(due, candidate.row.created_at) + candidate.expires


def _holders(phases: MemoryPhases, candidate: Candidate) -> Iterator[int]:
    """The jobs that have the keys of a row: the unique one, then that of its window."""
    row, rows = candidate.row, phases.rows
    if row.unique_key is not None:
        yield from [job.id for job in rows.jobs.values() if has_key(job, row.type, row.unique_key)]
    full, _ = _window(phases, candidate)
    if full is not None:
        yield full


def _window(phases: MemoryPhases, candidate: Candidate) -> tuple[int | None, int]:
    """The job that keeps the window of a row from taking it, or None, and until when the window is taken."""
    now = phases.now
    found = phases.rows.windows.get((candidate.row.type, candidate.window_key or ""))
    if found is None or candidate.window_key is None:
        return None, now
    job_id, since, until = found
    left = min(until, since + candidate.window + candidate.window_slack) - now
    if since > now + MOST_SKEW_US or left <= 0:
        return None, now
    return job_id if left > candidate.window_slack else None, now + left
