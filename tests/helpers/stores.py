"""What the tests of the stores share: short ways to say writes, and counting the rows the slow way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.job import Claimed, Failure, Job, Outcome, Status
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Finish, Insert, Inserted, NewJob, Write
from aiojobs_lite.stores.base import JobFilter, Store, TypeCounts
from tests.helpers.waiting import unmeasured

NOW = 1_800_000_000_000_000
GUARD = 60  # seconds that no test takes
FAILURE = Failure("ValueError", "no", "a traceback")


def at(seconds: float) -> int:
    """An instant so many seconds after `NOW`."""
    return NOW + round(seconds * 1_000_000)


def micros(instant: datetime | None) -> int:
    """Microseconds of an instant that is there."""
    assert instant is not None
    return to_micros(instant)


def new(job_type: str = "a", *, priority: int = 1, due: float = 0, **fields: Any) -> NewJob:
    """A job of a type, due so many seconds after `NOW`."""
    return NewJob(job_type, '{"x": 1}', priority, at(due), fields.pop("max_attempts", 5), NOW, **fields)


def claim(
    owner: str = "one",
    *,
    limit: int = 1000,
    slots: Mapping[str, int] | None = None,
    concurrency: Mapping[str, int] | None = None,
    look_at: Collection[str] | None = None,
) -> Claim:
    """A claim that by default takes all of type `a`."""
    slots = {"a": 1000} if slots is None else slots
    return Claim(owner, limit, slots, concurrency or {}, list(slots) if look_at is None else look_at)


def end(held: Claimed, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any) -> Finish:
    """The end of an attempt: completed, or pending again with the failure noted."""
    succeeded = outcome is Outcome.SUCCEEDED
    values: dict[str, Any] = {
        "outcome": outcome,
        "status": Status.COMPLETED if succeeded else Status.PENDING,
        "attempts": held.attempt,
        "scheduled_at": held.scheduled_at,
        "started_at": held.started_at,
        "interruptions": held.interruptions,
        "snoozes": held.snoozes,
        "crashes": held.crashes,
        "failure": FAILURE if outcome is Outcome.FAILED else None,
    }
    return Finish(held.id, held.type, held.attempt, held.owner, **(values | fields))


async def one(store: Store, write: Write, now: float = 0) -> Any:
    """Applies one write; returns its answer."""
    return (await store.apply([write], at(now))).answers[0]


async def inserted(store: Store, *rows: NewJob, now: float = 0) -> list[int]:
    """Inserts jobs; returns their ids."""
    answer: list[Inserted] = await one(store, Insert(rows), now)
    return [job.id for job in answer]


async def claimed(store: Store, write: Claim | None = None, now: float = 0) -> list[Claimed]:
    """Claims; returns the jobs."""
    answer: ClaimAnswer = await one(store, write or claim(), now)
    return answer.jobs


async def running(store: Store, *rows: NewJob, owner: str = "one") -> list[Claimed]:
    """Inserts jobs and claims them for an owner."""
    slots = {row.type: 1000 for row in rows}
    answers = (await store.apply([Insert(rows), claim(owner, slots=slots)], NOW)).answers
    jobs: list[Claimed] = answers[1].jobs
    assert len(jobs) == len(rows)
    return jobs


async def finished(store: Store, row: NewJob, status: Status, now: float = 0) -> int:
    """Inserts a job and brings it to a finished status at an instant; returns its id."""
    (held,) = await running(store, row)
    outcome = {Status.COMPLETED: Outcome.SUCCEEDED, Status.CANCELLED: Outcome.CANCELLED}.get(status, Outcome.FAILED)
    assert await one(store, end(held, outcome, status=status), now)
    return held.id


async def stored(store: Store, job_id: int) -> Job:
    """A job that must be there."""
    job = await store.get(job_id)
    assert job is not None
    return job


async def everything(store: Store) -> list[Job]:
    """All jobs, oldest first, read by pages."""
    jobs: list[Job] = []
    while page := await store.find(JobFilter(before=jobs[-1].id if jobs else None, limit=97)):
        jobs += page
    return jobs[::-1]


async def counted(store: Store, now: float = 0) -> dict[str, TypeCounts]:
    """The counts by looking at every job; what is due later than an instant counts as scheduled."""
    jobs = await everything(store)
    return {job_type: _count([job for job in jobs if job.type == job_type], at(now)) for job_type in _types(jobs)}


def shown(store: Store) -> dict[str, TypeCounts]:
    """The counts that the store shows, without the types that have no job."""
    return {job_type: counts for job_type, counts in store.counts().items() if counts != TypeCounts()}


def _types(jobs: Sequence[Job]) -> set[str]:
    return {job.type for job in jobs}


def _count(jobs: Sequence[Job], now: int) -> TypeCounts:
    by_status = {status: sum(job.status is status for job in jobs) for status in Status}
    pending = [job for job in jobs if job.status is Status.PENDING]
    return TypeCounts(
        pending=by_status[Status.PENDING],
        scheduled=sum(micros(job.scheduled_at) > now and not job.attempts for job in pending),
        retrying=sum(job.attempts > 0 for job in pending),
        parked=sum(job.parked is not None for job in pending),
        processing=by_status[Status.PROCESSING],
        completed=by_status[Status.COMPLETED],
        dead=by_status[Status.DEAD],
        cancelled=by_status[Status.CANCELLED],
    )


def connected(path: Path) -> closing[sqlite3.Connection]:
    """A connection of somebody else; every statement is its own transaction."""
    return closing(sqlite3.connect(path, isolation_level=None, timeout=GUARD))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes; for databases that nobody has open."""
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def run_child(script: str, folder: Path) -> tuple[str, str]:
    """Runs a script in a process of its own, in a folder; returns what it wrote. It may be killed."""
    root = str(Path(__file__).parents[2])
    environment = {**unmeasured(), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False, cwd=folder, env=environment, timeout=GUARD, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return os.stat(path).st_mode & 0o777
