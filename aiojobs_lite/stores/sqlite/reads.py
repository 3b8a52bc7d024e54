"""The questions: one function a query, over any connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from aiojobs_lite.model.after import ListAfter
from aiojobs_lite.model.ahead import ListAhead, ListEndedAhead
from aiojobs_lite.model.batches import FindBatchOf, GetBatch, ListBatchOwners
from aiojobs_lite.model.columns import LARGEST_INTEGER, attempt_of, job_of
from aiojobs_lite.model.documents import GetDocument, ListDocuments
from aiojobs_lite.model.edits import ListEdits
from aiojobs_lite.model.events import FindCancelled, FindEvents, FindStarted
from aiojobs_lite.model.expiries import GetExpiry
from aiojobs_lite.model.figures import ListHours, SumErrors, SumFigures
from aiojobs_lite.model.job import PRIORITIES, Job
from aiojobs_lite.model.limits import ListLimits, LookAtLane, LookAtMeters
from aiojobs_lite.model.moments import GetJobs, ListMoments
from aiojobs_lite.model.overview import GetOverview
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
    Query,
    SamplePayloads,
)
from aiojobs_lite.model.runners import ListRunners
from aiojobs_lite.model.schedule_rows import (
    DueSchedules,
    FindLeft,
    GetSchedule,
    ListMovedAhead,
    ListSchedules,
    ListTicks,
    LookAtTicks,
)
from aiojobs_lite.model.steps import GetParent, ListAwaited, ListChildren, ListRestarted, ListSteps
from aiojobs_lite.stores.sqlite.after import list_after
from aiojobs_lite.stores.sqlite.ahead import list_ahead, list_ended_ahead
from aiojobs_lite.stores.sqlite.batches import find_batch_of, get_batch, list_batch_owners
from aiojobs_lite.stores.sqlite.children import get_parent, list_children
from aiojobs_lite.stores.sqlite.documents import get_document, list_documents
from aiojobs_lite.stores.sqlite.due import AT_ONCE
from aiojobs_lite.stores.sqlite.edits import list_edits
from aiojobs_lite.stores.sqlite.events import find_events, find_started
from aiojobs_lite.stores.sqlite.expiries import get_expiry
from aiojobs_lite.stores.sqlite.figures import list_hours, sum_errors, sum_figures
from aiojobs_lite.stores.sqlite.limit_states import list_limits, look_at_lane, look_at_meters
from aiojobs_lite.stores.sqlite.lists import find_ids, find_jobs, is_of_processing
from aiojobs_lite.stores.sqlite.moments import get_jobs, list_moments
from aiojobs_lite.stores.sqlite.overview import get_overview
from aiojobs_lite.stores.sqlite.pauses import list_paused
from aiojobs_lite.stores.sqlite.payloads import sample_payloads
from aiojobs_lite.stores.sqlite.progress import progress_of, read_log, read_standings
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.runners import list_runners
from aiojobs_lite.stores.sqlite.schedules import (
    due_schedules,
    find_left,
    get_schedule,
    list_moved_ahead,
    list_schedules,
    list_ticks,
    look_at_ticks,
)
from aiojobs_lite.stores.sqlite.steps import list_awaited, list_restarted, list_steps
from aiojobs_lite.stores.sqlite.waits import find_cancelled


def get_job(connection: sqlite3.Connection, sql: Sql, query: GetJob) -> Job | None:
    """See `GetJob`."""
    if abs(query.id) > LARGEST_INTEGER:
        return None
    found = connection.execute(sql["job"], {"id": query.id}).fetchall()
    if not found:
        return None
    history = connection.execute(sql["attempts_of_job"], (query.id,)).fetchall()
    *row, fraction, text, attempt, at = found[0]
    return job_of(row, tuple(map(attempt_of, history)), progress_of(fraction, text, attempt, at))


def may_walk(query: Query[Any]) -> bool:
    """Whether a query may look at very many jobs: a list of others than those that are known by id or processing."""
    if isinstance(
        query, ListAhead | ListDead | ListMoments | GetOverview | LookAtMeters | ListHours | SumErrors | SumFigures
    ):
        return True
    if isinstance(query, FindIds):
        query = query.jobs
    return isinstance(query, FindJobs) and query.ids is None and not is_of_processing(query)


def first_due(connection: sqlite3.Connection, sql: Sql, query: FirstDue) -> Job | None:
    """See `FirstDue`."""
    for priority in sorted(PRIORITIES.values()):
        wanted = {"type": query.type, "priority": priority, "until": query.until}
        found = connection.execute(sql["first_due"], wanted).fetchall()
        found += connection.execute(sql["first_due_in_lane"], wanted).fetchall()
        if found:
            return min(map(job_of, found), key=attrgetter("scheduled_at", "id"))
    return None


def list_dead(connection: sqlite3.Connection, sql: Sql, query: ListDead) -> DeadPage:
    """See `ListDead`."""
    after = query.after
    if after is None:
        latest = connection.execute(sql["latest_death"]).fetchall()[0][0]
        if latest is None:
            return DeadPage((), None)
        after = Died(AT_ONCE, 0, latest)
    found = connection.execute(sql["dead_after"], {**after._asdict(), "limit": query.limit}).fetchall()
    ids = tuple(job_id for job_id, job_type, _ in found if query.type in (None, job_type))
    return DeadPage(ids, Died(found[-1][2], found[-1][0], after.until) if len(found) == query.limit else None)


def list_owners(connection: sqlite3.Connection, sql: Sql, _query: ListOwners) -> set[str]:
    """See `ListOwners`."""
    return {row[0] for row in connection.execute(sql["owners"]).fetchall()}


def list_processing(connection: sqlite3.Connection, sql: Sql, query: ListProcessing) -> set[int]:
    """See `ListProcessing`."""
    return {row[0] for row in connection.execute(sql["processing_of_owner"], (query.owner,)).fetchall()}


def count_processing(connection: sqlite3.Connection, sql: Sql, query: CountProcessing) -> int:
    """See `CountProcessing`."""
    found: int = connection.execute(sql["processing_of_type"], (query.type,)).fetchall()[0][0]
    return found


def get_change_mark(connection: sqlite3.Connection, sql: Sql, _query: GetChangeMark) -> str:
    """See `GetChangeMark`. The version counts what other connections commit; in memory there is no other one."""
    ((version,),) = connection.execute(sql["data_version"]).fetchall()
    return f"{version}.{connection.total_changes}"


def get_database_id(connection: sqlite3.Connection, sql: Sql, _query: GetDatabaseId) -> str:
    """See `GetDatabaseId`."""
    return str(dict(connection.execute(sql["meta"]).fetchall()).get("database", ""))


READS: Final[Mapping[type, Callable[[sqlite3.Connection, Sql, Any], Any]]] = {
    CountProcessing: count_processing,
    DueSchedules: due_schedules,
    FindLeft: find_left,
    FindBatchOf: find_batch_of,
    FindCancelled: find_cancelled,
    FindEvents: find_events,
    FindStarted: find_started,
    GetBatch: get_batch,
    GetChangeMark: get_change_mark,
    GetDatabaseId: get_database_id,
    GetDocument: get_document,
    GetExpiry: get_expiry,
    GetJob: get_job,
    GetJobs: get_jobs,
    GetLog: read_log,
    GetParent: get_parent,
    GetSchedule: get_schedule,
    GetStandings: read_standings,
    FindIds: find_ids,
    FindJobs: find_jobs,
    FirstDue: first_due,
    ListAfter: list_after,
    ListAhead: list_ahead,
    ListAwaited: list_awaited,
    ListChildren: list_children,
    ListDead: list_dead,
    ListDocuments: list_documents,
    ListEdits: list_edits,
    ListLimits: list_limits,
    LookAtMeters: look_at_meters,
    ListEndedAhead: list_ended_ahead,
    ListMoments: list_moments,
    ListMovedAhead: list_moved_ahead,
    ListSchedules: list_schedules,
    ListTicks: list_ticks,
    LookAtTicks: look_at_ticks,
    ListBatchOwners: list_batch_owners,
    ListOwners: list_owners,
    ListPaused: list_paused,
    ListProcessing: list_processing,
    ListRestarted: list_restarted,
    ListRunners: list_runners,
    ListSteps: list_steps,
    SamplePayloads: sample_payloads,
    GetOverview: get_overview,
    LookAtLane: look_at_lane,
    ListHours: list_hours,
    SumErrors: sum_errors,
    SumFigures: sum_figures,
}
