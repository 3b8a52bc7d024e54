"""What happened to jobs, and when: by their times and those of their attempts, as they are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.job import Job, Outcome, Status
from aiojobs_lite.model.writes import unanswered


class MomentKind(StrEnum):
    """What happened at a moment."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    FAILED = "failed"
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"


ORDER: Final[Mapping[MomentKind, int]] = {kind: place for place, kind in enumerate(MomentKind)}
"""The order of kinds at one instant."""

USED_UP: Final = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED, Outcome.LOST)
"""How attempts end that are listed; the others were given back."""


class Moment(NamedTuple):
    """Something that happened to a job.

    Attributes:
        at: When, in microseconds.
        kind: What. `started` and `failed` are of an attempt, the others of the job.
        job_id: The job.
        attempt: The attempt; of others 0.
    """

    at: int
    kind: MomentKind
    job_id: int
    attempt: int = 0


def place_of(moment: Moment) -> tuple[int, int, int, int]:
    """Where a moment stands among others; a later one has a greater place."""
    return moment.at, ORDER[moment.kind], moment.job_id, moment.attempt


class MomentPage(NamedTuple):
    """Moments, the latest first, and the one behind which the list goes on; None at its end."""

    moments: tuple[Moment, ...]
    next: Moment | None


class ListMoments(NamedTuple):
    """What happened to the jobs of a type that have metadata, the latest first. Answer: a `MomentPage`.

    At most `limit` moments are looked at, and those of other metadata left out. An attempt is listed when it has used
    up one of its job's, runs, or has completed it.

    Attributes:
        type: The type.
        kinds: What is listed.
        limit: The size of a page.
        after: The `next` of the page before.
        since: The earliest instant.
        until: The latest.
        ids: Only of these jobs.
        metadata: As of `FindJobs`.
    """

    type: str
    kinds: Collection[MomentKind]
    limit: int
    after: Moment | None = None
    since: int | None = None
    until: int | None = None
    ids: Collection[int] | None = None
    metadata: Mapping[str, Sequence[str | int]] | None = None

    def answer(self) -> MomentPage:
        """See `Query`."""
        unanswered()


class GetJobs(NamedTuple):
    """Jobs with their history. Answer: those that there are, by id."""

    ids: Collection[int]

    def answer(self) -> dict[int, Job]:
        """See `Query`."""
        unanswered()


def moments_of(job: Job) -> list[Moment]:
    """What happened to a job, as its row and its history say."""
    found = [Moment(to_micros(job.created_at), MomentKind.ENQUEUED, job.id)]
    for past in job.history:
        if past.outcome in USED_UP:
            if past.started_at is not None:
                found.append(Moment(to_micros(past.started_at), MomentKind.STARTED, job.id, past.attempt))
            found.append(Moment(to_micros(past.ended_at), MomentKind.FAILED, job.id, past.attempt))
    if job.started_at is not None and job.status in {Status.PROCESSING, Status.COMPLETED}:
        found.append(Moment(to_micros(job.started_at), MomentKind.STARTED, job.id, job.attempts))
    if job.completed_at is not None:
        found.append(Moment(to_micros(job.completed_at), MomentKind(job.status.value), job.id))
    return found
