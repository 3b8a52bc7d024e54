"""Lists of jobs: by which index they are found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.model.columns import LARGEST_INTEGER, job_of
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.queries import FindIds, FindJobs
from aiojobs_lite.stores.sqlite.rows import Sql

_NOT_COMPLETED: Final = frozenset({Status.DEAD, Status.CANCELLED})


def find_jobs(connection: sqlite3.Connection, sql: Sql, query: FindJobs) -> list[Job]:
    """See `FindJobs`."""
    if query.ids is not None and not query.ids:
        return []  # SQLite would look at every job
    return list(map(job_of, connection.execute(find_sql(sql, query), asked_of(query)).fetchall()))


def find_ids(connection: sqlite3.Connection, sql: Sql, query: FindIds) -> list[int]:
    """See `FindIds`."""
    if query.jobs.ids is not None and not query.jobs.ids:
        return []
    listed = sql["ids_of_list"].replace("{list}", find_sql(sql, query.jobs))
    found = connection.execute(listed, asked_of(query.jobs))
    return [job_id for (job_id,) in found.fetchall()]


def asked_of(query: FindJobs) -> dict[str, Any]:
    """The parameters of the query."""
    last = LARGEST_INTEGER if query.before is None else query.before - 1
    return {**query._asdict(), "metadata": metadata_of(query.metadata), "last": last}


def find_sql(sql: Sql, query: FindJobs) -> str:
    """The query by whose index the fewest jobs are looked at."""
    if query.ids is not None:
        of_ids = "jobs_of_ids" if query.batch is None else "jobs_of_batch_and_ids"
        return sql[of_ids].replace("{ids}", ", ".join(str(int(job_id)) for job_id in query.ids))
    if query.batch is not None:
        return sql["jobs_of_batch"]
    if query.status in _NOT_COMPLETED:
        return sql["jobs_not_completed"]
    if is_of_processing(query):
        return sql["jobs_processing"]  # no other has an owner, or was asked to cancel
    if query.held is not None:
        return sql["jobs_held_of_any_type" if query.type is None else "jobs_held"]
    return sql["jobs_of_page" if query.label is None else "jobs_of_label"]


def metadata_of(wanted: Mapping[str, Sequence[str | int]] | None) -> str | None:
    """The metadata that jobs are asked for, as JSON."""
    return json.dumps({name: [*values] for name, values in wanted.items()}) if wanted else None


def is_of_processing(query: FindJobs) -> bool:
    """Whether no other jobs than processing ones fit."""
    return query.status is Status.PROCESSING or (query.status is None and bool(query.owner or query.cancel_requested))
