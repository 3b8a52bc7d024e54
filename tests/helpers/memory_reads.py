"""What each query reads, in plain Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiojobs_lite.model.after import ListAfter
from aiojobs_lite.model.ahead import (
    ListAhead,
    ListEndedAhead,
)
from aiojobs_lite.model.batches import (
    FindBatchOf,
    GetBatch,
    ListBatchOwners,
)
from aiojobs_lite.model.documents import GetDocument, ListDocuments
from aiojobs_lite.model.edits import ListEdits
from aiojobs_lite.model.events import FindCancelled, FindEvents, FindStarted
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.limits import (
    ListLimits,
    LookAtLane,
    LookAtMeters,
)
from aiojobs_lite.model.moments import GetJobs, ListMoments
from aiojobs_lite.model.progress import GetLog, GetStandings
from aiojobs_lite.model.queries import (
    CountProcessing,
    DeadPage,
    Died,
    FindIds,
    FindJobs,
    FirstDue,
    GetChangeMark,
    GetDatabaseId,
    GetJob,
    ListDead,
    ListOwners,
    ListPaused,
    ListProcessing,
    SamplePayloads,
)
from aiojobs_lite.model.runners import ListRunners
from aiojobs_lite.model.steps import GetParent, ListAwaited, ListChildren, ListRestarted, ListSteps
from tests.helpers import (
    memory_after,
    memory_ahead,
    memory_batches,
    memory_documents,
    memory_edits,
    memory_events,
    memory_figures,
    memory_limits,
    memory_lists,
    memory_payloads,
    memory_progress,
    memory_runners,
    memory_schedules,
    memory_steps,
)
from tests.helpers.memory_ahead import ended, micros_of
from tests.helpers.memory_rows import Rows


def first_due(rows: Rows, query: FirstDue) -> Job | None:
    """See `FirstDue`."""
    due = (job for job in rows.claimable() if job.type == query.type and micros_of(job) <= query.until)
    return next(map(memory_progress.bare, due), None)


def list_dead(rows: Rows, query: ListDead) -> DeadPage:
    """See `ListDead`."""
    died = sorted((ended(job), job.id) for job in rows.jobs.values() if job.status is Status.DEAD)
    until = max([at for at, _ in died], default=0) if query.after is None else query.after.until
    later = [one for one in died if one[0] <= until and (query.after is None or one > query.after[:2])]
    page = later[: query.limit]
    ids = tuple(job_id for _, job_id in page if query.type in {None, rows.jobs[job_id].type})
    return DeadPage(ids, Died(*page[-1], until) if len(page) == query.limit else None)


def list_owners(rows: Rows, _query: ListOwners) -> set[str]:
    """See `ListOwners`."""
    return {job.owner for job in rows.jobs.values() if job.owner is not None}


def change_mark(rows: Rows, _query: GetChangeMark) -> str:
    """See `GetChangeMark`."""
    return hashlib.sha256(repr(rows).encode("utf-8", "backslashreplace")).hexdigest()


READS: Final[Mapping[type, Callable[[Rows, Any], Any]]] = {
    **memory_figures.READS,
    **memory_schedules.READS,
    CountProcessing: lambda rows, query: rows.processing(query.type),
    GetBatch: memory_batches.get_batch,
    GetChangeMark: change_mark,
    GetDatabaseId: lambda rows, _query: rows.database,
    GetDocument: memory_documents.get_document,
    GetExpiry: lambda rows, query: rows.expiries.get(query.id),
    GetJob: lambda rows, query: rows.jobs.get(query.id),
    GetJobs: memory_lists.get_jobs,
    FindBatchOf: memory_batches.find_batch_of,
    GetLog: lambda rows, query: memory_progress.get_log(rows.logs, query),
    GetStandings: lambda rows, query: memory_progress.get_standings(rows.jobs, rows.logs, query),
    FindEvents: memory_events.find_events,
    FindCancelled: memory_events.find_cancelled,
    FindStarted: memory_events.find_started,
    FindIds: memory_lists.find_ids,
    ListEdits: memory_edits.list_edits,
    FindJobs: Rows.find,
    GetParent: memory_steps.get_parent,
    ListAwaited: memory_steps.list_awaited,
    ListChildren: memory_steps.list_children,
    ListRestarted: memory_steps.list_restarted,
    ListSteps: memory_steps.list_steps,
    FirstDue: first_due,
    ListDocuments: memory_documents.list_documents,
    ListLimits: lambda rows, _query: memory_limits.listed(rows),
    LookAtLane: memory_limits.look_at_lane,
    LookAtMeters: memory_limits.look_at_meters,
    ListAfter: memory_after.list_after,
    ListAhead: memory_ahead.ahead,
    ListDead: list_dead,
    ListEndedAhead: memory_ahead.ended_ahead,
    ListMoments: memory_lists.list_moments,
    ListBatchOwners: memory_batches.list_batch_owners,
    ListOwners: list_owners,
    ListPaused: lambda rows, _query: dict(rows.paused),
    SamplePayloads: lambda rows, query: memory_payloads.sample(rows.claimable(), query),
    ListProcessing: lambda rows, query: {job.id for job in rows.jobs.values() if job.owner == query.owner},
    ListRunners: lambda rows, _query: memory_runners.list_runners(rows.runners, rows.jobs.values()),
}
"""Every query."""
