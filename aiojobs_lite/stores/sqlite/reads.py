"""The questions: one function a query, over any connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiojobs_lite.model.columns import attempt_of, job_of
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import FindJobs, GetJob, ListOwners, ListPaused
from aiojobs_lite.stores.sqlite.rows import Sql

_LARGEST_ID: Final = 2**63 - 1
_NOT_COLUMNS: Final = frozenset({"ids", "before", "limit"})


def get_job(connection: sqlite3.Connection, sql: Sql, query: GetJob) -> Job | None:
    """See `GetJob`."""
    if abs(query.id) > _LARGEST_ID:
        return None
    one = sql["jobs_where"].format(index="", where="id = :id")
    found = connection.execute(one, {"id": query.id, "limit": 1}).fetchall()
    if not found:
        return None
    history = connection.execute(sql["attempts_of_job"], (query.id,)).fetchall()
    return job_of(found[0], tuple(map(attempt_of, history)))


def find_jobs(connection: sqlite3.Connection, sql: Sql, query: FindJobs) -> list[Job]:
    """See `FindJobs`."""
    if query.ids is not None and not query.ids:
        return []  # SQLite finds no way to use an index for it
    index, where, parameters = _conditions(query)
    found = connection.execute(sql["jobs_where"].format(index=index, where=where), parameters).fetchall()
    return list(map(job_of, found))


def list_owners(connection: sqlite3.Connection, sql: Sql, _query: ListOwners) -> set[str]:
    """See `ListOwners`."""
    return {row[0] for row in connection.execute(sql["owners"]).fetchall()}


def list_paused(connection: sqlite3.Connection, sql: Sql, _query: ListPaused) -> set[str]:
    """See `ListPaused`."""
    return {row[0] for row in connection.execute(sql["paused_types"]).fetchall()}


def _conditions(query: FindJobs) -> tuple[str, str, dict[str, Any]]:
    """The index and the WHERE clause of a filter. A status is spelled out, so that the partial indexes serve it; every
    other field is a column of its name.
    """
    index = ""
    where = ["1"]
    parameters: dict[str, Any] = {"limit": query.limit}
    if query.ids is not None:
        where.append(f"id IN ({', '.join(str(int(job_id)) for job_id in query.ids)})")
    if query.before is not None:
        where.append("id < :before")
        parameters["before"] = query.before
    if query.status is not None:
        where.append(f"status = '{query.status.value}'")
        if query.status in (Status.DEAD, Status.CANCELLED):
            index = "INDEXED BY aiojobs_jobs_finished"
            where.append("completed_at IS NOT NULL")
    for column in (name for name in query._fields if name not in _NOT_COLUMNS and name != "status"):
        value = getattr(query, column)
        if value is not None:
            where.append(f"{column} = :{column}")
            parameters[column] = value
    if query.status is Status.PROCESSING or (query.status is None and (query.owner or query.cancel_requested)):
        index = "INDEXED BY aiojobs_jobs_processing"
        where.append("status = 'processing'")  # no other has an owner, or was asked to cancel
    return index, " AND ".join(where), parameters


READS: Final[Mapping[type, Callable[[sqlite3.Connection, Sql, Any], Any]]] = {
    GetJob: get_job,
    FindJobs: find_jobs,
    ListOwners: list_owners,
    ListPaused: list_paused,
}
