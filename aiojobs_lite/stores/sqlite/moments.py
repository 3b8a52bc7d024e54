"""What happened to jobs: see `model/moments.py`."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import replace
from heapq import nlargest
from typing import Any, Final

from aiojobs_lite.clock import FIRST_INSTANT, LAST_INSTANT
from aiojobs_lite.model.columns import LARGEST_INTEGER, attempt_of
from aiojobs_lite.model.job import Attempt, Job
from aiojobs_lite.model.moments import (
    ORDER,
    GetJobs,
    ListMoments,
    Moment,
    MomentKind,
    MomentPage,
    moments_of,
    place_of,
)
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.stores.sqlite.lists import asked_fields, find_jobs
from aiojobs_lite.stores.sqlite.rows import Sql

_STREAMS: Final = {
    MomentKind.ENQUEUED: ("moments_enqueued",),
    MomentKind.STARTED: (
        "moments_started_of_completed", "moments_started_of_processing", "moments_started_of_failed",
    ),
    MomentKind.FAILED: ("moments_failed",),
    MomentKind.COMPLETED: ("moments_completed",),
    MomentKind.DEAD: ("moments_not_completed",),
    MomentKind.CANCELLED: ("moments_not_completed",),
}  # fmt: skip
"""The queries that list moments of a kind, each by an index."""


def list_moments(connection: sqlite3.Connection, sql: Sql, query: ListMoments) -> MomentPage:
    """See `ListMoments`."""
    found = _of_jobs(connection, sql, query) if query.ids is not None else _of_type(connection, sql, query)
    page = nlargest(query.limit, found, key=lambda one: place_of(one[0]))
    fitting = tuple([moment for moment, fits in page if fits])
    return MomentPage(fitting, page[-1][0] if page and len(page) == query.limit else None)


def get_jobs(connection: sqlite3.Connection, sql: Sql, query: GetJobs) -> dict[int, Job]:
    """See `GetJobs`."""
    return {job.id: job for job in _find(connection, sql, FindJobs(ids=query.ids, limit=len(query.ids)))}


def _of_type(connection: sqlite3.Connection, sql: Sql, query: ListMoments) -> list[tuple[Moment, bool]]:
    """The latest moments of each stream, and whether they are wanted."""
    found: list[tuple[Moment, bool]] = []
    wanted = {
        "type": query.type,
        "since": FIRST_INSTANT if query.since is None else query.since,
        "metadata": asked_fields(query.metadata),
        "payload": None,
        "limit": query.limit,
    }
    for kind in query.kinds:
        behind = _behind(query, kind)
        for name in _STREAMS[kind]:
            rows = connection.execute(sql[name], {**wanted, **behind, "kind": kind.value}).fetchall()
            found += [(Moment(at, kind, job_id, attempt), bool(fits)) for at, job_id, attempt, fits in rows]
    return found


def _behind(query: ListMoments, kind: MomentKind) -> dict[str, Any]:
    """Where the moments of a kind go on."""
    until = LAST_INSTANT if query.until is None else query.until
    if query.after is None:
        return {"until": until, "at": until, "id": LARGEST_INTEGER, "attempt": LARGEST_INTEGER}
    after = query.after
    if kind is after.kind:
        job_id, attempt = after.job_id, after.attempt
    else:
        job_id = attempt = LARGEST_INTEGER if ORDER[kind] < ORDER[after.kind] else -LARGEST_INTEGER
    return {"until": min(until, after.at), "at": after.at, "id": job_id, "attempt": attempt}


def _of_jobs(connection: sqlite3.Connection, sql: Sql, query: ListMoments) -> list[tuple[Moment, bool]]:
    """The moments of single jobs."""
    wanted = FindJobs(ids=query.ids, type=query.type, limit=len(query.ids or ()))
    fitting = {job.id for job in find_jobs(connection, sql, wanted._replace(metadata=query.metadata))}
    return [
        (moment, job.id in fitting)
        for job in _find(connection, sql, wanted)
        if job.metadata_json is not None
        for moment in moments_of(job)
        if _is_wanted(query, moment)
    ]


def _is_wanted(query: ListMoments, moment: Moment) -> bool:
    return (
        moment.kind in query.kinds
        and (query.since is None or moment.at >= query.since)
        and (query.until is None or moment.at <= query.until)
        and (query.after is None or place_of(moment) < place_of(query.after))
    )


def _find(connection: sqlite3.Connection, sql: Sql, query: FindJobs) -> list[Job]:
    """Jobs of some ids with their history."""
    jobs = find_jobs(connection, sql, query)
    if not jobs:
        return []
    histories = defaultdict[int, list[Attempt]](list)
    named = sql["attempts_of_jobs"].replace("{ids}", ", ".join(str(job.id) for job in jobs))
    for job_id, *row in connection.execute(named).fetchall():
        histories[job_id].append(attempt_of(row))
    return [replace(job, history=tuple(histories[job.id])) for job in jobs]
