"""What lists of jobs read, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.moments import GetJobs, ListMoments, MomentPage, moments_of, place_of
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import RedriveAsNew, Redriven, RedrivenAsNew
from tests.helpers import memory_batches, memory_progress
from tests.helpers.memory_admission import admit, redriven

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def find(rows: Rows, query: FindJobs) -> list[Job]:
    """See `FindJobs`."""
    found = [
        job
        for job in memory_batches.of_batch(rows.batches, query.batch, rows.jobs.values())
        if (query.ids is None or job.id in query.ids)
        and (query.status is None or job.status is query.status)
        and (query.type is None or job.type == query.type)
        and (query.owner is None or job.owner == query.owner)
        and (query.label is None or job.label == query.label)
        and (query.held is None or job.held is query.held)
        and (query.cancel_requested is None or job.cancel_requested is query.cancel_requested)
        and (query.before is None or job.id < query.before)
        and has_metadata(job, query.metadata)
        and (query.created_from is None or to_micros(job.created_at) >= query.created_from)
        and (query.created_to is None or to_micros(job.created_at) <= query.created_to)
    ]
    return list(map(memory_progress.bare, sorted(found, key=lambda job: -job.id)[: query.limit]))


def get_jobs(rows: Rows, query: GetJobs) -> dict[int, Job]:
    """See `GetJobs`."""
    found = (rows.jobs[job_id] for job_id in query.ids if job_id in rows.jobs)
    return {job.id: replace(job, progress=None) for job in found}


def list_moments(rows: Rows, query: ListMoments) -> MomentPage:
    """See `ListMoments`."""
    jobs = [job for job in rows.jobs.values() if job.type == query.type and job.metadata_json is not None]
    moments = [
        moment
        for job in jobs
        if query.ids is None or job.id in query.ids
        for moment in moments_of(job)
        if moment.kind in query.kinds
        and (query.since is None or moment.at >= query.since)
        and (query.until is None or moment.at <= query.until)
        and (query.after is None or place_of(moment) < place_of(query.after))
    ]
    page = sorted(moments, key=place_of, reverse=True)[: query.limit]
    fitting = tuple([moment for moment in page if has_metadata(rows.jobs[moment.job_id], query.metadata)])
    return MomentPage(fitting, page[-1] if page and len(page) == query.limit else None)


def redrive_as_new(phases: MemoryPhases, write: RedriveAsNew) -> RedrivenAsNew:
    """See `RedriveAsNew`."""
    job = phases.rows.jobs.get(write.id)
    before = Redriven(None) if job is None else redriven(phases, job)
    if job is None or not before:
        return RedrivenAsNew(before)
    phases.delete(job)
    made = admit(phases, Admit((Candidate(write.row, "raise"),)))
    if not isinstance(made, list):
        raise StoreRejected(f"a job that is to stand for job {write.id} has the key of job {made.job_id}")
    return RedrivenAsNew(before, made[0].id)


def has_metadata(job: Job, wanted: Mapping[str, Sequence[str | int]] | None) -> bool:
    """Whether the metadata of a job have one of the values under each name."""
    return all(_has(job.metadata.get(name), values) for name, values in (wanted or {}).items())


def _has(kept: Any, wanted: Sequence[str | int]) -> bool:
    members = kept if isinstance(kept, list) else [kept]
    return any(type(member) is type(value) and member == value for member in members for value in wanted)
