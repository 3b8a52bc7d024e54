"""What the tests of the stores share: short ways to say writes, and counting the jobs the slow way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import Claimed, Failure, Held, Job, NewJob, Outcome, Status
from aiojobs_lite.model.queries import FindJobs, GetJob
from aiojobs_lite.model.schedules import FireTick
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Insert, Unit, Write
from aiojobs_lite.stores.base import Applied, Store
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

A = TypeVar("A")
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


# Writes.


def new(job_type: str = "a", *, priority: int = 1, due: float = 0, **fields: Any) -> NewJob:
    """A job of a type, due so many seconds after `NOW`."""
    return NewJob(job_type, '{"x": 1}', priority, at(due), fields.pop("max_attempts", 5), NOW, **fields)


def fire(schedule: str, tick: int, next_tick: int, row: NewJob | None, *, skip_overlap: bool) -> FireTick:
    """A tick of a schedule that fires each minute."""
    job = None if row is None else Candidate(row)
    return FireTick(schedule, "* * * * *", "UTC", tick, next_tick, job, skip_overlap, None, NOW)


def claim(
    owner: str = "one",
    *,
    limit: int = 1000,
    types: Collection[str] | None = None,
    slots: Mapping[str, int] | None = None,
    concurrency: Mapping[str, int] | None = None,
    pooled: Collection[str] = "",
    pool_slots: int = 0,
) -> Claim:
    """A claim that by default takes all of type `a`, or of the types that have slots."""
    slots, types = slots or {}, frozenset(slots or "a" if types is None else types)
    return Claim(owner, limit, types, slots, concurrency or {}, frozenset(pooled), pool_slots)


def complete(job: Claimed, result: str | None = None, note: str | None = None) -> Complete:
    """The attempt succeeds."""
    return Complete(job.id, job.attempt, job.owner, job.type, result, note)


def again(job: Claimed, outcome: Outcome = Outcome.FAILED, **fields: Any) -> Again:
    """The job is pending again, by default due as before, and after a failure."""
    fields = {"scheduled_at": job.scheduled_at, "failure": _failure(outcome)} | fields
    return Again(job.id, job.attempt, job.owner, job.type, outcome, **fields)


def hold(job: Claimed, why: str = "it does not fit") -> Again:
    """The job is held, as one whose payload does not fit."""
    return again(job, Outcome.SNOOZED, refund=True, held=Held.PAYLOAD, reason=why)


def close(
    job: Claimed, status: Status = Status.DEAD, outcome: Outcome | None = None, reason: str | None = None
) -> Close:
    """The job is dead or cancelled."""
    outcome = outcome or {Status.DEAD: Outcome.FAILED, Status.CANCELLED: Outcome.CANCELLED}[status]
    return Close(job.id, job.attempt, job.owner, job.type, outcome, status, reason, _failure(outcome))


def _failure(outcome: Outcome) -> Failure | None:
    return FAILURE if outcome is Outcome.FAILED else None


def end(job: Claimed, outcome: Outcome) -> End:
    """An end with this outcome: completed, or pending again."""
    return complete(job) if outcome is Outcome.SUCCEEDED else again(job, outcome)


# Transactions.


def alone(writes: Sequence[Write[Any]]) -> list[Unit]:
    """A unit for each write."""
    return [(write,) for write in writes]


async def applied(store: Store, *writes: Write[Any], now: float = 0) -> Applied:
    """Applies writes in one transaction, each a unit of its own."""
    return await store.apply(alone(writes), at(now))


async def answers(store: Store, *writes: Write[Any], now: float = 0) -> list[Any]:
    """Applies writes in one transaction, each a unit of its own; returns their answers."""
    return (await applied(store, *writes, now=now)).answers


async def one(store: Store, write: Write[A], now: float = 0) -> A:
    """Applies one write; returns its answer."""
    answer: A
    (answer,) = await answers(store, write, now=now)
    return answer


async def inserted(store: Store, *rows: NewJob, now: float = 0) -> list[int]:
    """Inserts jobs; returns their ids."""
    return [job.id for job in await one(store, Insert(rows), now)]


async def claimed(store: Store, write: Claim | None = None, now: float = 0) -> list[Claimed]:
    """Claims; returns the jobs."""
    return (await one(store, write or claim(), now)).jobs


async def running(store: Store, *rows: NewJob, owner: str = "one", now: float = 0) -> list[Claimed]:
    """Inserts jobs and claims them for an owner."""
    answer: ClaimAnswer
    _, answer = await answers(store, Insert(rows), claim(owner, types={row.type for row in rows}), now=now)
    assert len(answer.jobs) == len(rows)
    return answer.jobs


async def held(store: Store, *rows: NewJob) -> list[int]:
    """Inserts jobs and has them held; returns their ids."""
    jobs = await running(store, *rows)
    assert all(await answers(store, *map(hold, jobs)))
    return [job.id for job in jobs]


async def finished(store: Store, row: NewJob, status: Status, now: float = 0) -> int:
    """Inserts a job and brings it to a finished status at an instant; returns its id."""
    (job,) = await running(store, row)
    assert await one(store, complete(job) if status is Status.COMPLETED else close(job, status), now)
    return job.id


# Questions.


async def stored(store: Store, job_id: int) -> Job:
    """A job that must be there."""
    job = await store.ask(GetJob(job_id))
    assert job is not None
    return job


async def found(store: Store, query: FindJobs) -> list[int]:
    """The ids of the jobs that a query finds."""
    return [job.id for job in await store.ask(query)]


async def everything(store: Store) -> list[Job]:
    """All jobs, oldest first, read by pages."""
    jobs: list[Job] = []
    while page := await store.ask(FindJobs(before=jobs[-1].id if jobs else None, limit=97)):
        jobs += page
    return jobs[::-1]


async def counted(store: Store, now: float = 0) -> dict[str, TypeCounts]:
    """The counts by looking at every job; what is due later than an instant counts as scheduled."""
    return counts_of(await everything(store), at(now))


def counts_of(jobs: Sequence[Job], now: int) -> dict[str, TypeCounts]:
    """The counts of jobs by type; what is due later than an instant counts as scheduled."""
    types = {job.type for job in jobs}
    return {job_type: _count([job for job in jobs if job.type == job_type], now) for job_type in types}


def shown(store: Store) -> dict[str, TypeCounts]:
    """The counts that the store shows, without the types that have no job."""
    return {job_type: counts for job_type, counts in store.counts().by_type.items() if counts != TypeCounts()}


def _count(jobs: Sequence[Job], now: int) -> TypeCounts:
    pending = [job for job in jobs if job.status is Status.PENDING]
    return TypeCounts(
        pending=len(pending),
        scheduled=sum(micros(job.scheduled_at) > now and not job.attempts for job in pending),
        retrying=sum(job.attempts > 0 for job in pending),
        held=sum(job.held is not None for job in pending),
        **{
            status.value: sum(job.status is status for job in jobs) for status in Status if status is not Status.PENDING
        },
    )


# Files and processes.


def connected(path: Path) -> closing[sqlite3.Connection]:
    """A connection of another program; every statement is its own transaction."""
    return closing(sqlite3.connect(path, isolation_level=None, timeout=GUARD))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes; for databases that no connection is open to."""
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def run_child(script: str, folder: Path) -> tuple[str, str]:
    """Runs a script in a process of its own, in a folder; returns what it wrote. It may be killed."""
    environment = {**unmeasured(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False, cwd=folder, env=environment, timeout=GUARD, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return os.stat(path).st_mode & 0o777
