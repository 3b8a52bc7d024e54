"""What lists of jobs read, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.moments import GetJobs, ListMoments, MomentPage, moments_of, place_of
from aiojobs_lite.model.payloads import secret_in
from aiojobs_lite.model.queries import FindIds, FindJobs, IdPage
from aiojobs_lite.model.writes import RedriveAsNew, Redriven, RedrivenAsNew
from tests.helpers import memory_batches, memory_limits, memory_progress
from tests.helpers.memory_admission import admit, redriven

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def find(rows: Rows, query: FindJobs) -> list[Job]:
    """See `FindJobs`."""
    found = [job for job in _in_order(rows, query) if _fits(rows, job, query)]
    return list(map(memory_progress.bare, found[: query.limit]))


def find_ids(rows: Rows, query: FindIds) -> IdPage:
    """See `FindIds`."""
    jobs = _in_order(rows, query.jobs)
    looked_at = jobs[: query.looks]
    ids = [job.id for job in looked_at if _fits(rows, job, query.jobs)][: query.jobs.limit]
    if ids and len(ids) == query.jobs.limit:
        return IdPage(ids, ids[-1])
    return IdPage(ids, looked_at[-1].id if len(looked_at) < len(jobs) else None)


def _in_order(rows: Rows, query: FindJobs) -> list[Job]:
    jobs = [
        job
        for job in memory_batches.of_batch(rows.batches, query.batch, rows.jobs.values())
        if (query.ids is None or job.id in query.ids)
        and (query.before is None or job.id < query.before)
        and (query.after is None or job.id > query.after)
    ]
    return sorted(jobs, key=lambda job: job.id, reverse=not query.oldest_first)


def _fits(rows: Rows, job: Job, query: FindJobs) -> bool:
    return (
        (query.status is None or job.status is query.status)
        and (query.type is None or job.type == query.type)
        and (query.owner is None or job.owner == query.owner)
        and (query.label is None or job.label == query.label)
        and (query.held is None or job.held is query.held)
        and (query.cancel_requested is None or job.cancel_requested is query.cancel_requested)
        and (not query.in_lanes or memory_limits.is_in_lane(rows, job))
        and (query.meter is None or f"\n{query.meter}\n" in f"{job.lane or ''}\n")
        and _has_text(job.error, query.error)
        and _has_text(job.reason, query.reason)
        and has_fields(job.metadata, query.metadata)
        and has_fields(job.payload, query.payload)
        and not (query.payload or {}).keys() & set(secret_in(job.payload_json))
        and _is_between(job.created_at, query.created_from, query.created_to)
        and _is_between(job.completed_at, query.completed_from, query.completed_to)
        and _is_between(job.scheduled_at, query.scheduled_from, query.scheduled_to)
    )


def _is_between(instant: datetime | None, first: int | None, last: int | None) -> bool:
    if first is None and last is None:
        return True
    at = None if instant is None else to_micros(instant)
    return at is not None and (first is None or at >= first) and (last is None or at <= last)


def _has_text(text: str | None, wanted: str | None) -> bool:
    return wanted is None or (text is not None and _ascii_lower(wanted) in _ascii_lower(text))


def _ascii_lower(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


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
    fitting = tuple([moment for moment in page if has_fields(rows.jobs[moment.job_id].metadata, query.metadata)])
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


def has_fields(fields: Mapping[str, Any], wanted: Mapping[str, Sequence[str | int]] | None) -> bool:
    """Whether fields have one of the values under each name."""
    return all(_has(fields.get(name), values) for name, values in (wanted or {}).items())


def _has(kept: Any, wanted: Sequence[str | int]) -> bool:
    members = kept if isinstance(kept, list) else [kept]
    return any(type(member) is type(value) and member == value for member in members for value in wanted)
